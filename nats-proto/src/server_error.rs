//! What a server complains about.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::control_line::{decimal, is_blank, trim};
use crate::one_line::OneLine;
use crate::sid::Sid;

/// What a server complains about, in `-ERR`: its text, and what is known of it.
///
/// Texts are compared regardless of case (servers mix it) and kept as they came.
///
/// ```
/// use nats_proto::{PermissionOperation, ServerError};
///
/// let error = ServerError::parse(br#" 'Permissions Violation for Subscription to "a.b" using queue "q"'"#);
/// let violation = error.permission().unwrap();
/// assert_eq!(violation.operation, PermissionOperation::Subscribe);
/// assert_eq!((violation.subject.as_str(), violation.queue.as_deref()), ("a.b", Some("q")));
/// assert_eq!((error.closes(), error.code()), (false, "permissions_violation"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError {
    kind: ServerErrorKind,
    text: String,
}

crate::debug_line::debug_line!(ServerError);

/// The complaints that servers are known to have (`errors.go`, `client.go`, `parser.go`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// `Unknown Protocol Operation`: what we wrote is not the protocol. Closes.
    UnknownProtocolOperation,
    /// `Authorization Violation`: wrong or missing credentials. Closes.
    AuthorizationViolation,
    /// `Authentication Timeout`: no acceptable CONNECT in time, often because credentials took too long. Closes.
    AuthenticationTimeout,
    /// `User Authentication Expired`. Closes.
    UserAuthenticationExpired,
    /// `User Authentication Revoked`. Closes.
    UserAuthenticationRevoked,
    /// `Account Authentication Expired`. Closes.
    AccountAuthenticationExpired,
    /// `maximum connections exceeded`. Closes; on a TLS port it is sent in clear text, before the handshake.
    MaximumConnectionsExceeded,
    /// `maximum account active connections exceeded`. Closes.
    MaximumAccountConnectionsExceeded,
    /// `Connection throttling is active. Please try again later.` Closes, before the handshake.
    ConnectionThrottling,
    /// `Maximum Payload Violation`: a message above `max_payload`. Closes.
    MaximumPayloadViolation,
    /// `maximum control line exceeded`. Closes.
    MaximumControlLineExceeded,
    /// `maximum subscriptions exceeded`: the last one was not taken.
    MaximumSubscriptionsExceeded,
    /// `invalid client protocol`: CONNECT with another `protocol` than 0 or 1. Closes.
    InvalidClientProtocol,
    /// `no responders requires headers support`: a CONNECT with one and not the other. Closes.
    NoRespondersRequiresHeaders,
    /// `Failed Account Registration`. Closes.
    FailedAccountRegistration,
    /// `Stale Connection`: too many PINGs went unanswered. Closes.
    StaleConnection,
    /// `Permissions Violation for …`: one subject that the user must not use.
    PermissionsViolation(Box<PermissionViolation>),
    /// `Invalid Subject`: a SUB that was not taken. The text names neither subject nor sid.
    InvalidSubject,
    /// `Invalid Publish Subject`, in pedantic mode. The message is delivered anyway.
    InvalidPublishSubject,
    /// `Secure Connection - TLS Required`. Closes.
    TlsRequired,
    /// `attempted to connect to route port`, or to that of leaf nodes or gateways. Closes.
    WrongPort,
    /// Any other text.
    Other,
}

/// Which subject a user must not use, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermissionViolation {
    /// What was refused.
    pub operation: PermissionOperation,
    /// The subject as we wrote it; what is not UTF-8 in it is replaced.
    pub subject: String,
    /// The queue group, if the text names one.
    pub queue: Option<String>,
    /// The subscription, if the text names it: only where a reload of the server's configuration ended it.
    pub sid: Option<Sid>,
}

/// What a user must not do with a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PermissionOperation {
    /// Publish to it. The message is gone.
    Publish,
    /// Publish with it as the reply subject. The message is gone.
    PublishReply,
    /// Subscribe to it. The subscription does not exist.
    Subscribe,
}

