//! What can go wrong, one small enum for each verb.

mod advice;

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::time::Duration;

use nats_proto::{DecodeError, OneLine, ServerError};
use thiserror::Error;

/// Settings that cannot be used.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The list of servers is empty.
    #[error("no servers: give at least one URL, such as nats://127.0.0.1:4222")]
    NoServers,
    /// `max_reconnects` is 0.
    #[error(
        "max_reconnects is 0: use `reconnect = false` for no reconnecting, or at least 1 attempt a server"
    )]
    ZeroMaxReconnects,
    /// `max_pings_out` is 0.
    #[error("max_pings_out is 0: at least 1 PING must be allowed to be unanswered")]
    ZeroMaxPingsOut,
    /// A time that must not be zero is.
    #[error("{setting} is zero: give it some time")]
    ZeroDuration {
        /// Which.
        setting: &'static str,
    },
    /// `DropOldest` would drop what at-least-once has promised to deliver.
    #[error("when_full = DropOldest contradicts delivery = AtLeastOnce: use Error or Off")]
    DropOldestWithAtLeastOnce,
}

crate::debug_line::debug_line!(ConfigError);

impl ConfigError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoServers => "no_servers",
            Self::ZeroMaxReconnects => "zero_max_reconnects",
            Self::ZeroMaxPingsOut => "zero_max_pings_out",
            Self::ZeroDuration { .. } => "zero_duration",
            Self::DropOldestWithAtLeastOnce => "drop_oldest_with_at_least_once",
        }
    }
}

/// Why a publish was not accepted. Nothing was queued.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The connection is closed, or closing.
    #[error("the connection is closed: make another one")]
    Closed,
    /// A drain has reached the point from which nothing more is accepted.
    #[error("the connection is draining: nothing new is taken, make another one")]
    Draining,
    /// The send buffer is full.
    #[error("the send buffer is full ({limit} bytes): wait for room, or raise `send_buffer`")]
    BufferFull {
        /// The limit.
        limit: usize,
    },
    /// There is no link, and nothing is taken during an outage (`when_full = Off`).
    #[error(
        "not connected, and nothing is taken during an outage: wait for `Reconnected`, or use when_full = Error"
    )]
    NotConnected,
    /// Headers and payload together are larger than the server takes.
    #[error(
        "headers and payload are {size} bytes, the server takes {max_payload}: \
         send it in parts, or raise max_payload there"
    )]
    TooLarge {
        /// Headers and payload.
        size: usize,
        /// The server's limit.
        max_payload: u64,
    },
    /// The server does not support headers.
    #[error("the server does not support headers: publish without, or use a server of version 2.2 or newer")]
    HeadersUnsupported,
    /// Subject and reply subject are longer than a server takes.
    #[error("the control line would be {size} bytes long, a server takes {max}: shorten the subjects")]
    ControlLineTooLong {
        /// Its length.
        size: usize,
        /// The limit.
        max: usize,
    },
}

crate::debug_line::debug_line!(PublishError);

impl PublishError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Draining => "draining",
            Self::BufferFull { .. } => "buffer_full",
            Self::NotConnected => "not_connected",
            Self::TooLarge { .. } => "too_large",
            Self::HeadersUnsupported => "headers_unsupported",
            Self::ControlLineTooLong { .. } => "control_line_too_long",
        }
    }
}

/// Why a subscription was not made.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The connection is closed, or closing.
    #[error("the connection is closed: make another one")]
    Closed,
    /// The connection is draining.
    #[error("the connection is draining: nothing new is taken, make another one")]
    Draining,
    /// Filter and queue group are longer than a server takes.
    #[error("the control line would be {size} bytes long, a server takes {max}: shorten the subject")]
    ControlLineTooLong {
        /// Its length.
        size: usize,
        /// The limit.
        max: usize,
    },
}

crate::debug_line::debug_line!(SubscribeError);

impl SubscribeError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Draining => "draining",
            Self::ControlLineTooLong { .. } => "control_line_too_long",
        }
    }
}

/// Why a call about a subscription changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// It has ended, or never was.
    #[error("no such subscription: it has ended, make another one")]
    Unknown,
}

crate::debug_line::debug_line!(SubscriptionError);

