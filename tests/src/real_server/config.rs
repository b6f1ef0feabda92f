//! The configuration file of a server, and a builder for it.

use std::fmt::Write as _;
use std::time::Duration;

use super::{TlsFiles, User};

/// A server's configuration. Its defaults are those of the server; ports and addresses are set by the harness.
///
/// Lame duck mode lasts at least 30 s by the server's rule (both supported versions refuse less), but the grace period
/// is free, and clients are closed at most 1 s apart after it. With `lame_duck(30 s, 100 ms)` a lone client is therefore
/// closed after 100 ms, and a server without clients goes at once.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// `key: value` lines, rendered already.
    settings: Vec<String>,
    users: Vec<User>,
    token: Option<String>,
    auth_timeout: Option<Duration>,
    account_jwts: Vec<(String, String)>,
    tls: Option<ServerTls>,
    cluster: Option<ClusterSection>,
    raw: String,
}

impl ServerConfig {
    /// The server's defaults: anyone may connect, plain TCP, no cluster.
    pub fn new() -> Self {
        Self::default()
    }

    /// `server_name`. Default: the server's random id.
    pub fn server_name(self, name: &str) -> Self {
        self.setting("server_name", &quoted(name))
    }

    /// Adds a user with its permissions; anonymous clients are refused from then on.
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// The one token all clients present. The server takes either this or users.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// `no_auth_user`: who clients without credentials are.
    pub fn no_auth_user(self, name: &str) -> Self {
        self.setting("no_auth_user", &quoted(name))
    }

    /// How long the server waits for CONNECT. Server default: 2 s.
    pub fn auth_timeout(mut self, limit: Duration) -> Self {
        self.auth_timeout = Some(limit);
        self
    }

    /// Operator mode with accounts kept in memory: the operator's JWT itself. Add accounts with
    /// [`account_jwt`](Self::account_jwt).
    pub fn operator(self, jwt: &str) -> Self {
        self.setting("operator", &quoted(jwt))
            .setting("resolver", "MEMORY")
    }

    /// One account of the memory resolver: its public key (`A…`) and its JWT.
    pub fn account_jwt(mut self, public_key: &str, jwt: &str) -> Self {
        self.account_jwts.push((public_key.to_owned(), jwt.to_owned()));
        self
    }

    /// `system_account`: the public key of the system account in operator mode, otherwise an account's name.
    pub fn system_account(self, account: &str) -> Self {
        self.setting("system_account", &quoted(account))
    }

    /// `max_payload` in bytes. Server default: 1 MiB.
    pub fn max_payload(self, bytes: u64) -> Self {
        self.setting("max_payload", &bytes.to_string())
    }

    /// `max_pending`: bytes the server holds for a client before it is a slow consumer, `max_payload` at
    /// least. Server default: 64 MiB.
    pub fn max_pending(self, bytes: u64) -> Self {
        self.setting("max_pending", &bytes.to_string())
    }

    /// `max_control_line` in bytes. Server default: 4096.
    pub fn max_control_line(self, bytes: u64) -> Self {
        self.setting("max_control_line", &bytes.to_string())
    }

    /// `max_connections`: clients in all. Server default: 64 Ki.
    pub fn max_connections(self, count: u32) -> Self {
        self.setting("max_connections", &count.to_string())
    }

    /// `max_subscriptions` per client. Server default: no limit.
    pub fn max_subscriptions(self, count: u32) -> Self {
        self.setting("max_subscriptions", &count.to_string())
    }

    /// `ping_interval`. Server default: 2 min.
    pub fn ping_interval(self, interval: Duration) -> Self {
        self.setting("ping_interval", &duration(interval))
    }

    /// `ping_max`: unanswered PINGs until the server gives a client up. Server default: 2.
    pub fn ping_max(self, count: u32) -> Self {
        self.setting("ping_max", &count.to_string())
    }

    /// `write_deadline`: how long a client may block the server's write. Server default: 10 s.
    pub fn write_deadline(self, limit: Duration) -> Self {
        self.setting("write_deadline", &duration(limit))
    }

