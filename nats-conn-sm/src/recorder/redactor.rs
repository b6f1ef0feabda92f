//! What must not be seen in a stream of the protocol, replaced by fillers of the same length.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use nats_proto::{Secret, ServerUrl, UserInfo};

use super::digest::Fnv;
use crate::action::Credentials;
use crate::input::Piece;

/// What stands for a byte of a payload or of a header's value.
pub(crate) const FILLER: u8 = b'.';
/// What stands for a byte of a secret.
const SECRET: u8 = b'x';
/// So many bytes of a line that is no operation are kept: as many as an error shows, and some.
const UNKNOWN: u16 = 64;

/// Fields of INFO and CONNECT that must not be seen.
const SECRET_FIELDS: [&[u8]; 7] = [b"nonce", b"user", b"pass", b"auth_token", b"jwt", b"nkey", b"sig"];

/// Reads a stream of either role as it comes, in pieces of any size, and gives the same with fillers.
#[derive(Clone, Debug)]
pub(crate) struct Redactor {
    payloads: bool,
    place: Place,
}

/// Where in the stream it is.
#[derive(Clone, Debug)]
enum Place {
    Operation(Name),
    Json(Json),
    Sizes(Sizes),
    /// The rest of a line that is kept.
    Line,
    Headers {
        left: u64,
        payload: u64,
        part: HeaderPart,
    },
    Payload {
        left: u64,
        hash: Fnv,
    },
    /// CRLF after a payload.
    End,
    /// No operation: so many more bytes are kept, and then none.
    Unknown(u16),
}

/// The name of an operation, as far as it was read.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    bytes: [u8; 8],
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum HeaderPart {
    Status,
    LineStart,
    Name,
    Value,
}

/// The last two arguments of a line, if they are numbers.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    has_headers: bool,
    in_argument: bool,
    last: Option<u64>,
    before: Option<u64>,
}

/// A JSON object, as far as it takes to find the values of fields.
#[derive(Clone, Copy, Debug, Default)]
struct Json {
    key: [u8; 12],
    len: usize,
    behind_colon: bool,
    string: Text,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escape,
}

impl Redactor {
    /// At the beginning of a stream. Payloads and the values of headers stay if they are asked for.
    pub(crate) fn new(payloads: bool) -> Self {
        Self {
            payloads,
            place: Place::Operation(Name::default()),
        }
    }

    pub(crate) fn redact(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut kept: Vec<u8> = Vec::new();
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Place::Payload { left, hash } = &mut self.place {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                let (part, behind) = bytes.split_at(count);
                *left = left.saturating_sub(count as u64);
                hash.update(part);
                if self.payloads {
                    kept.extend_from_slice(part);
                } else if !part.is_empty() {
                    push_bytes(&mut pieces, &mut kept);
                    pieces.push(Piece::Elided {
                        len: count as u64,
                        hash: hash.value(),
                    });
                }
                if *left == 0 {
                    self.place = Place::End;
                }
                bytes = behind;
                continue;
            }
            if matches!(self.place, Place::Unknown(0)) {
                push_bytes(&mut pieces, &mut kept);
                pieces.push(elided(bytes));
                break;
            }
            kept.push(self.step(byte));
            bytes = rest;
        }
        push_bytes(&mut pieces, &mut kept);
        pieces
    }

    /// Takes a byte, and gives what is to stand for it.
    fn step(&mut self, byte: u8) -> u8 {
        let mut shown = byte;
        match &mut self.place {
            Place::Operation(name) => {
                if let Some(next) = name.read(byte) {
                    self.place = next;
                }
            }
            Place::Json(json) => {
                if byte == b'\n' {
                    self.place = Place::Operation(Name::default());
                } else if json.read(byte) {
                    shown = SECRET;
                }
            }
            Place::Sizes(sizes) => {
                if byte == b'\n' {
                    self.place = sizes.content();
                } else {
                    sizes.read(byte);
                }
            }
            Place::Line | Place::End if byte == b'\n' => self.place = Place::Operation(Name::default()),
            Place::End if byte != b'\r' => self.place = Place::Unknown(0),
            Place::Line | Place::End | Place::Payload { .. } => {}
            Place::Headers { left, payload, part } => {
                let content = part.read(byte);
                if content && !self.payloads {
                    shown = FILLER;
                }
                *left = left.saturating_sub(1);
                if *left == 0 {
                    self.place = Place::payload(*payload);
                }
            }
            Place::Unknown(left) => *left = left.saturating_sub(1),
        }
        shown
    }
}

impl Place {
    fn payload(left: u64) -> Self {
        if left == 0 {
            return Self::End;
        }
        Self::Payload {
            left,
            hash: Fnv::new(),
        }
    }
}

