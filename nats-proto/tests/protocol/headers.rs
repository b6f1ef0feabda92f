//! Names, values and blocks of headers: written strictly, read leniently.

use bytes::Bytes;
use nats_proto::{HeaderError, HeaderName, HeaderValue, Headers, StatusCode, header};
use proptest::prelude::*;

fn headers(pairs: &[(&str, &str)]) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in pairs {
        headers.append(name, value).unwrap();
    }
    headers
}

fn pairs(headers: &Headers) -> Vec<(&str, &str)> {
    headers
        .iter()
        .map(|(name, value)| (name, std::str::from_utf8(value).unwrap()))
        .collect()
}

fn block(headers: &Headers) -> &str {
    std::str::from_utf8(headers.as_block()).unwrap()
}

#[test]
fn names_are_printable_ascii_without_colon() {
    for byte in 0..=127_u8 {
        let name = format!("a{}", char::from(byte));
        let expected = match byte {
            b'!'..=b'9' | b';'..=b'~' => Ok(()),
            _ => Err(HeaderError::NameByte { byte, at: 1 }),
        };
        assert_eq!(HeaderName::new(&name).map(|_| ()), expected, "{byte:#x}");
        assert_eq!(Headers::new().append(&name, "v"), expected);
    }
    assert_eq!(HeaderName::new(""), Err(HeaderError::NameEmpty));
    assert_eq!(
        HeaderName::new("\u{e4}"),
        Err(HeaderError::NameByte { byte: 0xc3, at: 0 })
    );
    const NAME: HeaderName = HeaderName::from_static("Nats-Msg-Id");
    assert_eq!(
        (NAME.as_str(), NAME.as_bytes(), format!("{NAME}")),
        ("Nats-Msg-Id", &b"Nats-Msg-Id"[..], "Nats-Msg-Id".into())
    );
    assert_eq!(AsRef::<[u8]>::as_ref(&NAME), b"Nats-Msg-Id");
}

#[test]
fn values_are_anything_but_line_ends_and_blanks_at_the_ends() {
    for byte in 0..=u8::MAX {
        let value = [b'a', byte, b'b'];
        let expected = match byte {
            b'\r' | b'\n' => Err(HeaderError::ValueByte { byte, at: 1 }),
            _ => Ok(()),
        };
        assert_eq!(HeaderValue::try_from(&value[..]).map(|_| ()), expected);
        assert_eq!(Headers::new().append("n", value), expected);
    }
    for value in [" a", "a ", "\ta", "a\t", " ", "\t"] {
        assert_eq!(
            HeaderValue::try_from(value),
            Err(HeaderError::ValueBlank),
            "{value:?}"
        );
        assert_eq!(Headers::new().append("n", value), Err(HeaderError::ValueBlank));
        assert_eq!(Headers::new().insert("n", value), Err(HeaderError::ValueBlank));
    }
    const VALUE: HeaderValue = HeaderValue::from_static("a b");
    for same in [
        HeaderValue::try_from("a b"),
        HeaderValue::try_from(String::from("a b")),
        HeaderValue::try_from(b"a b".to_vec()),
        HeaderValue::try_from(Bytes::from_static(b"a b")),
    ] {
        assert_eq!(same, Ok(VALUE));
    }
    assert_eq!(
        (VALUE.as_bytes(), VALUE.to_str(), VALUE.as_ref()),
        (&b"a b"[..], Ok("a b"), &b"a b"[..])
    );
    let bytes = HeaderValue::try_from(&b"\xff"[..]).unwrap();
    assert!(bytes.to_str().is_err());
    assert_eq!(format!("{bytes:?}"), "\"\\xff\"");
}

#[test]
#[should_panic(expected = "not a valid HeaderValue")]
fn a_wrong_literal_value_panics() {
    HeaderValue::from_static("a\n");
}

#[test]
#[should_panic(expected = "not a valid HeaderName")]
fn a_wrong_literal_name_panics() {
    HeaderName::from_static("a:");
}