impl SubscriptionError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
        }
    }
}

/// Why a request was not made.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestStartError {
    /// The connection is draining.
    #[error("the connection is draining: nothing new is taken, make another one")]
    Draining,
    /// As many requests as can have different ids wait for their replies: 2^24.
    #[error("too many requests wait for their replies: wait for some, or give them a shorter timeout")]
    TooMany,
    /// The request could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

crate::debug_line::debug_line!(RequestStartError);

impl RequestStartError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::TooMany => "too_many_requests",
            Self::Publish(error) => error.code(),
        }
    }
}

/// How a request that was made can fail.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Nobody listens on the subject.
    #[error("no responders: nobody is subscribed to the subject, start what answers there")]
    NoResponders,
    /// No reply within the deadline.
    #[error("timed out{}", no_reply(*.written))]
    TimedOut {
        /// Whether the request may have been written to a server: not if its frame was still waiting here, and was
        /// taken back.
        written: bool,
    },
    /// The link was lost.
    #[error("disconnected{}", no_link(*.written))]
    Disconnected {
        /// Whether the request had been written to a server: then it may have been answered.
        written: bool,
    },
    /// The connection was closed.
    #[error("the connection was closed: make another one")]
    Closed,
    /// The server refused the request or the subscription to its reply.
    #[error(
        "refused by the permissions of the server: allow this user the subject, and the inbox of its replies"
    )]
    Refused,
    /// The request was dropped before it was sent; see [`ConnectionEvent::PublishDropped`](crate::ConnectionEvent::PublishDropped).
    #[error("the request was dropped before it was sent: the event `PublishDropped` says why")]
    Dropped,
}

crate::debug_line::debug_line!(RequestError);

/// What follows on "timed out".
const fn no_reply(written: bool) -> &'static str {
    if written {
        ": no reply came, give it more time if the answer takes long"
    } else {
        " before the request was written: there is no link, or the server does not read"
    }
}

/// What follows on "disconnected".
const fn no_link(written: bool) -> &'static str {
    if written {
        " after the request was written, it may have been processed: ask again if it may be so twice"
    } else {
        " before the request was written: ask again"
    }
}

impl RequestError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoResponders => "no_responders",
            Self::TimedOut { .. } => "timed_out",
            Self::Disconnected { .. } => "disconnected",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::Dropped => "dropped",
        }
    }

    /// Whether the request had been written to a server, where that is known and matters.
    pub const fn written(&self) -> Option<bool> {
        match self {
            Self::TimedOut { written } | Self::Disconnected { written } => Some(*written),
            _ => None,
        }
    }
}

/// Why a flush, or a measurement of the round trip, failed.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FlushError {
    /// There is no link, or it was lost before the PONG.
    #[error("not connected, or disconnected before the server confirmed: flush again after `Reconnected`")]
    Disconnected,
    /// The connection was closed.
    #[error("the connection was closed: make another one")]
    Closed,
}

crate::debug_line::debug_line!(FlushError);

impl FlushError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Closed => "closed",
        }
    }
}

/// Why a call about the whole connection changed nothing.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StateError {
    /// The connection is closed, or closing.
    #[error("the connection is closed: make another one")]
    Closed,
    /// The connection is draining.
    #[error("the connection is draining: nothing new is taken, make another one")]
    Draining,
    /// The list of servers is empty.
    #[error("no servers: give at least one URL, such as nats://127.0.0.1:4222")]
    NoServers,
}

crate::debug_line::debug_line!(StateError);

impl StateError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Draining => "draining",
            Self::NoServers => "no_servers",
        }
    }
}

/// Where an attempt to connect was when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The name was being resolved.
    Resolve,
    /// A socket was being connected.
    Dial,
    /// INFO was awaited.
    Info,
    /// TLS was under way, or asked for and not available; or the link ended after the TLS handshake before anything
    /// could be decrypted.
    Tls,
    /// Credentials were being obtained, or were refused.
    Auth,
    /// CONNECT and PING were sent, PONG was awaited.
    Connect,
}

impl Phase {
    /// A stable name in snake case, for machines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Dial => "dial",
            Self::Info => "info",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Connect => "connect",
        }
    }
}

