//! A second parser for the server role, written from the grammar alone, one byte after the other; and that both say
//! the same, mistakes included.

use nats_proto::{ClientFrame, ServerDecodeError, ServerLimits};
use proptest::prelude::*;

use crate::reference::{is_empty_object, lower, number};
use crate::wire::{server_decoded_within, server_in_pieces};

/// An operation as the reference reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Read {
    Connect,
    Ping,
    Pong,
    Ok,
    Info,
    Publish {
        subject: Vec<u8>,
        reply: Option<Vec<u8>>,
        headers: Option<Vec<u8>>,
        payload: Vec<u8>,
    },
    Subscribe {
        subject: Vec<u8>,
        queue: Option<Vec<u8>>,
        sid: Vec<u8>,
    },
    Unsubscribe {
        sid: Vec<u8>,
        max: Option<u64>,
    },
}

/// Where in the grammar the next byte stands.
enum Place {
    Line(Vec<u8>),
    Content {
        subject: Vec<u8>,
        reply: Option<Vec<u8>>,
        header_len: usize,
        /// Headers, payload and the CRLF after them.
        to_come: usize,
        content: Vec<u8>,
    },
    Dead(ServerDecodeError),
}

struct Reference {
    place: Place,
    limits: ServerLimits,
    read: Vec<Read>,
}

/// The words, and whether a blank must follow them.
const WORDS: [(&[u8], bool); 10] = [
    (b"connect", false),
    (b"ping", false),
    (b"pong", false),
    (b"+ok", false),
    (b"pub", true),
    (b"hpub", true),
    (b"sub", true),
    (b"unsub", true),
    (b"info", true),
    (b"-err", true),
];

impl Reference {
    fn parse(limits: ServerLimits, stream: &[u8]) -> (Vec<Read>, Option<ServerDecodeError>) {
        let place = Place::Line(Vec::new());
        let mut reference = Self {
            place,
            limits,
            read: Vec::new(),
        };
        for byte in stream {
            reference.take(*byte);
        }
        let error = match &reference.place {
            Place::Dead(error) => Some(*error),
            Place::Line(line) => reference.is_hopeless(line),
            Place::Content { .. } => None,
        };
        (reference.read, error)
    }

    fn take(&mut self, byte: u8) {
        let dead = Place::Dead(ServerDecodeError::UnknownOperation);
        match std::mem::replace(&mut self.place, dead) {
            Place::Line(mut line) if byte == b'\n' => {
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                match self.end_line(&line) {
                    Ok(place) => self.place = place,
                    Err(error) => self.place = Place::Dead(error),
                }
            }
            Place::Line(mut line) => {
                line.push(byte);
                self.place = Place::Line(line);
            }
            Place::Content {
                subject,
                reply,
                header_len,
                to_come,
                mut content,
            } => {
                content.push(byte);
                if to_come > 1 {
                    self.place = Place::Content {
                        subject,
                        reply,
                        header_len,
                        to_come: to_come - 1,
                        content,
                    };
                    return;
                }
                if content.pop() != Some(b'\n') || content.pop() != Some(b'\r') {
                    return;
                }
                let payload = content.split_off(header_len);
                let headers = Some(content).filter(|block| !block.is_empty());
                self.read.push(Read::Publish {
                    subject,
                    reply,
                    headers,
                    payload,
                });
                self.place = Place::Line(Vec::new());
            }
            Place::Dead(error) => self.place = Place::Dead(error),
        }
    }

    fn end_line(&mut self, line: &[u8]) -> Result<Place, ServerDecodeError> {
        let word = word(line).ok_or(ServerDecodeError::UnknownOperation)?;
        let limit = self.limits.control_line;
        let (blanks, arguments) = blanks_and_arguments(&line[word.len()..]);
        if blanks > 4096 || arguments.len() > limit {
            return Err(ServerDecodeError::ControlLineTooLong { limit });
        }
        let read = match word {
            b"connect" if is_empty_object(arguments) => Read::Connect,
            b"connect" => return Err(ServerDecodeError::ConnectJson),
            b"info" if is_empty_object(arguments) => Read::Info,
            b"info" => return Err(ServerDecodeError::InfoJson),
            b"ping" => Read::Ping,
            b"pong" => Read::Pong,
            b"+ok" => Read::Ok,
            b"-err" => return Err(ServerDecodeError::ErrFromClient),
            _ if arguments.contains(&b'\r') => return Err(ServerDecodeError::Arguments),
            b"pub" | b"hpub" => return self.begin_content(word == b"hpub", &fields(arguments)),
            b"sub" => match &fields(arguments)[..] {
                [subject, sid] => Read::Subscribe {
                    subject: subject.clone(),
                    queue: None,
                    sid: sid.clone(),
                },
                [subject, queue, sid] => Read::Subscribe {
                    subject: subject.clone(),
                    queue: Some(queue.clone()),
                    sid: sid.clone(),
                },
                _ => return Err(ServerDecodeError::Arguments),
            },
            _ => match &fields(arguments)[..] {
                [sid] => Read::Unsubscribe {
                    sid: sid.clone(),
                    max: None,
                },
                [sid, max] => Read::Unsubscribe {
                    sid: sid.clone(),
                    max: number(max)
                        .and_then(|max| u64::try_from(max).ok())
                        .filter(|max| *max > 0),
                },
                _ => return Err(ServerDecodeError::Arguments),
            },
        };
        self.read.push(read);
        Ok(Place::Line(Vec::new()))
    }