#[test]
fn order_and_duplicates_are_kept() {
    let headers = headers(&[("b", "1"), ("a", "2"), ("b", "3"), ("B", "4")]);
    assert_eq!(
        block(&headers),
        "NATS/1.0\r\nb: 1\r\na: 2\r\nb: 3\r\nB: 4\r\n\r\n"
    );
    assert_eq!(headers.encoded_len(), headers.as_block().len());
    assert_eq!(pairs(&headers), [("b", "1"), ("a", "2"), ("b", "3"), ("B", "4")]);
    assert_eq!((headers.len(), headers.is_empty()), (4, false));
    assert_eq!(
        (headers.get("b"), headers.get_str("b"), headers.get("c")),
        (Some(&b"1"[..]), Some("1"), None)
    );
    assert_eq!(headers.get_all("b").collect::<Vec<_>>(), [b"1", b"3"]);
    assert_eq!(
        (headers.get_ignore_case("A"), headers.get_ignore_case("B")),
        (Some(&b"2"[..]), Some(&b"1"[..]))
    );
    assert_eq!(headers.get_ignore_case("c"), None);
    assert_eq!(
        format!("{headers:?}"),
        "Headers(\"NATS/1.0\\r\\nb: 1\\r\\na: 2\\r\\nb: 3\\r\\nB: 4\\r\\n\\r\\n\")"
    );
}

#[test]
fn insert_replaces_and_remove_removes_all_of_a_name() {
    let mut headers = headers(&[("b", "1"), ("a", "2"), ("b", "3"), ("B", "4")]);
    headers.insert("b", "5").unwrap();
    assert_eq!(pairs(&headers), [("a", "2"), ("B", "4"), ("b", "5")]);
    assert_eq!(
        headers.insert("b:", "6"),
        Err(HeaderError::NameByte { byte: b':', at: 1 })
    );
    assert_eq!(headers.len(), 3);
    assert_eq!(
        (headers.remove("b"), headers.remove("b"), headers.remove("x")),
        (1, 0, 0)
    );
    assert_eq!(block(&headers), "NATS/1.0\r\na: 2\r\nB: 4\r\n\r\n");
    let name = HeaderName::from_static("n");
    headers.insert(&name, HeaderValue::from_static("v")).unwrap();
    headers.append(name, "w").unwrap();
    assert_eq!(headers.get_all("n").count(), 2);
    assert_eq!(headers.remove("n"), 2);
}

#[test]
fn no_headers_are_a_block_too() {
    let none = Headers::new();
    assert_eq!(
        (block(&none), none.encoded_len(), none.len(), none.is_empty()),
        ("NATS/1.0\r\n\r\n", 12, 0, true)
    );
    assert_eq!(
        (none.status(), none.description(), none.get("a")),
        (None, None, None)
    );
    assert_eq!(Headers::parse(none.as_block()), Ok(none.clone()));
    let mut one = headers(&[("a", "")]);
    assert_eq!(block(&one), "NATS/1.0\r\na: \r\n\r\n");
    one.remove("a");
    assert_eq!(one, none);
    assert_ne!(one, headers(&[("a", "")]));
}

#[test]
fn a_status_is_written_with_three_digits() {
    let mut headers = headers(&[("a", "b")]);
    headers.set_status(StatusCode::NO_RESPONDERS, "").unwrap();
    assert_eq!(block(&headers), "NATS/1.0 503\r\na: b\r\n\r\n");
    headers.set_status(StatusCode::new(5), "it is low").unwrap();
    assert_eq!(block(&headers), "NATS/1.0 005 it is low\r\na: b\r\n\r\n");
    assert_eq!(
        (headers.status(), headers.description()),
        (Some(StatusCode::new(5)), Some("it is low"))
    );
    headers.append("c", "d").unwrap();
    headers.remove("a");
    assert_eq!(block(&headers), "NATS/1.0 005 it is low\r\nc: d\r\n\r\n");
    assert_eq!(Headers::parse(headers.as_block()).as_ref(), Ok(&headers));
    for (description, error) in [
        ("a\r\nb: c", HeaderError::ValueByte { byte: b'\r', at: 1 }),
        ("a\n", HeaderError::ValueByte { byte: b'\n', at: 1 }),
        (" a", HeaderError::ValueBlank),
    ] {
        assert_eq!(headers.set_status(StatusCode::CONFLICT, description), Err(error));
    }
    assert_eq!(headers.status(), Some(StatusCode::new(5)));
    headers.set_status(StatusCode::new(12345), "").unwrap();
    assert_eq!(block(&headers), "NATS/1.0 12345\r\nc: d\r\n\r\n");
}

#[test]
fn status_codes() {
    let codes = [
        (StatusCode::IDLE_HEARTBEAT, 100),
        (StatusCode::BAD_REQUEST, 400),
        (StatusCode::NO_MESSAGES, 404),
        (StatusCode::REQUEST_TIMEOUT, 408),
        (StatusCode::CONFLICT, 409),
        (StatusCode::NO_RESPONDERS, 503),
    ];
    for (code, number) in codes {
        assert_eq!(
            (code.get(), code.to_string(), StatusCode::new(number)),
            (number, number.to_string(), code)
        );
    }
    assert_eq!(format!("{:?}", StatusCode::new(7)), "StatusCode(7)");
}

