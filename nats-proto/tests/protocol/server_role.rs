//! What a server reads and refuses, as tables; the rows are what real servers do.

use bytes::{Bytes, BytesMut};
use nats_proto::{ClientFrame, ServerDecodeError, ServerDecoder, ServerLimits};

use crate::wire::{server_decoded, server_decoded_within};

fn frames(stream: &[u8]) -> Vec<ClientFrame> {
    let (frames, error) = server_decoded(stream);
    assert_eq!(error, None, "{}", stream.escape_ascii());
    frames
}

fn frame(stream: &[u8]) -> ClientFrame {
    let mut frames = frames(stream);
    assert_eq!(frames.len(), 1, "{}", stream.escape_ascii());
    frames.remove(0)
}

fn error(stream: &[u8]) -> ServerDecodeError {
    let (frames, error) = server_decoded(stream);
    assert_eq!(frames, [], "{}", stream.escape_ascii());
    error.unwrap_or_else(|| panic!("no error in {}", stream.escape_ascii()))
}

fn publish(
    subject: &'static str,
    reply: Option<&'static str>,
    headers: Option<&'static str>,
    payload: &'static str,
) -> ClientFrame {
    ClientFrame::Publish {
        subject: subject.into(),
        reply: reply.map(Bytes::from),
        headers: headers.map(Bytes::from),
        payload: payload.into(),
    }
}

fn subscribe(sid: &'static str, subject: &'static str, queue: Option<&'static str>) -> ClientFrame {
    ClientFrame::Subscribe {
        sid: sid.into(),
        subject: subject.into(),
        queue: queue.map(Bytes::from),
    }
}

fn unsubscribe(sid: &'static str, max: Option<u64>) -> ClientFrame {
    ClientFrame::Unsubscribe { sid: sid.into(), max }
}

#[test]
fn words_are_read_in_any_case_and_what_follows_is_swallowed() {
    for line in [
        &b"PING\r\n"[..],
        b"ping\n",
        b"PiNg\r\n",
        b"PING xyz\r\n",
        b"PINGxyz\r\n",
    ] {
        assert_eq!(frame(line), ClientFrame::Ping, "{}", line.escape_ascii());
    }
    for line in [&b"PONG\r\n"[..], b"pong now\n"] {
        assert_eq!(frame(line), ClientFrame::Pong);
    }
    for line in [&b"+OK\r\n"[..], b"+ok whatever\n"] {
        assert_eq!(frame(line), ClientFrame::Ok);
    }
}

