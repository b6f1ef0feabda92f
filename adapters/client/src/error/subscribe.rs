//! Why a subscription was not made, or not confirmed.

use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::EndReason;
use nats_proto::{Excerpt, InvalidSubject, OneLine};
use thiserror::Error;

/// Why a subscription was not made, or was not confirmed by the server. What a server refuses ends the subscription
/// later; who waits until it is [`confirmed`](crate::Subscription::confirmed) is told here.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The filter is none, or the queue group.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// The connection is closed, or closing.
    #[error("the connection is closed: make another one")]
    Closed,
    /// The connection is draining.
    #[error("the connection is draining: nothing new is taken, make another one")]
    Draining,
    /// Filter and queue group are longer than a server takes.
    #[error(
        "the control line for {filter} would be {size} bytes long, a server takes {max}: shorten the subject"
    )]
    ControlLineTooLong {
        /// The filter.
        filter: Excerpt,
        /// The length of the line.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The server refused it.
    #[error(
        "the server refused the subscription ({}): have it allowed there, or subscribe as another user",
        OneLine(.words)
    )]
    Refused {
        /// What the server said.
        words: String,
    },
    /// It ended before the server had confirmed it.
    #[error("the subscription ended before the server confirmed it ({reason}): subscribe again")]
    Ended {
        /// Why it ended.
        reason: EndReason,
    },
    /// The server did not confirm it in time, and it was given up.
    #[error(
        "the server has not confirmed the subscription within {after:?}: there is no link, or it does not answer"
    )]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// The machine gave a reason that is newer than this crate.
    #[error("refused for a reason that this version has no name for: {code}")]
    Other {
        /// The stable name of the reason.
        code: &'static str,
    },
}

super::debug_as_display!(SubscribeError);

impl SubscribeError {
    /// What the machine said of a subscription to this filter.
    pub(crate) fn refused(error: machine::SubscribeError, filter: Excerpt) -> Self {
        match error {
            machine::SubscribeError::Closed => Self::Closed,
            machine::SubscribeError::Draining => Self::Draining,
            machine::SubscribeError::ControlLineTooLong { size, max } => {
                Self::ControlLineTooLong { filter, size, max }
            }
            newer => Self::Other { code: newer.code() },
        }
    }

    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Subject(error) => error.code(),
            Self::Closed => "closed",
            Self::Draining => "draining",
            Self::ControlLineTooLong { .. } => "control_line_too_long",
            Self::Other { code } => code,
            Self::Refused { .. } => "refused",
            Self::Ended { .. } => "ended",
            Self::TimedOut { .. } => "timed_out",
        }
    }
}
