//! What can be given where a subject is wanted.

use alloc::borrow::Cow;
use alloc::string::String;

use crate::invalid_subject::InvalidSubject;
use crate::message_subject::MessageSubject;
use crate::subject::Subject;
use crate::subject_ref::{CowSubject, SubjectRef};

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
