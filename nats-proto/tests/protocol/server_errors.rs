//! What a server complains about: every text that is known, and what is known of it.

use nats_proto::{PermissionOperation, ServerError, ServerErrorKind as Kind, Sid};
use proptest::prelude::*;

/// The text, its kind, its code, whether the server closes, whether it is about credentials.
const TABLE: [(&str, Kind, &str, bool, bool); 25] = [
    (
        "Unknown Protocol Operation",
        Kind::UnknownProtocolOperation,
        "unknown_protocol_operation",
        true,
        false,
    ),
    (
        "Authorization Violation",
        Kind::AuthorizationViolation,
        "authorization_violation",
        true,
        true,
    ),
    (
        "Authentication Timeout",
        Kind::AuthenticationTimeout,
        "authentication_timeout",
        true,
        false,
    ),
    (
        "User Authentication Expired",
        Kind::UserAuthenticationExpired,
        "user_authentication_expired",
        true,
        true,
    ),
    (
        "User Authentication Revoked",
        Kind::UserAuthenticationRevoked,
        "user_authentication_revoked",
        true,
        true,
    ),
    (
        "Account Authentication Expired",
        Kind::AccountAuthenticationExpired,
        "account_authentication_expired",
        true,
        true,
    ),
    (
        "maximum connections exceeded",
        Kind::MaximumConnectionsExceeded,
        "maximum_connections_exceeded",
        true,
        false,
    ),
    (
        "maximum account active connections exceeded",
        Kind::MaximumAccountConnectionsExceeded,
        "maximum_account_connections_exceeded",
        true,
        false,
    ),
    (
        "Connection throttling is active. Please try again later.",
        Kind::ConnectionThrottling,
        "connection_throttling",
        true,
        false,
    ),
    (
        "Maximum Payload Violation",
        Kind::MaximumPayloadViolation,
        "maximum_payload_violation",
        true,
        false,
    ),
    (
        "maximum control line exceeded",
        Kind::MaximumControlLineExceeded,
        "maximum_control_line_exceeded",
        true,
        false,
    ),
    (
        "maximum subscriptions exceeded",
        Kind::MaximumSubscriptionsExceeded,
        "maximum_subscriptions_exceeded",
        false,
        false,
    ),
    (
        "invalid client protocol",
        Kind::InvalidClientProtocol,
        "invalid_client_protocol",
        true,
        false,
    ),
    (
        "no responders requires headers support",
        Kind::NoRespondersRequiresHeaders,
        "no_responders_requires_headers",
        true,
        false,
    ),
    (
        "Failed Account Registration",
        Kind::FailedAccountRegistration,
        "failed_account_registration",
        true,
        false,
    ),
    (
        "Stale Connection",
        Kind::StaleConnection,
        "stale_connection",
        true,
        false,
    ),
    (
        "Invalid Subject",
        Kind::InvalidSubject,
        "invalid_subject",
        false,
        false,
    ),
    (
        "Invalid Publish Subject",
        Kind::InvalidPublishSubject,
        "invalid_publish_subject",
        false,
        false,
    ),
    (
        "Secure Connection - TLS Required",
        Kind::TlsRequired,
        "tls_required",
        true,
        false,
    ),
    (
        "attempted to connect to route port",
        Kind::WrongPort,
        "wrong_port",
        true,
        false,
    ),
    (
        "attempted to connect to leaf node port",
        Kind::WrongPort,
        "wrong_port",
        true,
        false,
    ),
    (
        "attempted to connect to gateway port",
        Kind::WrongPort,
        "wrong_port",
        true,
        false,
    ),
    ("something new", Kind::Other, "other", false, false),
    ("Authorization Violation now", Kind::Other, "other", false, false),
    ("", Kind::Other, "other", false, false),
];

#[test]
fn every_text_has_its_kind() {
    for (text, kind, code, closes, is_authentication) in TABLE {
        for written in [text.to_owned(), text.to_uppercase(), text.to_lowercase()] {
            for quoted in [
                format!("'{written}'"),
                format!(" '{written}' "),
                format!("\t{written}"),
                format!("'{written}"),
            ] {
                let error = ServerError::parse(quoted.as_bytes());
                assert_eq!(error.kind(), &kind, "{quoted}");
                assert_eq!(error.text(), written);
                assert_eq!((error.code(), error.kind().code()), (code, code));
                assert_eq!(
                    (error.closes(), error.is_authentication()),
                    (closes, is_authentication),
                    "{quoted}"
                );
                assert_eq!(error.permission(), None);
                assert_eq!(
                    error.to_string(),
                    if written.is_empty() { "(no text)" } else { &written }
                );
            }
        }
    }
}