impl ServerError {
    /// Reads what follows `-ERR`: any bytes, or none.
    ///
    /// Blanks around the text and one pair of single quotes are cut off; what is not UTF-8 is replaced.
    pub fn parse(text: &[u8]) -> Self {
        let text = match trim(text) {
            [b'\'', quoted @ .., b'\''] => quoted,
            [b'\'', rest @ ..] | rest => rest,
        };
        let text = String::from_utf8_lossy(text).into_owned();
        Self {
            kind: ServerErrorKind::of(&text),
            text,
        }
    }

    /// What it is about.
    pub fn kind(&self) -> &ServerErrorKind {
        &self.kind
    }

    /// What the server said, without the quotes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a server closes the connection after it.
    pub fn closes(&self) -> bool {
        use ServerErrorKind as Kind;
        !matches!(
            self.kind,
            Kind::MaximumSubscriptionsExceeded
                | Kind::PermissionsViolation(_)
                | Kind::InvalidSubject
                | Kind::InvalidPublishSubject
                | Kind::Other
        )
    }

    /// Whether it says that the credentials are no good. Running out of time or of connections does not.
    pub fn is_authentication(&self) -> bool {
        use ServerErrorKind as Kind;
        matches!(
            self.kind,
            Kind::AuthorizationViolation
                | Kind::UserAuthenticationExpired
                | Kind::UserAuthenticationRevoked
                | Kind::AccountAuthenticationExpired
        )
    }

    /// A name of the kind that does not change, for programs: `authorization_violation`, `other`.
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    /// The subject and what was refused, if it is about permissions.
    pub fn permission(&self) -> Option<&PermissionViolation> {
        match &self.kind {
            ServerErrorKind::PermissionsViolation(violation) => Some(violation),
            _ => None,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            f.write_str("(no text)")
        } else {
            write!(f, "{}", OneLine(&self.text))
        }
    }
}

impl core::error::Error for ServerError {}

impl ServerErrorKind {
    /// A name of the kind that does not change, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownProtocolOperation => "unknown_protocol_operation",
            Self::AuthorizationViolation => "authorization_violation",
            Self::AuthenticationTimeout => "authentication_timeout",
            Self::UserAuthenticationExpired => "user_authentication_expired",
            Self::UserAuthenticationRevoked => "user_authentication_revoked",
            Self::AccountAuthenticationExpired => "account_authentication_expired",
            Self::MaximumConnectionsExceeded => "maximum_connections_exceeded",
            Self::MaximumAccountConnectionsExceeded => "maximum_account_connections_exceeded",
            Self::ConnectionThrottling => "connection_throttling",
            Self::MaximumPayloadViolation => "maximum_payload_violation",
            Self::MaximumControlLineExceeded => "maximum_control_line_exceeded",
            Self::MaximumSubscriptionsExceeded => "maximum_subscriptions_exceeded",
            Self::InvalidClientProtocol => "invalid_client_protocol",
            Self::NoRespondersRequiresHeaders => "no_responders_requires_headers",
            Self::FailedAccountRegistration => "failed_account_registration",
            Self::StaleConnection => "stale_connection",
            Self::PermissionsViolation(_) => "permissions_violation",
            Self::InvalidSubject => "invalid_subject",
            Self::InvalidPublishSubject => "invalid_publish_subject",
            Self::TlsRequired => "tls_required",
            Self::WrongPort => "wrong_port",
            Self::Other => "other",
        }
    }

    fn of(text: &str) -> Self {
        if let Some(violation) = PermissionViolation::parse(text) {
            return Self::PermissionsViolation(Box::new(violation));
        }
        let is = |known: &str| text.eq_ignore_ascii_case(known);
        match () {
            () if is("unknown protocol operation") => Self::UnknownProtocolOperation,
            () if is("authorization violation") => Self::AuthorizationViolation,
            () if is("authentication timeout") => Self::AuthenticationTimeout,
            () if is("user authentication expired") => Self::UserAuthenticationExpired,
            () if is("user authentication revoked") => Self::UserAuthenticationRevoked,
            () if is("account authentication expired") => Self::AccountAuthenticationExpired,
            () if is("maximum connections exceeded") => Self::MaximumConnectionsExceeded,
            () if is("maximum account active connections exceeded") => {
                Self::MaximumAccountConnectionsExceeded
            }
            () if begins(text, "connection throttling is active") => Self::ConnectionThrottling,
            () if is("maximum payload violation") => Self::MaximumPayloadViolation,
            () if is("maximum control line exceeded") => Self::MaximumControlLineExceeded,
            () if is("maximum subscriptions exceeded") => Self::MaximumSubscriptionsExceeded,
            () if is("invalid client protocol") => Self::InvalidClientProtocol,
            () if is("no responders requires headers support") => Self::NoRespondersRequiresHeaders,
            () if is("failed account registration") => Self::FailedAccountRegistration,
            () if is("stale connection") => Self::StaleConnection,
            () if is("invalid subject") => Self::InvalidSubject,
            () if is("invalid publish subject") => Self::InvalidPublishSubject,
            () if is("secure connection - tls required") => Self::TlsRequired,
            () if begins(text, "attempted to connect to ") => Self::WrongPort,
            () => Self::Other,
        }
    }
}