    /// `lame_duck_duration` (30 s at least) and `lame_duck_grace_period` (shorter than it). Server defaults: 2 min, 10 s.
    pub fn lame_duck(self, whole: Duration, grace: Duration) -> Self {
        self.setting("lame_duck_duration", &duration(whole))
            .setting("lame_duck_grace_period", &duration(grace))
    }

    /// `no_header_support`: a server that offers no headers.
    pub fn without_headers(self) -> Self {
        self.setting("no_header_support", "true")
    }

    /// `client_advertise`: the `host:port` that cluster peers announce for this server.
    pub fn client_advertise(self, host_and_port: &str) -> Self {
        self.setting("client_advertise", &quoted(host_and_port))
    }

    /// `debug` and `trace`: every protocol line in [`log`](super::RealServer::log).
    pub fn trace(self) -> Self {
        self.setting("debug", "true").setting("trace", "true")
    }

    /// TLS for clients.
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Makes the server part of a cluster. [`Cluster::start`](super::Cluster::start) sets name and routes by itself.
    pub fn cluster(mut self, section: ClusterSection) -> Self {
        self.cluster = Some(section);
        self
    }

    /// Adds lines as they stand, in the server's own syntax: accounts, mappings, whatever has no method here.
    pub fn raw(mut self, text: &str) -> Self {
        self.raw.push_str(text);
        self.raw.push('\n');
        self
    }

    pub(super) fn cluster_section(&self) -> Option<&ClusterSection> {
        self.cluster.as_ref()
    }

    /// The configuration file for a server on these ports of 127.0.0.1.
    pub(super) fn render(&self, client_port: u16, monitor_port: u16, cluster_port: Option<u16>) -> String {
        let mut text = format!("listen: \"127.0.0.1:{client_port}\"\nhttp: \"127.0.0.1:{monitor_port}\"\n");
        for line in &self.settings {
            let _ = writeln!(text, "{line}");
        }
        self.render_authorization(&mut text);
        if !self.account_jwts.is_empty() {
            text.push_str("resolver_preload {\n");
            for (key, jwt) in &self.account_jwts {
                let _ = writeln!(text, "  {key}: {}", quoted(jwt));
            }
            text.push_str("}\n");
        }
        if let Some(tls) = &self.tls {
            tls.render(&mut text);
        }
        if let (Some(cluster), Some(port)) = (&self.cluster, cluster_port) {
            cluster.render(port, &mut text);
        }
        text.push_str(&self.raw);
        text
    }

    fn render_authorization(&self, text: &mut String) {
        if self.users.is_empty() && self.token.is_none() && self.auth_timeout.is_none() {
            return;
        }
        text.push_str("authorization {\n");
        if let Some(token) = &self.token {
            let _ = writeln!(text, "  token: {}", quoted(token));
        }
        if let Some(limit) = self.auth_timeout {
            let _ = writeln!(text, "  timeout: {:.3}", limit.as_secs_f64());
        }
        if !self.users.is_empty() {
            text.push_str("  users = [\n");
            for user in &self.users {
                user.render(text);
            }
            text.push_str("  ]\n");
        }
        text.push_str("}\n");
    }

    fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.push(format!("{key}: {value}"));
        self
    }
}

/// The `tls` block for clients. Without more, clients verify the server and need no certificate.
#[derive(Clone, Debug)]
pub struct ServerTls {
    files: TlsFiles,
    /// `key: value` lines, rendered already.
    settings: Vec<&'static str>,
    /// `allow_non_tls` stands outside the block.
    allows_plain: bool,
}

impl ServerTls {
    /// TLS with the server certificate of these files, which live at least as long as this value.
    pub fn new(files: &TlsFiles) -> Self {
        Self {
            files: files.clone(),
            settings: Vec::new(),
            allows_plain: false,
        }
    }

    /// `verify`: clients must show a certificate of the CA.
    pub fn verify_clients(mut self) -> Self {
        self.settings.push("verify: true");
        self
    }

