//! What is known to break parsers of this protocol, numbered as in the list of edge cases (parsing and framing).

use bytes::BytesMut;
use nats_proto::{DecodeError, Decoder, InfoError, Limits, ServerErrorKind, ServerOp, Sid};

use crate::wire::{decoded, decoded_within, error, message, operation, operations};

#[test]
fn edge_01_a_transcript_parses_the_same_when_split_at_every_byte() {
    let transcript = b"INFO {\"max_payload\":1024} \r\n+OK\r\nPONG\r\nMSG a.b 1 5\r\nhello\r\n\
        HMSG a 2 r 12 17\r\nNATS/1.0\r\n\r\nhello\r\n-ERR 'Stale Connection'\r\nPING\r\n";
    // `operations` compares all splits.
    assert_eq!(operations(transcript).len(), 7);
}

#[test]
fn edge_02_an_error_in_the_same_read_as_info_is_seen() {
    let all = operations(b"INFO {\"tls_required\":true} \r\n-ERR 'maximum connections exceeded'\r\n");
    let [ServerOp::Info(info), ServerOp::Err(error)] = &all[..] else {
        panic!("{all:?}")
    };
    assert!(info.tls_required);
    assert_eq!(error.kind(), &ServerErrorKind::MaximumConnectionsExceeded);
}

#[test]
fn edge_03_info_in_the_same_read_as_the_first_pong_is_seen() {
    let all = operations(b"PONG\r\nINFO {\"connect_info\":true,\"max_payload\":512} \r\n");
    let [ServerOp::Pong, ServerOp::Info(info)] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!((info.connect_info, info.max_payload), (true, Some(512)));
}

#[test]
fn edge_04_a_message_in_the_same_read_as_the_first_pong_is_seen() {
    let all = operations(b"PONG\r\nMSG a 1 1\r\nx\r\n");
    assert!(matches!(&all[..], [ServerOp::Pong, ServerOp::Message(message)] if message.payload() == b"x"));
}

#[test]
fn edge_05_info_with_a_blank_before_crlf_parses() {
    let ServerOp::Info(info) = operation(b"INFO {\"version\":\"2.9.10\"} \r\n") else {
        panic!()
    };
    assert_eq!(info.version.as_deref(), Some("2.9.10"));
}

#[test]
fn edge_06_info_with_unknown_missing_and_null_fields_parses() {
    let json =
        br#"INFO {"host":"a.example","port":0,"nonce":null,"connect_urls":null,"headers":null,"x":[{}]}"#;
    let ServerOp::Info(info) = operation(&[&json[..], b"\r\n"].concat()) else {
        panic!()
    };
    assert_eq!((info.host.as_deref(), info.port), (Some("a.example"), Some(0)));
    assert_eq!(
        (info.nonce.as_deref(), info.connect_urls.len(), info.headers),
        (None, 0, false)
    );
    assert!(matches!(operation(b"INFO {}\r\n"), ServerOp::Info(_)));
}

#[test]
fn edge_07_connect_urls_without_scheme_with_brackets_and_twice_are_kept() {
    let json = br#"INFO {"connect_urls":["1.2.3.4:4222","[::1]:4222","1.2.3.4:4222","h"]}"#;
    let ServerOp::Info(info) = operation(&[&json[..], b" \r\n"].concat()) else {
        panic!()
    };
    assert_eq!(
        info.connect_urls,
        ["1.2.3.4:4222", "[::1]:4222", "1.2.3.4:4222", "h"]
    );
    for url in &info.connect_urls {
        nats_proto::ServerUrl::parse(url).unwrap();
    }
}

#[test]
fn edge_08_a_malformed_info_is_an_error_and_no_panic() {
    assert!(matches!(
        error(b"INFO {\"version\":\r\n"),
        DecodeError::Info(InfoError::Json { .. })
    ));
    assert_eq!(error(b"INFO [1]\r\n"), DecodeError::Info(InfoError::NotAnObject));
    assert!(matches!(
        error(b"INFO not json\r\n"),
        DecodeError::Info(InfoError::Json { .. })
    ));
    let deep = [b"INFO ".as_slice(), &b"[".repeat(5000), b"\r\n"].concat();
    let (_, error) = crate::wire::in_pieces(Limits::default(), &[&deep]);
    assert!(matches!(error, Some(DecodeError::Info(InfoError::Json { .. }))));
}

