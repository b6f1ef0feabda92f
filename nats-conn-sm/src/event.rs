//! What happened, reported once and in order.

mod display;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{Message, PermissionOperation, ServerError, ServerInfo, Sid, UrlError};

use crate::error::{AttemptError, DisconnectReason, FlushError, Phase, RequestError};
use crate::ids::{FlushId, LinkId, RequestId, RoundTripId};
use crate::ranges::SeqRanges;
use crate::servers::{AttemptFailure, Server};
use crate::time::Timestamp;

/// Something that happened. Taken with [`Connection::poll_event`](crate::Connection::poll_event).
///
/// The order of the events in the life of a connection follows a grammar: see the crate's documentation. It prints as one
/// line for people.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Something happened to the connection. The others are for whoever subscribed, asked, flushed or published.
    Connection(ConnectionEvent),
    /// A message for a subscription.
    Message {
        /// The subscription.
        subscription: Sid,
        /// The message.
        message: Message,
    },
    /// The one end of a request: its reply, or why there is none.
    Response {
        /// The request.
        request: RequestId,
        /// The reply.
        result: Result<Message, RequestError>,
    },
    /// One of several replies to a request made with
    /// [`Connection::request_many`](crate::Connection::request_many).
    Reply {
        /// The request.
        request: RequestId,
        /// The reply.
        message: Message,
    },
    /// The one end of a request made with [`Connection::request_many`](crate::Connection::request_many).
    RepliesEnded {
        /// The request.
        request: RequestId,
        /// What ended it.
        result: Result<RepliesEnd, RequestError>,
    },
    /// The one end of a flush.
    Flushed {
        /// The flush.
        flush: FlushId,
        /// Whether the server has processed what was published before it.
        result: Result<(), FlushError>,
    },
    /// The one end of a measurement of the round trip.
    RoundTrip {
        /// The measurement.
        round_trip: RoundTripId,
        /// From the handing out of the PING to its PONG.
        result: Result<Duration, FlushError>,
    },
    /// The one end of a subscription: no message follows.
    SubscriptionEnded {
        /// The subscription.
        subscription: Sid,
        /// Why.
        reason: EndReason,
    },
    /// There is room again after a publish was refused.
    Writable,
}

impl From<ConnectionEvent> for Event {
    fn from(event: ConnectionEvent) -> Self {
        Self::Connection(event)
    }
}

