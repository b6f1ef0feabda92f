//! What a client sends, and how it is written.

use core::num::NonZeroU64;

use thiserror::Error;

use crate::connect::Connect;
use crate::headers::Headers;
use crate::sid::Sid;
use crate::subject::Subject;
use crate::subject_filter::{QueueGroup, SubjectFilter};
use crate::subject_ref::SubjectRef;
use crate::transmit_buf::SHARED_MIN;
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
    /// # use nats_proto::{ClientOp, Headers, Reply, SubjectRef};
    /// let (subject, reply) = (SubjectRef::new("orders.eu").unwrap(), SubjectRef::new("answers").unwrap());
    /// let mut headers = Headers::new();
    /// headers.append("a", "b").unwrap();
    /// let mut out = Vec::new();
    /// ClientOp::Publish { subject, reply: None, headers: None, payload: "hello".into() }
    ///     .encode(&mut out)?;
    /// let reply = Some(Reply::Subject(reply));
    /// ClientOp::Publish { subject, reply, headers: Some(&headers), payload: "hello".into() }
    ///     .encode(&mut out)?;
    /// assert_eq!(
    ///     out,
    ///     b"PUB orders.eu 5\r\nhello\r\nHPUB orders.eu answers 18 23\r\nNATS/1.0\r\na: b\r\n\r\nhello\r\n"
    /// );
    /// # Ok::<(), nats_proto::EncodeError>(())
    /// ```
    Publish {
        /// Where it goes.
        subject: SubjectRef<'a>,
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

/// Why an operation cannot be written. Nothing was written then.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
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

crate::debug_line::debug_line!(EncodeError);

impl EncodeError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ControlLineTooLong { .. } => "control_line_too_long",
            Self::MessageTooLarge { .. } => "message_too_large",
            Self::Field { .. } => "field",
        }
    }
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
    #[inline]
    pub fn encode_within(self, max_control_line: usize, out: &mut impl WireSink) -> Result<(), EncodeError> {
        match self {
            Self::Publish {
                subject,
                reply,
                headers,
                payload,
            } => {
                let publish = Publish {
                    subject: subject.as_bytes(),
                    reply,
                    max_control_line,
                };
                match headers {
                    None => publish.put(payload, out),
                    Some(headers) => publish.put_with_headers(headers.as_block(), payload, out),
                }
            }
            Self::Ping => {
                out.put_slice(b"PING\r\n");
                Ok(())
            }
            Self::Pong => {
                out.put_slice(b"PONG\r\n");
                Ok(())
            }
            Self::Connect(connect) => put_connect(connect, max_control_line, out),
            Self::Subscribe { sid, filter, queue } => {
                put_subscribe(sid, filter, queue, max_control_line, out)
            }
            Self::Unsubscribe { sid, max } => put_unsubscribe(sid, max, max_control_line, out),
        }
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
            } => {
                let headers_len = headers.map(Headers::encoded_len);
                let total_len = headers_len.unwrap_or(0).saturating_add(payload.len());
                let sizes = headers_len.map_or(0, |len| size_len(len).saturating_add(2));
                let reply = reply.map_or(0, |reply| reply.encoded_len().saturating_add(1));
                [
                    subject.as_bytes().len(),
                    reply,
                    sizes,
                    size_len(total_len),
                    total_len,
                    9,
                ]
                .into_iter()
                .fold(0, usize::saturating_add)
            }
            Self::Subscribe { sid, filter, queue } => {
                subscribe_arguments(*sid, filter, *queue).saturating_add(6)
            }
            Self::Unsubscribe { sid, max } => unsubscribe_arguments(*sid, *max).saturating_add(8),
        }
    }
}

fn put_connect(
    connect: &Connect,
    max_control_line: usize,
    out: &mut impl WireSink,
) -> Result<(), EncodeError> {
    let json = connect.to_json();
    check_line(json.len(), max_control_line)?;
    out.reserve(json.len().saturating_add(10));
    out.put_slice(b"CONNECT ");
    out.put_slice(json.as_bytes());
    out.put_slice(b"\r\n");
    Ok(())
}

fn put_subscribe(
    sid: Sid,
    filter: &SubjectFilter,
    queue: Option<&QueueGroup>,
    max_control_line: usize,
    out: &mut impl WireSink,
) -> Result<(), EncodeError> {
    check_line(subscribe_arguments(sid, filter, queue), max_control_line)?;
    out.put_slice(b"SUB ");
    out.put_slice(filter.as_bytes());
    out.put_slice(b" ");
    if let Some(queue) = queue {
        out.put_slice(queue.as_bytes());
        out.put_slice(b" ");
    }
    put_decimal(sid.get(), out);
    out.put_slice(b"\r\n");
    Ok(())
}

fn put_unsubscribe(
    sid: Sid,
    max: Option<NonZeroU64>,
    max_control_line: usize,
    out: &mut impl WireSink,
) -> Result<(), EncodeError> {
    check_line(unsubscribe_arguments(sid, max), max_control_line)?;
    out.put_slice(b"UNSUB ");
    put_decimal(sid.get(), out);
    if let Some(max) = max {
        out.put_slice(b" ");
        put_decimal(max.get(), out);
    }
    out.put_slice(b"\r\n");
    Ok(())
}

/// A `PUB` or `HPUB` but for headers and payload.
struct Publish<'a> {
    subject: &'a [u8],
    reply: Option<Reply<'a>>,
    max_control_line: usize,
}