#[test]
fn edge_09_an_empty_info_is_an_error_and_no_panic() {
    for line in [&b"INFO\r\n"[..], b"INFO \r\n", b"INFO\n", b"INFO  \t \r\n"] {
        assert_eq!(error(line), DecodeError::Info(InfoError::Empty));
    }
}

#[test]
fn edge_10_an_error_without_text_is_read() {
    for line in [
        &b"-ERR\r\n"[..],
        b"-ERR \r\n",
        b"-ERR\n",
        b"-ERR ''\r\n",
        b"-ERR '\r\n",
    ] {
        let ServerOp::Err(error) = operation(line) else {
            panic!("{}", line.escape_ascii())
        };
        assert_eq!((error.kind(), error.text()), (&ServerErrorKind::Other, ""));
        assert_eq!(error.to_string(), "(no text)");
    }
}

#[test]
fn edge_11_quotes_within_an_error_text_are_kept() {
    let line = b"-ERR 'Permissions Violation for Publish to \"a'b\"'\r\n";
    let ServerOp::Err(error) = operation(line) else {
        panic!()
    };
    assert_eq!(error.text(), "Permissions Violation for Publish to \"a'b\"");
    assert_eq!(error.permission().unwrap().subject, "a'b");
}

#[test]
fn edge_12_an_error_is_classified_regardless_of_case() {
    for text in [
        "Authorization Violation",
        "AUTHORIZATION VIOLATION",
        "authorization violation",
    ] {
        for word in ["-ERR", "-err", "-Err"] {
            let ServerOp::Err(error) = operation(format!("{word} '{text}'\r\n").as_bytes()) else {
                panic!()
            };
            assert_eq!(error.kind(), &ServerErrorKind::AuthorizationViolation);
            assert_eq!(error.text(), text);
        }
    }
}

#[test]
fn edge_13_many_oks_between_ping_and_pong_are_all_read() {
    let all = operations(b"+OK\r\n+OK\r\n+ok\r\n+OK fine\r\nPONG\r\n");
    assert_eq!(
        all,
        [
            ServerOp::Ok,
            ServerOp::Ok,
            ServerOp::Ok,
            ServerOp::Ok,
            ServerOp::Pong
        ]
    );
}

#[test]
fn edge_14_an_unknown_operation_is_an_error_that_shows_a_bounded_beginning() {
    for line in [
        &b"HELO there\r\n"[..],
        b"\r\n",
        b"\n",
        b" PING\r\n",
        b"PIN\r\n",
        b"MSGa 1 1\r\n",
        b"INFOX {}\r\n",
    ] {
        let DecodeError::UnknownOperation(snippet) = error(line) else {
            panic!("{}", line.escape_ascii())
        };
        assert_eq!(snippet.as_bytes(), line.trim_ascii_end().trim_ascii_end());
    }
    let DecodeError::UnknownOperation(snippet) = error(&b"x".repeat(33)) else {
        panic!()
    };
    assert_eq!(snippet.as_bytes(), b"x".repeat(32));
    let (none_yet, no_error) = decoded(&b"x".repeat(32));
    assert_eq!((none_yet.len(), no_error), (0, None));
    let shown = error(b"HTTP/1.1 400 Bad\x01 Request that goes on and on\r\n").to_string();
    assert!(
        shown.contains("`HTTP/1.1 400 Bad\\x01 Request that g`"),
        "{shown}"
    );
}