/// Something that happened to the connection, for everybody who wants to know. It prints as one line for people, which
/// begins with its name: `connect failed: nats://127.0.0.1:4222 in phase `dial`: …`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// An attempt begins.
    Connecting {
        /// The server that is dialled.
        server: Server,
        /// The number of this attempt for this server since it last worked, from 1.
        attempt: u32,
        /// The link to be.
        link: LinkId,
    },
    /// An attempt failed.
    ConnectFailed {
        /// The server.
        server: Server,
        /// Where the attempt was.
        phase: Phase,
        /// What went wrong.
        error: Box<AttemptError>,
    },
    /// The first session begins: the PONG of the handshake has arrived.
    Connected(Session),
    /// A session ended. Flushes and requests that ended with it have events of their own, which follow.
    Disconnected {
        /// The server.
        server: Server,
        /// The link that is gone.
        link: LinkId,
        /// Why.
        reason: Box<DisconnectReason>,
        /// The publishes whose fate is now settled as unconfirmed: written, and perhaps processed.
        unconfirmed: SeqRanges,
        /// How many publishes stay queued for the next link.
        queued: u64,
    },
    /// The next attempt waits.
    BackoffWait {
        /// The server that comes next.
        server: Server,
        /// The number that the attempt will have.
        attempt: u32,
        /// How long the wait is.
        delay: Duration,
        /// When it ends.
        until: Timestamp,
        /// Why there is a wait.
        reason: WaitReason,
    },
    /// Another session begins.
    Reconnected(Session),
    /// The server has processed the interest that was restored.
    Resubscribed {
        /// The server.
        server: Server,
        /// Subscriptions restored and accepted.
        subscriptions: u64,
        /// Subscriptions that the server refused.
        refused: u64,
    },
    /// INFO changed the pool.
    DiscoveredServers {
        /// Servers that are new.
        added: Vec<Server>,
        /// Servers that are no longer announced.
        removed: Vec<Server>,
    },
    /// A server left the pool.
    ServerRemoved {
        /// The server.
        server: Server,
        /// Why.
        reason: RemovalReason,
    },
    /// An announced URL cannot be used.
    ServerSkipped {
        /// The URL as announced.
        url: String,
        /// What is wrong with it.
        error: UrlError,
    },
    /// The driver chose a server that is not in the pool; the default is taken.
    ServerChoiceRejected {
        /// The server that is taken instead.
        server: Server,
    },
    /// The server announces that it will shut down.
    LameDuck {
        /// The server.
        server: Server,
    },
    /// An INFO arrived during a session.
    ServerInfoChanged {
        /// What is known of the server now.
        info: Arc<ServerInfo>,
    },
    /// The server sent `-ERR`.
    ServerError {
        /// The error.
        error: ServerError,
    },
    /// The server refused a publish or a subscription.
    PermissionDenied {
        /// Which of them.
        operation: PermissionOperation,
        /// The subject.
        subject: String,
        /// The queue group, where one is named.
        queue: Option<String>,
        /// The subscription, where it is known.
        subscription: Option<Sid>,
    },
    /// Publishes were dropped without being sent; at least once: without being sent again, where an earlier link had
    /// taken them before it was lost.
    PublishDropped {
        /// Which, as their fates are now settled.
        publishes: SeqRanges,
        /// How many bytes of frames they were.
        bytes: u64,
        /// Why.
        reason: DropReason,
    },
    /// A password or token leaves in clear text for a host that is not loopback. Once per server.
    CleartextCredentials {
        /// The server.
        server: Server,
    },
    /// A server is named with and without TLS, by one list of servers, by a new list and the pool, or by what servers
    /// announce: only TLS is used with it, from its next link on. Once per server and list; for the servers to
    /// begin with, before the first [`Connecting`](Self::Connecting).
    ServerTlsRaised {
        /// The server, as it is dialled from now on.
        server: Server,
    },
    /// A drain begins.
    Draining,
    /// The end. Nothing follows.
    Closed {
        /// Why.
        reason: ClosedReason,
    },
}

impl ConnectionEvent {
    /// A stable name in snake case, for machines: that of the variant. The line for people begins with the same words.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connecting { .. } => "connecting",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::Connected(_) => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::BackoffWait { .. } => "backoff_wait",
            Self::Reconnected(_) => "reconnected",
            Self::Resubscribed { .. } => "resubscribed",
            Self::DiscoveredServers { .. } => "discovered_servers",
            Self::ServerRemoved { .. } => "server_removed",
            Self::ServerSkipped { .. } => "server_skipped",
            Self::ServerChoiceRejected { .. } => "server_choice_rejected",
            Self::LameDuck { .. } => "lame_duck",
            Self::ServerInfoChanged { .. } => "server_info_changed",
            Self::ServerError { .. } => "server_error",
            Self::PermissionDenied { .. } => "permission_denied",
            Self::PublishDropped { .. } => "publish_dropped",
            Self::CleartextCredentials { .. } => "cleartext_credentials",
            Self::ServerTlsRaised { .. } => "server_tls_raised",
            Self::Draining => "draining",
            Self::Closed { .. } => "closed",
        }
    }
}

/// A session that begins.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Session {
    /// The server.
    pub server: Server,
    /// The link.
    pub link: LinkId,
    /// The server's INFO.
    pub info: Arc<ServerInfo>,
    /// The largest headers and payload together that it takes, in bytes.
    pub max_payload: u64,
}

