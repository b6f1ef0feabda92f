//! What a client sends, and how it is written.

use core::num::NonZeroU64;

use thiserror::Error;

use crate::connect::Connect;
use crate::headers::Headers;
use crate::sid::Sid;
use crate::subject::Subject;
use crate::subject_filter::{QueueGroup, SubjectFilter};
use crate::wire_sink::{Payload, WireSink};

/// The longest control line that servers take by default, in bytes of arguments: what stands between the word
/// and the line end (`max_control_line`, `parser.go`).
pub const MAX_CONTROL_LINE: usize = 4096;

/// The largest message that can be announced: servers read at most nine digits (`parseSize`, `util.go`).
pub const MAX_MESSAGE: usize = 999_999_999;

/// An operation of a client, to be written with [`encode`](Self::encode).
///
/// What it is made of is checked already, so that every operation that is written is read as exactly that one.
/// In the grammars below `SP` is one blank.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientOp<'a> {
    /// Who we are: the first operation, in answer to INFO. See [`Connect`] for the fields.
    ///
    /// ```text
    /// CONNECT SP json CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, Connect};
    /// let mut out = Vec::new();
    /// ClientOp::Connect(&Connect::default()).encode(&mut out)?;
    /// assert!(out.starts_with(br#"CONNECT {"verbose":false,"#) && out.ends_with(b"}\r\n"));
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Connect(&'a Connect),

    /// Wants a PONG, which also says that all that was sent before has been processed.
    ///
    /// ```text
    /// PING CRLF
    /// ```
    /// ```
    /// # use nats_proto::ClientOp;
    /// let mut out = Vec::new();
    /// ClientOp::Ping.encode(&mut out)?;
    /// assert_eq!(out, b"PING\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Ping,

    /// Answers a PING of the server.
    ///
    /// ```text
    /// PONG CRLF
    /// ```
    /// ```
    /// # use nats_proto::ClientOp;
    /// let mut out = Vec::new();
    /// ClientOp::Pong.encode(&mut out)?;
    /// assert_eq!(out, b"PONG\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Pong,

    /// A message, without or with headers. The sizes count bytes; `#total` includes the headers and must not
    /// be above the server's `max_payload`.
    ///
    /// ```text
    /// PUB SP subject [SP reply] SP #payload CRLF payload CRLF
    /// HPUB SP subject [SP reply] SP #headers SP #total CRLF headers payload CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, Headers, Reply, Subject};
    /// let (subject, reply) = (Subject::from_static("orders.eu"), Subject::from_static("answers"));
    /// let mut headers = Headers::new();
    /// headers.append("a", "b").unwrap();
    /// let mut out = Vec::new();
    /// ClientOp::Publish { subject: &subject, reply: None, headers: None, payload: "hello".into() }
    ///     .encode(&mut out)?;
    /// let reply = Some(Reply::Subject(&reply));
    /// ClientOp::Publish { subject: &subject, reply, headers: Some(&headers), payload: "hello".into() }
    ///     .encode(&mut out)?;
    /// assert_eq!(
    ///     out,
    ///     b"PUB orders.eu 5\r\nhello\r\nHPUB orders.eu answers 18 23\r\nNATS/1.0\r\na: b\r\n\r\nhello\r\n"
    /// );
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Publish {
        /// Where it goes.
        subject: &'a Subject,
        /// Where an answer is to go.
        reply: Option<Reply<'a>>,
        /// Its headers. Present but empty ones are written too.
        headers: Option<&'a Headers>,
        /// Its content.
        payload: Payload<'a>,
    },

    /// Asks for messages. A server refuses some without naming the `sid`: see
    /// [`PermissionViolation`](crate::PermissionViolation).
    ///
    /// ```text
    /// SUB SP subject [SP queue] SP sid CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, QueueGroup, Sid, SubjectFilter};
    /// let (filter, queue) = (SubjectFilter::from_static("orders.>"), QueueGroup::from_static("workers"));
    /// let mut out = Vec::new();
    /// ClientOp::Subscribe { sid: Sid::new(1), filter: &filter, queue: Some(&queue) }.encode(&mut out)?;
    /// assert_eq!(out, b"SUB orders.> workers 1\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Subscribe {
        /// The number that will stand in every message of this subscription.
        sid: Sid,
        /// What is asked for.
        filter: &'a SubjectFilter,
        /// The group that shares the messages.
        queue: Option<&'a QueueGroup>,
    },

    /// Asks for no more messages, at once or after so many since the SUB.
    ///
    /// ```text
    /// UNSUB SP sid [SP max] CRLF
    /// ```
    /// ```
    /// # use nats_proto::{ClientOp, Sid};
    /// let mut out = Vec::new();
    /// ClientOp::Unsubscribe { sid: Sid::new(1), max: None }.encode(&mut out)?;
    /// ClientOp::Unsubscribe { sid: Sid::new(2), max: std::num::NonZeroU64::new(10) }.encode(&mut out)?;
    /// assert_eq!(out, b"UNSUB 1\r\nUNSUB 2 10\r\n");
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Unsubscribe {
        /// The subscription.
        sid: Sid,
        /// After how many messages, counted by the server from the SUB on this link. At once if there is none.
        max: Option<NonZeroU64>,
    },
}

