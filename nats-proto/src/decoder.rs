//! Reads what a server sends.

use alloc::boxed::Box;

use bytes::{Buf, BytesMut};
use memchr::memchr;
use thiserror::Error;

use crate::control_line::{Line, is_blank, offset, without_end};
use crate::limits::Limits;
use crate::message::{Message, Views};
use crate::message_line::{LineFault, MessageContent, MessageOperation};
use crate::server_error::ServerError;
use crate::server_info::{InfoError, ServerInfo};
use crate::server_op::ServerOp;
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
#[derive(Clone, Debug, Hash)]
pub struct Decoder {
    /// As they were set.
    limits: Limits,
    /// As they are enforced.
    enforced: Limits,
    progress: Progress,
    /// How many bytes are missing at least.
    need: usize,
}

/// What is known of the bytes at the front of the buffer.
#[derive(Clone, Debug, Hash)]
enum Progress {
    /// Nothing yet.
    Fresh,
    /// A frame has begun.
    Begun(Begun),
    /// They are not the protocol. Apart: it is large, and rare.
    Failed(Box<DecodeError>),
}

/// A frame that has not arrived whole.
#[derive(Clone, Copy, Debug, Hash)]
struct Begun {
    /// How many bytes at the front of the buffer are known to hold no line feed.
    scanned: usize,
    /// Up to how many bytes in the buffer a line without an end is nothing to look at more closely.
    quiet: usize,
    /// How many bytes the frame has; 0 where that is not known.
    len: usize,
}

/// Why what a server sent is not the protocol. Final: what follows cannot be parsed any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Error)]
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
    /// The bytes after a payload are not CRLF.
    #[error("a payload is not followed by CRLF")]
    PayloadEnd,
    /// An INFO that cannot be read.
    #[error(transparent)]
    Info(#[from] InfoError),
}

crate::debug_line::debug_line!(DecodeError);

impl DecodeError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownOperation(_) => "unknown_operation",
            Self::LineTooLong { .. } => "line_too_long",
            Self::FieldCount(_) => "field_count",
            Self::Sid(_) => "bad_sid",
            Self::Size(_) => "bad_size",
            Self::PayloadTooLarge { .. } => "payload_too_large",
            Self::HeadersAboveTotal(_) => "headers_above_total",
            Self::PayloadEnd => "payload_end",
            Self::Info(error) => error.code(),
        }
    }
}

