//! What a client writes, as tables.

use std::borrow::Cow;
use std::num::NonZeroU64;

use bytes::{Bytes, BytesMut};
use nats_proto::{
    ClientOp, Connect, EncodeError, Headers, MAX_CONTROL_LINE, MAX_MESSAGE, Payload, QueueGroup, Reply,
    Secret, ServerFrame, Sid, Subject, SubjectFilter, TransmitBuf, WireSink,
};

use crate::wire::Discard;

static SUBJECT: Subject = Subject::from_static("orders.eu");
static REPLY: Subject = Subject::from_static("_INBOX.abc");

/// Encodes into every sink; all must agree, and the length must be as foretold.
fn encoded(operation: ClientOp<'_>) -> String {
    let mut vector = Vec::new();
    operation.clone().encode(&mut vector).unwrap();
    let mut bytes = BytesMut::new();
    operation.clone().encode(&mut bytes).unwrap();
    let mut buffer = TransmitBuf::<()>::new();
    operation.clone().encode(&mut buffer).unwrap();
    assert_eq!(vector, bytes);
    assert_eq!(buffer.chunks().collect::<Vec<_>>().concat(), vector);
    assert_eq!(operation.encoded_len(), vector.len());
    String::from_utf8(vector).unwrap()
}

fn publish<'a>(reply: Option<Reply<'a>>, headers: Option<&'a Headers>, payload: Payload<'a>) -> ClientOp<'a> {
    ClientOp::Publish {
        subject: (&SUBJECT).into(),
        reply,
        headers,
        payload,
    }
}

fn headers() -> Headers {
    let mut headers = Headers::new();
    headers.append("a", "b").unwrap();
    headers
}

#[test]
fn ping_and_pong() {
    assert_eq!(encoded(ClientOp::Ping), "PING\r\n");
    assert_eq!(encoded(ClientOp::Pong), "PONG\r\n");
}

#[test]
fn publish_with_and_without_reply() {
    assert_eq!(
        encoded(publish(None, None, "hello".into())),
        "PUB orders.eu 5\r\nhello\r\n"
    );
    assert_eq!(encoded(publish(None, None, "".into())), "PUB orders.eu 0\r\n\r\n");
    let reply = Some(Reply::from(&REPLY));
    assert_eq!(
        encoded(publish(reply, None, "hi".into())),
        "PUB orders.eu _INBOX.abc 2\r\nhi\r\n"
    );
    let inbox = |token| {
        Some(Reply::Inbox {
            prefix: &REPLY,
            token,
        })
    };
    assert_eq!(
        encoded(publish(inbox(0), None, "hi".into())),
        "PUB orders.eu _INBOX.abc.0 2\r\nhi\r\n"
    );
    let last = "PUB orders.eu _INBOX.abc.18446744073709551615 2\r\nhi\r\n";
    assert_eq!(encoded(publish(inbox(u64::MAX), None, "hi".into())), last);
}

#[test]
fn publish_with_headers() {
    let headers = headers();
    let block = "NATS/1.0\r\na: b\r\n\r\n";
    assert_eq!(
        encoded(publish(None, Some(&headers), "hi".into())),
        format!("HPUB orders.eu 18 20\r\n{block}hi\r\n")
    );
    let reply = Some(Reply::from(&REPLY));
    let expected = format!("HPUB orders.eu _INBOX.abc 18 18\r\n{block}\r\n");
    assert_eq!(encoded(publish(reply, Some(&headers), "".into())), expected);
    let none = "HPUB orders.eu 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";
    assert_eq!(encoded(publish(None, Some(&Headers::new()), "hi".into())), none);
}

#[test]
fn sizes_of_any_number_of_digits() {
    for size in [
        0, 1, 9, 10, 11, 99, 100, 101, 128, 999, 1000, 1001, 4095, 4096, 9999, 10_000, 123_456,
    ] {
        let payload = "x".repeat(size);
        let expected = format!("PUB orders.eu {size}\r\n{payload}\r\n");
        assert_eq!(encoded(publish(None, None, payload.as_str().into())), expected);
        let shared = Payload::from(Bytes::from(payload.clone()));
        assert_eq!(encoded(publish(None, None, shared)), expected);
        let headers = headers();
        let expected = format!(
            "HPUB orders.eu 18 {}\r\nNATS/1.0\r\na: b\r\n\r\n{payload}\r\n",
            size + 18
        );
        assert_eq!(
            encoded(publish(None, Some(&headers), payload.as_str().into())),
            expected
        );
    }
}

