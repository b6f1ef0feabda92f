//! The errors of real servers, by short names.

/// The names, in the order of `--help`, and the texts of real servers.
pub(super) const KINDS: [(&str, &str); 25] = [
    ("auth", "Authorization Violation"),
    ("auth-timeout", "Authentication Timeout"),
    ("auth-expired", "User Authentication Expired"),
    ("auth-revoked", "User Authentication Revoked"),
    ("account-expired", "Account Authentication Expired"),
    ("account", "Failed Account Registration"),
    ("stale", "Stale Connection"),
    ("slow", "Slow Consumer"),
    ("shutdown", "Server Shutdown"),
    ("max-connections", "maximum connections exceeded"),
    (
        "max-account-connections",
        "maximum account active connections exceeded",
    ),
    (
        "throttled",
        "Connection throttling is active. Please try again later.",
    ),
    ("max-payload", "Maximum Payload Violation"),
    ("max-control-line", "maximum control line exceeded"),
    ("max-subscriptions", "maximum subscriptions exceeded"),
    ("publish", "Permissions Violation for Publish to \"denied\""),
    (
        "reply",
        "Permissions Violation for Publish with Reply of \"denied\"",
    ),
    (
        "subscribe",
        "Permissions Violation for Subscription to \"denied\"",
    ),
    ("invalid-subject", "Invalid Subject"),
    ("invalid-publish-subject", "Invalid Publish Subject"),
    ("unknown-operation", "Unknown Protocol Operation"),
    ("parser", "Parser Error"),
    ("protocol-version", "Invalid Client Protocol"),
    ("tls", "Secure Connection - TLS Required"),
    ("wrong-port", "Attempted To Connect To Route Port"),
];

/// The text of the error that is meant by a name, or the text itself in single quotes.
pub(super) fn error_text(named: &str) -> Result<String, String> {
    if let Some(text) = super::words::unquoted(named) {
        return Ok(text.to_owned());
    }
    let known = KINDS.iter().find(|(name, _)| *name == named);
    known.map(|(_, text)| (*text).to_owned()).ok_or_else(|| {
        format!("{named:?} is no error of a server: give a name of --help, or a text in single quotes")
    })
}