#[test]
fn publishes_are_read() {
    assert_eq!(frame(b"PUB a 5\r\nhello\r\n"), publish("a", None, None, "hello"));
    assert_eq!(
        frame(b"pub\ta.*  r \t 0005 \t\nhello\r\n"),
        publish("a.*", Some("r"), None, "hello")
    );
    assert_eq!(frame(b"PUB a 0\r\n\r\n"), publish("a", None, None, ""));
    let block = "NATS/1.0\r\n\r\n";
    assert_eq!(
        frame(b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"),
        publish("a", None, Some(block), "hi")
    );
    assert_eq!(
        frame(b"HpUb a r 12 12\r\nNATS/1.0\r\n\r\n\r\n"),
        publish("a", Some("r"), Some(block), "")
    );
    assert_eq!(frame(b"HPUB a 0 2\r\nhi\r\n"), publish("a", None, None, "hi"));
    let not_utf_8 = ClientFrame::Publish {
        subject: Bytes::from_static(b"\xff"),
        reply: None,
        headers: None,
        payload: Bytes::from_static(b"\r\n"),
    };
    assert_eq!(frame(b"PUB \xff 2\r\n\r\n\r\n"), not_utf_8);
}

#[test]
fn publishes_with_wrong_fields_close_without_an_error() {
    for line in [
        &b"PUB \r\n"[..],
        b"PUB a\r\n",
        b"PUB a -1\r\n",
        b"PUB a x\r\n",
        b"PUB a +1\r\n",
        b"PUB a 1234567890\r\n",
        b"PUB a 0000000001\r\n",
        b"PUB a b c 1\r\n",
        b"PUB a b c d 1\r\n",
        b"PUB a\rb 1\r\n",
        b"HPUB a 12\r\n",
        b"HPUB a b c 12 12\r\n",
        b"HPUB a b c d 12 12\r\n",
        b"HPUB a 13 12\r\n",
        b"HPUB a b 13 12\r\n",
        b"HPUB a x 12\r\n",
        b"HPUB a 1 x\r\n",
        b"HPUB a b x 12\r\n",
        b"HPUB a b 1 x\r\n",
    ] {
        assert_eq!(
            error(line),
            ServerDecodeError::Arguments,
            "{}",
            line.escape_ascii()
        );
    }
    assert_eq!(ServerDecodeError::Arguments.text(), None);
}

#[test]
fn a_payload_must_be_followed_by_crlf() {
    for stream in [
        &b"PUB a 1\r\nxy\r\n"[..],
        b"PUB a 1\r\nx\n\n",
        b"PUB a 1\r\nx\r\r",
        b"PUB a 0\r\nPING\r\n",
    ] {
        assert_eq!(
            error(stream),
            ServerDecodeError::UnknownOperation,
            "{}",
            stream.escape_ascii()
        );
    }
}

#[test]
fn a_message_above_the_limit_is_refused_when_its_line_is_there() {
    let limits = ServerLimits::default().with_payload(10);
    let refused = Some(ServerDecodeError::PayloadTooLarge { limit: 10 });
    assert_eq!(server_decoded_within(limits, b"PUB a 11\r\n").1, refused);
    assert_eq!(server_decoded_within(limits, b"HPUB a 5 11\r\n").1, refused);
    assert_eq!(
        server_decoded_within(limits, b"PUB a 10\r\n0123456789\r\n")
            .0
            .len(),
        1
    );
    assert_eq!(
        error(b"PUB a 1048577\r\n"),
        ServerDecodeError::PayloadTooLarge { limit: 1 << 20 }
    );
    assert_eq!(server_decoded(b"PUB a 1048576\r\n"), (Vec::new(), None));
    let text = ServerDecodeError::PayloadTooLarge { limit: 10 }.text();
    assert_eq!(text, Some("Maximum Payload Violation"));
}

#[test]
fn subscriptions_are_read() {
    assert_eq!(frame(b"SUB a.> 1\r\n"), subscribe("1", "a.>", None));
    assert_eq!(
        frame(b"sub\ta..b \tqu*ue  sid-x \n"),
        subscribe("sid-x", "a..b", Some("qu*ue"))
    );
    assert_eq!(frame(b"UNSUB 1\r\n"), unsubscribe("1", None));
    assert_eq!(frame(b"unsub x 5\n"), unsubscribe("x", Some(5)));
    for max in ["0", "-1", "x", "99999999999999999999999999"] {
        assert_eq!(
            frame(format!("UNSUB 0 {max}\r\n").as_bytes()),
            unsubscribe("0", None),
            "{max}"
        );
    }
    for line in [
        &b"SUB \r\n"[..],
        b"SUB a\r\n",
        b"SUB a b c d\r\n",
        b"SUB a b c d e f\r\n",
        b"UNSUB \r\n",
        b"UNSUB 1 2 3\r\n",
        b"SUB a\rb 1\r\n",
    ] {
        assert_eq!(
            error(line),
            ServerDecodeError::Arguments,
            "{}",
            line.escape_ascii()
        );
    }
}

#[test]
fn connect_is_read_with_what_the_server_assumes() {
    let ClientFrame::Connect(connect) = frame(b"CONNECT {}\r\n") else {
        panic!()
    };
    assert!(connect.verbose && connect.pedantic && connect.echo);
    assert!(!(connect.headers || connect.no_responders || connect.tls_required));
    assert_eq!(
        (connect.protocol, &connect.lang[..], &connect.version[..]),
        (0, "", "")
    );
    assert_eq!(
        (&connect.name, &connect.user, &connect.nkey),
        (&None, &None, &None)
    );

    let json = br#"{"verbose":false,"pedantic":false,"echo":false,"headers":true,"no_responders":true,"tls_required":true,
        "protocol":1,"lang":"go","version":"1.2","name":"n","user":"u","pass":"p","auth_token":"t","jwt":"j","nkey":"k",
        "sig":"s","unknown":[1,{}],"account":null}"#;
    let line: Vec<u8> = json.iter().copied().filter(|byte| *byte != b'\n').collect();
    for head in [&b"CONNECT "[..], b"connect\t \t", b"CONNECT"] {
        let ClientFrame::Connect(connect) = frame(&[head, &line, b" \r\n"].concat()) else {
            panic!()
        };
        assert!(!(connect.verbose || connect.pedantic || connect.echo));
        assert!(connect.headers && connect.no_responders && connect.tls_required);
        assert_eq!(
            (connect.protocol, &connect.lang[..], &connect.version[..]),
            (1, "go", "1.2")
        );
        let secrets = [
            &connect.user,
            &connect.pass,
            &connect.auth_token,
            &connect.jwt,
            &connect.sig,
        ];
        let exposed = secrets.map(|secret| secret.as_ref().unwrap().expose());
        assert_eq!(exposed, ["u", "p", "t", "j", "s"]);
        assert_eq!(
            (connect.name.as_deref(), connect.nkey.as_deref()),
            (Some("n"), Some("k"))
        );
    }
    // Some clients write null for what is not set.
    let ClientFrame::Connect(connect) = frame(b"CONNECT {\"user\":null,\"verbose\":null,\"lang\":null}\r\n")
    else {
        panic!()
    };
    assert_eq!(
        (connect.user.is_none(), connect.verbose, &connect.lang[..]),
        (true, true, "")
    );
}