#[test]
fn headers_of_any_length() {
    // The rest of the block has 12 + 5 bytes.
    for size in [0, 1, 82, 83, 982, 983, 984, 9982, 9983] {
        let mut headers = Headers::new();
        headers.append("a", "x".repeat(size)).unwrap();
        let block = format!("NATS/1.0\r\na: {}\r\n\r\n", "x".repeat(size));
        let expected = format!("HPUB orders.eu {} {}\r\n{block}hi\r\n", size + 17, size + 19);
        assert_eq!(encoded(publish(None, Some(&headers), "hi".into())), expected);
    }
}

#[test]
fn subscribe_and_unsubscribe() {
    let filter = SubjectFilter::from_static("orders.*.>");
    let queue = QueueGroup::from_static("work*ers");
    let subscribe = |number, queue| ClientOp::Subscribe {
        sid: Sid::new(number),
        filter: &filter,
        queue,
    };
    assert_eq!(encoded(subscribe(0, None)), "SUB orders.*.> 0\r\n");
    assert_eq!(
        encoded(subscribe(u64::MAX, Some(&queue))),
        "SUB orders.*.> work*ers 18446744073709551615\r\n"
    );
    let unsubscribe = |number, max| ClientOp::Unsubscribe {
        sid: Sid::new(number),
        max: NonZeroU64::new(max),
    };
    assert_eq!(encoded(unsubscribe(7, 0)), "UNSUB 7\r\n");
    assert_eq!(encoded(unsubscribe(10, 1)), "UNSUB 10 1\r\n");
    assert_eq!(
        encoded(unsubscribe(99, u64::MAX)),
        "UNSUB 99 18446744073709551615\r\n"
    );
}

#[test]
fn connect_has_the_fields_of_the_allow_list_in_this_order() {
    let bare = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"rust\",\"version\":\"{}\",\
         \"protocol\":1,\"echo\":true,\"headers\":true,\"no_responders\":true}}\r\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(encoded(ClientOp::Connect(&Connect::default())), bare);

    let mut connect = Connect::default();
    connect.verbose = true;
    connect.pedantic = true;
    connect.tls_required = true;
    connect.name = Some("na\"me\r\n".into());
    connect.lang = "l".into();
    connect.version = "v".into();
    connect.protocol = 0;
    connect.echo = false;
    connect.headers = false;
    connect.no_responders = false;
    connect.user = Some("u\\".into());
    connect.pass = Some("p\u{1}".into());
    connect.auth_token = Some("t".into());
    connect.jwt = Some("j".into());
    connect.nkey = Some("n".into());
    connect.sig = Some("s".into());
    let all = "CONNECT {\"verbose\":true,\"pedantic\":true,\"tls_required\":true,\"name\":\"na\\\"me\\r\\n\",\
        \"lang\":\"l\",\"version\":\"v\",\"protocol\":0,\"echo\":false,\"headers\":false,\"no_responders\":false,\
        \"user\":\"u\\\\\",\"pass\":\"p\\u0001\",\"auth_token\":\"t\",\"jwt\":\"j\",\"nkey\":\"n\",\"sig\":\"s\"}\r\n";
    assert_eq!(encoded(ClientOp::Connect(&connect)), all);
    let shown = format!("{connect:?}");
    for secret in ["u\\", "p\u{1}", "\"t\"", "\"j\"", "\"s\""] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert_eq!(shown.matches("[redacted]").count(), 5);
    assert_eq!(connect.user.as_ref().map(Secret::expose), Some("u\\"));
}

