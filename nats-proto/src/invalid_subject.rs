//! What is wrong with a text that should be a subject, a filter or a queue group.

use core::convert::Infallible;

use thiserror::Error;

use crate::excerpt::Excerpt;

/// Why a text is not a subject, a filter or a queue group.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// There is no text.
    #[error("the subject or queue group is empty; give at least one token")]
    Empty,
    /// Two dots in a row, or a dot at an end.
    #[error("the subject has an empty token at byte {at}; remove the dot")]
    EmptyToken {
        /// The offset of the empty token.
        at: usize,
    },
    /// A blank or a control character.
    #[error(
        "the subject or queue group has the byte {byte:#04x} at {at}; blanks and control characters are not allowed"
    )]
    Byte {
        /// The byte.
        byte: u8,
        /// Its offset.
        at: usize,
    },
    /// A wildcard token in a subject to publish to.
    #[error("the subject has a wildcard at byte {at}; only subscriptions may use wildcards")]
    Wildcard {
        /// The offset of the wildcard.
        at: usize,
    },
    /// A `>` that is not the last token.
    #[error("the subject has a `>` at byte {at} that is not the last token; use `*` there")]
    TailNotLast {
        /// The offset of the `>`.
        at: usize,
    },
    /// The subject of a message that arrived, which is not text.
    #[error("the subject is not UTF-8 from byte {at} on: it cannot be published to")]
    NotUtf8 {
        /// The offset of the first byte that is not.
        at: usize,
    },
}

crate::debug_line::debug_line!(SubjectError);

impl SubjectError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "subject_empty",
            Self::EmptyToken { .. } => "subject_empty_token",
            Self::Byte { .. } => "subject_byte",
            Self::Wildcard { .. } => "subject_wildcard",
            Self::TailNotLast { .. } => "subject_tail_not_last",
            Self::NotUtf8 { .. } => "subject_not_utf8",
        }
    }
}

/// A text that was given as a subject, a filter or a queue group, and is none.
///
/// ```
/// use nats_proto::{Subject, SubjectError};
///
/// let error = Subject::new("orders..eu").unwrap_err();
/// assert_eq!(error.reason, SubjectError::EmptyToken { at: 7 });
/// assert_eq!(
///     error.to_string(),
///     "`orders..eu`: the subject has an empty token at byte 7; remove the dot"
/// );
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[error("{subject}: {reason}")]
#[non_exhaustive]
pub struct InvalidSubject {
    /// The text, or its beginning.
    pub subject: Excerpt,
    /// What is wrong with it.
    pub reason: SubjectError,
}

impl InvalidSubject {
    /// This text, and what is wrong with it.
    #[cold]
    pub fn new(subject: &str, reason: SubjectError) -> Self {
        Self {
            subject: Excerpt::new(subject),
            reason,
        }
    }

    /// The name of what is wrong with it.
    pub const fn code(&self) -> &'static str {
        self.reason.code()
    }
}

crate::debug_line::debug_line!(InvalidSubject);

/// So that what cannot fail can be given where something else may.
impl From<Infallible> for InvalidSubject {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