#[test]
fn connect_that_is_not_json_closes_without_an_error() {
    for line in [
        &b"CONNECT \r\n"[..],
        b"CONNECT\r\n",
        b"CONNECT {\r\n",
        b"CONNECT [1]\r\n",
        b"CONNECT {\"user\":1}\r\n",
        b"CONNECTED\r\n",
    ] {
        assert_eq!(
            error(line),
            ServerDecodeError::ConnectJson,
            "{}",
            line.escape_ascii()
        );
    }
    assert_eq!(ServerDecodeError::ConnectJson.text(), None);
}

#[test]
fn another_protocol_than_0_and_1_is_refused() {
    for protocol in ["2", "-1"] {
        let line = format!("CONNECT {{\"protocol\":{protocol}}}\r\n");
        assert_eq!(error(line.as_bytes()), ServerDecodeError::ClientProtocol);
    }
    assert_eq!(
        ServerDecodeError::ClientProtocol.text(),
        Some("invalid client protocol")
    );
}

#[test]
fn what_only_servers_send_is_ignored_or_refused() {
    assert!(
        matches!(frame(b"INFO {\"version\":\"x\"} \r\n"), ClientFrame::Info(info) if info.version.as_deref() == Some("x"))
    );
    assert_eq!(error(b"INFO {\r\n"), ServerDecodeError::InfoJson);
    assert_eq!(error(b"-ERR 'x'\r\n"), ServerDecodeError::ErrFromClient);
    assert_eq!(
        (
            ServerDecodeError::InfoJson.text(),
            ServerDecodeError::ErrFromClient.text()
        ),
        (None, None)
    );
    for stream in [
        &b"MSG a 1 0\r\n\r\n"[..],
        b"HMSG a 1 0 0\r\n\r\n",
        b"INFO{}\r\n",
        b"-ERR\r\n",
    ] {
        assert_eq!(
            error(stream),
            ServerDecodeError::UnknownOperation,
            "{}",
            stream.escape_ascii()
        );
    }
    assert_eq!(
        ServerDecodeError::UnknownOperation.text(),
        Some("Unknown Protocol Operation")
    );
}

#[test]
fn what_is_no_operation_is_refused() {
    for stream in [
        &b"\r\n"[..],
        b"\n",
        b"HELO\r\n",
        b" PING\r\n",
        b"PUBa 0\r\n\r\n",
        b"PUB\r\n",
        b"SUB\r\n",
        b"UNSUB\r\n",
        b"PIN\r\n",
        b"HPUBa\r\n",
        b"nonsense without any line end",
    ] {
        assert_eq!(
            error(stream),
            ServerDecodeError::UnknownOperation,
            "{}",
            stream.escape_ascii()
        );
    }
    assert_eq!(server_decoded(b"nonsense "), (Vec::new(), None));
    let after = server_decoded(b"PING\r\n\r\n");
    assert_eq!(
        after,
        (vec![ClientFrame::Ping], Some(ServerDecodeError::UnknownOperation))
    );
}