#[test]
fn a_control_line_of_4096_bytes_of_arguments_is_written_and_one_more_is_refused() {
    // As the server counts: what stands between the word and the line end.
    let subject = |len: usize| Subject::new(&"s".repeat(len)).unwrap();
    let filter = |len: usize| SubjectFilter::from(subject(len));
    let too_long = |len| Err(EncodeError::ControlLineTooLong { len, limit: 4096 });
    let encode = |operation: ClientOp<'_>| {
        let mut out = Vec::new();
        let result = operation.encode(&mut out);
        assert_eq!(out.is_empty(), result.is_err(), "nothing is written on an error");
        let arguments = out.split(|byte| *byte == b'\r').next().unwrap();
        let word = arguments
            .iter()
            .position(|byte| *byte == b' ')
            .map_or(0, |at| at + 1);
        result.map(|()| arguments.len() - word)
    };
    let headers = headers();
    let reply = Some(Reply::from(&REPLY));
    let inbox = Some(Reply::Inbox {
        prefix: &REPLY,
        token: 123,
    });
    let pubs = |len: usize, reply, headers| {
        let subject = subject(len);
        encode(ClientOp::Publish {
            subject: (&subject).into(),
            reply,
            headers,
            payload: "hello".into(),
        })
    };
    assert_eq!(pubs(4094, None, None), Ok(4096));
    assert_eq!(pubs(4095, None, None), too_long(4097));
    assert_eq!(pubs(4083, reply, None), Ok(4096));
    assert_eq!(pubs(4084, reply, None), too_long(4097));
    assert_eq!(pubs(4079, inbox, None), Ok(4096));
    assert_eq!(pubs(4080, inbox, None), too_long(4097));
    assert_eq!(pubs(4090, None, Some(&headers)), Ok(4096));
    assert_eq!(pubs(4091, None, Some(&headers)), too_long(4097));
    let queue = QueueGroup::from_static("queue");
    let subs = |len: usize, queue| {
        encode(ClientOp::Subscribe {
            sid: Sid::new(12),
            filter: &filter(len),
            queue,
        })
    };
    assert_eq!(subs(4093, None), Ok(4096));
    assert_eq!(subs(4094, None), too_long(4097));
    assert_eq!(subs(4087, Some(&queue)), Ok(4096));
    assert_eq!(subs(4088, Some(&queue)), too_long(4097));
    let connects = |json_len: usize| {
        let mut connect = Connect::default();
        connect.name = Some(String::new());
        connect.name = Some("n".repeat(json_len - connect.to_json().len()));
        assert_eq!(connect.to_json().len(), json_len);
        encode(ClientOp::Connect(&connect))
    };
    assert_eq!(connects(4096), Ok(4096));
    assert_eq!(connects(4097), too_long(4097));
    assert_eq!(MAX_CONTROL_LINE, 4096);
}

#[test]
fn another_limit_of_control_lines_can_be_given() {
    let mut out = Vec::new();
    let operation = publish(None, None, "hi".into());
    assert_eq!(
        operation.clone().encode_within(10, &mut out),
        Err(EncodeError::ControlLineTooLong { len: 11, limit: 10 })
    );
    assert_eq!(operation.encode_within(11, &mut out), Ok(()));
    let mut connect = Connect::default();
    connect.jwt = Some("j".repeat(5000).into());
    assert_eq!(
        ClientOp::Connect(&connect).encode_within(usize::MAX, &mut out),
        Ok(())
    );
    out.clear();
    let unsubscribe = ClientOp::Unsubscribe {
        sid: Sid::new(12),
        max: NonZeroU64::new(345),
    };
    assert_eq!(
        unsubscribe.clone().encode_within(5, &mut out),
        Err(EncodeError::ControlLineTooLong { len: 6, limit: 5 })
    );
    assert_eq!(
        (unsubscribe.encode_within(6, &mut out), &out[..]),
        (Ok(()), &b"UNSUB 12 345\r\n"[..])
    );
}

#[test]
fn a_message_that_cannot_be_announced_is_refused() {
    // The pages are never touched, so this costs no memory.
    let largest = Bytes::from(vec![0; MAX_MESSAGE]);
    let mut out = Discard(0);
    publish(None, None, largest.clone().into())
        .encode(&mut out)
        .unwrap();
    assert_eq!(out.0, "PUB orders.eu 999999999\r\n\r\n".len() + MAX_MESSAGE);
    let headers = headers();
    let operation = publish(None, Some(&headers), largest.into());
    assert_eq!(
        operation.encoded_len(),
        "HPUB orders.eu 18 1000000017\r\n\r\n".len() + 18 + MAX_MESSAGE
    );
    assert_eq!(
        operation.encode(&mut out),
        Err(EncodeError::MessageTooLarge {
            len: MAX_MESSAGE + 18
        })
    );
    let one_more = vec![0; MAX_MESSAGE + 1];
    let error = publish(None, None, Payload::Borrowed(&one_more))
        .encode(&mut out)
        .unwrap_err();
    assert_eq!(error, EncodeError::MessageTooLarge { len: MAX_MESSAGE + 1 });
    assert!(error.to_string().contains("1000000000 bytes"), "{error}");
}

