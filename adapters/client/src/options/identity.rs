//! Who we are, worked out anew at every attempt.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use nats_conn_sm::{AuthError, Credentials, Server};

use crate::core::panics::Caught;

/// An answer to a [`Challenge`], to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Credentials, AuthError>> + Send>>;

/// What a server asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Challenge {
    /// The server.
    pub server: Server,
    /// What an NKEY has to sign, if the server sent something.
    pub nonce: Option<String>,
}

impl Challenge {
    /// What [`Action::Authenticate`](nats_conn_sm::Action::Authenticate) asks.
    pub fn new(server: Server, nonce: Option<String>) -> Self {
        Self { server, nonce }
    }
}

/// Where credentials come from: everything that was set, together. Files are read, and callbacks called, again at every
/// attempt: what was rotated in the meantime is used. Nothing of it prints.
#[derive(Clone, Default)]
pub struct Identity(Vec<Part>);

/// What one option was set to.
#[derive(Clone)]
struct Part {
    /// The name of the option.
    option: &'static str,
    says: Says,
    source: Source,
}

/// Of which of the two kinds of credentials an option says something. Of each kind there can be one.
#[derive(Clone, Copy)]
struct Says {
    /// A token, or a user with a password.
    shared: bool,
    /// An NKEY, or a JWT.
    key: bool,
}

#[derive(Clone)]
enum Source {
    Fixed(Credentials),
    Callback(Arc<dyn Fn(Challenge) -> Answer + Send + Sync>),
    #[cfg(feature = "nkeys")]
    Keys(crate::options::nkey::KeySource),
}

impl Says {
    /// What a callback says is known only when it has.
    const ANYTHING: Self = Self {
        shared: true,
        key: true,
    };

    fn of(credentials: &Credentials) -> Self {
        Self {
            shared: [&credentials.user, &credentials.password, &credentials.token]
                .into_iter()
                .any(Option::is_some),
            key: credentials.jwt.is_some() || credentials.nkey.is_some() || credentials.signature.is_some(),
        }
    }
}

impl Identity {
    pub(crate) fn set_user_password(&mut self, credentials: Credentials) {
        self.set(
            "user_password",
            Says::of(&credentials),
            Source::Fixed(credentials),
        );
    }

    pub(crate) fn set_token(&mut self, credentials: Credentials) {
        self.set("token", Says::of(&credentials), Source::Fixed(credentials));
    }

    pub(crate) fn set_credentials(&mut self, credentials: Credentials) {
        self.set("credentials", Says::of(&credentials), Source::Fixed(credentials));
    }

    pub(crate) fn set_callback<F, A>(&mut self, callback: F)
    where
        F: Fn(Challenge) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Credentials, AuthError>> + Send + 'static,
    {
        let callback = move |challenge| -> Answer { Box::pin(callback(challenge)) };
        self.set(
            "credentials_callback",
            Says::ANYTHING,
            Source::Callback(Arc::new(callback)),
        );
    }

    #[cfg(feature = "nkeys")]
    pub(crate) fn set_keys(&mut self, option: &'static str, source: crate::options::nkey::KeySource) {
        let says = Says {
            shared: false,
            key: true,
        };
        self.set(option, says, Source::Keys(source));
    }

    /// What the same option was set to before is forgotten.
    fn set(&mut self, option: &'static str, says: Says, source: Source) {
        self.0.retain(|part| part.option != option);
        self.0.push(Part { option, says, source });
    }

    /// Two options that say the same of who we are.
    pub(crate) fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let mut pairs = self
            .0
            .iter()
            .enumerate()
            .flat_map(|(place, first)| self.0[..place].iter().map(move |second| (second, first)));
        let (first, second) = pairs.find(|(first, second)| {
            (first.says.shared && second.says.shared) || (first.says.key && second.says.key)
        })?;
        Some((first.option, second.option))
    }

    /// Answers a challenge. Files are small and read at once, on the thread that polls.
    ///
    /// # Cancel safety
    /// Dropping it drops what the callback of the application gave.
    pub fn answer(&self, challenge: Challenge) -> Answer {
        let parts = self.0.clone();
        Box::pin(async move {
            let mut credentials = Credentials::default();
            for part in parts {
                let more = match part.source {
                    Source::Fixed(credentials) => credentials,
                    Source::Callback(callback) => {
                        let challenge = challenge.clone();
                        Caught::new(async move { callback(challenge).await })
                            .await
                            .map_err(|detail| AuthError::Panicked { detail })??
                    }
                    #[cfg(feature = "nkeys")]
                    Source::Keys(source) => source.answer(challenge.nonce.as_deref())?,
                };
                add(&mut credentials, more);
            }
            Ok(credentials)
        })
    }
}

