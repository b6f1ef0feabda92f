//! What a connection says of itself.

use std::fmt;

use nats_conn_sm::ConnectionEvent;
use nats_proto::Sid;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// What the machine says of the connection. Messages, replies, confirmations and the ends of subscriptions go to
    /// the handles that wait for them.
    Connection(ConnectionEvent),
    /// A subscription's mailbox is full: messages for it are dropped, the newest first. Told once until it is
    /// half empty again.
    SlowConsumer {
        /// The subscription.
        subscription: Sid,
        /// How many messages it has lost so far, in all.
        dropped: u64,
    },
    /// The holder of this stream was so slow that events had to be left out here.
    Missed {
        /// How many.
        events: u64,
    },
    /// The task or thread that drives the connection ended before the connection was closed: it panicked, or the
    /// runtime was shut down. `Closed` follows.
    DriverFailed {
        /// Whether it panicked.
        panicked: bool,
    },
}

/// One line for people, which begins with the name of the event.
impl fmt::Display for ClientEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(event) => event.fmt(f),
            Self::SlowConsumer {
                subscription,
                dropped,
            } => write!(
                f,
                "slow consumer: subscription {subscription} has lost {dropped} messages so far: read faster, or raise its limits"
            ),
            Self::Missed { events } => write!(
                f,
                "missed: {events} events before this one: read them faster, or raise `event_capacity`"
            ),
            Self::DriverFailed { panicked: true } => f.write_str("driver failed: it panicked"),
            Self::DriverFailed { panicked: false } => f.write_str("driver failed: its runtime was shut down"),
        }
    }
}

impl From<ConnectionEvent> for ClientEvent {
    fn from(event: ConnectionEvent) -> Self {
        Self::Connection(event)
    }
}

impl ClientEvent {
    /// A stable name in snake case, for machines: that of the variant, and of what happened to the connection.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connection(event) => event.code(),
            Self::SlowConsumer { .. } => "slow_consumer",
            Self::Missed { .. } => "missed",
            Self::DriverFailed { .. } => "driver_failed",
        }
    }

    /// Whether this is the last event.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Connection(ConnectionEvent::Closed { .. }))
    }
}
