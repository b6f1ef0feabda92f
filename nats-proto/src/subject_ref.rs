//! A subject that somebody else holds, and what can be given where a subject is wanted.

use alloc::borrow::Cow;
use alloc::string::String;
use core::convert::Infallible;
use core::fmt;

use crate::invalid_subject::InvalidSubject;
use crate::message_subject::MessageSubject;
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

/// A subject, borrowed where it could be: what [`IntoSubject`] gives.
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

/// What can be given where a subject is wanted: text, which is checked then, and what is checked already.
///
/// A `&str` is not copied. The subject or reply subject of a message that arrived can be given as it is.
///
/// ```
/// use nats_proto::{IntoSubject, Subject};
///
/// fn publish<'a>(subject: impl IntoSubject<'a>) -> Result<String, nats_proto::InvalidSubject> {
///     Ok(subject.into_subject()?.as_subject_ref().to_string())
/// }
/// assert_eq!(publish("orders.eu")?, "orders.eu");
/// assert_eq!(publish(format!("orders.{}", "eu"))?, "orders.eu");
/// assert_eq!(publish(&Subject::from_static("orders.eu"))?, "orders.eu");
/// assert!(publish("orders eu").is_err());
/// # Ok::<(), nats_proto::InvalidSubject>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a subject",
    note = "give a `&str`, a `String`, a `Subject`, a `&Subject`, or the subject or reply of a message"
)]
pub trait IntoSubject<'a> {
    /// Checks what is not checked yet.
    ///
    /// # Errors
    /// [`InvalidSubject`] names the subject and says what is wrong with it.
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject>;
}

impl<'a> IntoSubject<'a> for &'a str {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        SubjectRef::new(self).map(CowSubject::Borrowed)
    }
}

impl<'a> IntoSubject<'a> for &&'a str {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        (*self).into_subject()
    }
}

impl<'a> IntoSubject<'a> for &'a String {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        self.as_str().into_subject()
    }
}

impl<'a> IntoSubject<'a> for String {
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        Subject::try_from(self).map(CowSubject::Owned)
    }
}

impl<'a> IntoSubject<'a> for Cow<'a, str> {
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        match self {
            Cow::Borrowed(text) => text.into_subject(),
            Cow::Owned(text) => text.into_subject(),
        }
    }
}

impl<'a> IntoSubject<'a> for &'a Cow<'_, str> {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        (**self).into_subject()
    }
}

impl<'a> IntoSubject<'a> for &'a Subject {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        Ok(CowSubject::Borrowed(self.into()))
    }
}

impl<'a> IntoSubject<'a> for Subject {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        Ok(CowSubject::Owned(self))
    }
}

impl<'a> IntoSubject<'a> for SubjectRef<'a> {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        Ok(CowSubject::Borrowed(self))
    }
}

impl<'a> IntoSubject<'a> for CowSubject<'a> {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        Ok(self)
    }
}

impl<'a> IntoSubject<'a> for MessageSubject<'a> {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        self.to_subject_ref().map(CowSubject::Borrowed)
    }
}

impl<'a> IntoSubject<'a> for &MessageSubject<'a> {
    #[inline]
    fn into_subject(self) -> Result<CowSubject<'a>, InvalidSubject> {
        self.to_subject_ref().map(CowSubject::Borrowed)
    }
}

/// So that what cannot fail can be given where something else may.
impl From<Infallible> for InvalidSubject {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
