//! What the fuzz targets run: each takes any bytes and panics if a promise does not hold.
//!
//! The bodies are here so that every build compiles them and every test run tries them.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use bytes::{Buf, BytesMut};

use crate::{
    ClientFrame, ClientOp, Connect, DecodeError, Decoder, Headers, Limits, Message, Payload, QueueGroup,
    Reply, Secret, ServerDecodeError, ServerDecoder, ServerFrame, ServerInfo, ServerLimits, ServerOp,
    ServerUrl, Sid, Subject, SubjectFilter, TransmitBuf,
};

/// Any bytes from a server: the same operations whole, in two pieces and byte by byte; an error is final; no view
/// of a message panics; `need` is never too much.
pub fn decode(data: &[u8]) {
    let (split, stream) = split_point(data);
    let limits = Limits::default()
        .with_line(96)
        .with_info(4096)
        .with_payload(1 << 16);
    let whole = decode_in_pieces(limits, &[stream]);
    let (first, second) = stream.split_at(split.min(stream.len()));
    assert_eq!(whole, decode_in_pieces(limits, &[first, second]), "in two pieces");
    if stream.len() <= 512 {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(whole, decode_in_pieces(limits, &bytes), "byte by byte");
    }
    for operation in &whole.0 {
        if let ServerOp::Message(message) = operation {
            read_all_of(message);
        }
    }
}

/// Any bytes as a header block: what can be read can be written and reads back the same.
pub fn headers(data: &[u8]) {
    let status = crate::headers::parse_status(data);
    let Ok(parsed) = Headers::parse(data) else { return };
    assert_eq!(
        status.map(|(code, _)| code),
        Some(parsed.status()),
        "the status alone and with the rest"
    );
    let block = parsed.as_block();
    let again = Headers::parse(block).expect("what was written can be read");
    assert_eq!(again.as_block(), block);
    assert_eq!(again.len(), parsed.len());
    assert!(again.iter().eq(parsed.iter()));
    assert_eq!(
        (again.status(), again.description()),
        (parsed.status(), parsed.description())
    );
    let mut rebuilt = Headers::new();
    for (name, value) in parsed.iter() {
        rebuilt.append(name, value).expect("what was read can be written");
        assert!(parsed.get_all(name).any(|other| other == value));
        assert!(parsed.get_ignore_case(name).is_some());
    }
    assert!(rebuilt.iter().eq(parsed.iter()));
    if let Some((name, _)) = parsed.iter().next() {
        let mut fewer = parsed.clone();
        let removed = fewer.remove(name);
        assert_eq!(fewer.len().checked_add(removed), Some(parsed.len()));
        assert_eq!((fewer.get(name), fewer.status()), (None, parsed.status()));
    }
}

/// Any texts in every field of every operation: what can be made is written as exactly one frame, of the length
/// that was announced, and is read back by the other role. Through a [`TransmitBuf`] it is the same.
pub fn roundtrip(data: &[u8]) {
    let mut fields = Fields(data);
    let number = fields.number();
    let (subject, reply, queue) = (fields.text(), fields.text(), fields.text());
    let (name, value, payload) = (fields.text(), fields.bytes(), fields.rest());

    let connect = Connect {
        protocol: i64::from(number % 2 == 0),
        name: Some(subject.clone()),
        lang: reply.clone(),
        version: queue.clone(),
        nkey: Some(name.clone()),
        pass: Some(Secret::from(name.as_str())),
        ..Connect::default()
    };
    write_and_read(ClientOp::Connect(&connect));
    raw_fields(subject.as_bytes(), value, reply.as_bytes(), payload);

    let subject = Subject::new(&subject);
    let reply = Subject::new(&reply).ok();
    let queue = QueueGroup::new(&queue).ok();
    let mut headers = Headers::new();
    let has_headers = headers.append(&name, value).is_ok();
    if let Ok(subject) = &subject {
        let reply = match &reply {
            Some(prefix) if number % 2 == 0 => Some(Reply::Inbox {
                prefix,
                token: number,
            }),
            other => other.as_ref().map(Reply::from),
        };
        let headers = has_headers.then_some(&headers);
        write_and_read(ClientOp::Publish {
            subject: subject.into(),
            reply,
            headers,
            payload: Payload::Borrowed(payload),
        });
        let payload = Payload::Shared(payload.repeat(64).into());
        write_and_read(ClientOp::Publish {
            subject: subject.into(),
            reply,
            headers,
            payload,
        });
        server_writes(subject, number, headers, value);
    }
    if let Ok(filter) = subject.map(SubjectFilter::from) {
        let sid = Sid::new(number);
        write_and_read(ClientOp::Subscribe {
            sid,
            filter: &filter,
            queue: queue.as_ref(),
        });
        write_and_read(ClientOp::Unsubscribe {
            sid,
            max: NonZeroU64::new(number),
        });
    }
}

