//! Reads what a client sends, as a server does.

use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use thiserror::Error;

use crate::client_frame::ClientFrame;
use crate::connect::Connect;
use crate::control_line::{Line, Span, decimal, is_blank, trim, without_end};
use crate::encode_error::MAX_CONTROL_LINE;
use crate::server_info::ServerInfo;

/// Cuts operations from the front of a read buffer, in the server role: for test servers and proxies.
///
/// It takes and refuses what a real server does (`parser.go`): operations in any case, runs of blanks and tabs, a
/// bare LF after a control line, any bytes after `PING`, `PONG` and `+OK`; but no blank lines, no payload without
/// CRLF, no size of more than nine digits. Where a real server depends on how the bytes were split, as with a CR
/// in the middle of a line, this one refuses.
///
/// ```
/// use nats_proto::{ClientFrame, ServerDecoder};
///
/// let mut wire = bytes::BytesMut::from("SUB a.* 1\r\npub a.b 2\nhi\r\n");
/// let mut decoder = ServerDecoder::default();
/// let Some(ClientFrame::Subscribe { subject, sid, queue: None }) = decoder.decode(&mut wire)? else { panic!() };
/// assert_eq!((&subject[..], &sid[..]), (&b"a.*"[..], &b"1"[..]));
/// let Some(ClientFrame::Publish { payload, .. }) = decoder.decode(&mut wire)? else { panic!() };
/// assert_eq!(payload, "hi");
/// # Ok::<(), nats_proto::ServerDecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerDecoder {
    limits: ServerLimits,
    /// How many bytes at the front of the buffer are known to hold no line feed.
    scanned: usize,
    /// Up to where a line that trickles in is known to be its word and blanks.
    arguments_at: usize,
    /// How many bytes the buffer must hold for the frame whose line has arrived; 0 if no line has.
    wanted: usize,
    /// How many bytes are missing at least.
    need: usize,
    failed: Option<ServerDecodeError>,
}

/// How many blanks may stand before the arguments. Real servers take any number, because they keep none.
const MAX_BLANKS: usize = 4096;

/// How much a client may send at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// The most bytes of arguments in a control line: `max_control_line`. Default: 4096. The blanks between the
    /// word and the arguments do not count, but there may be 4096 of them at most.
    pub control_line: usize,
    /// The most bytes of headers and payload: `max_payload`. Default: 1 MiB.
    pub payload: usize,
}

/// Why a server closes the connection.
#[derive(Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ServerDecodeError {
    /// No operation of a client, or a payload that is not followed by CRLF.
    #[error("not an operation of a client")]
    UnknownOperation,
    /// More bytes of arguments than [`ServerLimits::control_line`].
    #[error("a control line has more than {limit} bytes of arguments")]
    ControlLineTooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// More bytes of headers and payload than [`ServerLimits::payload`].
    #[error("a message is larger than {limit} bytes")]
    PayloadTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A CONNECT with a `protocol` that is neither 0 nor 1.
    #[error("a CONNECT with a protocol that is neither 0 nor 1")]
    ClientProtocol,
    /// A wrong number of fields, or a size that is none. Servers close without an `-ERR`.
    #[error("an operation with wrong fields")]
    Arguments,
    /// A CONNECT that is not JSON. Servers close without an `-ERR`.
    #[error("a CONNECT that is not JSON")]
    ConnectJson,
    /// An INFO that is not JSON. Servers close without an `-ERR`.
    #[error("an INFO that is not JSON")]
    InfoJson,
    /// An `-ERR`, which only servers send. Servers close without an `-ERR`.
    #[error("an -ERR from a client")]
    ErrFromClient,
}

crate::debug_line::debug_line!(ServerDecodeError);

impl ServerDecodeError {
    /// A stable name in snake case, for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownOperation => "unknown_operation",
            Self::ControlLineTooLong { .. } => "control_line_too_long",
            Self::PayloadTooLarge { .. } => "payload_too_large",
            Self::ClientProtocol => "client_protocol",
            Self::Arguments => "arguments",
            Self::ConnectJson => "connect_json",
            Self::InfoJson => "info_json",
            Self::ErrFromClient => "err_from_client",
        }
    }
}