#[test]
fn room_is_reserved_once_and_is_enough() {
    /// Notes what is asked for.
    #[derive(Default)]
    struct Asked {
        room: usize,
        times: usize,
        written: usize,
    }
    impl WireSink for Asked {
        fn reserve(&mut self, additional: usize) {
            self.room += additional;
            self.times += 1;
        }
        fn put_slice(&mut self, bytes: &[u8]) {
            self.written += bytes.len();
        }
    }
    let (headers, reply) = (
        headers(),
        Some(Reply::Inbox {
            prefix: &REPLY,
            token: 12,
        }),
    );
    let connect = Connect::default();
    // A large payload that is shared may be kept as it is: no room is reserved for it.
    for (operation, shared) in [
        (publish(None, None, "hello".into()), 0),
        (publish(reply, None, "hello".into()), 0),
        (publish(reply, Some(&headers), Payload::Borrowed(&[0; 5000])), 0),
        (
            publish(reply, Some(&headers), Bytes::from(vec![0; 5000]).into()),
            5000,
        ),
        (ClientOp::Connect(&connect), 0),
    ] {
        let mut asked = Asked::default();
        let len = operation.encoded_len();
        operation.encode(&mut asked).unwrap();
        assert_eq!((asked.times, asked.room, asked.written), (1, len - shared, len));
    }
    // By default a sink does not care.
    let mut discard = Discard(0);
    discard.reserve(10);
    discard.put_shared(Bytes::from_static(b"abc"));
    assert_eq!(discard.0, 3);
    // The ready sinks make the room that they are asked for.
    let mut vector = Vec::new();
    WireSink::reserve(&mut vector, 100);
    let mut bytes = BytesMut::new();
    WireSink::reserve(&mut bytes, 100);
    let mut buffer = TransmitBuf::<()>::new();
    buffer.reserve(100);
    assert!(vector.capacity() >= 100 && bytes.capacity() >= 100 && buffer.capacity() >= 100);
}

/// Keeps what it is given apart.
#[derive(Default)]
struct InPieces(Vec<String>);

impl WireSink for InPieces {
    fn put_slice(&mut self, bytes: &[u8]) {
        self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
    }
}

#[test]
fn a_small_size_is_written_in_one_piece() {
    for (size, piece) in [
        (0, " 0\r\n"),
        (9, " 9\r\n"),
        (10, " 10\r\n"),
        (99, " 99\r\n"),
        (100, " 100\r\n"),
        (999, " 999\r\n"),
    ] {
        let payload = "x".repeat(size);
        let mut pieces = InPieces::default();
        publish(None, None, payload.as_str().into())
            .encode(&mut pieces)
            .unwrap();
        assert_eq!(pieces.0, ["PUB ", "orders.eu", piece, &payload, "\r\n"]);
    }
    for (size, piece) in [
        (1, " 1"),
        (9, " 9"),
        (10, " 10"),
        (99, " 99"),
        (100, " 100"),
        (999, " 999"),
    ] {
        let block = vec![b'x'; size];
        let mut pieces = InPieces::default();
        let message = ServerFrame::Message {
            subject: b"a",
            sid: b"1",
            reply: None,
            headers: Some(&block),
            payload: b"",
        };
        message.encode(&mut pieces).unwrap();
        assert_eq!(pieces.0[4..6], [piece.to_owned(), format!("{piece}\r\n")]);
    }
}

#[test]
fn a_payload_can_be_made_from_common_types() {
    let vector = b"abc".to_vec();
    let bytes = Bytes::from_static(b"abc");
    let payloads: [Payload<'_>; 12] = [
        "abc".into(),
        b"abc".into(),
        b"abc"[..].into(),
        (&vector).into(),
        vector.clone().into(),
        String::from("abc").into(),
        bytes.clone().into(),
        (&bytes).into(),
        (*b"abc").into(),
        Cow::Borrowed(&b"abc"[..]).into(),
        Cow::<[u8]>::Owned(vector.clone()).into(),
        Payload::Borrowed(b"abc"),
    ];
    for payload in payloads {
        assert_eq!(
            (payload.as_slice(), payload.len(), payload.is_empty()),
            (&b"abc"[..], 3, false)
        );
        assert_eq!(format!("{payload:?}"), "Payload(3 bytes)");
    }
    assert!(Payload::from("").is_empty());
    assert!(matches!(Payload::from(&bytes), Payload::Shared(_)));
}