/// Why there is a wait before an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitReason {
    /// No server could be reached in this many rounds.
    RoundFailed {
        /// Rounds without success.
        rounds: u32,
    },
    /// The last link ended too soon after its handshake.
    Flapping {
        /// Rounds without success, the short link counted as one.
        rounds: u32,
    },
    /// The driver chose this wait.
    Chosen,
}

impl WaitReason {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RoundFailed { .. } => "round_failed",
            Self::Flapping { .. } => "flapping",
            Self::Chosen => "chosen",
        }
    }
}

/// Why a server left the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemovalReason {
    /// It failed as often in a row as is allowed.
    MaxReconnects,
    /// It gave the same authentication error twice.
    Auth,
    /// It is no longer announced.
    Pruned,
    /// It is not in the new pool.
    Replaced,
}

impl RemovalReason {
    /// A stable name in snake case, for machines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MaxReconnects => "max_reconnects",
            Self::Auth => "auth",
            Self::Pruned => "pruned",
            Self::Replaced => "replaced",
        }
    }
}

/// Why a publish was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// It made room for a newer one.
    Overflow,
    /// It is larger than the server takes.
    TooLarge,
    /// It has headers, and the server does not take them.
    HeadersUnsupported,
    /// The connection was closed first.
    Closed,
}

impl DropReason {
    /// A stable name in snake case, for machines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::TooLarge => "too_large",
            Self::HeadersUnsupported => "headers_unsupported",
            Self::Closed => "closed",
        }
    }
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The application unsubscribed.
    Unsubscribed,
    /// As many messages as asked for have arrived.
    MaxReached,
    /// It was drained: everything that was on its way has been delivered.
    Drained,
    /// The server refused it.
    Refused,
    /// The connection was closed.
    Closed,
}

impl EndReason {
    /// A stable name in snake case, for machines.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unsubscribed => "unsubscribed",
            Self::MaxReached => "max_reached",
            Self::Drained => "drained",
            Self::Refused => "refused",
            Self::Closed => "closed",
        }
    }
}

/// What ended a request for several replies (ADR-47).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepliesEnd {
    /// As many replies as asked for.
    MaxReached,
    /// No further reply within the stall time.
    Stalled,
    /// A reply with an empty payload, as agreed.
    Sentinel,
    /// The deadline.
    Deadline,
}

impl RepliesEnd {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MaxReached => "max_reached",
            Self::Stalled => "stalled",
            Self::Sentinel => "sentinel",
            Self::Deadline => "deadline",
        }
    }
}

/// Why a connection closed for good.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClosedReason {
    /// It was asked to.
    Requested,
    /// It was drained, or as much of it as the time allowed.
    Drained {
        /// Whether every publish was confirmed by a server that was queued or written when the drain began, or
        /// taken since. It does not cover what was lost before, as
        /// [`PublishFates::all_confirmed`](crate::PublishFates::all_confirmed) does, nor messages that were not
        /// read. Always `false` where the drain took longer than it may.
        complete: bool,
        /// How many messages were delivered that nobody has taken, because their holder was not waited for any
        /// longer.
        unread: u64,
    },
    /// No server is left.
    PoolExhausted,
    /// Every server was removed for its authentication errors.
    Auth,
    /// The link was lost, and reconnecting is switched off.
    NoReconnect,
    /// No server could be reached at first.
    ConnectFailed {
        /// Every failed attempt, in order.
        failures: Vec<AttemptFailure>,
    },
    /// Whoever drove the connection ended before it was closed: its runtime was shut down, or it panicked.
    DriverFailed,
}

impl ClosedReason {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Drained { .. } => "drained",
            Self::PoolExhausted => "pool_exhausted",
            Self::Auth => "auth",
            Self::NoReconnect => "no_reconnect",
            Self::ConnectFailed { .. } => "connect_failed",
            Self::DriverFailed => "driver_failed",
        }
    }
}