impl PermissionViolation {
    /// `Permissions Violation for <operation> "<subject>"`, then perhaps ` using queue "<queue>"`,
    /// `, too many tokens` and ` (sid "<sid>")`; all quoted as Go's `%q` does it.
    fn parse(text: &str) -> Option<Self> {
        let rest = strip(text, "permissions violation for ")?;
        let (operation, rest) = [
            ("publish with reply of ", PermissionOperation::PublishReply),
            ("publish to ", PermissionOperation::Publish),
            ("subscription to ", PermissionOperation::Subscribe),
        ]
        .into_iter()
        .find_map(|(words, operation)| Some((operation, strip(rest, words)?)))?;
        let (subject, mut rest) = quoted(rest);
        let queue = strip(rest, " using queue ").map(|behind| {
            let (queue, behind) = quoted(behind);
            rest = behind;
            queue
        });
        let rest = strip(rest, ", too many tokens").unwrap_or(rest);
        let sid = strip(rest, " (sid ").and_then(|behind| {
            let (sid, _) = quoted(behind);
            decimal(sid.as_bytes()).ok().map(Sid::new)
        });
        Some(Self {
            operation,
            subject,
            queue,
            sid,
        })
    }
}

fn begins(text: &str, known: &str) -> bool {
    strip(text, known).is_some()
}

/// What follows `known`, regardless of case.
fn strip<'a>(text: &'a str, known: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(known.len())?;
    start.eq_ignore_ascii_case(known).then_some(rest)
}

/// The text that a Go-quoted string at the beginning of `text` stands for, and what follows it. Without quotes
/// it is all up to the next blank.
fn quoted(text: &str) -> (String, &str) {
    let Some(inner) = text.strip_prefix('"') else {
        let end = text.bytes().position(is_blank).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        return (word.to_owned(), rest);
    };
    // Bytes, because an escape may stand for a part of a character.
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    loop {
        let mut characters = rest.chars();
        match characters.next() {
            None => break,
            Some('"') => {
                rest = characters.as_str();
                break;
            }
            Some('\\') => rest = unescape(characters.as_str(), &mut bytes),
            Some(other) => {
                push_char(other, &mut bytes);
                rest = characters.as_str();
            }
        }
    }
    (String::from_utf8_lossy(&bytes).into_owned(), rest)
}

/// Adds what the escape that begins after a backslash stands for; returns what follows it. What is not an escape
/// of Go stands for itself.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let mut characters = text.chars();
    let Some(letter) = characters.next() else {
        bytes.push(b'\\');
        return "";
    };
    let behind = characters.as_str();
    let hex = |digits: usize| {
        let (number, rest) = behind.split_at_checked(digits)?;
        let all_hex = number.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some((u32::from_str_radix(number, 16).ok().filter(|_| all_hex)?, rest))
    };
    let simple = match letter {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' | '"' | '\'' => u8::try_from(letter).unwrap_or_default(),
        'x' => {
            if let Some((number, rest)) = hex(2) {
                bytes.push(u8::try_from(number).unwrap_or_default());
                return rest;
            }
            b'x'
        }
        'u' | 'U' => {
            if let Some((number, rest)) = hex(if letter == 'u' { 4 } else { 8 }) {
                push_char(
                    char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER),
                    bytes,
                );
                return rest;
            }
            u8::try_from(letter).unwrap_or_default()
        }
        other => {
            push_char(other, bytes);
            return behind;
        }
    };
    bytes.push(simple);
    behind
}

fn push_char(character: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}