impl ServerDecodeError {
    /// What a real server sends in `-ERR` before it closes; nothing if it closes without one.
    pub fn text(&self) -> Option<&'static str> {
        match self {
            Self::UnknownOperation => Some("Unknown Protocol Operation"),
            Self::ControlLineTooLong { .. } => Some("maximum control line exceeded"),
            Self::PayloadTooLarge { .. } => Some("Maximum Payload Violation"),
            Self::ClientProtocol => Some("invalid client protocol"),
            Self::Arguments | Self::ConnectJson | Self::InfoJson | Self::ErrFromClient => None,
        }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            control_line: MAX_CONTROL_LINE,
            payload: 1 << 20,
        }
    }
}

impl ServerLimits {
    /// With another limit for control lines.
    #[must_use]
    pub const fn with_control_line(self, control_line: usize) -> Self {
        Self { control_line, ..self }
    }

    /// With another limit for headers and payload.
    #[must_use]
    pub const fn with_payload(self, payload: usize) -> Self {
        Self { payload, ..self }
    }
}

impl ServerDecoder {
    /// A decoder for one stream from its first byte.
    pub fn new(limits: ServerLimits) -> Self {
        Self {
            limits,
            scanned: 0,
            arguments_at: 0,
            wanted: 0,
            need: 1,
            failed: None,
        }
    }

    /// How many more bytes are needed at least before [`decode`](Self::decode) can give anything. At least 1; exact
    /// once the control line of a message is there.
    pub fn need(&self) -> usize {
        self.need
    }

    /// Cuts the next operation from the front of `buffer`, or nothing if it has not arrived whole.
    ///
    /// A message that is too large is refused as soon as its control line is there.
    ///
    /// # Errors
    /// [`ServerDecodeError`]; all later calls give the same.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<ClientFrame>, ServerDecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if buffer.len() < self.wanted {
            self.need = self.wanted.saturating_sub(buffer.len());
            return Ok(None);
        }
        let unseen = buffer.get(self.scanned..).unwrap_or_default();
        match memchr(b'\n', unseen) {
            Some(at) => self.decode_line(buffer, self.scanned.saturating_add(at).saturating_add(1)),
            None => self.incomplete_line(buffer),
        }
        .inspect_err(|error| self.failed = Some(*error))
    }

    fn decode_line(
        &mut self,
        buffer: &mut BytesMut,
        line_len: usize,
    ) -> Result<Option<ClientFrame>, ServerDecodeError> {
        let line = without_end(buffer.get(..line_len).unwrap_or_default());
        let word = Word::of(line).ok_or(ServerDecodeError::UnknownOperation)?;
        let limit = self.limits.control_line;
        let behind = word.behind(line);
        let arguments_len = trim_start(behind).len();
        if arguments_len > limit || behind.len().saturating_sub(arguments_len) > MAX_BLANKS {
            return Err(ServerDecodeError::ControlLineTooLong { limit });
        }
        if let Word::Pub | Word::Hpub = word {
            return self.decode_publish(buffer, line_len, word);
        }
        let line = Bytes::copy_from_slice(buffer.get(..line_len).unwrap_or_default());
        let frame = decode_control(word, &line)?;
        buffer.advance(line_len);
        self.start_anew();
        Ok(Some(frame))
    }

    fn decode_publish(
        &mut self,
        buffer: &mut BytesMut,
        line_len: usize,
        word: Word,
    ) -> Result<Option<ClientFrame>, ServerDecodeError> {
        let publish = PublishLine::parse(buffer.get(..line_len).unwrap_or_default(), word)?;
        if publish.total_len > self.limits.payload {
            return Err(ServerDecodeError::PayloadTooLarge {
                limit: self.limits.payload,
            });
        }
        let payload_at = line_len.saturating_add(publish.headers_len);
        let end = line_len.saturating_add(publish.total_len);
        let frame_len = end.saturating_add(2);
        if buffer.len() < frame_len {
            self.scanned = line_len.saturating_sub(1);
            self.wanted = frame_len;
            self.need = frame_len.saturating_sub(buffer.len());
            return Ok(None);
        }
        if buffer.get(end..frame_len) != Some(b"\r\n") {
            return Err(ServerDecodeError::UnknownOperation);
        }
        let frame = buffer.split_to(frame_len).freeze();
        self.start_anew();
        let headers = frame.get(line_len..payload_at).filter(|block| !block.is_empty());
        let payload = frame.get(payload_at..end).unwrap_or_default();
        Ok(Some(ClientFrame::Publish {
            subject: piece(&frame, publish.subject),
            reply: publish.reply.map(|reply| piece(&frame, reply)),
            headers: headers.map(|block| frame.slice_ref(block)),
            payload: frame.slice_ref(payload),
        }))
    }

    fn incomplete_line(&mut self, buffer: &BytesMut) -> Result<Option<ClientFrame>, ServerDecodeError> {
        // The longest word and what may follow it.
        const LONGEST: usize = 9;
        let limit = self.limits.control_line;
        self.scanned = buffer.len();
        self.need = 1;
        let Some(word) = Word::of(buffer) else {
            return match buffer.len() {
                0..=LONGEST => Ok(None),
                _ => Err(ServerDecodeError::UnknownOperation),
            };
        };
        // Only what is new is looked at, so that a line of blanks costs no more than another.
        let word_len = word.text().len();
        let known = self.arguments_at.max(word_len);
        let arguments = trim_start(buffer.get(known..).unwrap_or_default());
        self.arguments_at = buffer.len().saturating_sub(arguments.len());
        let blanks = self.arguments_at.saturating_sub(word_len);
        // The CR of the line end may be among the bytes.
        if arguments.len() > limit.saturating_add(1) || blanks > MAX_BLANKS {
            return Err(ServerDecodeError::ControlLineTooLong { limit });
        }
        Ok(None)
    }

    fn start_anew(&mut self) {
        self.scanned = 0;
        self.arguments_at = 0;
        self.wanted = 0;
        self.need = 1;
    }
}

