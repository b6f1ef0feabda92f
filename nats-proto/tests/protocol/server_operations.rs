//! What a server writes, as tables.

use nats_proto::{EncodeError, ServerFrame, ServerInfo, TransmitBuf};

use crate::wire::Discard;

fn encoded(frame: ServerFrame<'_>) -> Result<String, EncodeError> {
    let mut out = Vec::new();
    let result = frame.encode(&mut out);
    assert_eq!(out.is_empty(), result.is_err(), "nothing is written on an error");
    let mut buffer = TransmitBuf::<()>::new();
    assert_eq!(frame.encode(&mut buffer), result);
    assert_eq!(buffer.len(), out.len());
    result.map(|()| String::from_utf8(out).unwrap())
}

fn message<'a>(reply: Option<&'a [u8]>, headers: Option<&'a [u8]>, payload: &'a [u8]) -> ServerFrame<'a> {
    ServerFrame::Message {
        subject: b"a.b",
        sid: b"s1",
        reply,
        headers,
        payload,
    }
}

#[test]
fn words() {
    assert_eq!(encoded(ServerFrame::Ping).unwrap(), "PING\r\n");
    assert_eq!(encoded(ServerFrame::Pong).unwrap(), "PONG\r\n");
    assert_eq!(encoded(ServerFrame::Ok).unwrap(), "+OK\r\n");
    assert_eq!(
        encoded(ServerFrame::Err("it's \"x\"")).unwrap(),
        "-ERR 'it's \"x\"'\r\n"
    );
}

#[test]
fn info_ends_with_a_blank_as_that_of_real_servers() {
    assert_eq!(
        encoded(ServerFrame::Info(&ServerInfo::default())).unwrap(),
        "INFO {} \r\n"
    );
    let info = ServerInfo::parse(br#"{"port":4222,"ldm":true}"#).unwrap();
    assert_eq!(
        encoded(ServerFrame::Info(&info)).unwrap(),
        "INFO {\"ldm\":true,\"port\":4222} \r\n"
    );
}

#[test]
fn messages() {
    assert_eq!(
        encoded(message(None, None, b"hello")).unwrap(),
        "MSG a.b s1 5\r\nhello\r\n"
    );
    assert_eq!(
        encoded(message(Some(b"r"), None, b"")).unwrap(),
        "MSG a.b s1 r 0\r\n\r\n"
    );
    let block = Some(&b"NATS/1.0\r\n\r\n"[..]);
    assert_eq!(
        encoded(message(None, block, b"hi")).unwrap(),
        "HMSG a.b s1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
    );
    assert_eq!(
        encoded(message(Some(b"r"), block, b"")).unwrap(),
        "HMSG a.b s1 r 12 12\r\nNATS/1.0\r\n\r\n\r\n"
    );
    // As the server does it with headers of no length.
    assert_eq!(
        encoded(message(None, Some(b""), b"hi")).unwrap(),
        "MSG a.b s1 2\r\nhi\r\n"
    );
}

#[test]
fn fields_that_would_not_be_read_as_one_are_refused() {
    for bad in [&b""[..], b" ", b"a b", b"a\tb", b"a\r", b"\na"] {
        let field = |field| Err(EncodeError::Field { field });
        let with = |subject, sid, reply| {
            encoded(ServerFrame::Message {
                subject,
                sid,
                reply,
                headers: None,
                payload: b"",
            })
        };
        assert_eq!(with(bad, b"1", None), field("subject"));
        assert_eq!(with(b"a", bad, None), field("sid"));
        assert_eq!(with(b"a", b"1", Some(bad)), field("reply subject"));
    }
    for bad in ["a\r", "\n"] {
        assert_eq!(
            encoded(ServerFrame::Err(bad)),
            Err(EncodeError::Field { field: "error text" })
        );
    }
    let error = encoded(ServerFrame::Err("\n")).unwrap_err();
    assert!(error.to_string().contains("error text"), "{error}");
}

#[test]
fn a_message_that_cannot_be_announced_is_refused() {
    let payload = vec![0; 1_000_000_000];
    let mut out = Vec::new();
    assert_eq!(
        message(None, None, &payload).encode(&mut out),
        Err(EncodeError::MessageTooLarge { len: 1_000_000_000 })
    );
    assert!(out.is_empty());
    let mut counted = Discard(0);
    message(None, None, &payload[..999_999_999])
        .encode(&mut counted)
        .unwrap();
    assert!(counted.0 > 999_999_999);
}