/// Any bytes from a client: the same operations whole, in two pieces and byte by byte; an error is final.
pub fn server_decode(data: &[u8]) {
    let (split, stream) = split_point(data);
    let limits = ServerLimits::default()
        .with_control_line(96)
        .with_payload(1 << 16);
    let whole = server_decode_in_pieces(limits, &[stream]);
    let (first, second) = stream.split_at(split.min(stream.len()));
    assert_eq!(
        whole,
        server_decode_in_pieces(limits, &[first, second]),
        "in two pieces"
    );
    if stream.len() <= 512 {
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(whole, server_decode_in_pieces(limits, &bytes), "byte by byte");
    }
}

/// Any text as a URL: what can be read prints as something that reads back as the same place.
pub fn url(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let _ = ServerUrl::parse_list(text);
    let Ok(url) = ServerUrl::parse(text) else { return };
    let shown = alloc::format!("{url}");
    let again = ServerUrl::parse(&shown).expect("what was shown can be read");
    assert_eq!(again, url.clone().with_userinfo(None));
    assert!(again.has_identity_of(&url));
    assert_eq!(
        (again.is_loopback(), again.is_ip()),
        (url.is_loopback(), url.is_ip())
    );
}

type Decoded = (Vec<ServerOp>, Option<DecodeError>, usize);

/// What a stream decodes to that arrives in these pieces; the number says what is left over.
fn decode_in_pieces(limits: Limits, pieces: &[&[u8]]) -> Decoded {
    let mut decoder = Decoder::new(limits);
    let mut buffer = BytesMut::new();
    let mut operations = Vec::new();
    let mut needed = 0;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(operation)) => {
                    operations.push(operation);
                    needed = 0;
                }
                Ok(None) => {
                    needed = check_need(needed, buffer.len(), decoder.need());
                    break;
                }
                Err(error) => {
                    assert_eq!(decoder.decode(&mut buffer), Err(error), "errors are final");
                    return (operations, Some(error), 0);
                }
            }
        }
    }
    (operations, None, buffer.len())
}

/// Where a frame ends at the earliest, by `need`: always after what is there, and never sooner than the last answer.
fn check_need(before: usize, available: usize, need: usize) -> usize {
    let wanted = available.saturating_add(need);
    assert!(
        wanted > available && before <= wanted,
        "{before} {available} {need}"
    );
    wanted
}

fn server_decode_in_pieces(
    limits: ServerLimits,
    pieces: &[&[u8]],
) -> (Vec<ClientFrame>, Option<ServerDecodeError>, usize) {
    let mut decoder = ServerDecoder::new(limits);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    let mut needed = 0;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Some(frame)) => {
                    frames.push(frame);
                    needed = 0;
                }
                Ok(None) => {
                    needed = check_need(needed, buffer.len(), decoder.need());
                    break;
                }
                Err(error) => {
                    assert_eq!(decoder.decode(&mut buffer), Err(error), "errors are final");
                    return (frames, Some(error), 0);
                }
            }
        }
    }
    (frames, None, buffer.len())
}

fn read_all_of(message: &Message) {
    assert!(!message.subject_bytes().is_empty());
    assert_eq!(message.payload_bytes(), message.payload());
    for (text, bytes) in [
        (Some(message.subject()), Some(message.subject_bytes())),
        (message.reply(), message.reply_bytes()),
    ] {
        let (Some(text), Some(bytes)) = (text, bytes) else {
            continue;
        };
        assert_eq!(text.as_bytes(), bytes);
        let expected = core::str::from_utf8(bytes).map_err(|error| error.valid_up_to());
        assert_eq!(text.to_str().map_err(|error| error.at), expected);
        assert_eq!(*text, *String::from_utf8_lossy(bytes));
        if let Ok(subject) = text.to_subject_ref() {
            assert_eq!(subject.as_bytes(), bytes);
        }
    }
    if let Ok(Some(headers)) = message.headers() {
        assert_eq!(headers.status(), message.status());
    }
    let detached = message.detach();
    assert_eq!(&detached, message);
    assert_eq!(detached.wire_len(), message.wire_len());
    assert!(alloc::format!("{message:?}").len() < 1024);
}