impl Decoder {
    /// A decoder for one stream from its first byte.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            enforced: limits.in_range(),
            progress: Progress::Fresh,
            need: 1,
        }
    }

    /// The limits, as they were set.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes the limits for all that is decoded from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.enforced = limits.in_range();
        // A frame whose line was accepted is judged again, and so is a line that has begun.
        if let Progress::Begun(begun) = &mut self.progress {
            (begun.quiet, begun.len) = (0, 0);
        }
    }

    /// Cuts the next operation from the front of `buffer`, or nothing if it has not arrived whole.
    ///
    /// # Errors
    /// [`DecodeError`]; all later calls give the same.
    #[inline]
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<ServerOp>, DecodeError> {
        let mut scanned = 0;
        if let Progress::Begun(begun) = &mut self.progress {
            let available = buffer.len();
            if available < begun.len {
                self.need = begun.len.wrapping_sub(available);
                return Ok(None);
            }
            if begun.goes_on(buffer) {
                return Ok(None);
            }
            if !begun.has_line(buffer) {
                return self.incomplete_line(buffer);
            }
            scanned = begun.scanned;
            self.start_anew();
        } else if let Progress::Failed(error) = &self.progress {
            return Err(**error);
        }
        self.decode_available(buffer, scanned)
    }

    /// How many more bytes are needed at least before [`decode`](Self::decode) can give anything: what to reserve
    /// in the buffer. At least 1; exact once the control line of a message is there.
    pub fn need(&self) -> usize {
        self.need
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Decoder {
    /// Decodes where a frame may be whole. Inlined, because a call would move the message once more.
    #[inline(always)]
    fn decode_available(
        &mut self,
        buffer: &mut BytesMut,
        scanned: usize,
    ) -> Result<Option<ServerOp>, DecodeError> {
        let Some(operation) = MessageOperation::of(buffer) else {
            return self.decode_other(buffer, scanned);
        };
        match operation.read_canonical(buffer) {
            Some((line_len, content)) => self.decode_message(buffer, line_len, &content),
            None => self.decode_odd_message(buffer, operation),
        }
    }

    /// Decodes what is not a message.
    #[cold]
    fn decode_other(
        &mut self,
        buffer: &mut BytesMut,
        scanned: usize,
    ) -> Result<Option<ServerOp>, DecodeError> {
        if buffer.is_empty() {
            return Ok(None);
        }
        let Some(at) = memchr(b'\n', buffer.get(scanned..).unwrap_or_default()) else {
            return self.incomplete_line(buffer);
        };
        let line_len = scanned.wrapping_add(at).wrapping_add(1);
        let line = without_end(buffer.get(..line_len).unwrap_or_default());
        let Some(word) = Word::of(line) else {
            return self.fail(DecodeError::UnknownOperation(Snippet::new(line)));
        };
        let limit = word.limit(self.enforced);
        if line_len > limit {
            return self.fail(DecodeError::LineTooLong { limit });
        }
        match word.read(line) {
            Ok(operation) => {
                buffer.advance(line_len);
                Ok(Some(operation))
            }
            Err(error) => self.fail(error),
        }
    }

    /// Decodes a message whose line is not as servers write it, or not whole.
    #[inline(never)]
    fn decode_odd_message(
        &mut self,
        buffer: &mut BytesMut,
        operation: MessageOperation,
    ) -> Result<Option<ServerOp>, DecodeError> {
        let Some(line) = Line::scan(buffer, operation.word_len()) else {
            return self.incomplete_line(buffer);
        };
        match operation.read(&line, buffer) {
            _ if line.len > self.enforced.line => self.fail(DecodeError::LineTooLong {
                limit: self.enforced.line,
            }),
            Ok(content) => self.decode_message(buffer, line.len, &content),
            Err(fault) => self.fail(fault_in(buffer, line.len, fault)),
        }
    }

    /// Cuts off the message that begins with a control line of `line_len` bytes, once it is all there.
    #[inline(always)]
    fn decode_message(
        &mut self,
        buffer: &mut BytesMut,
        line_len: usize,
        content: &MessageContent,
    ) -> Result<Option<ServerOp>, DecodeError> {
        let limits = self.enforced;
        if line_len > limits.line {
            return self.fail(DecodeError::LineTooLong { limit: limits.line });
        }
        if content.total_len > limits.payload {
            let size = u64::try_from(content.total_len).unwrap_or(u64::MAX);
            return self.fail(DecodeError::PayloadTooLarge {
                size,
                limit: limits.payload,
            });
        }
        // Neither sum can overflow: `Limits::in_range` keeps both parts below 2^31.
        let payload_end = line_len.wrapping_add(content.total_len);
        let frame_len = payload_end.wrapping_add(2);
        if buffer.len() < frame_len {
            self.progress = Progress::Begun(Begun {
                scanned: line_len.wrapping_sub(1),
                quiet: 0,
                len: frame_len,
            });
            self.need = frame_len.wrapping_sub(buffer.len());
            return Ok(None);
        }
        if buffer.get(payload_end..frame_len) != Some(b"\r\n") {
            return self.fail(DecodeError::PayloadEnd);
        }
        let frame = buffer.split_to(frame_len).freeze();
        let headers_at = offset(line_len);
        let payload_at = offset(line_len.wrapping_add(content.header_len));
        let views = Views {
            subject: content.subject,
            reply: content.reply,
            headers_at,
            payload_at,
        };
        Ok(Some(ServerOp::Message(Message::new(frame, content.sid, views))))
    }

    /// There is no line feed yet: whether there may still come one.
    #[inline(never)]
    fn incomplete_line(&mut self, buffer: &BytesMut) -> Result<Option<ServerOp>, DecodeError> {
        // One byte more than is shown, so that the CR of a short line is never among them.
        let mut quiet = Snippet::MAX;
        if buffer.len() > Snippet::MAX {
            let limit = match (MessageOperation::of(buffer), Word::of(buffer)) {
                (Some(_), _) => self.enforced.line,
                (None, Some(word)) => word.limit(self.enforced),
                (None, None) => return self.fail(DecodeError::UnknownOperation(Snippet::new(buffer))),
            };
            // The line feed to come counts too.
            if buffer.len() >= limit {
                return self.fail(DecodeError::LineTooLong { limit });
            }
            quiet = limit.wrapping_sub(1);
        }
        self.progress = Progress::Begun(Begun {
            scanned: buffer.len(),
            quiet,
            len: 0,
        });
        self.need = 1;
        Ok(None)
    }

    #[cold]
    fn fail(&mut self, error: DecodeError) -> Result<Option<ServerOp>, DecodeError> {
        self.progress = Progress::Failed(Box::new(error));
        self.need = 1;
        Err(error)
    }

    fn start_anew(&mut self) {
        self.progress = Progress::Fresh;
        self.need = 1;
    }
}

impl Begun {
    /// Whether a line goes on.
    #[inline]
    fn goes_on(&mut self, buffer: &[u8]) -> bool {
        if has_line_feed(buffer, self.scanned) || buffer.len() > self.quiet {
            return false;
        }
        self.scanned = buffer.len();
        true
    }

    /// Whether the line has its end. Only what is new is searched for it.
    #[inline(never)]
    fn has_line(&mut self, buffer: &[u8]) -> bool {
        let Some(at) = memchr(b'\n', buffer.get(self.scanned..).unwrap_or_default()) else {
            return false;
        };
        self.scanned = self.scanned.wrapping_add(at);
        true
    }
}

/// Whether there is one after the first `scanned` bytes: most often these are many, or one.
#[inline]
fn has_line_feed(bytes: &[u8], scanned: usize) -> bool {
    match bytes {
        [before @ .., last] if before.len() == scanned => *last == b'\n',
        _ => memchr(b'\n', bytes.get(scanned..).unwrap_or_default()).is_some(),
    }
}

/// The word of an operation that is only a line.
#[derive(Clone, Copy)]
enum Word {
    Info,
    Ping,
    Pong,
    Err,
    Ok,
}

impl Word {
    /// The word that `line` begins with, be the line whole or not. Only after INFO it matters what follows, and no
    /// blank is needed before a brace.
    fn of(line: &[u8]) -> Option<Self> {
        let begins = |word: &[u8]| {
            line.get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let info_ends = || line.get(4).is_none_or(|byte| is_blank(*byte) || *byte == b'{');
        match () {
            () if begins(b"PING") => Some(Self::Ping),
            () if begins(b"PONG") => Some(Self::Pong),
            () if begins(b"-ERR") => Some(Self::Err),
            () if begins(b"+OK") => Some(Self::Ok),
            () if begins(b"INFO") && info_ends() => Some(Self::Info),
            () => None,
        }
    }

    /// How long its line may be, with its end.
    fn limit(self, limits: Limits) -> usize {
        match self {
            Self::Info => limits.info,
            _ => limits.line,
        }
    }

    /// Reads the line that begins with it, without its end.
    fn read(self, line: &[u8]) -> Result<ServerOp, DecodeError> {
        let behind = line.get(4..).unwrap_or_default();
        Ok(match self {
            Self::Info => ServerOp::Info(Box::new(ServerInfo::parse(behind)?)),
            Self::Ping => ServerOp::Ping,
            Self::Pong => ServerOp::Pong,
            Self::Err => ServerOp::Err(ServerError::parse(behind)),
            Self::Ok => ServerOp::Ok,
        })
    }
}

#[cold]
fn fault_in(buffer: &[u8], line_len: usize, fault: LineFault) -> DecodeError {
    let line = Snippet::new(without_end(buffer.get(..line_len).unwrap_or_default()));
    match fault {
        LineFault::FieldCount => DecodeError::FieldCount(line),
        LineFault::Sid => DecodeError::Sid(line),
        LineFault::Size => DecodeError::Size(line),
        LineFault::HeadersAboveTotal => DecodeError::HeadersAboveTotal(line),
    }
}