/// Why an attempt to connect failed.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// The deadline over the whole attempt passed.
    #[error("timed out")]
    TimedOut,
    /// The driver could not resolve, dial, or continue reading and writing.
    #[error("{0}")]
    Link(LinkEnd),
    /// The server sent this error.
    #[error("the server answered: {0}")]
    Server(ServerError),
    /// The server waited too long for our credentials. Servers wait some 2 s from accepting the connection on
    /// (`authorization { timeout }` in their configuration), and our answer to
    /// [`Action::Authenticate`](crate::Action::Authenticate) takes part of that time. Where it was not asked for, the
    /// error is [`Server`](Self::Server).
    #[error("the server answered: {error} (our credentials {})", answer_time(*.answered, *.after))]
    AuthenticationTimeout {
        /// The error that the server sent.
        error: ServerError,
        /// Whether the answer had come.
        answered: bool,
        /// How long it took from the question to the answer; where none had come, to the error.
        after: Duration,
    },
    /// Something else than the NATS protocol was received.
    #[error("this does not look like a NATS server: {0}")]
    Protocol(DecodeError),
    /// The first thing a server sends must be INFO.
    #[error("this does not look like a NATS server: its first line is not INFO")]
    ExpectedInfo,
    /// TLS is required by us, and the server has none.
    #[error("TLS is required, but the server does not offer it: use nats:// or enable TLS on the server")]
    TlsNotOffered,
    /// The attempt used clear text, and during it a list of servers arrived that names the server with TLS
    /// ([`ConnectionEvent::ServerTlsRaised`](crate::ConnectionEvent::ServerTlsRaised)).
    #[error("the server was named with TLS while it was being spoken to without: the next attempt uses TLS")]
    TlsRaised,
    /// Clear text came between INFO and the TLS handshake, where somebody could have injected it.
    #[error(
        "clear text arrived between INFO and the TLS handshake: somebody on the way may have put it there"
    )]
    PlaintextBeforeTls,
    /// The TLS handshake failed, or TLS cannot be had here: a file cannot be read, or nothing was built in.
    #[error("TLS failed: {}", OneLine(.detail))]
    Tls {
        /// The text of the TLS library.
        detail: Box<str>,
    },
    /// The link ended after the TLS handshake, and nothing that could be decrypted had come. A server that demands
    /// a client certificate and was shown none ends it this way.
    #[error("the peer closed right after the TLS handshake: does it want a client certificate?")]
    ClosedAfterTls,
    /// Credentials could not be obtained.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// A password or token would have left in clear text.
    #[error(
        "refusing to send a password or token without TLS to a host that is not loopback: \
         use tls://, or set cleartext_credentials to allow"
    )]
    CleartextCredentials,
}

crate::debug_line::debug_line!(AttemptError);

// Not derived: with `#[from]` the error would be its source, whose text this text already has.
impl From<DecodeError> for AttemptError {
    fn from(error: DecodeError) -> Self {
        Self::Protocol(error)
    }
}

impl AttemptError {
    /// A stable name in snake case, for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Link(end) => end.code(),
            Self::Server(error) | Self::AuthenticationTimeout { error, .. } => error.code(),
            Self::Protocol(_) => "protocol",
            Self::ExpectedInfo => "expected_info",
            Self::TlsNotOffered => "tls_not_offered",
            Self::TlsRaised => "tls_raised",
            Self::PlaintextBeforeTls => "plaintext_before_tls",
            Self::Tls { .. } => "tls_failed",
            Self::ClosedAfterTls => "closed_after_tls",
            Self::Auth(error) => error.code(),
            Self::CleartextCredentials => "cleartext_credentials",
        }
    }
}

/// How long our credentials took, as a part of a sentence.
fn answer_time(answered: bool, after: Duration) -> String {
    let millis = after.as_millis();
    if answered {
        alloc::format!("took {millis} ms")
    } else {
        alloc::format!("had not come after {millis} ms")
    }
}

