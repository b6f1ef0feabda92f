//! Why a message was not answered.

use thiserror::Error;

use crate::error::publish::PublishError;

/// Why a message was not answered.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RespondError {
    /// Its sender does not wait for an answer, or gave a reply subject that nobody can publish to.
    #[error("the message has no reply subject that can be published to: its sender waits for no answer")]
    NoReplySubject,
    /// The answer could not be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

super::debug_as_display!(RespondError);

impl RespondError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoReplySubject => "no_reply_subject",
            Self::Publish(error) => error.code(),
        }
    }
}
