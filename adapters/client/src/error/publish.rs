//! Why a publish was not accepted.

use std::time::Duration;

use nats_conn_sm as machine;
use nats_proto::{Excerpt, InvalidSubject};
use thiserror::Error;

/// Why a publish was not accepted. Nothing was queued.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The subject or the reply subject is none that can be published to.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// The connection is closed, or closing.
    #[error("the connection is closed: make another one")]
    Closed,
    /// A drain has reached the point from which nothing more is accepted.
    #[error("the connection is draining: nothing new is taken, make another one")]
    Draining,
    /// The send buffer is full, and this publish does not wait for room.
    #[error("the send buffer is full ({limit} bytes): wait for room, or raise `send_buffer`")]
    BufferFull {
        /// The limit.
        limit: usize,
    },
    /// There was no room for it in time.
    #[error(
        "no room in the send buffer for {subject} within {after:?}: the server takes less than is published, \
         or there is no link"
    )]
    TimedOut {
        /// The subject.
        subject: Excerpt,
        /// How long it waited.
        after: Duration,
    },
    /// There is no link, and nothing is taken during an outage (`when_full = Off`).
    #[error(
        "not connected, and nothing is taken during an outage: wait for `Reconnected`, or use when_full = Error"
    )]
    NotConnected,
    /// Headers and payload together are larger than the server takes.
    #[error(
        "headers and payload for {subject} are {size} bytes, the server takes {max_payload}: \
         send it in parts, or raise max_payload there"
    )]
    TooLarge {
        /// The subject.
        subject: Excerpt,
        /// Headers and payload.
        size: usize,
        /// The server's limit.
        max_payload: u64,
    },
    /// The server does not support headers.
    #[error("the server does not support headers: publish without, or use a server of version 2.2 or newer")]
    HeadersUnsupported,
    /// Subject and reply subject are longer than a server takes.
    #[error(
        "the control line for {subject} would be {size} bytes long, a server takes {max}: shorten the subjects"
    )]
    ControlLineTooLong {
        /// The subject.
        subject: Excerpt,
        /// The length of the line.
        size: usize,
        /// The limit.
        max: usize,
    },
}

super::debug_as_display!(PublishError);

impl PublishError {
    /// What the machine said of a publish to this subject.
    pub(crate) fn refused(error: machine::PublishError, subject: Excerpt) -> Self {
        match error {
            machine::PublishError::Closed => Self::Closed,
            machine::PublishError::Draining => Self::Draining,
            machine::PublishError::BufferFull { limit } => Self::BufferFull { limit },
            machine::PublishError::NotConnected => Self::NotConnected,
            machine::PublishError::TooLarge { size, max_payload } => Self::TooLarge {
                subject,
                size,
                max_payload,
            },
            machine::PublishError::HeadersUnsupported => Self::HeadersUnsupported,
            machine::PublishError::ControlLineTooLong { size, max } => {
                Self::ControlLineTooLong { subject, size, max }
            }
        }
    }

    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Subject(error) => error.code(),
            Self::Closed => "closed",
            Self::Draining => "draining",
            Self::BufferFull { .. } => "buffer_full",
            Self::TimedOut { .. } => "timed_out",
            Self::NotConnected => "not_connected",
            Self::TooLarge { .. } => "too_large",
            Self::HeadersUnsupported => "headers_unsupported",
            Self::ControlLineTooLong { .. } => "control_line_too_long",
        }
    }
}