/// Adds what is set in `more`.
fn add(credentials: &mut Credentials, more: Credentials) {
    let mut sum = Credentials::default();
    sum.user = more.user.or(credentials.user.take());
    sum.password = more.password.or(credentials.password.take());
    sum.token = more.token.or(credentials.token.take());
    sum.jwt = more.jwt.or(credentials.jwt.take());
    sum.nkey = more.nkey.or(credentials.nkey.take());
    sum.signature = more.signature.or(credentials.signature.take());
    *credentials = sum;
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")?;
        f.debug_list()
            .entries(self.0.iter().map(|part| part.option))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> Credentials {
        Credentials::user_password("ann", "pw")
    }

    #[test]
    fn two_options_that_say_the_same_are_a_contradiction_and_two_kinds_are_not() {
        let mut identity = Identity::default();
        assert_eq!(identity.contradiction(), None);
        identity.set_user_password(user());
        identity.set_user_password(user());
        assert_eq!(
            identity.contradiction(),
            None,
            "the same option again is another value"
        );
        identity.set_credentials(Credentials::jwt("jwt", "sig"));
        assert_eq!(identity.contradiction(), None, "a password beside a JWT");
        identity.set_token(Credentials::token("t"));
        assert_eq!(identity.contradiction(), Some(("user_password", "token")));

        let mut identity = Identity::default();
        identity.set_token(Credentials::token("t"));
        identity.set_callback(|_| async { Ok(Credentials::default()) });
        assert_eq!(identity.contradiction(), Some(("token", "credentials_callback")));

        let mut identity = Identity::default();
        identity.set_credentials(user());
        identity.set_credentials(Credentials::nkey("UKEY", "sig"));
        identity.set_token(Credentials::token("t"));
        assert_eq!(identity.contradiction(), None);
    }

    #[test]
    fn nothing_of_it_prints() {
        let mut identity = Identity::default();
        identity.set_user_password(user());
        assert_eq!(format!("{identity:?}"), "Identity[\"user_password\"]");
    }

    #[test]
    fn each_field_says_by_itself_who_we_are() {
        let said = |set: fn(&mut Credentials)| {
            let mut credentials = Credentials::default();
            set(&mut credentials);
            let says = Says::of(&credentials);
            (says.shared, says.key)
        };
        assert_eq!(said(|_| {}), (false, false));
        assert_eq!(said(|all| all.user = user().user), (true, false));
        assert_eq!(said(|all| all.password = user().password), (true, false));
        assert_eq!(
            said(|all| all.token = Credentials::token("t").token),
            (true, false)
        );
        assert_eq!(
            said(|all| all.jwt = Credentials::jwt("j", "s").jwt),
            (false, true)
        );
        assert_eq!(
            said(|all| all.nkey = Credentials::nkey("U", "s").nkey),
            (false, true)
        );
        assert_eq!(
            said(|all| all.signature = Credentials::nkey("U", "s").signature),
            (false, true)
        );
    }

    #[test]
    fn what_is_set_later_replaces_what_was_there_and_leaves_the_rest() {
        let mut sum = user();
        add(&mut sum, Credentials::token("t"));
        add(&mut sum, Credentials::jwt("j", "s"));
        add(&mut sum, Credentials::nkey("U", "other"));
        add(&mut sum, Credentials::default());
        let mut expected = user();
        expected.token = Credentials::token("t").token;
        expected.jwt = Credentials::jwt("j", "s").jwt;
        expected.nkey = Credentials::nkey("U", "other").nkey;
        expected.signature = Credentials::nkey("U", "other").signature;
        assert_eq!(sum, expected);
    }
}
