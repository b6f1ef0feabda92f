//! `PUB` and `HPUB`.

use crate::decimals::{
    decimal_len, put_decimal, put_last_size, put_size, short_size, size_len, with_decimal,
};
use crate::encode_error::{EncodeError, MAX_MESSAGE, check_line};
use crate::headers::Headers;
use crate::subject::Subject;
use crate::subject_ref::SubjectRef;
use crate::wire_sink::{Payload, WireSink};

/// Where an answer is to go.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// To this subject.
    Subject(SubjectRef<'a>),
    /// To `<prefix>.<token in decimal>`: the inbox of a request, without building its text.
    Inbox {
        /// What the subject begins with.
        prefix: &'a Subject,
        /// The last token.
        token: u64,
    },
}

impl<'a> From<&'a Subject> for Reply<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self::Subject(subject.into())
    }
}

/// A message to be written as `PUB` or `HPUB`, with its sizes: what [`ClientOp::Publish`](crate::ClientOp::Publish) is, for
/// code that needs the sizes before it is written.
///
/// ```
/// use nats_proto::{MAX_CONTROL_LINE, Payload, PublishFrame, SubjectRef};
///
/// let (subject, payload) = (SubjectRef::new("orders.eu").unwrap(), Payload::from("hello"));
/// let frame = PublishFrame::new(subject, None, None, &payload);
/// assert_eq!((frame.arguments_len(), frame.message_len(), frame.encoded_len()), (11, 5, 24));
/// let mut out = Vec::new();
/// frame.encode_within(MAX_CONTROL_LINE, &mut out)?;
/// assert_eq!(out, b"PUB orders.eu 5\r\nhello\r\n");
/// # Ok::<(), nats_proto::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PublishFrame<'a> {
    subject: &'a [u8],
    /// The reply subject, or what it begins with; empty if there is none.
    reply: &'a [u8],
    /// The last token of the reply subject, if that is an inbox.
    token: Option<u64>,
    headers: Option<&'a [u8]>,
    payload: &'a Payload<'a>,
    /// Bytes of headers and payload.
    message_len: usize,
    /// Bytes of the control line between the word and the line end.
    arguments_len: usize,
    /// Bytes of the whole.
    encoded_len: usize,
}

impl<'a> PublishFrame<'a> {
    /// Takes the sizes. Headers that are present but empty are written too.
    #[inline]
    pub fn new(
        subject: SubjectRef<'a>,
        reply: Option<Reply<'a>>,
        headers: Option<&'a Headers>,
        payload: &'a Payload<'a>,
    ) -> Self {
        let subject = subject.as_bytes();
        let headers = headers.map(Headers::as_block);
        let mut message_len = payload.len();
        // "PUB ", and CRLF after the line and after the payload.
        let (mut sizes_len, mut around) = (0, 8);
        if let Some(headers) = headers {
            message_len = message_len.saturating_add(headers.len());
            (sizes_len, around) = (size_len(headers.len()).wrapping_add(1), 9);
        }
        // What is added to the length of the subject are a few digits.
        sizes_len = sizes_len.wrapping_add(size_len(message_len)).wrapping_add(1);
        let mut arguments_len = subject.len().wrapping_add(sizes_len);
        let (reply, token) = reply.map_or((&[][..], None), Reply::into_parts);
        if !reply.is_empty() {
            arguments_len = arguments_len
                .saturating_add(reply.len())
                .saturating_add(token.map_or(0, token_len))
                .saturating_add(1);
        }
        Self {
            subject,
            reply,
            token,
            headers,
            payload,
            message_len,
            arguments_len,
            encoded_len: arguments_len.saturating_add(around).saturating_add(message_len),
        }
    }

    /// Bytes of headers and payload together: what a server's `max_payload` limits.
    #[inline]
    pub fn message_len(&self) -> usize {
        self.message_len
    }

    /// Bytes of arguments in the control line: what a server's `max_control_line` limits.
    #[inline]
    pub fn arguments_len(&self) -> usize {
        self.arguments_len
    }

    /// Whether it has headers.
    #[inline]
    pub fn has_headers(&self) -> bool {
        self.headers.is_some()
    }

    /// How many bytes [`encode_within`](Self::encode_within) writes.
    #[inline]
    pub fn encoded_len(&self) -> usize {
        self.encoded_len
    }

    /// The number of bytes of its payload that a sink may keep without copying them: see [`Payload::shared_len`].
    #[inline]
    pub fn shared_len(&self) -> usize {
        self.payload.shared_len()
    }