    /// `verify_and_map`: as [`verify_clients`](Self::verify_clients), and a name in the certificate is the user.
    pub fn verify_and_map(mut self) -> Self {
        self.settings.push("verify_and_map: true");
        self
    }

    /// `handshake_first`: TLS before INFO. Needs [`Version::has_tls_first`](super::Version::has_tls_first).
    pub fn handshake_first(mut self) -> Self {
        self.settings.push("handshake_first: true");
        self
    }

    /// `allow_non_tls`: TLS is offered (`tls_available`), not required.
    pub fn allow_plain(mut self) -> Self {
        self.allows_plain = true;
        self
    }

    fn render(&self, text: &mut String) {
        let path = |path: &std::path::Path| quoted(&path.to_string_lossy());
        let _ = writeln!(text, "tls {{\n  cert_file: {}", path(&self.files.cert));
        let _ = writeln!(
            text,
            "  key_file: {}\n  ca_file: {}",
            path(&self.files.key),
            path(&self.files.ca)
        );
        for line in &self.settings {
            let _ = writeln!(text, "  {line}");
        }
        text.push_str("}\n");
        if self.allows_plain {
            text.push_str("allow_non_tls: true\n");
        }
    }
}

/// The `cluster` block; its port is claimed by the harness.
#[derive(Clone, Debug)]
pub struct ClusterSection {
    name: String,
    routes: Vec<u16>,
    /// `no_advertise` is a switch of the server's own.
    silent: bool,
}

impl ClusterSection {
    /// A cluster of this name without routes.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            routes: Vec::new(),
            silent: false,
        }
    }

    /// Cluster ports on 127.0.0.1 to connect to. The server ignores its own.
    pub fn routes(mut self, ports: &[u16]) -> Self {
        self.routes = ports.to_vec();
        self
    }

    /// `no_advertise`: the other servers are not announced to clients.
    pub fn without_advertising(mut self) -> Self {
        self.silent = true;
        self
    }

    pub(super) fn advertises(&self) -> bool {
        !self.silent
    }

    fn render(&self, port: u16, text: &mut String) {
        let _ = writeln!(
            text,
            "cluster {{\n  name: {}\n  listen: \"127.0.0.1:{port}\"",
            quoted(&self.name)
        );
        let routes: Vec<String> = self
            .routes
            .iter()
            .map(|port| format!("\"nats://127.0.0.1:{port}\""))
            .collect();
        let _ = writeln!(
            text,
            "  routes: [{}]\n  no_advertise: {}\n}}",
            routes.join(", "),
            self.silent
        );
    }
}

/// A string as the configuration's grammar has it (`conf/lex.go`: double quotes, backslash escapes).
pub(super) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A duration as the server parses it, down to a millisecond.
fn duration(value: Duration) -> String {
    format!("\"{}ms\"", value.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_a_user_is_in_the_file() {
        let user = User::with_password("a\"lice", "pass\\word")
            .allow_publish(&["a.>", "b"])
            .deny_subscribe(&["secret.*"])
            .allow_responses();
        let text = ServerConfig::new()
            .user(user)
            .max_payload(10)
            .raw("jetstream: disabled")
            .render(1, 2, None);
        assert_eq!(
            text,
            "listen: \"127.0.0.1:1\"\nhttp: \"127.0.0.1:2\"\nmax_payload: 10\nauthorization {\n  users = [\n    \
             { user: \"a\\\"lice\", password: \"pass\\\\word\", permissions: { publish: { allow: [\"a.>\", \"b\"] }, \
             subscribe: { deny: [\"secret.*\"] }, allow_responses: true } }\n  ]\n}\njetstream: disabled\n"
        );
    }

    #[test]
    fn durations_keep_their_milliseconds() {
        let text = ServerConfig::new()
            .lame_duck(Duration::from_secs(30), Duration::from_millis(100))
            .render(1, 2, None);
        assert!(
            text.contains("lame_duck_duration: \"30000ms\"\nlame_duck_grace_period: \"100ms\"\n"),
            "{text}"
        );
    }
}
