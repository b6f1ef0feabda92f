//! A message as it arrived: one piece of the read buffer and the views into it.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

use bytes::Bytes;

use crate::control_line::Span;
use crate::header_fields::HeaderError;
use crate::headers::{Headers, parse_status};
use crate::message_subject::MessageSubject;
use crate::not_utf8::NotUtf8;
use crate::sid::Sid;
use crate::snippet::Snippet;
use crate::status_code::StatusCode;

/// A message as it arrived: one reference-counted piece of the read buffer and the views into it.
///
/// It comes from `MSG` or `HMSG`; see [`Decoder`](crate::Decoder). Nothing in it is parsed before it is asked for,
/// and nothing in it can be so wrong that it would not be delivered: a subject that is not UTF-8, a header block
/// that is none and an odd status are readable as bytes. A clone costs a reference count.
///
/// As long as one exists it keeps the whole block of the read buffer alive that it lies in;
/// [`detach`](Self::detach) makes a copy that does not.
///
/// ```
/// use nats_proto::{Decoder, ServerOp, StatusCode};
///
/// let mut wire = bytes::BytesMut::from("HMSG _INBOX.1 7 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
/// let Ok(Some(ServerOp::Message(message))) = Decoder::default().decode(&mut wire) else { panic!() };
/// assert_eq!((&*message.subject(), message.sid().get()), ("_INBOX.1", 7));
/// assert_eq!((message.reply(), message.text()), (None, "".into()));
/// assert_eq!(message.status(), Some(StatusCode::NO_RESPONDERS));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    frame: Bytes,
    sid: Sid,
    views: Views,
}

/// Where the parts of a message lie in its frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Views {
    pub(crate) subject: Span,
    /// An empty span at 0, where no field can lie, if there is none.
    pub(crate) reply: Span,
    /// The header block reaches from here to the payload; it is empty if there is none.
    pub(crate) headers_at: u32,
    /// The payload reaches from here to the CRLF at the end.
    pub(crate) payload_at: u32,
}

impl Message {
    pub(crate) fn new(frame: Bytes, sid: Sid, views: Views) -> Self {
        Self { frame, sid, views }
    }

    /// The subscription that it is for.
    pub fn sid(&self) -> Sid {
        self.sid
    }

    /// The subject as text, which can also be published to. It is what a publisher sent: not necessarily UTF-8, nor a
    /// valid [`Subject`](crate::Subject).
    pub fn subject(&self) -> MessageSubject<'_> {
        MessageSubject::new(self.subject_bytes())
    }

    /// The subject as it arrived.
    pub fn subject_bytes(&self) -> &[u8] {
        self.views.subject.of(&self.frame)
    }

    /// The reply subject as text, which can also be published to: where an answer is to go, if one is wanted.
    pub fn reply(&self) -> Option<MessageSubject<'_>> {
        self.reply_bytes().map(MessageSubject::new)
    }

    /// The reply subject as it arrived, if there is one.
    pub fn reply_bytes(&self) -> Option<&[u8]> {
        match self.views.reply.of(&self.frame) {
            [] => None,
            reply => Some(reply),
        }
    }

    /// The header block as it arrived, from `NATS/1.0` to its blank line, if there is one.
    pub fn header_block(&self) -> Option<&[u8]> {
        match Span::of(
            Span {
                start: self.views.headers_at,
                end: self.views.payload_at,
            },
            &self.frame,
        ) {
            [] => None,
            block => Some(block),
        }
    }

    /// Reads the header block, if there is one. Copies it: keep the result if it is needed twice.
    ///
    /// # Errors
    /// See [`Headers::parse`].
    pub fn headers(&self) -> Result<Option<Headers>, HeaderError> {
        self.header_block().map(Headers::parse).transpose()
    }

    /// The status of the header block, without reading the headers after it.
    pub fn status(&self) -> Option<StatusCode> {
        parse_status(self.header_block()?)?.0
    }

    /// Whether this is the server's answer to a request to which nobody listens: status 503 and no payload.
    pub fn is_no_responders(&self) -> bool {
        self.payload().is_empty() && self.status() == Some(StatusCode::NO_RESPONDERS)
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.frame
            .get(self.views.payload_at as usize..self.payload_end())
            .unwrap_or_default()
    }

    /// The payload as text for people to read: what is not UTF-8 in it is U+FFFD, as in [`String::from_utf8_lossy`].
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.payload())
    }

    /// The payload as text.
    ///
    /// # Errors
    /// [`NotUtf8`] if it is not.
    pub fn payload_str(&self) -> Result<&str, NotUtf8> {
        NotUtf8::check("payload", self.payload())
    }

    /// The payload, sharing the memory of this message.
    pub fn payload_bytes(&self) -> Bytes {
        match self.payload() {
            [] => Bytes::new(),
            payload => self.frame.slice_ref(payload),
        }
    }

    /// How many bytes it took on the wire, control line and line ends included.
    pub fn wire_len(&self) -> usize {
        self.frame.len()
    }

    /// A copy that keeps no more alive than itself.
    #[must_use]
    pub fn detach(&self) -> Self {
        Self {
            frame: Bytes::copy_from_slice(&self.frame),
            ..*self
        }
    }

    fn payload_end(&self) -> usize {
        self.frame.len().saturating_sub(2)
    }
}

/// Shows the fields, of headers and payload only the lengths.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("sid", &self.sid)
            .field("subject", &Snippet::new(self.subject_bytes()))
            .field("reply", &self.reply_bytes().map(Snippet::new))
            .field("header_len", &self.header_block().map_or(0, <[u8]>::len))
            .field("payload_len", &self.payload().len())
            .finish()
    }
}