#[test]
fn blocks_are_read_leniently_and_kept_canonically() {
    for (read, kept) in [
        ("NATS/1.0\r\na:b\r\n\r\n", "NATS/1.0\r\na: b\r\n\r\n"),
        ("NATS/1.0\r\na: \t b \t\r\n\r\n", "NATS/1.0\r\na: b\r\n\r\n"),
        ("NATS/1.0\na: b\n\n", "NATS/1.0\r\na: b\r\n\r\n"),
        ("NATS/1.0\r\na: b", "NATS/1.0\r\na: b\r\n\r\n"),
        ("NATS/1.0\r\na: b\r", "NATS/1.0\r\na: b\r\n\r\n"),
        (
            "NATS/1.0\r\na:b\r\n  c\r\n\td\r\n\r\n",
            "NATS/1.0\r\na: b c d\r\n\r\n",
        ),
        ("NATS/1.0\r\na:\r\n b\r\n\r\n", "NATS/1.0\r\na: b\r\n\r\n"),
        (
            "NATS/1.0\r\na: b\r\n \r\nc: d\r\n\r\n",
            "NATS/1.0\r\na: b\r\nc: d\r\n\r\n",
        ),
        ("NATS/1.0\r\n \r\na: b\r\n\r\n", "NATS/1.0\r\na: b\r\n\r\n"),
        (
            "NATS/1.0\r\n: skipped\r\n too\r\na: b\r\n\r\n",
            "NATS/1.0\r\na: b\r\n\r\n",
        ),
        (
            "NATS/1.0\r\na: b\r\n: skipped\r\n too\r\nc: d\r\n\r\n",
            "NATS/1.0\r\na: b\r\nc: d\r\n\r\n",
        ),
        ("NATS/1.0\r\na \t: b\r\n\r\n", "NATS/1.0\r\na: b\r\n\r\n"),
        ("NATS/1.0\r\na: b\rc\r\n\r\n", "NATS/1.0\r\na: b c\r\n\r\n"),
        ("NATS/1.0\r\na: b\r\r\n\r\n", "NATS/1.0\r\na: b\r\n\r\n"),
        (
            "NATS/1.0\r\na: b\r\n\r\nbehind: it\r\n",
            "NATS/1.0\r\na: b\r\n\r\n",
        ),
        ("NATS/1.0 5\r\n\r\n", "NATS/1.0 005\r\n\r\n"),
        ("NATS/1.0 503 a\rb \r\n\r\n", "NATS/1.0 503 a b\r\n\r\n"),
        ("NATS/1.0 text\r\na: b\r\n\r\n", "NATS/1.0 text\r\na: b\r\n\r\n"),
        ("NATS/1.0\t503\r\n\r\n", "NATS/1.0 503\r\n\r\n"),
    ] {
        let headers = Headers::parse(read.as_bytes()).unwrap_or_else(|error| panic!("{error} in {read:?}"));
        assert_eq!(block(&headers), kept, "{read:?}");
        assert_eq!(Headers::parse(kept.as_bytes()).as_ref(), Ok(&headers));
        for (name, value) in headers.iter() {
            assert_eq!(headers.get(name), Some(value));
        }
    }
}

#[test]
fn errors_say_where_they_are() {
    for (block, error) in [
        ("", HeaderError::Version),
        ("NATS/1.", HeaderError::Version),
        ("NATS/1.01\r\n\r\n", HeaderError::Version),
        ("nats/1.0\r\n\r\n", HeaderError::Version),
        ("\r\nNATS/1.0\r\n\r\n", HeaderError::Version),
        ("NATS/1.0\r\nno colon\r\n\r\n", HeaderError::NoColon { line: 1 }),
        (
            "NATS/1.0\r\na: b\r\nno colon\r\n\r\n",
            HeaderError::NoColon { line: 2 },
        ),
        (
            "NATS/1.0\r\n no header: before\r\n\r\n",
            HeaderError::Name { line: 1 },
        ),
        ("NATS/1.0\r\na b: c\r\n\r\n", HeaderError::Name { line: 1 }),
        (
            "NATS/1.0\r\na: b\r\n\u{e4}: c\r\n\r\n",
            HeaderError::Name { line: 2 },
        ),
        ("NATS/1.0\r\n\ra: c\r\n\r\n", HeaderError::Name { line: 1 }),
    ] {
        assert_eq!(Headers::parse(block.as_bytes()), Err(error), "{block:?}");
    }
    let told = HeaderError::NoColon { line: 3 }.to_string();
    assert!(told.contains("line 3"), "{told}");
}

