//! A user as a server's configuration describes it.

use std::fmt::Write as _;

use super::config::quoted;

/// One user of the `authorization` block: who it is and what it may do (by default: everything).
#[derive(Clone, Debug)]
pub struct User {
    identity: String,
    allow_publish: Vec<String>,
    deny_publish: Vec<String>,
    allow_subscribe: Vec<String>,
    deny_subscribe: Vec<String>,
    /// `allow_responses` is a permission of its own, granted or not.
    allow_responses: bool,
}

impl User {
    /// A user with a password in clear text, or hashed with bcrypt where it begins with `$2a$`.
    pub fn with_password(name: &str, password: &str) -> Self {
        Self::new(format!("user: {}, password: {}", quoted(name), quoted(password)))
    }

    /// A user known by its public NKEY (`U…`).
    pub fn with_nkey(public_key: &str) -> Self {
        Self::new(format!("nkey: {}", quoted(public_key)))
    }

    /// A user known by its certificate where TLS verifies and maps: the subject or a name in it.
    pub fn with_certificate(name: &str) -> Self {
        Self::new(format!("user: {}", quoted(name)))
    }

    /// Subjects it may publish to; every other is refused.
    pub fn allow_publish(mut self, filters: &[&str]) -> Self {
        self.allow_publish
            .extend(filters.iter().map(|&filter| filter.to_owned()));
        self
    }

    /// Subjects it must not publish to.
    pub fn deny_publish(mut self, filters: &[&str]) -> Self {
        self.deny_publish
            .extend(filters.iter().map(|&filter| filter.to_owned()));
        self
    }

    /// Filters it may subscribe to, `"filter queue"` for one with a queue group; every other is refused.
    pub fn allow_subscribe(mut self, filters: &[&str]) -> Self {
        self.allow_subscribe
            .extend(filters.iter().map(|&filter| filter.to_owned()));
        self
    }

    /// Filters it must not subscribe to.
    pub fn deny_subscribe(mut self, filters: &[&str]) -> Self {
        self.deny_subscribe
            .extend(filters.iter().map(|&filter| filter.to_owned()));
        self
    }

    /// It may publish one reply to each request it received, whatever the reply subject.
    pub fn allow_responses(mut self) -> Self {
        self.allow_responses = true;
        self
    }

    fn new(identity: String) -> Self {
        Self {
            identity,
            allow_publish: Vec::new(),
            deny_publish: Vec::new(),
            allow_subscribe: Vec::new(),
            deny_subscribe: Vec::new(),
            allow_responses: false,
        }
    }

    pub(super) fn render(&self, text: &mut String) {
        let mut permissions = Vec::new();
        permissions.extend(permission("publish", &self.allow_publish, &self.deny_publish));
        permissions.extend(permission(
            "subscribe",
            &self.allow_subscribe,
            &self.deny_subscribe,
        ));
        permissions.extend(self.allow_responses.then(|| "allow_responses: true".to_owned()));
        let _ = if permissions.is_empty() {
            writeln!(text, "    {{ {} }}", self.identity)
        } else {
            writeln!(
                text,
                "    {{ {}, permissions: {{ {} }} }}",
                self.identity,
                permissions.join(", ")
            )
        };
    }
}

fn permission(verb: &str, allow: &[String], deny: &[String]) -> Option<String> {
    let entry = |(key, filters): (&str, &[String])| {
        let filters: Vec<String> = filters.iter().map(|filter| quoted(filter)).collect();
        (!filters.is_empty()).then(|| format!("{key}: [{}]", filters.join(", ")))
    };
    let entries: Vec<String> = [("allow", allow), ("deny", deny)]
        .into_iter()
        .filter_map(entry)
        .collect();
    (!entries.is_empty()).then(|| format!("{verb}: {{ {} }}", entries.join(", ")))
}
