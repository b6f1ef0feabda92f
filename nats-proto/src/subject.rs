//! Where a message goes: a subject without wildcards.

use alloc::string::String;

use crate::invalid_subject::{InvalidSubject, SubjectError};
use crate::text::{Text, validated_text};

/// The subject of a message: tokens separated by dots, without wildcards.
///
/// No token is empty, no byte is a blank or a control character, and no token is `*` or `>`; any other UTF-8
/// is allowed (ADR-6; the server itself refuses less: `sublist.go`). A clone costs at most a reference count.
///
/// ```
/// use nats_proto::{InvalidSubject, Subject, SubjectError};
///
/// const ORDERS: Subject = Subject::from_static("orders.eu");
/// assert_eq!(ORDERS.child("created")?, "orders.eu.created");
/// let reason = |text| Subject::new(text).map_err(|error| error.reason);
/// assert_eq!(reason("orders..eu"), Err(SubjectError::EmptyToken { at: 7 }));
/// assert_eq!(reason("orders.*"), Err(SubjectError::Wildcard { at: 7 }));
/// # Ok::<(), InvalidSubject>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(Text);

validated_text!(Subject, InvalidSubject, check_subject, InvalidSubject::new);

impl Subject {
    /// This subject with one or more tokens after it: `a.b` and `c` give `a.b.c`.
    ///
    /// # Errors
    /// [`InvalidSubject`] if `tokens` is not itself a subject; it names the tokens, and offsets are within these.
    pub fn child(&self, tokens: &str) -> Result<Self, InvalidSubject> {
        check_subject(tokens.as_bytes()).map_err(|reason| InvalidSubject::new(tokens, reason))?;
        let mut text =
            String::with_capacity(self.as_str().len().saturating_add(tokens.len()).saturating_add(1));
        text.push_str(self.as_str());
        text.push('.');
        text.push_str(tokens);
        Ok(Self(text.into()))
    }

    /// Of a text that was checked.
    pub(crate) fn checked(text: &str) -> Self {
        Self(text.into())
    }

    pub(crate) fn into_text(self) -> Text {
        self.0
    }
}

impl From<&Subject> for Subject {
    fn from(subject: &Subject) -> Self {
        subject.clone()
    }
}

pub(crate) const fn check_subject(text: &[u8]) -> Result<(), SubjectError> {
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
