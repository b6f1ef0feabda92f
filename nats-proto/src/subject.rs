//! Where a message goes: a subject without wildcards.

use alloc::string::String;
use thiserror::Error;

use crate::excerpt::Excerpt;
use crate::text::{Text, validated_text};

/// The subject of a message: tokens separated by dots, without wildcards.
///
/// No token is empty, no byte is a blank or a control character, and no token is `*` or `>`; any other UTF-8
/// is allowed (ADR-6; the server itself refuses less: `sublist.go`). A clone costs at most a reference count.
///
/// ```
/// use nats_proto::{Subject, SubjectError};
///
/// const ORDERS: Subject = Subject::from_static("orders.eu");
/// assert_eq!(ORDERS.child("created")?.as_str(), "orders.eu.created");
/// assert_eq!(Subject::new("orders..eu"), Err(SubjectError::EmptyToken { at: 7 }));
/// assert_eq!(Subject::new("orders.*"), Err(SubjectError::Wildcard { at: 7 }));
/// # Ok::<(), SubjectError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Text);

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
        }
    }
}

/// A text that was given as a subject, a filter or a queue group, and is none.
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

validated_text!(Subject, SubjectError, check_subject);

impl Subject {
    /// This subject with one or more tokens after it: `a.b` and `c` give `a.b.c`.
    ///
    /// # Errors
    /// [`SubjectError`] if `tokens` is not itself a subject; offsets are within `tokens`.
    pub fn child(&self, tokens: &str) -> Result<Self, SubjectError> {
        check_subject(tokens.as_bytes())?;
        let mut text =
            String::with_capacity(self.as_str().len().saturating_add(tokens.len()).saturating_add(1));
        text.push_str(self.as_str());
        text.push('.');
        text.push_str(tokens);
        Ok(Self(text.into()))
    }

    pub(crate) fn into_text(self) -> Text {
        self.0
    }
}

const fn check_subject(text: &[u8]) -> Result<(), SubjectError> {
    check_tokens(text, Wildcards::Refused)
}

/// What `*` and `>` as whole tokens mean to [`check_tokens`].
#[derive(Clone, Copy)]
pub(crate) enum Wildcards {
    Refused,
    Allowed,
}

/// The grammar of subjects and filters in one pass, usable in a `const`.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "counts the bytes of a slice, which fit"
)]
pub(crate) const fn check_tokens(text: &[u8], wildcards: Wildcards) -> Result<(), SubjectError> {
    if text.is_empty() {
        return Err(SubjectError::Empty);
    }
    let mut rest = text;
    let mut at = 0;
    let mut token_start = 0;
    loop {
        // Only a token of its own is a wildcard: `a*b` is literal.
        if at == token_start
            && let Some(tail) = wildcard_token(rest)
        {
            match wildcards {
                Wildcards::Refused => return Err(SubjectError::Wildcard { at }),
                Wildcards::Allowed if tail && rest.len() > 1 => return Err(SubjectError::TailNotLast { at }),
                Wildcards::Allowed => {}
            }
        }
        match rest {
            [] | [b'.', ..] if at == token_start => return Err(SubjectError::EmptyToken { at }),
            [] => return Ok(()),
            [b'.', tail @ ..] => {
                rest = tail;
                token_start = at + 1;
            }
            [byte, ..] if is_forbidden(*byte) => return Err(SubjectError::Byte { byte: *byte, at }),
            [_, tail @ ..] => rest = tail,
        }
        at += 1;
    }
}

/// Whether `rest` begins with a token that is `*` (`Some(false)`) or `>` (`Some(true)`).
const fn wildcard_token(rest: &[u8]) -> Option<bool> {
    match rest {
        [b'*'] | [b'*', b'.', ..] => Some(false),
        [b'>'] | [b'>', b'.', ..] => Some(true),
        _ => None,
    }
}

/// What would end a token or a line on the wire, and what no terminal shows.
pub(crate) const fn is_forbidden(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}