impl Name {
    /// Where the stream continues, once the name is known.
    fn read(&mut self, byte: u8) -> Option<Place> {
        let blank = matches!(byte, b' ' | b'\t' | b'\r');
        if blank && self.len == 0 {
            return None;
        }
        let ends = blank || matches!(byte, b'\n' | b'{' | b'\'');
        if !ends {
            let Some(slot) = self.bytes.get_mut(self.len) else {
                return Some(Place::Unknown(UNKNOWN));
            };
            *slot = byte.to_ascii_uppercase();
            self.len = self.len.saturating_add(1);
            return None;
        }
        Some(match self.bytes.get(..self.len).unwrap_or_default() {
            b"INFO" | b"CONNECT" => Place::Json(Json::default()),
            b"MSG" | b"PUB" => Place::Sizes(Sizes::new(false)),
            b"HMSG" | b"HPUB" => Place::Sizes(Sizes::new(true)),
            b"PING" | b"PONG" | b"+OK" | b"-ERR" | b"SUB" | b"UNSUB" if byte == b'\n' => {
                Place::Operation(Self::default())
            }
            b"PING" | b"PONG" | b"+OK" | b"-ERR" | b"SUB" | b"UNSUB" => Place::Line,
            b"" => Place::Operation(Self::default()),
            _ => Place::Unknown(UNKNOWN),
        })
    }
}

impl Sizes {
    fn new(has_headers: bool) -> Self {
        Self {
            has_headers,
            in_argument: false,
            last: None,
            before: None,
        }
    }

    fn read(&mut self, byte: u8) {
        if matches!(byte, b' ' | b'\t' | b'\r') {
            self.in_argument = false;
            return;
        }
        if !self.in_argument {
            self.in_argument = true;
            self.before = self.last;
            self.last = Some(0);
        }
        let digit = byte.is_ascii_digit().then(|| u64::from(byte.wrapping_sub(b'0')));
        self.last = self
            .last
            .zip(digit)
            .and_then(|(number, digit)| number.checked_mul(10)?.checked_add(digit));
    }

    /// What follows the line.
    fn content(self) -> Place {
        match (self.has_headers, self.before, self.last) {
            (false, _, Some(size)) => Place::payload(size),
            (true, Some(0), Some(size)) => Place::payload(size),
            (true, Some(headers), Some(size)) if headers <= size => Place::Headers {
                left: headers,
                payload: size.saturating_sub(headers),
                part: HeaderPart::Status,
            },
            _ => Place::Unknown(0),
        }
    }
}

impl HeaderPart {
    /// Whether this byte is content.
    fn read(&mut self, byte: u8) -> bool {
        if byte == b'\n' {
            *self = Self::LineStart;
            return false;
        }
        let blank = matches!(byte, b' ' | b'\t' | b'\r');
        *self = match (*self, byte) {
            (Self::LineStart, b' ' | b'\t') | (Self::LineStart | Self::Name, b':') => Self::Value,
            (Self::LineStart, _) => Self::Name,
            (Self::Value, _) => return !blank,
            (same, _) => same,
        };
        false
    }
}

impl Json {
    /// Whether this byte belongs to a secret.
    fn read(&mut self, byte: u8) -> bool {
        match (self.string, byte) {
            (Text::Outside, b'"') => {
                self.string = Text::Inside;
                if !self.behind_colon {
                    self.len = 0;
                }
            }
            (Text::Outside, b':') => self.behind_colon = true,
            (Text::Outside, b',' | b'{') => self.behind_colon = false,
            (Text::Outside, _) => {}
            (Text::Inside, b'"') => self.string = Text::Outside,
            (Text::Inside, b'\\') => {
                self.string = Text::Escape;
                return self.is_secret();
            }
            (Text::Inside | Text::Escape, _) => {
                self.string = Text::Inside;
                if self.behind_colon {
                    return self.is_secret();
                }
                if let Some(slot) = self.key.get_mut(self.len) {
                    *slot = byte;
                }
                self.len = self.len.saturating_add(1);
            }
        }
        false
    }

    fn is_secret(&self) -> bool {
        let key = self.key.get(..self.len).unwrap_or_default();
        self.behind_colon && SECRET_FIELDS.contains(&key)
    }
}

fn push_bytes(pieces: &mut Vec<Piece>, kept: &mut Vec<u8>) {
    if !kept.is_empty() {
        pieces.push(Piece::Bytes(Bytes::from(core::mem::take(kept))));
    }
}

/// A payload, or something else that is not shown.
pub(crate) fn elided(bytes: &[u8]) -> Piece {
    let mut hash = Fnv::new();
    hash.update(bytes);
    Piece::Elided {
        len: bytes.len() as u64,
        hash: hash.value(),
    }
}

/// A header block with fillers for its values.
pub(crate) fn header_block(block: &[u8]) -> Vec<u8> {
    let mut part = HeaderPart::Status;
    let shown = |&byte: &u8| if part.read(byte) { FILLER } else { byte };
    block.iter().map(shown).collect()
}

