//! Reads what a server sends.

use alloc::boxed::Box;

use bytes::{Buf, BytesMut};
use memchr::memchr;
use thiserror::Error;

use crate::control_line::{Fields, NumberError, Span, decimal, is_blank, offset, without_end};
use crate::limits::Limits;
use crate::message::{Message, Views};
use crate::server_error::ServerError;
use crate::server_info::{InfoError, ServerInfo};
use crate::server_op::ServerOp;
use crate::sid::Sid;
use crate::snippet::Snippet;

/// Cuts operations from the front of a read buffer, in the client role.
///
/// It keeps only how far it has looked: the bytes stay in the caller's buffer, and a message is cut from it
/// without a copy. The buffer may be refilled between calls but its beginning must not change; one decoder serves
/// one stream. Any bytes whatever give operations or a final error, the same however they were split.
///
/// ```
/// use bytes::BytesMut;
/// use nats_proto::{Decoder, ServerOp};
///
/// let mut decoder = Decoder::default();
/// let mut buffer = BytesMut::from("PING\r\nMSG a 1 5\r\nhel");
/// assert_eq!(decoder.decode(&mut buffer)?, Some(ServerOp::Ping));
/// assert_eq!(decoder.decode(&mut buffer)?, None);
/// assert_eq!(decoder.need(), 4);
/// buffer.extend_from_slice(b"lo\r\n");
/// assert!(matches!(decoder.decode(&mut buffer)?, Some(ServerOp::Message(m)) if m.payload() == b"hello"));
/// # Ok::<(), nats_proto::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    limits: Limits,
    /// How many bytes at the front of the buffer are known to hold no line feed.
    scanned: usize,
    /// How many bytes the buffer must hold for the frame whose line has arrived; 0 if no line has.
    wanted: usize,
    /// How many bytes are missing at least.
    need: usize,
    failed: Option<DecodeError>,
}

/// Why what a server sent is not the protocol. Final: what follows cannot be told apart any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The line begins with no operation that a server sends; blank lines are none.
    #[error("{0} is not an operation of a NATS server; check that the port is that of NATS clients")]
    UnknownOperation(Snippet),
    /// A control line is longer than [`Limits::line`] or [`Limits::info`].
    #[error("a control line is longer than {limit} bytes; raise the limit if that is to be expected")]
    LineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A `MSG` or `HMSG` with too few or too many fields.
    #[error("{0} has the wrong number of fields")]
    FieldCount(Snippet),
    /// A subscription identifier that is not a decimal number below 2^64, so not one of ours.
    #[error("{0} has a subscription identifier that is not a decimal number below 2^64")]
    Sid(Snippet),
    /// A size that is not a decimal number.
    #[error("{0} has a size that is not a decimal number")]
    Size(Snippet),
    /// A message larger than [`Limits::payload`].
    #[error(
        "a message of {size} bytes is above the limit of {limit}; raise the limit if that is to be expected"
    )]
    PayloadTooLarge {
        /// The size that was announced; `u64::MAX` if it was larger than that.
        size: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// An `HMSG` whose headers are longer than the whole.
    #[error("{0} has a header size above its total size")]
    HeadersAboveTotal(Snippet),
    /// The bytes behind a payload are not CRLF.
    #[error("a payload is not followed by CRLF")]
    PayloadEnd,
    /// An INFO that cannot be read.
    #[error(transparent)]
    Info(#[from] InfoError),
}

/// What the control line of a message says.
struct MessageLine {
    sid: Sid,
    subject: Span,
    reply: Span,
    header_len: usize,
    total_len: usize,
}

impl Decoder {
    /// A decoder for one stream from its first byte.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// The limits, as they were set.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes the limits for all that is decoded from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        // A frame whose line was accepted is judged again.
        self.wanted = 0;
    }

    /// Cuts the next operation from the front of `buffer`, or nothing if it has not arrived whole.
    ///
    /// # Errors
    /// [`DecodeError`]; all later calls give the same.
    #[inline]
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<ServerOp>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let available = buffer.len();
        if available < self.wanted {
            self.need = self.wanted.wrapping_sub(available);
            return Ok(None);
        }
        let unseen = buffer.get(self.scanned..).unwrap_or_default();
        match memchr(b'\n', unseen) {
            Some(at) => self.decode_line(buffer, self.scanned.wrapping_add(at).wrapping_add(1)),
            None => self.incomplete_line(buffer),
        }
        .inspect_err(|error| self.failed = Some(*error))
    }

    /// How many more bytes are needed at least before [`decode`](Self::decode) can give anything: what to reserve
    /// in the buffer. At least 1; exact once the control line of a message is there.
    pub fn need(&self) -> usize {
        self.need.max(1)
    }
}

