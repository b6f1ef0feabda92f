//! The subject of a message that arrived.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::ops::Deref;

use crate::invalid_subject::{InvalidSubject, SubjectError};
use crate::not_utf8::NotUtf8;
use crate::subject::Subject;
use crate::subject_filter::SubjectFilter;
use crate::subject_ref::SubjectRef;

/// The subject or reply subject of a message that arrived, as text.
///
/// It is what a publisher sent, which servers do not check. Almost always it is UTF-8, and nothing is copied then. In
/// one that is not, the text has U+FFFD in place of what cannot be read, as that of [`String::from_utf8_lossy`]: for
/// people to read, and [`as_bytes`](Self::as_bytes) has what arrived.
///
/// Given as it is, as `message.subject()` or a reference to it, such a subject is refused as one to publish to or to
/// subscribe to. Its text is not: `&*message.subject()` is a `&str` like any other, and with U+FFFD in it names another
/// subject. Who needs the text takes [`to_str`](Self::to_str), which fails.
///
/// ```
/// use nats_proto::{Decoder, ServerOp, SubjectRef};
///
/// let mut wire = bytes::BytesMut::from("MSG orders.eu 1 0\r\n\r\n");
/// let Ok(Some(ServerOp::Message(message))) = Decoder::default().decode(&mut wire) else { panic!() };
/// let subject = message.subject();
/// assert_eq!(subject, "orders.eu");
/// assert_eq!(subject.strip_prefix("orders."), Some("eu"));
/// match &*subject {
///     "orders.eu" => {}
///     other => panic!("{other}"),
/// }
/// assert_eq!(subject.to_subject_ref(), SubjectRef::new("orders.eu"));
/// ```
#[derive(Clone)]
pub struct MessageSubject<'a> {
    text: Cow<'a, str>,
    bytes: &'a [u8],
}

impl<'a> MessageSubject<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self { text, bytes }
    }

    /// As it arrived.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The text, which lives as long as the message.
    ///
    /// # Errors
    /// [`NotUtf8`] if it is not.
    pub fn to_str(&self) -> Result<&'a str, NotUtf8> {
        match self.text {
            Cow::Borrowed(text) => Ok(text),
            Cow::Owned(_) => NotUtf8::check("subject", self.bytes),
        }
    }

    /// The same as a subject that can be published to.
    ///
    /// # Errors
    /// [`InvalidSubject`] if it is none: also [`SubjectError::NotUtf8`].
    pub fn to_subject_ref(&self) -> Result<SubjectRef<'a>, InvalidSubject> {
        match self.to_str() {
            Ok(text) => SubjectRef::new(text),
            Err(NotUtf8 { at, .. }) => Err(InvalidSubject::new(&self.text, SubjectError::NotUtf8 { at })),
        }
    }
}

impl Deref for MessageSubject<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl AsRef<str> for MessageSubject<'_> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Exactly the bytes that arrived.
impl PartialEq for MessageSubject<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for MessageSubject<'_> {}

impl PartialEq<str> for MessageSubject<'_> {
    fn eq(&self, text: &str) -> bool {
        self.bytes == text.as_bytes()
    }
}

impl PartialEq<&str> for MessageSubject<'_> {
    fn eq(&self, text: &&str) -> bool {
        self.bytes == text.as_bytes()
    }
}

impl PartialEq<String> for MessageSubject<'_> {
    fn eq(&self, text: &String) -> bool {
        self.bytes == text.as_bytes()
    }
}

impl PartialEq<Subject> for MessageSubject<'_> {
    fn eq(&self, subject: &Subject) -> bool {
        self.bytes == subject.as_bytes()
    }
}

impl TryFrom<MessageSubject<'_>> for Subject {
    type Error = InvalidSubject;

    fn try_from(subject: MessageSubject<'_>) -> Result<Self, InvalidSubject> {
        subject.to_subject_ref().map(Self::from)
    }
}

impl TryFrom<&MessageSubject<'_>> for Subject {
    type Error = InvalidSubject;

    fn try_from(subject: &MessageSubject<'_>) -> Result<Self, InvalidSubject> {
        subject.to_subject_ref().map(Self::from)
    }
}

impl TryFrom<MessageSubject<'_>> for SubjectFilter {
    type Error = InvalidSubject;

    fn try_from(subject: MessageSubject<'_>) -> Result<Self, InvalidSubject> {
        subject.to_subject_ref().map(Self::from)
    }
}

impl TryFrom<&MessageSubject<'_>> for SubjectFilter {
    type Error = InvalidSubject;

    fn try_from(subject: &MessageSubject<'_>) -> Result<Self, InvalidSubject> {
        subject.to_subject_ref().map(Self::from)
    }
}

impl fmt::Display for MessageSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.text, f)
    }
}

impl fmt::Debug for MessageSubject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}
