//! What is known to break parsers of headers, numbered as in the list of edge cases.

use nats_proto::{ClientOp, HeaderError, Headers, Payload, ServerOp, StatusCode, Subject};

use crate::wire::{message, operations, with_headers};

#[test]
fn edge_27_header_blocks_are_read_leniently() {
    let block =
        b"NATS/1.0\r\nempty:\r\ncolons: a:b::c\r\nfolded: one\r\n two\r\nbytes: \xff\r\ndup: 1\r\ndup: 2\r\n\
        spaced  : x\r\nlone: a\rb\r\nbare: lf\nlast: line";
    let headers = Headers::parse(block).unwrap();
    assert_eq!(headers.get("empty"), Some(&b""[..]));
    assert_eq!(headers.get("colons"), Some(&b"a:b::c"[..]));
    assert_eq!(headers.get("folded"), Some(&b"one two"[..]));
    assert_eq!(
        (headers.get("bytes"), headers.get_str("bytes")),
        (Some(&b"\xff"[..]), None)
    );
    assert_eq!(headers.get_all("dup").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(headers.get("spaced"), Some(&b"x"[..]));
    assert_eq!(headers.get("lone"), Some(&b"a b"[..]));
    assert_eq!(
        (headers.get("bare"), headers.get("last")),
        (Some(&b"lf"[..]), Some(&b"line"[..]))
    );
    assert_eq!(headers.len(), 10);
}

#[test]
fn edge_27_an_empty_header_value_does_not_panic() {
    let delivered = message(b"HMSG a 1 16 16\r\nNATS/1.0\r\nK:\r\n\r\n\r\n");
    assert_eq!(delivered.headers().unwrap().unwrap().get("K"), Some(&b""[..]));
}

#[test]
fn edge_27_a_lone_cr_in_a_header_value_does_not_panic() {
    let delivered = message(b"HMSG a 1 19 19\r\nNATS/1.0\r\nK:a\rb\r\n\r\n\r\n");
    assert_eq!(delivered.headers().unwrap().unwrap().get("K"), Some(&b"a b"[..]));
}

#[test]
fn edge_28_a_bad_header_block_costs_only_itself() {
    let all = operations(b"HMSG a 1 r 18 20\r\nnot a header blockhi\r\nPING\r\n");
    let [ServerOp::Message(message), ServerOp::Ping] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(
        (message.subject_bytes(), message.payload()),
        (&b"a"[..], &b"hi"[..])
    );
    assert_eq!(message.header_block(), Some(&b"not a header block"[..]));
    assert_eq!(
        (message.headers(), message.status()),
        (Err(HeaderError::Version), None)
    );
    assert!(!message.is_no_responders());
    let hello = with_headers(b"NATS/1.0\r\nX: hello world\r\n\r\n");
    assert_eq!(
        hello.headers().unwrap().unwrap().get_str("X"),
        Some("hello world")
    );
}

#[test]
fn edge_28_a_subject_that_is_not_utf_8_costs_nothing() {
    let delivered = message(b"MSG \xff\xfe 1 \xf0 1\r\nx\r\n");
    assert_eq!(
        (delivered.subject_bytes(), delivered.reply_bytes()),
        (&b"\xff\xfe"[..], Some(&b"\xf0"[..]))
    );
    assert!(
        delivered.subject().to_str().is_err()
            && delivered.reply().is_some_and(|reply| reply.to_str().is_err())
    );
    assert_eq!(delivered.payload(), b"x");
    assert!(format!("{delivered:?}").contains("`\\xff\\xfe`"));
}

#[test]
fn edge_29_odd_status_lines_do_not_panic() {
    let status = |block: &[u8]| {
        let delivered = with_headers(block);
        let headers = delivered.headers().unwrap().unwrap();
        assert_eq!(headers.status(), delivered.status());
        (
            headers.status().map(StatusCode::get),
            headers.description().map(str::to_owned),
        )
    };
    assert_eq!(status(b"NATS/1.0 503\r\n\r\n"), (Some(503), None));
    assert_eq!(status(b"NATS/1.0 503\r\n \r\n\r\n"), (Some(503), None));
    assert_eq!(status(b"NATS/1.0 503 \r\n\r\n"), (Some(503), None));
    assert_eq!(
        status(b"NATS/1.0 503 \r\nNats-Subject: x\r\n\r\n"),
        (Some(503), None)
    );
    assert_eq!(status(b"NATS/1.0\r\n\r\n"), (None, None));
    assert_eq!(status(b"NATS/1.0"), (None, None));
    assert_eq!(status(b"NATS/1.0 "), (None, None));
    assert_eq!(status(b"NATS/1.0 5\r\n\r\n"), (Some(5), None));
    assert_eq!(status(b"NATS/1.0 5"), (Some(5), None));
    assert_eq!(
        status(b"NATS/1.0 408 Request Timeout\r\n\r\n"),
        (Some(408), Some("Request Timeout".into()))
    );
    assert_eq!(
        status(b"NATS/1.0\t409\tMessage Size\r\n\r\n"),
        (Some(409), Some("Message Size".into()))
    );
    assert_eq!(status(b"NATS/1.0 503x\r\n\r\n"), (Some(503), Some("x".into())));
    assert_eq!(
        status(b"NATS/1.0 nonsense 7\r\n\r\n"),
        (None, Some("nonsense 7".into()))
    );
    assert_eq!(
        status(b"NATS/1.0 65536 big\r\n\r\n"),
        (None, Some("65536 big".into()))
    );
    assert_eq!(status(b"NATS/1.0 65535\r\n\r\n"), (Some(65535), None));
    assert_eq!(status(b"NATS/1.0 100 \xff\r\n\r\n"), (Some(100), None));
}

#[test]
fn edge_29_a_status_of_one_digit_is_read() {
    let delivered = message(b"HMSG a 1 14 16\r\nNATS/1.0 5\r\n\r\nhi\r\n");
    assert_eq!(delivered.status(), Some(StatusCode::new(5)));
    assert_eq!(
        (
            delivered.headers().unwrap().unwrap().status(),
            delivered.payload()
        ),
        (Some(StatusCode::new(5)), &b"hi"[..])
    );
}

#[test]
fn edge_30_no_responders_with_and_without_the_subject() {
    let old = message(b"HMSG _INBOX.1 9 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
    let new = with_headers(b"NATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n");
    assert!(old.is_no_responders() && new.is_no_responders());
    assert_eq!(
        new.headers().unwrap().unwrap().get_str("Nats-Subject"),
        Some("nobody")
    );
}

#[test]
fn edge_31_a_503_with_a_payload_is_an_ordinary_message() {
    let answer = message(b"HMSG _INBOX.1 9 16 17\r\nNATS/1.0 503\r\n\r\nx\r\n");
    assert_eq!(answer.status(), Some(StatusCode::NO_RESPONDERS));
    assert!(!answer.is_no_responders());
    assert!(!message(b"HMSG a 9 16 16\r\nNATS/1.0 404\r\n\r\n\r\n").is_no_responders());
    assert!(!message(b"MSG a 9 0\r\n\r\n").is_no_responders());
}

#[test]
fn edge_32_without_headers_no_hpub_is_written() {
    let subject = Subject::from_static("a");
    let mut out = Vec::new();
    let payload = Payload::from(b"NATS/1.0\r\n\r\n");
    ClientOp::Publish {
        subject: (&subject).into(),
        reply: None,
        headers: None,
        payload,
    }
    .encode(&mut out)
    .unwrap();
    assert_eq!(out, b"PUB a 12\r\nNATS/1.0\r\n\r\n\r\n");
}