impl Decoder {
    /// Decodes the operation whose control line is the first `line_len` bytes, line feed included.
    fn decode_line(
        &mut self,
        buffer: &mut BytesMut,
        line_len: usize,
    ) -> Result<Option<ServerOp>, DecodeError> {
        let line = without_end(buffer.get(..line_len).unwrap_or_default());
        let limits = self.limits.in_range();
        if line_len > limits.line {
            check_long_line(line, line_len, limits)?;
        }
        match line {
            [b'M' | b'm', b'S' | b's', b'G' | b'g', b' ' | b'\t', ..] => {
                let message = parse_msg(line)?;
                self.take_message(buffer, line_len, &message, limits)
            }
            [
                b'H' | b'h',
                b'M' | b'm',
                b'S' | b's',
                b'G' | b'g',
                b' ' | b'\t',
                ..,
            ] => {
                let message = parse_hmsg(line)?;
                self.take_message(buffer, line_len, &message, limits)
            }
            _ => {
                let operation = decode_control(line)?;
                buffer.advance(line_len);
                self.start_anew();
                Ok(Some(operation))
            }
        }
    }

    /// Cuts off the message that begins with a control line of `line_len` bytes, once it is all there.
    fn take_message(
        &mut self,
        buffer: &mut BytesMut,
        line_len: usize,
        message: &MessageLine,
        limits: Limits,
    ) -> Result<Option<ServerOp>, DecodeError> {
        if message.total_len > limits.payload {
            let size = u64::try_from(message.total_len).unwrap_or(u64::MAX);
            return Err(DecodeError::PayloadTooLarge {
                size,
                limit: limits.payload,
            });
        }
        // Neither sum can overflow: `Limits::in_range` keeps both parts below 2^30.
        let payload_end = line_len.wrapping_add(message.total_len);
        let frame_len = payload_end.wrapping_add(2);
        if buffer.len() < frame_len {
            self.scanned = line_len.wrapping_sub(1);
            self.wanted = frame_len;
            self.need = frame_len.wrapping_sub(buffer.len());
            return Ok(None);
        }
        if buffer.get(payload_end..frame_len) != Some(b"\r\n") {
            return Err(DecodeError::PayloadEnd);
        }
        let frame = buffer.split_to(frame_len).freeze();
        self.start_anew();
        let headers_at = offset(line_len);
        let payload_at = offset(line_len.wrapping_add(message.header_len));
        let views = Views {
            subject: message.subject,
            reply: message.reply,
            headers_at,
            payload_at,
        };
        Ok(Some(ServerOp::Message(Message::new(frame, message.sid, views))))
    }

    /// There is no line feed yet: whether there may still come one.
    #[cold]
    fn incomplete_line(&mut self, buffer: &BytesMut) -> Result<Option<ServerOp>, DecodeError> {
        // One byte more than is shown, so that the CR of a short line is never among them.
        if buffer.len() > Snippet::MAX {
            // The line feed to come counts too.
            check_long_line(buffer, buffer.len().saturating_add(1), self.limits.in_range())?;
        }
        self.scanned = buffer.len();
        self.wanted = 0;
        self.need = 1;
        Ok(None)
    }

    fn start_anew(&mut self) {
        self.scanned = 0;
        self.wanted = 0;
        self.need = 1;
    }
}

/// Every operation but `MSG` and `HMSG`.
#[cold]
fn decode_control(line: &[u8]) -> Result<ServerOp, DecodeError> {
    if let Some(json) = info_json(line) {
        return Ok(ServerOp::Info(Box::new(ServerInfo::parse(json)?)));
    }
    let (word, rest) = line.split_at_checked(4).unwrap_or((line, &[]));
    let three = line.get(..3).unwrap_or_default();
    match (word, three) {
        _ if word.eq_ignore_ascii_case(b"PING") => Ok(ServerOp::Ping),
        _ if word.eq_ignore_ascii_case(b"PONG") => Ok(ServerOp::Pong),
        _ if word.eq_ignore_ascii_case(b"-ERR") => Ok(ServerOp::Err(ServerError::parse(rest))),
        _ if three.eq_ignore_ascii_case(b"+OK") => Ok(ServerOp::Ok),
        _ => Err(DecodeError::UnknownOperation(Snippet::new(line))),
    }
}