/// Why a driver has no credentials.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// An NKEY has to sign a nonce, and the server sent none. A JWT needs none: it is sent with a signature of the empty
    /// nonce.
    #[error("the server sent no nonce to sign: it is not configured for NKEY authentication")]
    NoNonce,
    /// The credentials could not be read or are of no use.
    #[error("credentials: {}", OneLine(.detail))]
    Unusable {
        /// What is wrong with them; no secret in it.
        detail: Box<str>,
    },
    /// The application's callback for credentials panicked.
    #[error("the credentials callback panicked: {}", OneLine(.detail))]
    Panicked {
        /// The text of the panic.
        detail: Box<str>,
    },
}

crate::debug_line::debug_line!(AuthError);

impl AuthError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoNonce => "no_nonce",
            Self::Unusable { .. } => "credentials_unusable",
            Self::Panicked { .. } => "callback_panicked",
        }
    }
}

/// How a link ended, as its driver saw it.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkEnd {
    /// The peer closed the stream.
    #[error("the server closed the connection")]
    Eof,
    /// The driver gave it up because [`Action::Disconnect`](crate::Action::Disconnect) asked for that.
    #[error("closed as asked")]
    Requested,
    /// The name could not be resolved.
    #[error("cannot resolve the name: {}", OneLine(.detail))]
    Resolve {
        /// The text of the system.
        detail: Box<str>,
    },
    /// No socket could be connected.
    #[error("dialling failed: {}", OneLine(.detail))]
    Dial {
        /// The kind of error, in snake case: `connection_refused`, `timed_out`, …
        kind: &'static str,
        /// The text of the system.
        detail: Box<str>,
    },
    /// The TLS handshake failed, or TLS cannot be had here.
    #[error("TLS: {}", OneLine(.detail))]
    Tls {
        /// The text of the TLS library.
        detail: Box<str>,
    },
    /// Reading or writing failed.
    #[error("{}", OneLine(.detail))]
    Io {
        /// The kind of error, in snake case: `connection_reset`, `broken_pipe`, …
        kind: &'static str,
        /// The text of the system.
        detail: Box<str>,
    },
}

crate::debug_line::debug_line!(LinkEnd);

impl LinkEnd {
    /// The name could not be resolved, as the error of the system says.
    pub fn resolve(error: impl ToString) -> Self {
        let detail = error.to_string().into();
        Self::Resolve { detail }
    }

    /// No socket could be connected: the kind of error in snake case, and the error of the system.
    pub fn dial(kind: &'static str, error: impl ToString) -> Self {
        let detail = error.to_string().into();
        Self::Dial { kind, detail }
    }

    /// There is no TLS, as the error of the TLS library says.
    pub fn tls(error: impl ToString) -> Self {
        let detail = error.to_string().into();
        Self::Tls { detail }
    }

    /// Reading or writing failed: the kind of error in snake case, and the error of the system.
    pub fn io(kind: &'static str, error: impl ToString) -> Self {
        let detail = error.to_string().into();
        Self::Io { kind, detail }
    }

    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Requested => "requested",
            Self::Resolve { .. } => "resolve_failed",
            Self::Dial { kind, .. } | Self::Io { kind, .. } => kind,
            Self::Tls { .. } => "tls_failed",
        }
    }
}

/// Why a session ended.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The server closed the stream without an error.
    #[error("the server closed the connection")]
    Eof,
    /// Reading or writing failed.
    #[error("{0}")]
    Io(LinkEnd),
    /// The server does not answer: PINGs went unanswered, or it sent `Stale Connection`.
    #[error("the server does not answer")]
    Stale,
    /// The server closed the stream after an error that does so.
    #[error("the server closed the connection: {0}")]
    ServerError(ServerError),
    /// What arrived is not the NATS protocol.
    #[error("protocol: {0}")]
    Protocol(DecodeError),
    /// The link was left because its server is shutting down.
    #[error("the server is in lame duck mode")]
    LameDuck,
    /// The link was left because a reconnect was forced.
    #[error("a reconnect was forced")]
    Forced,
    /// The connection was closed or drained.
    #[error("closed")]
    Closed,
}

crate::debug_line::debug_line!(DisconnectReason);

impl DisconnectReason {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Io(_) => "io",
            Self::Stale => "stale",
            Self::ServerError(_) => "server_error",
            Self::Protocol(_) => "protocol",
            Self::LameDuck => "lame_duck",
            Self::Forced => "forced",
            Self::Closed => "closed",
        }
    }
}