#[test]
fn permission_violations_name_operation_subject_queue_and_sid() {
    use PermissionOperation::{Publish, PublishReply, Subscribe};
    for (text, operation, subject, queue, sid) in [
        (r#"Publish to "a.b""#, Publish, "a.b", None, None),
        (
            r#"Publish with Reply of "_R_.x""#,
            PublishReply,
            "_R_.x",
            None,
            None,
        ),
        (r#"Subscription to "a.>""#, Subscribe, "a.>", None, None),
        (
            r#"Subscription to "a" using queue "q""#,
            Subscribe,
            "a",
            Some("q"),
            None,
        ),
        (
            r#"Subscription to "a", too many tokens"#,
            Subscribe,
            "a",
            None,
            None,
        ),
        (r#"Subscription to "a" (sid "7")"#, Subscribe, "a", None, Some(7)),
        (
            r#"Subscription to "a" using queue "q" (sid "7")"#,
            Subscribe,
            "a",
            Some("q"),
            Some(7),
        ),
        (
            r#"Subscription to "a" using queue "q", too many tokens (sid "7")"#,
            Subscribe,
            "a",
            Some("q"),
            Some(7),
        ),
        (r#"Subscription to "a" (sid "x")"#, Subscribe, "a", None, None),
        (r#"Subscription to "a" (sid 7)"#, Subscribe, "a", None, None),
        (r"Publish to a.b and more", Publish, "a.b", None, None),
        (r#"Publish to """#, Publish, "", None, None),
        (r"Publish to ", Publish, "", None, None),
        (r#"Publish to "open"#, Publish, "open", None, None),
    ] {
        for begin in [
            "Permissions Violation for ",
            "permissions violation for ",
            "PERMISSIONS VIOLATION FOR ",
        ] {
            let error = ServerError::parse(format!("'{begin}{text}'").as_bytes());
            let violation = error.permission().unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (violation.operation, violation.subject.as_str()),
                (operation, subject),
                "{text}"
            );
            assert_eq!(
                (violation.queue.as_deref(), violation.sid),
                (queue, sid.map(Sid::new)),
                "{text}"
            );
            assert_eq!(
                (error.code(), error.closes(), error.is_authentication()),
                ("permissions_violation", false, false)
            );
        }
    }
    for text in [
        "Permissions Violation",
        "Permissions Violation for Something to \"a\"",
        "Permissions Violation for",
    ] {
        assert_eq!(ServerError::parse(text.as_bytes()).kind(), &Kind::Other, "{text}");
    }
}

#[test]
fn subjects_are_unquoted_as_go_quotes_them() {
    for (quoted, subject) in [
        (r#""a'b""#, "a'b"),
        (r#""a\"b\\c""#, "a\"b\\c"),
        (r#""\a\b\f\n\r\t\v\'""#, "\x07\x08\x0c\n\r\t\x0b'"),
        (r#""\x41\xc3\xa4""#, "A\u{e4}"),
        (r#""\xff\xfe""#, "\u{fffd}\u{fffd}"),
        (r#""\u00e4\U0001f980""#, "\u{e4}\u{1f980}"),
        (r#""\ud800""#, "\u{fffd}"),
        (r#""\xg1\u12\U1234567\x1""#, "xg1u12U1234567x1"),
        (r#""\x+1\u+123""#, "x+1u+123"),
        (r#""\q\é""#, "q\u{e9}"),
        ("\"\u{e4}\u{1f980}\"", "\u{e4}\u{1f980}"),
        (r#""end\"#, "end\\"),
    ] {
        let error = ServerError::parse(format!("Permissions Violation for Publish to {quoted}").as_bytes());
        assert_eq!(error.permission().unwrap().subject, subject, "{quoted}");
    }
}

#[test]
fn texts_that_are_not_utf_8_are_replaced() {
    let error = ServerError::parse(b"'a\xff'");
    assert_eq!((error.text(), error.kind()), ("a\u{fffd}", &Kind::Other));
}

#[test]
fn one_pair_of_quotes_is_cut_off() {
    for (text, kept) in [
        ("''a''", "'a'"),
        ("'", ""),
        ("''", ""),
        ("'''", "'"),
        ("a'", "a'"),
        ("it's", "it's"),
    ] {
        assert_eq!(ServerError::parse(text.as_bytes()).text(), kept, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read(bytes in prop::collection::vec(any::<u8>(), 0..40), escapes in "[\"\\\\xuU0-9a-f\u{e4} ]{0,20}") {
        let error = ServerError::parse(&bytes);
        prop_assert!(error.text().len() <= 3 * bytes.len());
        let error = ServerError::parse(format!("permissions violation for publish to \"{escapes}").as_bytes());
        prop_assert!(error.permission().is_some());
    }

    #[test]
    fn what_rust_quotes_like_go_is_unquoted(subject in "[!-~]{1,20}", queue in prop::option::of("[!-~]{1,9}"), sid in prop::option::of(any::<u64>())) {
        let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut text = format!("Permissions Violation for Subscription to {}", quote(&subject));
        if let Some(queue) = &queue {
            text.push_str(&format!(" using queue {}", quote(queue)));
        }
        if let Some(sid) = sid {
            text.push_str(&format!(" (sid \"{sid}\")"));
        }
        let error = ServerError::parse(format!("'{text}'").as_bytes());
        let violation = error.permission().unwrap();
        prop_assert_eq!((&violation.subject, &violation.queue, violation.sid), (&subject, &queue, sid.map(Sid::new)));
        prop_assert_eq!(error.text(), text);
    }
}