/// What stands behind the word INFO. No blank is needed before a brace.
fn info_json(line: &[u8]) -> Option<&[u8]> {
    let (word, rest) = line.split_at_checked(4)?;
    let ends = rest.first().is_none_or(|byte| is_blank(*byte) || *byte == b'{');
    (word.eq_ignore_ascii_case(b"INFO") && ends).then_some(rest)
}

/// Whether a line that has not arrived whole begins with an operation.
fn is_known(line: &[u8]) -> bool {
    let begins = |word: &[u8]| {
        line.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    info_json(line).is_some()
        || [
            &b"PING"[..],
            b"PONG",
            b"-ERR",
            b"+OK",
            b"MSG ",
            b"MSG\t",
            b"HMSG ",
            b"HMSG\t",
        ]
        .into_iter()
        .any(begins)
}

/// Judges a line by its beginning and its length, in this order, so that the end of the line need not be there.
fn check_long_line(line: &[u8], line_len: usize, limits: Limits) -> Result<(), DecodeError> {
    if !is_known(line) {
        return Err(DecodeError::UnknownOperation(Snippet::new(line)));
    }
    let limit = if info_json(line).is_some() {
        limits.info
    } else {
        limits.line
    };
    if line_len > limit {
        Err(DecodeError::LineTooLong { limit })
    } else {
        Ok(())
    }
}

fn parse_msg(line: &[u8]) -> Result<MessageLine, DecodeError> {
    let mut fields = Fields::new(line, 3);
    let (subject, sid, third) = match (fields.next(), fields.next(), fields.next()) {
        (Some(subject), Some(sid), Some(third)) => (subject, sid, third),
        _ => return Err(DecodeError::FieldCount(Snippet::new(line))),
    };
    let (reply, size) = match fields.next() {
        None => (Span::default(), third),
        Some(size) => (third, size),
    };
    if fields.next().is_some() {
        return Err(DecodeError::FieldCount(Snippet::new(line)));
    }
    let sid = parse_sid(line, sid)?;
    Ok(MessageLine {
        sid,
        subject,
        reply,
        header_len: 0,
        total_len: parse_size(line, size)?,
    })
}

fn parse_hmsg(line: &[u8]) -> Result<MessageLine, DecodeError> {
    let mut fields = Fields::new(line, 4);
    let (subject, sid, third, fourth) = match (fields.next(), fields.next(), fields.next(), fields.next()) {
        (Some(subject), Some(sid), Some(third), Some(fourth)) => (subject, sid, third, fourth),
        _ => return Err(DecodeError::FieldCount(Snippet::new(line))),
    };
    let (reply, header_len, total_len) = match fields.next() {
        None => (Span::default(), third, fourth),
        Some(total_len) => (third, fourth, total_len),
    };
    if fields.next().is_some() {
        return Err(DecodeError::FieldCount(Snippet::new(line)));
    }
    let sid = parse_sid(line, sid)?;
    let (header_len, total_len) = (parse_size(line, header_len)?, parse_size(line, total_len)?);
    if header_len > total_len {
        return Err(DecodeError::HeadersAboveTotal(Snippet::new(line)));
    }
    Ok(MessageLine {
        sid,
        subject,
        reply,
        header_len,
        total_len,
    })
}

fn parse_sid(line: &[u8], field: Span) -> Result<Sid, DecodeError> {
    decimal(field.of(line))
        .map(Sid::new)
        .map_err(|_| DecodeError::Sid(Snippet::new(line)))
}

/// A size; one that no memory could hold counts as the largest there is, which every limit refuses.
fn parse_size(line: &[u8], field: Span) -> Result<usize, DecodeError> {
    match decimal(field.of(line)) {
        Ok(size) => Ok(usize::try_from(size).unwrap_or(usize::MAX)),
        Err(NumberError::TooLarge) => Ok(usize::MAX),
        Err(NumberError::NotDecimal) => Err(DecodeError::Size(Snippet::new(line))),
    }
}
