//! A subject that is borrowed, and one that is borrowed or owned.

use core::fmt;

use crate::invalid_subject::InvalidSubject;
use crate::subject::{Subject, check_subject};

/// A subject that somebody else holds: checked, without a copy of its text.
///
/// ```
/// use nats_proto::{InvalidSubject, Subject, SubjectRef};
///
/// let orders = SubjectRef::new("orders.eu")?;
/// assert_eq!(orders, SubjectRef::from(&Subject::from_static("orders.eu")));
/// assert!(SubjectRef::new("orders.*").is_err());
/// # Ok::<(), InvalidSubject>(())
/// ```
#[derive(Clone, Copy)]
pub struct SubjectRef<'a>(Source<'a>);

/// Where the text is: a copy of that of a subject costs no more than one of the subject.
#[derive(Clone, Copy)]
enum Source<'a> {
    Text(&'a str),
    Subject(&'a Subject),
}

impl<'a> SubjectRef<'a> {
    /// Checks the text.
    ///
    /// # Errors
    /// [`InvalidSubject`] names the text and says what is wrong with it.
    #[inline]
    pub fn new(text: &'a str) -> Result<Self, InvalidSubject> {
        match check_subject(text.as_bytes()) {
            Ok(()) => Ok(Self(Source::Text(text))),
            Err(reason) => Err(InvalidSubject::new(text, reason)),
        }
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &'a str {
        match self.0 {
            Source::Text(text) => text,
            Source::Subject(subject) => subject.as_str(),
        }
    }

    /// The text as bytes, as they lie on the wire.
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.as_str().as_bytes()
    }

    /// A subject of its own: a copy of the text, unless it is that of a [`Subject`].
    pub fn to_subject(&self) -> Subject {
        match self.0 {
            Source::Text(text) => Subject::checked(text),
            Source::Subject(subject) => subject.clone(),
        }
    }
}

impl<'a> From<&'a Subject> for SubjectRef<'a> {
    #[inline]
    fn from(subject: &'a Subject) -> Self {
        Self(Source::Subject(subject))
    }
}

impl<'a> TryFrom<&'a str> for SubjectRef<'a> {
    type Error = InvalidSubject;

    fn try_from(text: &'a str) -> Result<Self, InvalidSubject> {
        Self::new(text)
    }
}

impl From<SubjectRef<'_>> for Subject {
    fn from(subject: SubjectRef<'_>) -> Self {
        subject.to_subject()
    }
}

impl From<CowSubject<'_>> for Subject {
    fn from(subject: CowSubject<'_>) -> Self {
        subject.into_owned()
    }
}

impl PartialEq for SubjectRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for SubjectRef<'_> {}

impl AsRef<str> for SubjectRef<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for SubjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for SubjectRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

/// A subject, borrowed where it could be: what [`IntoSubject`](crate::IntoSubject) gives.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CowSubject<'a> {
    /// Somebody else holds it.
    Borrowed(SubjectRef<'a>),
    /// It was given away.
    Owned(Subject),
}

impl CowSubject<'_> {
    /// The subject, without a copy of its text.
    #[inline]
    pub fn as_subject_ref(&self) -> SubjectRef<'_> {
        match self {
            Self::Borrowed(subject) => *subject,
            Self::Owned(subject) => SubjectRef::from(subject),
        }
    }

    /// A subject of its own; see [`SubjectRef::to_subject`].
    pub fn into_owned(self) -> Subject {
        match self {
            Self::Borrowed(subject) => subject.to_subject(),
            Self::Owned(subject) => subject,
        }
    }
}
