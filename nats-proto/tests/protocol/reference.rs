//! A second parser, written from the grammar alone, one byte after the other; and that both say the same.
//!
//! It shares no code and no method with the decoder: no search, no look-ahead, no offsets. It knows only which byte
//! may come next.

use nats_proto::{Limits, ServerOp};
use proptest::prelude::*;

use crate::wire::{decoded_within, in_pieces};

/// An operation as the reference reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Read {
    Info(Vec<u8>),
    Error(Vec<u8>),
    Ping,
    Pong,
    Ok,
    Message {
        subject: Vec<u8>,
        sid: u64,
        reply: Option<Vec<u8>>,
        headers: Option<Vec<u8>>,
        payload: Vec<u8>,
    },
}

/// Where in the grammar the next byte stands.
enum Place {
    /// In a control line: what of it has come.
    Line(Vec<u8>),
    /// In headers and payload: the operation to be completed, what has come, and how much is to come.
    Content {
        line: MessageLine,
        content: Vec<u8>,
        total: usize,
    },
    /// After the payload: the operation, and whether the CR has come.
    End {
        message: Read,
        cr: bool,
    },
    /// After a mistake.
    /// The first byte after a payload is wrong.
    Spoiled,
    Dead,
}

struct MessageLine {
    subject: Vec<u8>,
    sid: u64,
    reply: Option<Vec<u8>>,
    header_len: usize,
}

struct Reference {
    place: Place,
    limits: Limits,
    read: Vec<Read>,
}

impl Reference {
    fn new(limits: Limits) -> Self {
        Self {
            place: Place::Line(Vec::new()),
            limits,
            read: Vec::new(),
        }
    }

    /// What a stream means: the operations, and whether it ends in a mistake.
    fn parse(limits: Limits, stream: &[u8]) -> (Vec<Read>, bool) {
        let mut reference = Self::new(limits);
        for byte in stream {
            reference.take(*byte);
        }
        let dead = matches!(reference.place, Place::Dead) || reference.line_is_hopeless();
        (reference.read, dead)
    }

    fn take(&mut self, byte: u8) {
        self.place = match std::mem::replace(&mut self.place, Place::Dead) {
            Place::Line(mut line) if byte == b'\n' => {
                let length = line.len() + 1;
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                self.end_line(&line, length)
            }
            Place::Line(mut line) => {
                line.push(byte);
                Place::Line(line)
            }
            Place::Content {
                line,
                mut content,
                total,
            } => {
                content.push(byte);
                if content.len() == total {
                    Self::end_content(line, content)
                } else {
                    Place::Content { line, content, total }
                }
            }
            Place::End { message, cr: false } if byte == b'\r' => Place::End { message, cr: true },
            Place::End { message, cr: true } if byte == b'\n' => {
                self.read.push(message);
                Place::Line(Vec::new())
            }
            // Both bytes after a payload are judged together.
            Place::End { cr: false, .. } => Place::Spoiled,
            Place::End { .. } | Place::Spoiled | Place::Dead => Place::Dead,
        };
    }

    /// A line has ended: which operation it is.
    fn end_line(&mut self, line: &[u8], length: usize) -> Place {
        let is_info =
            lower(line, 5).starts_with(b"info") && matches!(line.get(4), None | Some(b' ' | b'\t' | b'{'));
        if length
            > if is_info {
                self.limits.info
            } else {
                self.limits.line
            }
        {
            return Place::Dead;
        }
        let word = lower(line, 5);
        let read = if is_info {
            let json = strip(&line[4..]);
            match is_empty_object(&json) {
                true => Read::Info(json),
                false => return Place::Dead,
            }
        } else if word.starts_with(b"ping") {
            Read::Ping
        } else if word.starts_with(b"pong") {
            Read::Pong
        } else if word.starts_with(b"+ok") {
            Read::Ok
        } else if word.starts_with(b"-err") {
            Read::Error(line[4..].to_vec())
        } else if word.starts_with(b"msg ") || word.starts_with(b"msg\t") {
            return self.begin_message(&line[3..], false);
        } else if word.starts_with(b"hmsg ") || word.starts_with(b"hmsg\t") {
            return self.begin_message(&line[4..], true);
        } else {
            return Place::Dead;
        };
        self.read.push(read);
        Place::Line(Vec::new())
    }