/// The bytes of a payload that are copied where large ones need not be.
#[inline]
fn copied_len(payload: &Payload<'_>) -> usize {
    match payload {
        Payload::Shared(bytes) if bytes.len() >= SHARED_MIN => 0,
        payload => payload.len(),
    }
}

impl Publish<'_> {
    #[inline]
    fn put(self, payload: Payload<'_>, out: &mut impl WireSink) -> Result<(), EncodeError> {
        let total_len = payload.len();
        let arguments_len = self.check(total_len, size_len(total_len))?;
        out.reserve(arguments_len.wrapping_add(copied_len(&payload)).wrapping_add(8));
        out.put_slice(b"PUB ");
        self.put_subjects(out);
        put_last_size(total_len, out);
        payload.put(out);
        out.put_slice(b"\r\n");
        Ok(())
    }

    fn put_with_headers(
        self,
        headers: &[u8],
        payload: Payload<'_>,
        out: &mut impl WireSink,
    ) -> Result<(), EncodeError> {
        let total_len = headers.len().saturating_add(payload.len());
        let sizes_len = size_len(headers.len())
            .wrapping_add(size_len(total_len))
            .wrapping_add(1);
        let arguments_len = self.check(total_len, sizes_len)?;
        let copied = headers.len().saturating_add(copied_len(&payload));
        out.reserve(arguments_len.wrapping_add(copied).wrapping_add(9));
        out.put_slice(b"HPUB ");
        self.put_subjects(out);
        put_size(headers.len(), out);
        put_last_size(total_len, out);
        out.put_slice(headers);
        payload.put(out);
        out.put_slice(b"\r\n");
        Ok(())
    }

    /// How many bytes of arguments the line has, unless that or the message is too much.
    #[inline]
    fn check(&self, total_len: usize, sizes_len: usize) -> Result<usize, EncodeError> {
        if total_len > MAX_MESSAGE {
            return Err(EncodeError::MessageTooLarge { len: total_len });
        }
        // The length of one slice and a few bytes more cannot overflow.
        let mut len = self.subject.len().wrapping_add(sizes_len).wrapping_add(1);
        if let Some(reply) = &self.reply {
            len = len.saturating_add(reply.encoded_len()).saturating_add(1);
        }
        check_line(len, self.max_control_line)?;
        Ok(len)
    }

    #[inline]
    fn put_subjects(&self, out: &mut impl WireSink) {
        out.put_slice(self.subject);
        if let Some(reply) = &self.reply {
            out.put_slice(b" ");
            reply.put(out);
        }
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
                put_decimal(*token, out);
            }
        }
    }
}

/// Writes a blank and a size. Small ones, which most are, without a loop and in one piece of known length.
#[inline]
pub(crate) fn put_size(size: usize, out: &mut impl WireSink) {
    let [hundreds, tens, ones] = digits(size);
    match size {
        0..10 => out.put_slice(&[b' ', ones]),
        10..100 => out.put_slice(&[b' ', tens, ones]),
        100..1000 => out.put_slice(&[b' ', hundreds, tens, ones]),
        _ => put_large_size(size, b"", out),
    }
}

/// As [`put_size`], and the end of the line.
#[inline]
pub(crate) fn put_last_size(size: usize, out: &mut impl WireSink) {
    let [hundreds, tens, ones] = digits(size);
    match size {
        0..10 => out.put_slice(&[b' ', ones, b'\r', b'\n']),
        10..100 => out.put_slice(&[b' ', tens, ones, b'\r', b'\n']),
        100..1000 => out.put_slice(&[b' ', hundreds, tens, ones, b'\r', b'\n']),
        _ => put_large_size(size, b"\r\n", out),
    }
}

/// The digits of a number below 1000; of a larger one, three that mean nothing.
#[inline]
fn digits(number: usize) -> [u8; 3] {
    // Exact below 1000, and cheaper than dividing: 656 / 65536 is a bit above 1 / 100, 205 / 2048 above 1 / 10.
    let number = number as u32;
    let hundreds = number.wrapping_mul(656) >> 16;
    let rest = number.wrapping_sub(hundreds.wrapping_mul(100));
    let tens = rest.wrapping_mul(205) >> 11;
    let ones = rest.wrapping_sub(tens.wrapping_mul(10));
    [hundreds, tens, ones].map(|digit| b'0'.wrapping_add(digit as u8))
}

#[cold]
fn put_large_size(size: usize, end: &[u8], out: &mut impl WireSink) {
    out.put_slice(b" ");
    put_decimal(wide(size), out);
    out.put_slice(end);
}

/// How many digits a size has.
#[inline]
fn size_len(size: usize) -> usize {
    match size {
        0..10 => 1,
        10..100 => 2,
        100..1000 => 3,
        _ => decimal_len(wide(size)),
    }
}

pub(crate) fn put_decimal(number: u64, out: &mut impl WireSink) {
    out.put_slice(itoa::Buffer::new().format(number).as_bytes());
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

fn unsubscribe_arguments(sid: Sid, max: Option<NonZeroU64>) -> usize {
    let max = max.map_or(0, |max| decimal_len(max.get()).saturating_add(1));
    decimal_len(sid.get()).saturating_add(max)
}

#[inline]
fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[inline]
fn decimal_len(number: u64) -> usize {
    number
        .checked_ilog10()
        .map_or(1, |log| (log as usize).wrapping_add(1))
}