impl Default for ServerDecoder {
    fn default() -> Self {
        Self::new(ServerLimits::default())
    }
}

/// The word with which an operation begins.
#[derive(Clone, Copy)]
enum Word {
    Connect,
    Ping,
    Pong,
    Pub,
    Hpub,
    Sub,
    Unsub,
    Ok,
    Info,
    Err,
}

impl Word {
    /// The word at the beginning of `line`, with what must follow it.
    fn of(line: &[u8]) -> Option<Self> {
        let words = [
            Self::Pub,
            Self::Hpub,
            Self::Sub,
            Self::Unsub,
            Self::Ping,
            Self::Pong,
            Self::Connect,
            Self::Ok,
            Self::Info,
            Self::Err,
        ];
        words.into_iter().find(|word| {
            let begins = |start: &[u8]| start.eq_ignore_ascii_case(word.text());
            let blank_behind = word.behind(line).first().is_some_and(|byte| is_blank(*byte));
            line.get(..word.text().len()).is_some_and(begins) && (!word.needs_blank() || blank_behind)
        })
    }

    fn text(self) -> &'static [u8] {
        match self {
            Self::Connect => b"CONNECT",
            Self::Ping => b"PING",
            Self::Pong => b"PONG",
            Self::Pub => b"PUB",
            Self::Hpub => b"HPUB",
            Self::Sub => b"SUB",
            Self::Unsub => b"UNSUB",
            Self::Ok => b"+OK",
            Self::Info => b"INFO",
            Self::Err => b"-ERR",
        }
    }

    /// `CONNECT{}` is taken without a blank; after PING and the like anything is ignored.
    fn needs_blank(self) -> bool {
        matches!(
            self,
            Self::Pub | Self::Hpub | Self::Sub | Self::Unsub | Self::Info | Self::Err
        )
    }

    fn behind(self, line: &[u8]) -> &[u8] {
        line.get(self.text().len()..).unwrap_or_default()
    }
}

/// What the line of a `PUB` or `HPUB` says.
struct PublishLine {
    subject: Span,
    reply: Option<Span>,
    headers_len: usize,
    total_len: usize,
}

