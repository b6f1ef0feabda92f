//! Why a publish was not confirmed.

use std::time::Duration;

use nats_conn_sm::DropReason;
use nats_proto::Excerpt;
use thiserror::Error;

use crate::error::publish::PublishError;

/// Why a publish was not confirmed by a server.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfirmError {
    /// It was not accepted: nothing of it was queued.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// It was written, and its link ended before the server confirmed it. With
    /// [`AtLeastOnce`](nats_conn_sm::Delivery::AtLeastOnce) it is sent again instead, unless no link follows.
    #[error(
        "the link was lost before the server confirmed the publish to {subject}: it may have been processed, \
         publish it again if it may be so twice"
    )]
    Unconfirmed {
        /// The subject.
        subject: Excerpt,
    },
    /// It was accepted, and dropped while it waited to be sent. No server has it, but where
    /// [`AtLeastOnce`](nats_conn_sm::Delivery::AtLeastOnce) was about to send it again: then an earlier one may.
    #[error("the publish to {subject} was dropped before it was sent: {reason}")]
    Dropped {
        /// The subject.
        subject: Excerpt,
        /// Why.
        reason: DropReason,
    },
    /// It was accepted, and its fate is not known yet: it stays published, and is sent and confirmed if it can be. What
    /// becomes of it is in the events and in [`Client::publish_fates`](crate::Client::publish_fates).
    #[error(
        "the publish to {subject} was not confirmed within {after:?}: it may still be sent, there is no link \
         or the server does not answer"
    )]
    TimedOut {
        /// The subject.
        subject: Excerpt,
        /// How long it was waited for.
        after: Duration,
    },
}

super::debug_as_display!(ConfirmError);

impl ConfirmError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Publish(error) => error.code(),
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Dropped { .. } => "dropped",
            Self::TimedOut { .. } => "confirmation_timed_out",
        }
    }
}