/// Where an answer is to go.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// To this subject.
    Subject(&'a Subject),
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
        Self::Subject(subject)
    }
}

/// Why an operation cannot be written. Nothing was written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The server would close the connection.
    #[error(
        "the control line would have {len} bytes of arguments, {limit} are allowed; use shorter subjects"
    )]
    ControlLineTooLong {
        /// How many bytes of arguments there would be.
        len: usize,
        /// How many may be.
        limit: usize,
    },
    /// Headers and payload are larger than can be announced.
    #[error("headers and payload have {len} bytes, at most 999999999 can be sent; send it in parts")]
    MessageTooLarge {
        /// How many bytes there are.
        len: usize,
    },
    /// A raw field of a [`ServerFrame`](crate::ServerFrame) would not be read as that one field.
    #[error("the {field} would not be read as one field; remove what ends a field or a line")]
    Field {
        /// Which field.
        field: &'static str,
    },
}

impl ClientOp<'_> {
    /// Writes the operation.
    ///
    /// # Errors
    /// [`EncodeError`] if a server would close the connection; nothing is written then.
    #[inline]
    pub fn encode(self, out: &mut impl WireSink) -> Result<(), EncodeError> {
        self.encode_within(MAX_CONTROL_LINE, out)
    }

    /// As [`encode`](Self::encode), for a server whose `max_control_line` is not the default.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_within(self, max_control_line: usize, out: &mut impl WireSink) -> Result<(), EncodeError> {
        match self {
            Self::Connect(connect) => {
                let json = connect.to_json();
                check_line(json.len(), max_control_line)?;
                out.reserve(json.len().saturating_add(10));
                out.put_slice(b"CONNECT ");
                out.put_slice(json.as_bytes());
                out.put_slice(b"\r\n");
            }
            Self::Ping => out.put_slice(b"PING\r\n"),
            Self::Pong => out.put_slice(b"PONG\r\n"),
            Self::Publish {
                subject,
                reply,
                headers,
                payload,
            } => {
                let publish = Publish::new(subject, reply, headers, payload.len());
                publish.check(max_control_line)?;
                publish.put(payload, out);
            }
            Self::Subscribe { sid, filter, queue } => {
                check_line(subscribe_arguments(sid, filter, queue), max_control_line)?;
                out.put_slice(b"SUB ");
                out.put_slice(filter.as_bytes());
                if let Some(queue) = queue {
                    out.put_slice(b" ");
                    out.put_slice(queue.as_bytes());
                }
                out.put_slice(Tail::new(sid.get()).as_bytes());
            }
            Self::Unsubscribe { sid, max } => {
                out.put_slice(b"UNSUB");
                let mut tail = Tail::new(max.map_or(sid.get(), NonZeroU64::get));
                if max.is_some() {
                    tail.prepend(sid.get());
                }
                out.put_slice(tail.as_bytes());
            }
        }
        Ok(())
    }

    /// How many bytes [`encode`](Self::encode) writes.
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Connect(connect) => connect.to_json().len().saturating_add(10),
            Self::Ping | Self::Pong => 6,
            Self::Publish {
                subject,
                reply,
                headers,
                payload,
            } => Publish::new(subject, *reply, *headers, payload.len()).frame_len(),
            Self::Subscribe { sid, filter, queue } => {
                subscribe_arguments(*sid, filter, *queue).saturating_add(6)
            }
            Self::Unsubscribe { sid, max } => {
                let max = max.map_or(0, |max| decimal_len(max.get()).saturating_add(1));
                decimal_len(sid.get()).saturating_add(max).saturating_add(8)
            }
        }
    }
}

/// A `PUB` or `HPUB` with its sizes worked out.
struct Publish<'a> {
    subject: &'a [u8],
    reply: Option<Reply<'a>>,
    headers: Option<&'a [u8]>,
    total_len: usize,
    /// The bytes between the word and the line end, as the server counts them.
    arguments_len: usize,
}