impl PublishLine {
    fn parse(line: &[u8], word: Word) -> Result<Self, ServerDecodeError> {
        let fields = fields(line, word)?;
        let size = |field: Span| parse_size(field.of(line));
        let (subject, reply, headers_len, total_len) = match (word, fields) {
            (Word::Pub, [Some(subject), Some(total), None, ..]) => (subject, None, 0, size(total)?),
            (Word::Pub, [Some(subject), Some(reply), Some(total), None, _]) => {
                (subject, Some(reply), 0, size(total)?)
            }
            (Word::Hpub, [Some(subject), Some(headers), Some(total), None, _]) => {
                (subject, None, size(headers)?, size(total)?)
            }
            (Word::Hpub, [Some(subject), Some(reply), Some(headers), Some(total), None]) => {
                (subject, Some(reply), size(headers)?, size(total)?)
            }
            _ => return Err(ServerDecodeError::Arguments),
        };
        if headers_len > total_len {
            return Err(ServerDecodeError::Arguments);
        }
        Ok(Self {
            subject,
            reply,
            headers_len,
            total_len,
        })
    }
}

/// Every operation without a payload.
fn decode_control(word: Word, line: &Bytes) -> Result<ClientFrame, ServerDecodeError> {
    match word {
        Word::Ping => Ok(ClientFrame::Ping),
        Word::Pong => Ok(ClientFrame::Pong),
        Word::Ok => Ok(ClientFrame::Ok),
        Word::Err => Err(ServerDecodeError::ErrFromClient),
        Word::Info => {
            let info =
                ServerInfo::parse(word.behind(without_end(line))).map_err(|_| ServerDecodeError::InfoJson)?;
            Ok(ClientFrame::Info(Box::new(info)))
        }
        Word::Connect => {
            let json = trim(word.behind(without_end(line)));
            let connect = Connect::parse(json).map_err(|_| ServerDecodeError::ConnectJson)?;
            match connect.protocol {
                0 | 1 => Ok(ClientFrame::Connect(Box::new(connect))),
                _ => Err(ServerDecodeError::ClientProtocol),
            }
        }
        Word::Sub => match fields(line, word)? {
            [Some(subject), Some(sid), None, ..] => Ok(ClientFrame::Subscribe {
                sid: piece(line, sid),
                subject: piece(line, subject),
                queue: None,
            }),
            [Some(subject), Some(queue), Some(sid), None, _] => {
                let queue = Some(piece(line, queue));
                Ok(ClientFrame::Subscribe {
                    sid: piece(line, sid),
                    subject: piece(line, subject),
                    queue,
                })
            }
            _ => Err(ServerDecodeError::Arguments),
        },
        Word::Unsub => match fields(line, word)? {
            [Some(sid), None, ..] => Ok(ClientFrame::Unsubscribe {
                sid: piece(line, sid),
                max: None,
            }),
            [Some(sid), Some(max), None, ..] => {
                let max = decimal(max.of(line)).ok().filter(|max| *max > 0);
                Ok(ClientFrame::Unsubscribe {
                    sid: piece(line, sid),
                    max,
                })
            }
            _ => Err(ServerDecodeError::Arguments),
        },
        Word::Pub | Word::Hpub => Err(ServerDecodeError::Arguments),
    }
}

/// The fields after the word, of which no operation has more than four; a CR among them is refused.
fn fields(line: &[u8], word: Word) -> Result<[Option<Span>; 5], ServerDecodeError> {
    let scanned = Line::scan(line, word.text().len()).filter(|_| memchr(b'\r', without_end(line)).is_none());
    let scanned = scanned.ok_or(ServerDecodeError::Arguments)?;
    let mut fields = scanned.fields.into_iter().take(scanned.count);
    Ok(core::array::from_fn(|_| fields.next()))
}

/// A size as `parseSize` of `util.go` reads it: one to nine digits.
fn parse_size(digits: &[u8]) -> Result<usize, ServerDecodeError> {
    let size = decimal(digits)
        .ok()
        .filter(|_| digits.len() <= 9)
        .and_then(|size| usize::try_from(size).ok());
    size.ok_or(ServerDecodeError::Arguments)
}

fn piece(frame: &Bytes, span: Span) -> Bytes {
    frame.slice_ref(span.of(frame))
}

fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    bytes
}