    fn begin_message(&self, arguments: &[u8], has_headers: bool) -> Place {
        let mut fields: Vec<Vec<u8>> = vec![Vec::new()];
        for byte in arguments {
            match byte {
                b' ' | b'\t' => fields.push(Vec::new()),
                other => fields.last_mut().unwrap().push(*other),
            }
        }
        fields.retain(|field| !field.is_empty());
        let sizes = if has_headers { 2 } else { 1 };
        let reply = match fields.len().checked_sub(2 + sizes) {
            Some(0) => None,
            Some(1) => Some(fields.remove(2)),
            _ => return Place::Dead,
        };
        let numbers: Vec<Option<u128>> = fields[1..].iter().map(|field| number(field)).collect();
        let (Some(sid), Some(first), Some(total)) = (numbers[0], numbers[1], numbers[sizes]) else {
            return Place::Dead;
        };
        let header_len = if has_headers { first } else { 0 };
        if sid > u128::from(u64::MAX) || total > self.limits.payload as u128 || header_len > total {
            return Place::Dead;
        }
        let line = MessageLine {
            subject: fields.remove(0),
            sid: sid as u64,
            reply,
            header_len: header_len as usize,
        };
        match total as usize {
            0 => Self::end_content(line, Vec::new()),
            total => Place::Content {
                line,
                content: Vec::new(),
                total,
            },
        }
    }

    fn end_content(line: MessageLine, mut content: Vec<u8>) -> Place {
        let payload = content.split_off(line.header_len);
        let headers = (!content.is_empty()).then_some(content);
        let MessageLine {
            subject, sid, reply, ..
        } = line;
        Place::End {
            message: Read::Message {
                subject,
                sid,
                reply,
                headers,
                payload,
            },
            cr: false,
        }
    }

    /// Whether a line that has not ended cannot become an operation within the limits any more.
    fn line_is_hopeless(&self) -> bool {
        let Place::Line(line) = &self.place else {
            return false;
        };
        if line.len() <= 32 {
            return false;
        }
        let word = lower(line, 5);
        let is_info = word.starts_with(b"info") && matches!(line[4], b' ' | b'\t' | b'{');
        let known = [
            &b"ping"[..],
            b"pong",
            b"+ok",
            b"-err",
            b"msg ",
            b"msg\t",
            b"hmsg ",
            b"hmsg\t",
        ];
        let limit = if is_info {
            self.limits.info
        } else {
            self.limits.line
        };
        line.len() >= limit || !(is_info || known.iter().any(|known| word.starts_with(known)))
    }
}

pub(crate) fn lower(line: &[u8], len: usize) -> Vec<u8> {
    line.iter().take(len).map(u8::to_ascii_lowercase).collect()
}

/// Without what JSON counts as blank around it.
fn strip(bytes: &[u8]) -> Vec<u8> {
    let blank = |byte: &u8| b" \t\r".contains(byte);
    let text: Vec<u8> = bytes.iter().copied().skip_while(blank).collect();
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(0, |at| at + 1);
    text[..end].to_vec()
}

/// The generators write no JSON but `{}` and what is none.
pub(crate) fn is_empty_object(json: &[u8]) -> bool {
    let json = strip(json);
    json.first() == Some(&b'{')
        && json.last() == Some(&b'}')
        && json[1..json.len() - 1].iter().all(|byte| b" \t\r".contains(byte))
}

pub(crate) fn number(digits: &[u8]) -> Option<u128> {
    let mut value = 0_u128;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.saturating_mul(10).saturating_add(u128::from(digit - b'0'));
    }
    Some(value)
}

/// What the decoder says, in the terms of the reference.
fn decode(limits: Limits, pieces: &[&[u8]]) -> (Vec<Read>, bool) {
    let (operations, error) = in_pieces(limits, pieces);
    let read = operations.into_iter().map(|operation| match operation {
        ServerOp::Info(_) => Read::Info(b"{}".to_vec()),
        ServerOp::Err(error) => Read::Error(error.text().as_bytes().to_vec()),
        ServerOp::Ping => Read::Ping,
        ServerOp::Pong => Read::Pong,
        ServerOp::Ok => Read::Ok,
        ServerOp::Message(message) => Read::Message {
            subject: message.subject_bytes().to_vec(),
            sid: message.sid().get(),
            reply: message.reply_bytes().map(<[u8]>::to_vec),
            headers: message.header_block().map(<[u8]>::to_vec),
            payload: message.payload().to_vec(),
        },
        other => panic!("{other:?}"),
    });
    (read.collect(), error.is_some())
}

/// Leaves out what the decoder interprets further: the JSON of INFO and the quotes of an error.
fn comparable((mut read, dead): (Vec<Read>, bool)) -> (Vec<Read>, bool) {
    for read in &mut read {
        match read {
            Read::Info(json) => *json = b"{}".to_vec(),
            Read::Error(text) => {
                *text = String::from_utf8_lossy(nats_proto::ServerError::parse(text).text().as_bytes())
                    .into_owned()
                    .into();
            }
            _ => {}
        }
    }
    (read, dead)
}