    /// Writes the operation, for a server with this `max_control_line`.
    ///
    /// # Errors
    /// [`EncodeError`] if a server would close the connection; nothing is written then.
    #[inline]
    pub fn encode_within(&self, max_control_line: usize, out: &mut impl WireSink) -> Result<(), EncodeError> {
        self.check(max_control_line)?;
        self.write(out);
        Ok(())
    }

    /// Whether a server with this `max_control_line` takes it.
    ///
    /// # Errors
    /// [`EncodeError`] if it would close the connection.
    #[inline]
    pub fn check(&self, max_control_line: usize) -> Result<(), EncodeError> {
        if self.message_len > MAX_MESSAGE {
            return Err(EncodeError::MessageTooLarge {
                len: self.message_len,
            });
        }
        check_line(self.arguments_len, max_control_line)
    }

    /// Writes the operation, which was [checked](Self::check): unchecked, it may be one for which a server closes the
    /// connection.
    #[inline]
    pub fn write(&self, out: &mut impl WireSink) {
        if self.shared_len() == 0
            && let Some(room) = out.room(self.encoded_len)
        {
            self.fill(room);
        } else {
            put(
                self.subject,
                self.reply,
                self.token,
                self.headers,
                self.payload,
                self.encoded_len,
                out,
            );
        }
    }

    /// Writes it into memory of its length.
    #[inline]
    fn fill(&self, room: &mut [u8]) {
        let mut room = Room(room);
        match self.headers {
            None => room.put(b"PUB "),
            Some(_) => room.put(b"HPUB "),
        }
        room.put(self.subject);
        if !self.reply.is_empty() {
            room.put(b" ");
            room.put(self.reply);
            if let Some(token) = self.token {
                room.put(b".");
                with_decimal(token, |digits| room.put(digits));
            }
        }
        match self.headers {
            None => {
                room.put_size(self.message_len);
                room.put(b"\r\n");
            }
            Some(headers) => {
                room.put_size(headers.len());
                room.put_size(self.message_len);
                room.put(b"\r\n");
                room.put(headers);
            }
        }
        room.put(self.payload.as_slice());
        room.put(b"\r\n");
        // Otherwise what is left would go out as it lies there.
        debug_assert!(room.0.is_empty(), "the length of a frame is what was computed");
    }
}

/// Writes a frame piece by piece: not of the frame itself, so that one that is written at once need not lie in memory.
#[inline(never)]
fn put(
    subject: &[u8],
    reply: &[u8],
    token: Option<u64>,
    headers: Option<&[u8]>,
    payload: &Payload<'_>,
    len: usize,
    out: &mut impl WireSink,
) {
    out.reserve(len.saturating_sub(payload.shared_len()));
    out.put_slice(if headers.is_some() { b"HPUB " } else { b"PUB " });
    out.put_slice(subject);
    if !reply.is_empty() {
        out.put_slice(b" ");
        out.put_slice(reply);
        if let Some(token) = token {
            out.put_slice(b".");
            put_decimal(token, out);
        }
    }
    match headers {
        None => put_last_size(payload.len(), out),
        Some(headers) => {
            put_size(headers.len(), out);
            put_last_size(headers.len().saturating_add(payload.len()), out);
            out.put_slice(headers);
        }
    }
    payload.put(out);
    out.put_slice(b"\r\n");
}

/// Memory that is being filled from its beginning. What does not fit is left out: that cannot happen where its length was
/// computed.
struct Room<'a>(&'a mut [u8]);

impl Room<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if let Some((place, rest)) = core::mem::take(&mut self.0).split_at_mut_checked(bytes.len()) {
            place.copy_from_slice(bytes);
            self.0 = rest;
        }
    }

    /// A blank and a size.
    #[inline]
    fn put_size(&mut self, size: usize) {
        let room = core::mem::take(&mut self.0);
        if size < 10_000
            && let Some(place) = room.first_chunk_mut::<8>()
        {
            // What is too much of it is overwritten by what follows.
            let (text, len) = short_size(size);
            *place = text;
            self.0 = room.get_mut(len..).unwrap_or_default();
            return;
        }
        self.0 = room;
        self.put(b" ");
        with_decimal(size as u64, |digits| self.put(digits));
    }
}

impl<'a> Reply<'a> {
    /// The subject, or what it begins with, and its last token.
    #[inline]
    fn into_parts(self) -> (&'a [u8], Option<u64>) {
        match self {
            Self::Subject(subject) => (subject.as_bytes(), None),
            Self::Inbox { prefix, token } => (prefix.as_bytes(), Some(token)),
        }
    }
}

/// A dot and the digits of a token.
#[inline]
fn token_len(token: u64) -> usize {
    decimal_len(token).wrapping_add(1)
}