#[test]
fn edge_15_messages_without_payload_are_delivered() {
    let empty = message(b"MSG a 1 0\r\n\r\n");
    assert_eq!(
        (empty.payload(), empty.header_block(), empty.wire_len()),
        (&b""[..], None, 13)
    );
    assert_eq!(empty.payload_bytes(), &b""[..]);
    let headers_only = message(b"HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    assert_eq!(headers_only.header_block(), Some(&b"NATS/1.0\r\n\r\n"[..]));
    assert_eq!(headers_only.payload(), b"");
    let no_headers = message(b"HMSG a 1 0 2\r\nhi\r\n");
    assert_eq!(
        (no_headers.header_block(), no_headers.payload()),
        (None, &b"hi"[..])
    );
    let nothing = message(b"HMSG a 1 r 0 0\r\n\r\n");
    assert_eq!(
        (nothing.header_block(), nothing.payload(), nothing.reply_bytes()),
        (None, &b""[..], Some(&b"r"[..]))
    );
}

#[test]
fn edge_16_a_payload_that_looks_like_operations_is_data() {
    let payload = b"\r\nMSG x 1 1\r\nX\r\nPING\r\n-ERR\r\n";
    let line = format!("MSG a 1 {}\r\n", payload.len());
    let delivered = message(&[line.as_bytes(), payload, b"\r\n"].concat());
    assert_eq!(delivered.payload(), payload);
}

#[test]
fn edge_17_a_payload_that_is_not_followed_by_crlf_is_an_error() {
    for stream in [
        &b"MSG a 1 2\r\nabc\r\n"[..],
        b"MSG a 1 2\r\nab\n\n",
        b"MSG a 1 2\r\nab\rx",
        b"MSG a 1 0\r\nPING\r\n",
    ] {
        assert_eq!(
            error(stream),
            DecodeError::PayloadEnd,
            "{}",
            stream.escape_ascii()
        );
    }
    assert_eq!(decoded(b"MSG a 1 2\r\nab\r"), (Vec::new(), None));
}

#[test]
fn edge_18_sizes_have_any_number_of_leading_zeros_and_never_overflow() {
    assert_eq!(message(b"MSG a 1 0001\r\nx\r\n").payload(), b"x");
    assert_eq!(
        message(b"MSG a 1 000000000000000000000000000000000001\r\nx\r\n").payload(),
        b"x"
    );
    assert_eq!(
        message(b"HMSG a 1 00012 0013\r\nNATS/1.0\r\n\r\nx\r\n").payload(),
        b"x"
    );
    for size in ["-1", "+1", "x", "1x", "0x1", "1.0", "99999999999999999999999x"] {
        let line = format!("MSG a 1 {size}\r\n");
        assert!(matches!(error(line.as_bytes()), DecodeError::Size(_)), "{size}");
        assert!(
            matches!(
                error(format!("HMSG a 1 {size} 5\r\n").as_bytes()),
                DecodeError::Size(_)
            ),
            "{size}"
        );
    }
    let limit = Limits::default().payload;
    let too_large = |size: u64| DecodeError::PayloadTooLarge { size, limit };
    for (size, told) in [
        ("67108865", 67_108_865),
        ("9999999999", 9_999_999_999),
        ("18446744073709551614", u64::MAX - 1),
        ("18446744073709551615", u64::MAX),
        ("18446744073709551616", u64::MAX),
        ("99999999999999999999999999999999", u64::MAX),
    ] {
        assert_eq!(
            error(format!("MSG a 1 {size}\r\n").as_bytes()),
            too_large(told),
            "{size}"
        );
        assert_eq!(
            error(format!("HMSG a 1 0 {size}\r\n").as_bytes()),
            too_large(told),
            "{size}"
        );
    }
    // What is announced is not allocated: there is no room for it in the buffer.
    let mut buffer = BytesMut::from("MSG a 1 67108864\r\n");
    assert_eq!(Decoder::default().decode(&mut buffer), Ok(None));
    assert!(buffer.capacity() < 1000);
}

#[test]
fn edge_18_a_size_near_u64_max_is_refused_without_overflow() {
    for size in [u64::MAX - 5, u64::MAX - 1, u64::MAX] {
        let limit = Limits::default().payload;
        let refused = DecodeError::PayloadTooLarge { size, limit };
        assert_eq!(error(format!("MSG a 1 {size}\r\n").as_bytes()), refused);
        assert_eq!(error(format!("HMSG a 1 12 {size}\r\n").as_bytes()), refused);
        assert_eq!(error(format!("HMSG a 1 r {size} {size}\r\n").as_bytes()), refused);
    }
}

#[test]
fn edge_19_headers_longer_than_the_whole_are_an_error() {
    assert!(matches!(
        error(b"HMSG a 1 13 12\r\n"),
        DecodeError::HeadersAboveTotal(_)
    ));
    assert!(matches!(
        error(b"HMSG a 1 99999999999999999999 12\r\n"),
        DecodeError::HeadersAboveTotal(_)
    ));
}

#[test]
fn edge_20_a_message_above_the_servers_max_payload_is_delivered() {
    let mut stream = b"INFO {\"max_payload\":4} \r\nMSG a 1 10\r\n0123456789\r\n".to_vec();
    assert_eq!(operations(&stream).len(), 2);
    // The limit that counts is our own, and exact.
    let limits = Limits::default().with_payload(10);
    assert_eq!(decoded_within(limits, &stream).1, None);
    stream.splice(.., *b"MSG a 1 11\r\n");
    assert_eq!(
        decoded_within(limits, &stream).1,
        Some(DecodeError::PayloadTooLarge { size: 11, limit: 10 })
    );
}

#[test]
fn edge_21_a_line_without_end_fails_at_its_limit() {
    let limits = Limits::default().with_line(100).with_info(200);
    let at_limit = |word: &str, limit: usize| {
        let line = format!("{word}{}\r\n", "x".repeat(limit - 2 - word.len()));
        assert_eq!(line.len(), limit);
        line
    };
    assert_eq!(
        decoded_within(limits, at_limit("PING", 100).as_bytes()).0,
        [ServerOp::Ping]
    );
    let too_long = |limit| Some(DecodeError::LineTooLong { limit });
    assert_eq!(
        decoded_within(limits, at_limit("PING", 101).as_bytes()).1,
        too_long(100)
    );
    assert_eq!(
        decoded_within(limits, at_limit("MSG a 1 ", 101).as_bytes()).1,
        too_long(100)
    );
    // The same for a line that is as servers write it.
    let written = |subject: usize| format!("MSG {} 1 0\r\n\r\n", "s".repeat(subject));
    assert_eq!(decoded_within(limits, written(90).as_bytes()).0.len(), 1);
    assert_eq!(decoded_within(limits, written(91).as_bytes()).1, too_long(100));
    let odd = |subject: usize| format!("msg {}  1 0\n\r\n", "s".repeat(subject));
    assert_eq!(decoded_within(limits, odd(90).as_bytes()).0.len(), 1);
    assert_eq!(decoded_within(limits, odd(91).as_bytes()).1, too_long(100));
    assert_eq!(
        decoded_within(limits, at_limit("HMSG a 1 ", 500).as_bytes()).1,
        too_long(100)
    );
    assert_eq!(
        decoded_within(limits, at_limit("-ERR ", 101).as_bytes()).1,
        too_long(100)
    );
    assert_eq!(
        decoded_within(limits, at_limit("+OK", 101).as_bytes()).1,
        too_long(100)
    );
    assert_eq!(
        decoded_within(limits, at_limit("pong", 101).as_bytes()).1,
        too_long(100)
    );
    assert_eq!(
        decoded_within(limits, at_limit("INFO ", 201).as_bytes()).1,
        too_long(200)
    );
    let info = format!("INFO {{\"version\":\"{}\"}}\r\n", "x".repeat(200 - 21));
    assert_eq!(
        (info.len(), decoded_within(limits, info.as_bytes()).0.len()),
        (200, 1)
    );
    // Without a line feed the limit is reached by what is there.
    assert_eq!(
        decoded_within(limits, &b"PING".repeat(25)[..99]),
        (Vec::new(), None)
    );
    assert_eq!(decoded_within(limits, &b"PING".repeat(25)).1, too_long(100));
    assert_eq!(
        decoded_within(limits, &[b"INFO ".as_slice(), &b"x".repeat(195)].concat()).1,
        too_long(200)
    );
    // A long subject and reply are fine below it.
    let long = format!("MSG {} 1 {} 0\r\n\r\n", "s".repeat(4000), "r".repeat(4000));
    assert_eq!(
        crate::wire::in_pieces(Limits::default(), &[long.as_bytes()])
            .0
            .len(),
        1
    );
}

#[test]
fn edge_22_a_message_for_an_unknown_sid_is_counted_and_what_follows_is_read() {
    let all = operations(b"MSG gone 18446744073709551615 5\r\nhello\r\nPING\r\n");
    assert!(matches!(&all[0], ServerOp::Message(message) if message.sid() == Sid::new(u64::MAX)));
    assert_eq!(all[1], ServerOp::Ping);
    for sid in ["x", "-1", "18446744073709551616", "1.5"] {
        assert!(
            matches!(
                error(format!("MSG a {sid} 0\r\n\r\n").as_bytes()),
                DecodeError::Sid(_)
            ),
            "{sid}"
        );
    }
    assert_eq!(message(b"MSG a 0007 0\r\n\r\n").sid(), Sid::new(7));
}

#[test]
fn edge_23_an_unsolicited_pong_is_an_operation_like_any_other() {
    assert_eq!(
        operations(b"PONG\r\nPONG now\r\n"),
        [ServerOp::Pong, ServerOp::Pong]
    );
}

#[test]
fn edge_24_a_new_decoder_knows_nothing_of_an_earlier_link() {
    let mut decoder = Decoder::default();
    assert_eq!(
        decoder.decode(&mut BytesMut::from("MSG a 1 100\r\nhalf")),
        Ok(None)
    );
    assert_eq!(decoder.need(), 98);
    decoder = Decoder::new(decoder.limits());
    assert_eq!(
        (decoder.need(), decoder.decode(&mut BytesMut::from("PONG\r\n"))),
        (1, Ok(Some(ServerOp::Pong)))
    );
}

#[test]
fn edge_25_operations_in_any_case_tabs_and_runs_of_blanks_are_read() {
    let plain = message(b"MSG a.b 1 r.x 5\r\nhello\r\n");
    for line in [
        &b"msg a.b 1 r.x 5\r\n"[..],
        b"MsG\ta.b\t1\tr.x\t5\r\n",
        b"MSG  a.b \t 1  r.x   5 \t\r\n",
    ] {
        let other = message(&[line, b"hello\r\n"].concat());
        assert_eq!(
            (other.subject_bytes(), other.sid(), other.reply_bytes()),
            (plain.subject_bytes(), plain.sid(), plain.reply_bytes())
        );
        assert_eq!(other.payload(), b"hello");
    }
    let other = message(b"hmSG\t a 1\t 12 \t 12 \nNATS/1.0\r\n\r\n\r\n");
    assert_eq!(other.header_block(), Some(&b"NATS/1.0\r\n\r\n"[..]));
    let all = operations(b"ping\r\nPiNg xyz\r\nPONGxyz\r\ninfo\t{}\r\nINFO{}\r\n-err\t'x'\r\n");
    assert_eq!(all.len(), 6);
    // A reply subject may look like a number.
    assert_eq!(message(b"MSG a 1 7 2\r\nhi\r\n").reply_bytes(), Some(&b"7"[..]));
    assert_eq!(
        message(b"HMSG a 1 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n").reply_bytes(),
        Some(&b"7"[..])
    );
    assert_eq!(message(b"MSG a 1 7r 2\r\nhi\r\n").reply_bytes(), Some(&b"7r"[..]));
}

#[test]
fn edge_26_a_bare_line_feed_ends_a_control_line() {
    let all = operations(
        b"PING\nPONG\n+OK\nINFO {}\n-ERR 'x'\nMSG a 1 2\nhi\r\nHMSG a 1 12 12\nNATS/1.0\r\n\r\n\r\n",
    );
    assert_eq!(all.len(), 7);
    // A CR that is not before the line feed is part of a field.
    assert_eq!(message(b"MSG a\rb 1 0\r\n\r\n").subject_bytes(), b"a\rb");
    assert_eq!(message(b"MSG a\r 1 0\n\r\n").subject_bytes(), b"a\r");
    assert!(matches!(error(b"MSG a 1 0\r\r\n"), DecodeError::Size(_)));
}

#[test]
fn edge_33_a_delivered_message_is_not_overwritten_by_later_reads() {
    let mut decoder = Decoder::default();
    let mut buffer = BytesMut::with_capacity(64);
    let mut kept = Vec::new();
    for number in 0..100_u32 {
        buffer.extend_from_slice(format!("MSG a.{number} 1 8\r\n{number:08}\r\n").as_bytes());
        let Ok(Some(ServerOp::Message(message))) = decoder.decode(&mut buffer) else {
            panic!()
        };
        kept.push((number, message.payload_bytes(), message));
        buffer.reserve(64);
    }
    for (number, payload, message) in kept {
        assert_eq!(payload, format!("{number:08}"));
        assert_eq!(message.subject(), format!("a.{number}"));
        assert_eq!(message.detach(), message);
    }
}