/// Writes an operation in all ways and reads it as a server.
fn write_and_read(operation: ClientOp<'_>) {
    let mut flat = Vec::new();
    if operation.clone().encode(&mut flat).is_err() {
        assert!(flat.is_empty(), "nothing is written on an error");
        return;
    }
    assert_eq!(flat.len(), operation.encoded_len());
    let mut buffer = TransmitBuf::new();
    operation
        .clone()
        .encode(&mut buffer)
        .expect("it went into a vector");
    buffer.end_frame(());
    assert_eq!(buffer.len(), flat.len());
    let mut copy = TransmitBuf::new();
    buffer.copy_frame(buffer.last_frame().expect("it was ended"), &mut copy);
    assert_eq!(copy.copy_to_bytes(flat.len()), flat);
    assert_eq!(buffer.chunks().flatten().copied().collect::<Vec<u8>>(), flat);

    let limits = ServerLimits::default().with_payload(usize::MAX);
    let (frames, error, left) = server_decode_in_pieces(limits, &[&flat]);
    assert_eq!((frames.len(), error, left), (1, None, 0), "exactly one frame");
    match (&operation, frames.first()) {
        (
            ClientOp::Publish {
                subject,
                reply,
                headers,
                payload,
            },
            Some(ClientFrame::Publish {
                subject: subject_read,
                reply: reply_read,
                headers: headers_read,
                payload: payload_read,
            }),
        ) => {
            assert_eq!(subject.as_bytes(), subject_read);
            assert_eq!(
                reply.map(|reply| reply_text(&reply)).as_deref(),
                reply_read
                    .as_deref()
                    .map(|bytes| core::str::from_utf8(bytes).expect("written as text"))
            );
            assert_eq!(headers.map(Headers::as_block), headers_read.as_deref());
            assert_eq!(payload.as_slice(), payload_read);
        }
        (
            ClientOp::Subscribe { sid, filter, queue },
            Some(ClientFrame::Subscribe {
                sid: sid_read,
                subject,
                queue: queue_read,
            }),
        ) => {
            assert_eq!(alloc::format!("{sid}").as_bytes(), sid_read);
            assert_eq!(filter.as_bytes(), subject);
            assert_eq!(queue.map(QueueGroup::as_bytes), queue_read.as_deref());
        }
        (
            ClientOp::Unsubscribe { sid, max },
            Some(ClientFrame::Unsubscribe {
                sid: sid_read,
                max: max_read,
            }),
        ) => {
            assert_eq!(alloc::format!("{sid}").as_bytes(), sid_read);
            assert_eq!(max.map(NonZeroU64::get), *max_read);
        }
        (ClientOp::Connect(connect), Some(ClientFrame::Connect(connect_read))) => {
            assert_eq!(**connect, **connect_read);
        }
        (_, other) => panic!("read as {other:?}"),
    }
}

/// Any bytes as the raw fields of a message from a server: written as exactly one frame, or refused.
fn raw_fields(subject: &[u8], sid: &[u8], reply: &[u8], payload: &[u8]) {
    let mut wire = Vec::new();
    let frame = ServerFrame::Message {
        subject,
        sid,
        reply: Some(reply),
        headers: None,
        payload,
    };
    if frame.encode(&mut wire).is_err() {
        assert!(wire.is_empty(), "nothing is written on an error");
        return;
    }
    let limits = Limits::default();
    match decode_in_pieces(limits, &[&wire]) {
        (operations, None, 0) => match operations.as_slice() {
            [ServerOp::Message(message)] => {
                assert_eq!((message.subject_bytes(), message.payload()), (subject, payload));
                assert_eq!(message.reply_bytes(), Some(reply));
            }
            other => panic!("read as {other:?}"),
        },
        // Servers repeat any sid, of which a client knows only numbers.
        (operations, Some(DecodeError::Sid(_)), _) => assert!(operations.is_empty()),
        other => panic!("read as {other:?}"),
    }
}

fn reply_text(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Subject(subject) => alloc::format!("{subject}"),
        Reply::Inbox { prefix, token } => alloc::format!("{prefix}.{token}"),
    }
}

/// Writes operations of a server with these fields and reads them as a client.
fn server_writes(subject: &Subject, number: u64, headers: Option<&Headers>, raw: &[u8]) {
    let sid = alloc::format!("{number}");
    let mut wire = Vec::new();
    let frame = ServerFrame::Message {
        subject: subject.as_bytes(),
        sid: sid.as_bytes(),
        reply: (!raw.is_empty()).then_some(raw),
        headers: headers.map(Headers::as_block),
        payload: raw,
    };
    let message_written = frame.encode(&mut wire).is_ok();
    let error_written = ServerFrame::Err(&String::from_utf8_lossy(raw))
        .encode(&mut wire)
        .is_ok();
    let server_id = Some(String::from_utf8_lossy(raw).into_owned());
    let info = ServerInfo {
        server_id,
        client_id: Some(number),
        ..ServerInfo::default()
    };
    ServerFrame::Info(&info)
        .encode(&mut wire)
        .expect("JSON has no line ends");
    let (operations, error, left) = decode_in_pieces(Limits::default(), &[&wire]);
    let expected = usize::from(message_written)
        .saturating_add(usize::from(error_written))
        .saturating_add(1);
    assert_eq!((operations.len(), error, left), (expected, None, 0));
    assert_eq!(operations.last(), Some(&ServerOp::Info(info.into())));
    if let Some(ServerOp::Message(message)) = operations.first() {
        assert_eq!(
            (message.subject_bytes(), message.payload()),
            (subject.as_bytes(), raw)
        );
        assert_eq!(message.header_block(), headers.map(Headers::as_block));
    }
}

/// The first byte says where the rest is cut in two.
fn split_point(data: &[u8]) -> (usize, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (usize::from(*first), rest))
}

/// Takes fields off the front of some bytes, each after its length.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> u64 {
        let (bytes, rest) = self.0.split_first_chunk::<8>().unwrap_or((&[0; 8], self.0));
        self.0 = rest;
        u64::from_le_bytes(*bytes)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let (length, rest) = self.0.split_first().unwrap_or((&0, &[]));
        let (field, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        self.0 = rest;
        field
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }
}