    fn begin_content(&self, has_headers: bool, fields: &[Vec<u8>]) -> Result<Place, ServerDecodeError> {
        let (subject, reply, header_len, total) = match (has_headers, fields) {
            (false, [subject, total]) => (subject, None, None, total),
            (false, [subject, reply, total]) => (subject, Some(reply), None, total),
            (true, [subject, headers, total]) => (subject, None, Some(headers), total),
            (true, [subject, reply, headers, total]) => (subject, Some(reply), Some(headers), total),
            _ => return Err(ServerDecodeError::Arguments),
        };
        let size = |digits: &Vec<u8>| match number(digits) {
            Some(size) if (1..=9).contains(&digits.len()) => Ok(size as usize),
            _ => Err(ServerDecodeError::Arguments),
        };
        let (header_len, total) = (header_len.map_or(Ok(0), size)?, size(total)?);
        if header_len > total {
            return Err(ServerDecodeError::Arguments);
        }
        if total > self.limits.payload {
            return Err(ServerDecodeError::PayloadTooLarge {
                limit: self.limits.payload,
            });
        }
        Ok(Place::Content {
            subject: subject.clone(),
            reply: reply.cloned(),
            header_len,
            to_come: total + 2,
            content: Vec::new(),
        })
    }

    /// Why a line that has not ended cannot become an operation any more.
    fn is_hopeless(&self, line: &[u8]) -> Option<ServerDecodeError> {
        let Some(word) = word(line) else {
            return (line.len() > 9).then_some(ServerDecodeError::UnknownOperation);
        };
        let limit = self.limits.control_line;
        let (blanks, arguments) = blanks_and_arguments(&line[word.len()..]);
        // The last byte may be the CR of the line end.
        (blanks > 4096 || arguments.len() > limit + 1)
            .then_some(ServerDecodeError::ControlLineTooLong { limit })
    }
}

fn word(line: &[u8]) -> Option<&'static [u8]> {
    let found = WORDS.iter().find(|(word, needs_blank)| {
        let behind = line.get(word.len());
        lower(line, word.len()) == *word && (!needs_blank || matches!(behind, Some(b' ' | b'\t')))
    });
    found.map(|(word, _)| *word)
}

fn blanks_and_arguments(behind: &[u8]) -> (usize, &[u8]) {
    let mut arguments = behind;
    while let Some(b' ' | b'\t') = arguments.first() {
        arguments = &arguments[1..];
    }
    (behind.len() - arguments.len(), arguments)
}

fn fields(arguments: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    for byte in arguments {
        match byte {
            b' ' | b'\t' => fields.push(Vec::new()),
            other => fields.last_mut().unwrap().push(*other),
        }
    }
    fields.retain(|field| !field.is_empty());
    fields
}

/// What the decoder says, in the terms of the reference.
fn decode(limits: ServerLimits, pieces: &[&[u8]]) -> (Vec<Read>, Option<ServerDecodeError>) {
    let (frames, error) = server_in_pieces(limits, pieces);
    let read = frames.into_iter().map(|frame| match frame {
        ClientFrame::Connect(_) => Read::Connect,
        ClientFrame::Ping => Read::Ping,
        ClientFrame::Pong => Read::Pong,
        ClientFrame::Ok => Read::Ok,
        ClientFrame::Info(_) => Read::Info,
        ClientFrame::Publish {
            subject,
            reply,
            headers,
            payload,
        } => Read::Publish {
            subject: subject.into(),
            reply: reply.map(Into::into),
            headers: headers.map(Into::into),
            payload: payload.into(),
        },
        ClientFrame::Subscribe { sid, subject, queue } => Read::Subscribe {
            subject: subject.into(),
            queue: queue.map(Into::into),
            sid: sid.into(),
        },
        ClientFrame::Unsubscribe { sid, max } => Read::Unsubscribe { sid: sid.into(), max },
        other => panic!("{other:?}"),
    });
    (read.collect(), error)
}