/// A filler that is as long in JSON.
pub(crate) fn secret(secret: &Secret) -> Secret {
    let len = secret.expose().chars().map(|character| match character {
        '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    });
    let len = len.fold(0, usize::saturating_add);
    Secret::from("x".repeat(len))
}

pub(crate) fn url(url: &ServerUrl) -> ServerUrl {
    let userinfo = url.userinfo().map(|userinfo| match userinfo {
        UserInfo::Password { user, password } => UserInfo::Password {
            user: secret(user),
            password: secret(password),
        },
        UserInfo::Token(token) => UserInfo::Token(secret(token)),
        _ => UserInfo::Token(Secret::from("x")),
    });
    url.clone().with_userinfo(userinfo)
}

pub(crate) fn credentials(credentials: &Credentials) -> Credentials {
    let Credentials {
        user,
        password,
        token,
        jwt,
        nkey,
        signature,
    } = credentials;
    let filler = |text: &Option<Secret>| text.as_ref().map(secret);
    Credentials {
        user: filler(user),
        password: filler(password),
        token: filler(token),
        jwt: filler(jwt),
        nkey: nkey
            .as_deref()
            .map(|key| String::from(secret(&Secret::from(key)).expose())),
        signature: filler(signature),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(chunks: &[&[u8]], payloads: bool) -> String {
        let mut redactor = Redactor::new(payloads);
        let mut text = Vec::new();
        for chunk in chunks {
            for piece in redactor.redact(chunk) {
                match piece {
                    Piece::Bytes(bytes) => text.extend_from_slice(&bytes),
                    Piece::Elided { len, .. } => text.resize(text.len() + len as usize, FILLER),
                }
            }
        }
        String::from_utf8(text).unwrap()
    }

    const STREAM: &str = "INFO {\"server_id\":\"N\",\"nonce\":\"s\\\"ecret\",\"port\":4222}\r\n+OK\r\nPING\r\n\
        msg a.b 1 5\r\nhello\r\nHMSG a 1 34 36\r\nNATS/1.0 503 No\r\nKey: val ue\r\nA:b\r\n\r\nhi\r\n\
        MSG a 1 0\r\n\r\n-ERR 'Authorization Violation'\r\n";
    const SHOWN: &str = "INFO {\"server_id\":\"N\",\"nonce\":\"xxxxxxxx\",\"port\":4222}\r\n+OK\r\nPING\r\n\
        msg a.b 1 5\r\n.....\r\nHMSG a 1 34 36\r\nNATS/1.0 503 No\r\nKey: ... ..\r\nA:.\r\n\r\n..\r\n\
        MSG a 1 0\r\n\r\n-ERR 'Authorization Violation'\r\n";

    #[test]
    fn secrets_and_content_are_replaced_by_as_many_bytes_however_the_stream_is_cut() {
        let stream = STREAM.replace("34 36", "37 39");
        let wanted = SHOWN.replace("34 36", "37 39");
        assert_eq!(shown(&[stream.as_bytes()], false), wanted);
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(shown(&bytes, false), wanted);
        for cut in 0..stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);
            assert_eq!(shown(&[first, second], false), wanted, "cut at {cut}");
        }
    }

    #[test]
    fn content_stays_where_it_is_asked_for_and_secrets_do_not() {
        let stream = STREAM.replace("34 36", "37 39");
        let text = shown(&[stream.as_bytes()], true);
        assert!(text.contains("hello") && text.contains("val ue") && !text.contains("ecret"));
    }

    #[test]
    fn the_secrets_of_connect_are_replaced() {
        let connect = "CONNECT {\"user\":\"ann\",\"pass\":\"hunter2\",\"name\":\"n\",\"auth_token\":\"t\"}\r\nPUB a 2\r\nhi\r\n";
        assert_eq!(
            shown(&[connect.as_bytes()], false),
            "CONNECT {\"user\":\"xxx\",\"pass\":\"xxxxxxx\",\"name\":\"n\",\"auth_token\":\"x\"}\r\nPUB a 2\r\n..\r\n"
        );
    }

    #[test]
    fn little_is_kept_of_what_is_not_the_protocol() {
        let text = shown(&["HELLO ".repeat(100).as_bytes()], false);
        assert_eq!(text.len(), 600);
        assert!(text.trim_end_matches('.').len() < 80);
    }

    #[test]
    fn a_filler_is_as_long_in_json_as_what_it_stands_for() {
        for text in ["plain", "qu\"ote", "back\\slash", "\u{1}\n\t", "ü€𝄞"] {
            let mut connect = nats_proto::Connect::default();
            connect.pass = Some(Secret::from(text));
            let len = connect.to_json().len();
            connect.pass = Some(secret(&Secret::from(text)));
            assert_eq!(connect.to_json().len(), len, "{text:?}");
        }
    }

    #[test]
    fn empty_lines_messages_without_headers_and_what_does_not_end_where_it_should_keep_the_stream_readable() {
        for (stream, wanted) in [
            ("\r\n\nPING\r\n", "\r\n\nPING\r\n"),
            (
                "HMSG a 1 0 3\r\nabc\r\nPING\r\n",
                "HMSG a 1 0 3\r\n...\r\nPING\r\n",
            ),
            (
                "MSG a 1 2\r\nhisecret\r\nPING\r\n",
                "MSG a 1 2\r\n..s.............",
            ),
        ] {
            assert_eq!(shown(&[stream.as_bytes()], false), wanted);
        }
        let pings = alloc::format!("\n{}", "PING\r\n".repeat(100));
        assert_eq!(shown(&[pings.as_bytes()], false), pings);
    }
}
