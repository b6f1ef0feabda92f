//! Why a subscription was not made.

use nats_conn_sm as machine;
use nats_proto::{Excerpt, InvalidSubject};
use thiserror::Error;

/// Why a subscription was not made. What a server refuses ends the subscription later.
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
        }
    }

    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Subject(error) => error.code(),
            Self::Closed => "closed",
            Self::Draining => "draining",
            Self::ControlLineTooLong { .. } => "control_line_too_long",
        }
    }
}