#[test]
fn the_arguments_of_a_line_have_a_limit() {
    let subject = |len: usize| format!("SUB {} 1\r\n", "s".repeat(len));
    let (frames, none) = server_decoded(subject(4094).as_bytes());
    assert_eq!((frames.len(), none), (1, None));
    let too_long = ServerDecodeError::ControlLineTooLong { limit: 4096 };
    assert_eq!(error(subject(4095).as_bytes()), too_long);
    assert_eq!(
        error(format!("PUB {} 0\r\n\r\n", "s".repeat(4095)).as_bytes()),
        too_long
    );
    // Blanks between word and arguments do not count, and the limit holds without a line end.
    let limits = ServerLimits::default().with_control_line(8);
    assert_eq!(
        server_decoded_within(limits, b"SUB          abcdef 1\r\n")
            .0
            .len(),
        1
    );
    let too_long = Some(ServerDecodeError::ControlLineTooLong { limit: 8 });
    assert_eq!(
        server_decoded_within(limits, b"SUB          abcdefg 1\r\n").1,
        too_long
    );
    assert_eq!(
        server_decoded_within(limits, b"SUB 123456789"),
        (Vec::new(), None)
    );
    assert_eq!(server_decoded_within(limits, b"SUB 1234567890").1, too_long);
    assert_eq!(server_decoded_within(limits, b"CONNECT 1234567890").1, too_long);
    let text = ServerDecodeError::ControlLineTooLong { limit: 8 }.text();
    assert_eq!(text, Some("maximum control line exceeded"));
    assert_eq!(
        (
            ServerLimits::default().control_line,
            ServerLimits::default().payload
        ),
        (4096, 1 << 20)
    );
}

#[test]
fn blanks_before_the_arguments_are_limited() {
    let line =
        |count: usize, rest: &str| format!("SUB{}{rest}", " \t".repeat(count / 2) + &"\t".repeat(count % 2));
    let limits = ServerLimits::default().with_control_line(8);
    let too_long = Some(ServerDecodeError::ControlLineTooLong { limit: 8 });
    let decoded = |stream: &str| server_decoded_within(limits, stream.as_bytes());
    assert_eq!(decoded(&line(4096, "a 1\r\n")).0, [subscribe("1", "a", None)]);
    assert_eq!(decoded(&line(4097, "a 1\r\n")).1, too_long);
    // Also where neither arguments nor a line end ever come.
    assert_eq!(decoded(&line(4096, "")), (Vec::new(), None));
    assert_eq!(decoded(&line(4097, "")).1, too_long);
    assert_eq!(decoded(&format!("PING{}\n", " ".repeat(4097))).1, too_long);
    // Each line has its own.
    assert_eq!(decoded(&line(4096, "a 1\r\n").repeat(2)).0.len(), 2);
}

#[test]
fn the_number_of_bytes_needed_is_exact() {
    let mut decoder = ServerDecoder::default();
    let mut buffer = BytesMut::new();
    assert_eq!(decoder.need(), 1);
    let stream = b"PUB a 5\r\nhello\r\nPING\r\n";
    let needs: Vec<(usize, bool)> = stream
        .iter()
        .map(|byte| {
            buffer.extend_from_slice(&[*byte]);
            let found = decoder.decode(&mut buffer).unwrap().is_some();
            (decoder.need(), found)
        })
        .collect();
    let line = vec![(1, false); 8];
    let payload = (1..=7).rev().map(|need| (need, false)).collect();
    let publish = vec![(1, true)];
    let ping = [vec![(1, false); 5], vec![(1, true)]].concat();
    assert_eq!(needs, [line, payload, publish, ping].concat());
}

#[test]
fn errors_say_what_happened_and_no_secrets() {
    let line = b"CONNECT {\"pass\":\"hunter2\"\r\n";
    let shown = format!("{0} {0:?}", error(line));
    assert!(
        shown.contains("not JSON") && !shown.contains("hunter2"),
        "{shown}"
    );
    let all = [
        ServerDecodeError::UnknownOperation,
        ServerDecodeError::ControlLineTooLong { limit: 7 },
        ServerDecodeError::PayloadTooLarge { limit: 7 },
        ServerDecodeError::ClientProtocol,
        ServerDecodeError::Arguments,
        ServerDecodeError::ConnectJson,
        ServerDecodeError::InfoJson,
        ServerDecodeError::ErrFromClient,
    ];
    let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), all.len());
}

#[test]
fn a_publish_is_cut_from_the_buffer_without_a_copy() {
    let mut buffer = BytesMut::from("PUB a 5\r\nhello\r\nrest");
    let start = buffer.as_ptr() as usize;
    let Ok(Some(ClientFrame::Publish { payload, .. })) = ServerDecoder::default().decode(&mut buffer) else {
        panic!()
    };
    assert_eq!(payload.as_ptr() as usize, start + 9);
    assert_eq!(buffer, "rest");
}