/// Pieces of the protocol, whole and broken, of which streams are made.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let text = |text: &'static str| Just(text.as_bytes().to_vec());
    let word = prop::sample::select(vec![
        "MSG ",
        "msg ",
        "MsG\t",
        "HMSG ",
        "hmsg\t",
        "MSG",
        "PING",
        "ping ",
        "PONG",
        "+OK",
        "-ERR ",
        "-err",
        "INFO {}",
        "INFO",
        "info\t{ }",
        "INFO{}",
        "INFOX {}",
        "XYZ",
    ]);
    let field = prop::sample::select(vec![
        "a",
        "a.b.c",
        "subject.with.more.than.eight.bytes",
        "_INBOX.abc",
        "1",
        "42",
        "007",
        "0",
        "5",
        "12",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "-1",
        "x1",
        "\u{fc}",
        "65",
        "70",
    ]);
    let blank = prop::sample::select(vec![" ", "  ", "\t", " \t "]);
    let end = prop::sample::select(vec!["\r\n", "\n", "\r\r\n", "\r", " \r\n"]);
    prop_oneof![
        word.prop_map(|word| word.as_bytes().to_vec()),
        field.prop_map(|field| field.as_bytes().to_vec()),
        blank.prop_map(|blank| blank.as_bytes().to_vec()),
        end.prop_map(|end| end.as_bytes().to_vec()),
        text("NATS/1.0\r\n\r\n"),
        text("hello\r\n"),
        text("MSG a.b 1 5\r\nhello\r\n"),
        text("MSG a 2 reply 0\r\n\r\n"),
        text("HMSG a 3 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"),
        text("PING\r\n"),
        text("-ERR 'Stale Connection'\r\n"),
        prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn valid_message() -> impl Strategy<Value = Vec<u8>> {
    let field = "[!-~\u{a1}-\u{fff}]{1,30}";
    let blanks = "[ \t]{1,3}";
    let content = prop::collection::vec(any::<u8>(), 0..80);
    (
        field,
        any::<u64>(),
        prop::option::of(field),
        content,
        0..90_usize,
        blanks,
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(subject, sid, reply, content, header_len, blanks, canonical, has_headers)| {
                let blank = if canonical { " " } else { &blanks };
                let end = if canonical { "\r\n" } else { "\n" };
                let mut line = if has_headers {
                    "HMSG".to_owned()
                } else {
                    "MSG".to_owned()
                };
                let header_len = header_len.min(content.len());
                let mut fields = vec![subject, sid.to_string()];
                fields.extend(reply);
                if has_headers {
                    fields.push(header_len.to_string());
                }
                fields.push(content.len().to_string());
                for field in fields {
                    line.push_str(blank);
                    line.push_str(&field);
                }
                [line.as_bytes(), end.as_bytes(), &content, b"\r\n"].concat()
            },
        )
}

fn limits() -> impl Strategy<Value = Limits> {
    (64..120_usize, 120..200_usize, 0..100_usize).prop_map(|(line, info, payload)| {
        Limits::default()
            .with_line(line)
            .with_info(info)
            .with_payload(payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_decoder_agrees_with_the_reference_on_streams_of_fragments(
        fragments in prop::collection::vec(fragment(), 0..12),
        limits in limits(),
        piece in 1..40_usize,
    ) {
        let stream = fragments.concat();
        let expected = comparable(Reference::parse(limits, &stream));
        prop_assert_eq!(&decode(limits, &[&stream]), &expected);
        let pieces: Vec<&[u8]> = stream.chunks(piece).collect();
        prop_assert_eq!(&decode(limits, &pieces), &expected);
    }

    #[test]
    fn the_decoder_agrees_with_the_reference_on_valid_messages(
        messages in prop::collection::vec(valid_message(), 1..5),
        piece in 1..40_usize,
    ) {
        let stream = messages.concat();
        let limits = Limits::default();
        let expected = Reference::parse(limits, &stream);
        prop_assert_eq!((expected.0.len(), expected.1), (messages.len(), false));
        prop_assert_eq!(&decode(limits, &[&stream]), &expected);
        let pieces: Vec<&[u8]> = stream.chunks(piece).collect();
        prop_assert_eq!(&decode(limits, &pieces), &expected);
    }

    #[test]
    fn a_stream_means_the_same_cut_at_every_position(
        fragments in prop::collection::vec(fragment(), 0..8),
        limits in limits(),
    ) {
        decoded_within(limits, &fragments.concat());
    }

    #[test]
    fn one_changed_byte_is_judged_alike(
        message in valid_message(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut stream = [&message[..], b"PING\r\n"].concat();
        let at = at.index(stream.len());
        stream[at] = byte;
        let limits = Limits::default();
        prop_assert_eq!(decode(limits, &[&stream]), comparable(Reference::parse(limits, &stream)));
    }
}

#[test]
fn a_payload_whose_first_byte_too_many_ends_the_stream_is_not_judged_yet() {
    let limits = Limits::default();
    for (stream, dead) in [(&b"MSG a 1 1\r\nx?"[..], false), (b"MSG a 1 1\r\nx?\n", true)] {
        assert_eq!(decode(limits, &[stream]), (Vec::new(), dead));
        assert_eq!(Reference::parse(limits, stream), (Vec::new(), dead));
    }
}
