//! What a subscription asks for: a subject that may have wildcards, and the queue group that shares it.

use crate::invalid_subject::{InvalidSubject, SubjectError};
use crate::subject::{Subject, Wildcards, check_tokens, is_forbidden};
use crate::subject_ref::{CowSubject, SubjectRef};
use crate::text::{Text, validated_text};

/// What a subscription asks for: a subject in which `*` stands for one token and a last `>` for one or more.
///
/// Otherwise as a [`Subject`]; each of those is a filter too.
///
/// ```
/// use nats_proto::{Subject, SubjectFilter};
///
/// let filter = SubjectFilter::new("orders.*.>")?;
/// assert!(filter.matches(&Subject::new("orders.eu.created.1")?));
/// assert!(!filter.matches(&Subject::new("orders.eu")?));
/// assert!(SubjectFilter::new("orders.>.created").is_err());
/// # Ok::<(), nats_proto::InvalidSubject>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectFilter(Text);

validated_text!(SubjectFilter, InvalidSubject, check_filter, InvalidSubject::new);

impl SubjectFilter {
    /// Whether a message with this subject is asked for.
    pub fn matches(&self, subject: &Subject) -> bool {
        self.matches_bytes(subject.as_bytes())
    }

    /// As [`matches`](Self::matches), for a subject as it lies on the wire: it need not be UTF-8. One with an
    /// empty token matches nothing, as at the server.
    pub fn matches_bytes(&self, subject: &[u8]) -> bool {
        let mut tokens = subject.split(|byte| *byte == b'.');
        for wanted in self.as_bytes().split(|byte| *byte == b'.') {
            match (wanted, tokens.next()) {
                (_, None | Some([])) => return false,
                (b">", Some(_)) => return tokens.all(|token| !token.is_empty()),
                (b"*", Some(_)) => {}
                (literal, Some(token)) if literal == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// Whether there is a wildcard in it.
    pub fn has_wildcards(&self) -> bool {
        self.as_str().split('.').any(|token| matches!(token, "*" | ">"))
    }
}

impl From<Subject> for SubjectFilter {
    fn from(subject: Subject) -> Self {
        Self(subject.into_text())
    }
}

impl From<&Subject> for SubjectFilter {
    fn from(subject: &Subject) -> Self {
        subject.clone().into()
    }
}

impl From<&SubjectFilter> for SubjectFilter {
    fn from(filter: &SubjectFilter) -> Self {
        filter.clone()
    }
}

impl From<SubjectRef<'_>> for SubjectFilter {
    fn from(subject: SubjectRef<'_>) -> Self {
        subject.to_subject().into()
    }
}

impl From<CowSubject<'_>> for SubjectFilter {
    fn from(subject: CowSubject<'_>) -> Self {
        subject.into_owned().into()
    }
}

const fn check_filter(text: &[u8]) -> Result<(), SubjectError> {
    check_tokens(text, Wildcards::Allowed)
}

/// The name of a group of subscriptions of which one member gets each message.
///
/// Any text without blanks and control characters. It is not a subject: the server takes `*` and dots in it
/// literally (`client.go`).
///
/// ```
/// use nats_proto::QueueGroup;
///
/// const WORKERS: QueueGroup = QueueGroup::from_static("workers");
/// assert!(QueueGroup::new("two words").is_err());
/// # let _ = WORKERS;
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueGroup(Text);

validated_text!(QueueGroup, InvalidSubject, check_queue_group, InvalidSubject::new);

impl From<&QueueGroup> for QueueGroup {
    fn from(group: &QueueGroup) -> Self {
        group.clone()
    }
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "counts the bytes of a slice, which fit"
)]
const fn check_queue_group(text: &[u8]) -> Result<(), SubjectError> {
    if text.is_empty() {
        return Err(SubjectError::Empty);
    }
    let mut rest = text;
    let mut at = 0;
    while let [byte, tail @ ..] = rest {
        if is_forbidden(*byte) {
            return Err(SubjectError::Byte { byte: *byte, at });
        }
        rest = tail;
        at += 1;
    }
    Ok(())
}
