//! What holds for any bytes and any text: the bodies of the fuzz targets, on random input and on their corpus.

use std::path::Path;

use nats_proto::{DecodeError, Decoder, Limits, Message, ServerOp, fuzzing};
use proptest::prelude::*;

use crate::wire::{decoded_within, message};

type Body = fn(&[u8]);

const BODIES: [(&str, Body); 5] = [
    ("decode", fuzzing::decode),
    ("headers", fuzzing::headers),
    ("roundtrip", fuzzing::roundtrip),
    ("server_decode", fuzzing::server_decode),
    ("url", fuzzing::url),
];

#[test]
fn the_corpus_of_every_fuzz_target_holds() {
    for (name, body) in BODIES {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/corpus")
            .join(name);
        let Ok(files) = std::fs::read_dir(&directory) else {
            continue; // A published crate comes without the corpus.
        };
        let mut count = 0;
        for file in files {
            body(&std::fs::read(file.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", directory.display());
    }
}

/// One text for every field of an operation, as the `roundtrip` body takes them.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let hostile = prop::sample::select(vec![
        "a",
        "a.b",
        "a b",
        "a\r\n",
        "a\r\nPUB x 0\r\n\r\n",
        "\n",
        "*",
        ">",
        "a.>",
        "",
        "\u{e4}",
        "a:b",
        "\t",
        "a\0",
        "x".repeat(250).leak(),
    ]);
    let text = prop_oneof![hostile.prop_map(str::to_owned), "\\PC{0,12}", "[a-c.]{1,9}"];
    let value = prop::collection::vec(any::<u8>(), 0..30);
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    (any::<u64>(), prop::collection::vec(text, 4), value, payload).prop_map(
        |(number, texts, value, payload)| {
            let mut fields = number.to_le_bytes().to_vec();
            for text in texts.iter().map(String::as_bytes).chain([&value[..]]) {
                fields.push(text.len() as u8);
                fields.extend_from_slice(text);
            }
            fields.extend(payload);
            fields
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_can_be_made_is_written_as_one_frame_and_read_as_what_it_was(fields in fields()) {
        fuzzing::roundtrip(&fields);
    }

    #[test]
    fn any_bytes_decode_alike_however_they_are_split(bytes in prop::collection::vec(any::<u8>(), 0..60), like in "[MSGmsgPINOHKERUBCT+-]{3,4}[ a0-9.\t]{0,12}\r?\n[ab]{0,3}\r?\n?") {
        for data in [&bytes[..], like.as_bytes()] {
            fuzzing::decode(data);
            fuzzing::server_decode(data);
        }
    }
}

#[test]
fn a_message_is_small_and_shares_the_read_buffer() {
    assert!(size_of::<Message>() <= 64, "{}", size_of::<Message>());
    assert!(size_of::<ServerOp>() <= 80, "{}", size_of::<ServerOp>());
    let mut buffer = bytes::BytesMut::from("MSG a 1 5\r\nhello\r\nrest");
    let start = buffer.as_ptr() as usize;
    let Ok(Some(ServerOp::Message(message))) = Decoder::default().decode(&mut buffer) else {
        panic!()
    };
    assert_eq!(message.payload().as_ptr() as usize, start + 11);
    assert_eq!(message.payload_bytes().as_ptr() as usize, start + 11);
    let detached = message.detach();
    assert_ne!(detached.payload().as_ptr(), message.payload().as_ptr());
    assert_eq!((&buffer[..], &detached), (&b"rest"[..], &message));
}

#[test]
fn a_message_shows_its_fields_and_no_content() {
    let shown = format!(
        "{:?}",
        message(b"HMSG a.b 7 r 16 21\r\nNATS/1.0 503\r\n\r\nhello\r\n")
    );
    let expected =
        "Message { sid: Sid(7), subject: `a.b`, reply: Some(`r`), header_len: 16, payload_len: 5 }";
    assert_eq!(shown, expected);
    let long = format!("MSG {} 1 0\r\n\r\n", "s".repeat(500));
    assert!(format!("{:?}", message(long.as_bytes())).len() < 150);
}

#[test]
fn the_number_of_bytes_needed_is_exact() {
    let mut decoder = Decoder::default();
    let mut buffer = bytes::BytesMut::new();
    let stream = b"MSG a 1 5\r\nhello\r\nPING\r\n";
    let needs: Vec<(usize, bool)> = stream
        .iter()
        .map(|byte| {
            buffer.extend_from_slice(&[*byte]);
            let found = decoder.decode(&mut buffer).unwrap().is_some();
            (decoder.need(), found)
        })
        .collect();
    let line = vec![(1, false); 10];
    let payload = (1..=7).rev().map(|need| (need, false)).collect();
    let rest = vec![
        (1, true),
        (1, false),
        (1, false),
        (1, false),
        (1, false),
        (1, false),
        (1, true),
    ];
    assert_eq!(needs, [line, payload, rest].concat());
}

#[test]
fn limits_can_change_between_operations_and_within_one() {
    let mut decoder = Decoder::new(Limits::default().with_payload(5));
    assert_eq!(decoder.limits().payload, 5);
    let mut buffer = bytes::BytesMut::from("MSG a 1 5\r\nhello\r\nMSG a 1 6\r\nhel");
    assert!(decoder.decode(&mut buffer).unwrap().is_some());
    decoder.set_limits(Limits::default().with_payload(6));
    assert_eq!(
        (decoder.limits().payload, decoder.decode(&mut buffer)),
        (6, Ok(None))
    );
    buffer.extend_from_slice(b"lo!");
    assert_eq!((decoder.decode(&mut buffer), decoder.need()), (Ok(None), 2));
    decoder.set_limits(Limits::default().with_payload(5));
    assert_eq!(
        decoder.decode(&mut buffer),
        Err(DecodeError::PayloadTooLarge { size: 6, limit: 5 })
    );
}

#[test]
fn limits_out_of_range_are_brought_into_it() {
    let none = Limits::default().with_line(0).with_info(0).with_payload(0);
    assert_eq!((none.line, none.info, none.payload), (0, 0, 0));
    let ping = format!("PING{}\r\n", "x".repeat(58));
    assert_eq!(
        decoded_within(none, ping.as_bytes()),
        (vec![ServerOp::Ping], None)
    );
    let too_long = Some(DecodeError::LineTooLong { limit: 64 });
    assert_eq!(
        decoded_within(none, format!("PING{}\r\n", "x".repeat(59)).as_bytes()).1,
        too_long
    );
    assert_eq!(
        decoded_within(none, format!("INFO {}\r\n", "x".repeat(58)).as_bytes()).1,
        too_long
    );
    assert_eq!(decoded_within(none, b"MSG a 1 0\r\n\r\n").0.len(), 1);
    assert_eq!(
        decoded_within(none, b"MSG a 1 1\r\n").1,
        Some(DecodeError::PayloadTooLarge { size: 1, limit: 0 })
    );
    let info = Limits::default().with_line(100).with_info(70);
    assert_eq!(
        decoded_within(info, format!("INFO {{}}{}\r\n", " ".repeat(91)).as_bytes())
            .0
            .len(),
        1
    );
    let all = Limits::default()
        .with_payload(usize::MAX)
        .with_line(usize::MAX)
        .with_info(usize::MAX);
    let limit = 1 << 30;
    assert_eq!(decoded_within(all, b"MSG a 1 1073741824\r\n"), (Vec::new(), None));
    assert_eq!(
        decoded_within(all, b"MSG a 1 1073741825\r\n").1,
        Some(DecodeError::PayloadTooLarge {
            size: limit as u64 + 1,
            limit
        })
    );
}

#[test]
fn every_decode_error_has_its_own_text() {
    let errors = [
        &b"x\r\n"[..],
        b"MSG a\r\n",
        b"MSG a x 1\r\n",
        b"MSG a 1 x\r\n",
        b"HMSG a 1 2 1\r\n",
        b"MSG a 1 0\r\nxx",
        b"INFO\r\n",
        b"MSG a 1 99999999999\r\n",
    ];
    let texts: std::collections::BTreeSet<String> = errors
        .iter()
        .map(|stream| crate::wire::error(stream).to_string())
        .collect();
    assert_eq!(texts.len(), errors.len(), "{texts:?}");
    for (stream, fields) in [
        (&b"MSG\ta\r\n"[..], "`MSG\\ta`"),
        (b"MSG a 1\r\n", "`MSG a 1`"),
        (b"MSG a 1 r 5 6\r\n", "`MSG a 1 r 5 6`"),
        (b"HMSG a 1 5\r\n", "`HMSG a 1 5`"),
        (b"HMSG a 1 r 5 6 7\r\n", "`HMSG a 1 r 5 6 7`"),
        (b"MSG \r\n", "`MSG `"),
        (b"MSG a b c d e f g\n", "`MSG a b c d e f g`"),
    ] {
        let DecodeError::FieldCount(snippet) = crate::wire::error(stream) else {
            panic!()
        };
        assert_eq!(
            (snippet.to_string(), format!("{snippet:?}")),
            (fields.to_owned(), fields.to_owned())
        );
    }
    let long = DecodeError::LineTooLong { limit: 7 }.to_string();
    assert!(long.contains("7 bytes"), "{long}");
}