impl<'a> Publish<'a> {
    #[inline]
    fn new(
        subject: &'a Subject,
        reply: Option<Reply<'a>>,
        headers: Option<&'a Headers>,
        payload_len: usize,
    ) -> Self {
        let subject = subject.as_bytes();
        let headers = headers.map(Headers::as_block);
        let headers_len = headers.map_or(0, <[u8]>::len);
        let total_len = headers_len.saturating_add(payload_len);
        let mut arguments_len = subject
            .len()
            .saturating_add(1)
            .saturating_add(size_digits(total_len));
        if headers.is_some() {
            arguments_len = arguments_len
                .saturating_add(1)
                .saturating_add(size_digits(headers_len));
        }
        if let Some(reply) = reply {
            arguments_len = arguments_len
                .saturating_add(1)
                .saturating_add(reply.encoded_len());
        }
        Self {
            subject,
            reply,
            headers,
            total_len,
            arguments_len,
        }
    }

    fn check(&self, max_control_line: usize) -> Result<(), EncodeError> {
        if self.total_len > MAX_MESSAGE {
            return Err(EncodeError::MessageTooLarge { len: self.total_len });
        }
        check_line(self.arguments_len, max_control_line)
    }

    fn frame_len(&self) -> usize {
        let around = if self.headers.is_some() { 9 } else { 8 };
        self.arguments_len
            .saturating_add(self.total_len)
            .saturating_add(around)
    }

    #[inline]
    fn put(self, payload: Payload<'_>, out: &mut impl WireSink) {
        // A payload that the sink keeps by reference needs no room.
        out.reserve(match &payload {
            Payload::Borrowed(_) => self.frame_len(),
            Payload::Shared(payload) => self.frame_len().saturating_sub(payload.len()),
        });
        match self.headers {
            Some(_) => out.put_slice(b"HPUB "),
            None => out.put_slice(b"PUB "),
        }
        out.put_slice(self.subject);
        if let Some(reply) = self.reply {
            out.put_slice(b" ");
            reply.put(out);
        }
        let mut tail = Tail::new(wide(self.total_len));
        if let Some(headers) = self.headers {
            tail.prepend(wide(headers.len()));
            out.put_slice(tail.as_bytes());
            out.put_slice(headers);
        } else {
            out.put_slice(tail.as_bytes());
        }
        payload.put(out);
        out.put_slice(b"\r\n");
    }
}

impl Reply<'_> {
    fn encoded_len(&self) -> usize {
        match self {
            Self::Subject(subject) => subject.as_bytes().len(),
            Self::Inbox { prefix, token } => prefix
                .as_bytes()
                .len()
                .saturating_add(1)
                .saturating_add(decimal_len(*token)),
        }
    }

    fn put(&self, out: &mut impl WireSink) {
        match self {
            Self::Subject(subject) => out.put_slice(subject.as_bytes()),
            Self::Inbox { prefix, token } => {
                out.put_slice(prefix.as_bytes());
                out.put_slice(b".");
                out.put_slice(itoa::Buffer::new().format(*token).as_bytes());
            }
        }
    }
}

/// The end of a control line: numbers with a blank before each, and CRLF. Built from its end, on the stack.
pub(crate) struct Tail {
    bytes: [u8; Self::ROOM],
    start: usize,
}

impl Tail {
    /// Two numbers of twenty digits with a blank each, and CRLF.
    const ROOM: usize = 44;

    #[inline]
    pub(crate) fn new(number: u64) -> Self {
        let mut tail = Self {
            bytes: [0; Self::ROOM],
            start: Self::ROOM,
        };
        tail.prepend_byte(b'\n');
        tail.prepend_byte(b'\r');
        tail.prepend(number);
        tail
    }

    /// Puts another number before what is there. There is room for two in all.
    #[inline]
    pub(crate) fn prepend(&mut self, number: u64) {
        let mut rest = number;
        loop {
            self.prepend_byte(b'0'.wrapping_add((rest % 10) as u8));
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.prepend_byte(b' ');
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    #[inline]
    fn prepend_byte(&mut self, byte: u8) {
        self.start = self.start.wrapping_sub(1);
        if let Some(slot) = self.bytes.get_mut(self.start) {
            *slot = byte;
        }
    }
}

fn check_line(len: usize, limit: usize) -> Result<(), EncodeError> {
    if len > limit {
        Err(EncodeError::ControlLineTooLong { len, limit })
    } else {
        Ok(())
    }
}

fn subscribe_arguments(sid: Sid, filter: &SubjectFilter, queue: Option<&QueueGroup>) -> usize {
    let queue = queue.map_or(0, |queue| queue.as_bytes().len().saturating_add(1));
    filter
        .as_bytes()
        .len()
        .saturating_add(1)
        .saturating_add(queue)
        .saturating_add(decimal_len(sid.get()))
}

/// How many digits a size has.
fn size_digits(size: usize) -> usize {
    decimal_len(wide(size))
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[inline]
fn decimal_len(number: u64) -> usize {
    number
        .checked_ilog10()
        .map_or(1, |log| (log as usize).wrapping_add(1))
}