#[test]
fn a_block_has_a_limit() {
    // The pages are never touched, so this costs no memory.
    let mut block = vec![0; (1 << 30) + 1];
    block[0] = b'\n';
    assert_eq!(Headers::parse(&block), Err(HeaderError::TooLarge));
    block.pop();
    assert_eq!(Headers::parse(&block), Err(HeaderError::Version));
}

#[test]
fn four_headers_and_more() {
    let names: Vec<String> = (0..100).map(|number| format!("name-{number}")).collect();
    let mut headers = Headers::new();
    for name in &names {
        headers.append(name, name.as_bytes()).unwrap();
    }
    let read = Headers::parse(headers.as_block()).unwrap();
    assert_eq!(read, headers);
    assert!(names.iter().all(|name| read.get_str(name) == Some(name)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_can_be_built_reads_back(
        pairs in prop::collection::vec(("\\PC{0,6}|[!-9;-~]{1,9}", prop::collection::vec(any::<u8>(), 0..9)), 0..8),
        status in prop::option::of((any::<u16>(), "\\PC{0,9}")),
    ) {
        let mut headers = Headers::new();
        let mut expected = Vec::new();
        if let Some((code, description)) = status {
            let _ = headers.set_status(StatusCode::new(code), &description);
        }
        for (name, value) in pairs {
            if headers.append(&name, &value).is_ok() {
                expected.push((name, value));
            }
        }
        let read = Headers::parse(headers.as_block()).unwrap();
        prop_assert_eq!(&read, &headers);
        let read: Vec<_> = read.iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), lines in "(NATS/1.0)?[ 0-9]{0,5}(\r?\n[a-c: \r]{0,7}){0,6}") {
        nats_proto::fuzzing::headers(&bytes);
        nats_proto::fuzzing::headers(lines.as_bytes());
        nats_proto::fuzzing::headers(&[b"NATS/1.0\r\n", &bytes[..]].concat());
    }
}

#[test]
fn headers_are_made_from_whatever_gives_pairs() {
    let mut by_hand = Headers::new();
    by_hand.append("b", "1").unwrap();
    by_hand.append("a", "2").unwrap();
    by_hand.append("b", "3").unwrap();
    let pairs = [("b", "1"), ("a", "2"), ("b", "3")];
    assert_eq!(Headers::try_from(pairs), Ok(by_hand.clone()));
    assert_eq!(Headers::from_pairs(pairs), Ok(by_hand.clone()));
    let owned = pairs.map(|(name, value)| (String::from(name), value.as_bytes().to_vec()));
    assert_eq!(Headers::from_pairs(owned.iter().cloned()), Ok(by_hand.clone()));
    assert_eq!(Headers::from_pairs(by_hand.iter()), Ok(by_hand));
    assert_eq!(
        Headers::from_pairs(Vec::<(&str, &str)>::new()),
        Ok(Headers::new())
    );
    let typed = [(HeaderName::from_static("a"), HeaderValue::from_static("b"))];
    assert_eq!(Headers::try_from(typed), Headers::try_from([("a", "b")]));
}

#[test]
fn the_first_pair_that_is_no_header_is_the_error() {
    assert_eq!(
        Headers::try_from([("a", "b"), ("", "c"), ("d", "\n")]),
        Err(HeaderError::NameEmpty)
    );
    assert_eq!(
        Headers::from_pairs([("a", "b"), ("c", "\n")]),
        Err(HeaderError::ValueByte { byte: b'\n', at: 0 })
    );
}

#[test]
fn of_several_values_the_first_the_last_and_all_can_be_had() {
    let headers = Headers::try_from([("a", "1"), ("b", "2"), ("a", "3")]).unwrap();
    assert_eq!(headers.get("a"), Some(&b"1"[..]));
    assert_eq!(headers.get_last("a"), Some(&b"3"[..]));
    assert_eq!(headers.get_last("A"), None);
    assert_eq!(headers.get_all("a").collect::<Vec<_>>(), [b"1", b"3"]);
}

#[test]
fn a_constant_is_a_name_like_any_other() {
    let mut headers = Headers::new();
    headers.insert(header::NATS_EXPECTED_LAST_SEQUENCE, "7").unwrap();
    assert_eq!(headers.get_str("Nats-Expected-Last-Sequence"), Some("7"));
    assert_eq!(headers.get_str(&header::NATS_EXPECTED_LAST_SEQUENCE), Some("7"));
    assert_eq!(headers.remove(header::NATS_EXPECTED_LAST_SEQUENCE), 1);
}