/// Pieces of the protocol, whole and broken, of which streams are made.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "PUB ",
        "pub\t",
        "HPUB ",
        "hPuB ",
        "SUB ",
        "sub\t",
        "UNSUB ",
        "PUB",
        "PING",
        "ping ",
        "PONG",
        "+OK",
        "+ok x",
        "-ERR ",
        "-err",
        "INFO {}",
        "INFO",
        "info\t{ }",
        "INFO{}",
        "CONNECT {}",
        "connect{}",
        "CONNECT",
        "CONNECTED",
        "MSG ",
        "XYZ",
        "a",
        "a.b.c",
        "subject.with.more.than.eight.bytes",
        "1",
        "42",
        "007",
        "0",
        "5",
        "12",
        "14",
        "000000005",
        "0000000005",
        "999999999",
        "18446744073709551616",
        "-1",
        "x1",
        "\u{fc}",
        " ",
        "  ",
        "\t",
        " \t ",
        "\r\n",
        "\n",
        "\r\r\n",
        "\r",
        " \r\n",
        "NATS/1.0\r\n\r\n",
        "hello\r\n",
        "PUB a 5\r\nhello\r\n",
        "pub a r 0\n\r\n",
        "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
        "HPUB a r 0 2\r\nhi\r\n",
        "SUB a q 1\r\n",
        "UNSUB 1 5\r\n",
        "PING\r\n",
    ]);
    prop_oneof![
        8 => piece.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

/// A line that is nearly an operation.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "PUB", "hpub", "SUB", "Unsub", "PING", "CONNECT", "info", "-ERR",
    ]);
    let field = prop::sample::select(vec!["a", "b.c", "0", "2", "02", "7", "12", "x", "{}", "\r"]);
    let blank = prop::sample::select(vec![" ", "\t", "  "]);
    let end = prop::sample::select(vec!["\r\n", "\n"]);
    let content = prop::sample::select(vec!["", "\r\n", "hi\r\n", "hi\n", "NATS/1.0\r\n\r\nhi\r\n"]);
    (word, prop::collection::vec((blank, field), 0..6), end, content).prop_map(
        |(word, fields, end, content)| {
            let mut line = word.to_owned();
            for (blank, field) in fields {
                line.push_str(blank);
                line.push_str(field);
            }
            line.push_str(end);
            line.push_str(content);
            line.into_bytes()
        },
    )
}

fn limits() -> impl Strategy<Value = ServerLimits> {
    (0..50_usize, 0..20_usize).prop_map(|(control_line, payload)| {
        ServerLimits::default()
            .with_control_line(control_line)
            .with_payload(payload)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_server_decoder_agrees_with_the_reference_on_streams_of_fragments(
        fragments in prop::collection::vec(fragment(), 0..12),
        limits in limits(),
        piece in 1..40_usize,
    ) {
        let stream = fragments.concat();
        let expected = Reference::parse(limits, &stream);
        prop_assert_eq!(&decode(limits, &[&stream]), &expected);
        let pieces: Vec<&[u8]> = stream.chunks(piece).collect();
        prop_assert_eq!(&decode(limits, &pieces), &expected);
    }

    #[test]
    fn the_server_decoder_agrees_with_the_reference_on_lines_that_are_nearly_right(
        lines in prop::collection::vec(line(), 1..4),
    ) {
        let stream = lines.concat();
        let limits = ServerLimits::default();
        prop_assert_eq!(decode(limits, &[&stream]), Reference::parse(limits, &stream));
    }

    #[test]
    fn a_stream_from_a_client_means_the_same_cut_at_every_position(
        fragments in prop::collection::vec(fragment(), 0..8),
        limits in limits(),
    ) {
        server_decoded_within(limits, &fragments.concat());
    }

    #[test]
    fn one_changed_byte_from_a_client_is_judged_alike(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut stream = b"CONNECT {}\r\nSUB a.* q 1\r\nPUB a.b r 5\r\nhello\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\nUNSUB 1 5\r\n".to_vec();
        let at = at.index(stream.len());
        stream[at] = byte;
        let limits = ServerLimits::default();
        prop_assert_eq!(decode(limits, &[&stream]), Reference::parse(limits, &stream));
    }
}
