//! Subjects, filters and queue groups: what can be made, and what matches.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeSet, HashSet};

use bytes::BytesMut;
use nats_proto::{
    Decoder, IntoSubject, InvalidSubject, Message, Payload, QueueGroup, ServerOp, Sid, Subject, SubjectError,
    SubjectFilter, SubjectRef,
};
use proptest::prelude::*;

/// What is wrong, if anything.
fn reason<T>(made: Result<T, InvalidSubject>) -> Result<(), SubjectError> {
    made.map(|_| ()).map_err(|error| error.reason)
}

#[test]
fn subjects_and_filters_have_tokens_without_blanks() {
    let byte = |byte, at| Err(SubjectError::Byte { byte, at });
    let token = |at| Err(SubjectError::EmptyToken { at });
    for (text, expected) in [
        ("a", Ok(())),
        ("a.b.c", Ok(())),
        ("$JS.API.INFO", Ok(())),
        ("_INBOX.x_-1", Ok(())),
        ("\u{e4}.\u{1f980}", Ok(())),
        ("a*b.c>d.**.>>", Ok(())),
        ("", Err(SubjectError::Empty)),
        (".", token(0)),
        (".a", token(0)),
        ("a.", token(2)),
        ("a..b", token(2)),
        ("a b", byte(b' ', 1)),
        (" a", byte(b' ', 0)),
        ("a\tb", byte(b'\t', 1)),
        ("a\r\nPUB x 0", byte(b'\r', 1)),
        ("a.\n", byte(b'\n', 2)),
        ("a\0", byte(0, 1)),
        ("a\x7f", byte(0x7f, 1)),
        ("a\x1f", byte(0x1f, 1)),
    ] {
        assert_eq!(reason(Subject::new(text)), expected, "{text:?}");
        assert_eq!(reason(SubjectFilter::new(text)), expected, "{text:?}");
    }
}

#[test]
fn wildcards_are_for_filters() {
    let wildcard = |at| Err(SubjectError::Wildcard { at });
    let tail = |at| Err(SubjectError::TailNotLast { at });
    for (text, subject, filter) in [
        ("*", wildcard(0), Ok(())),
        (">", wildcard(0), Ok(())),
        ("a.*", wildcard(2), Ok(())),
        ("*.a", wildcard(0), Ok(())),
        ("a.*.b.>", wildcard(2), Ok(())),
        ("a.>", wildcard(2), Ok(())),
        (">.a", wildcard(0), tail(0)),
        ("a.>.b", wildcard(2), tail(2)),
        ("a.>.", wildcard(2), tail(2)),
        ("*.", wildcard(0), Err(SubjectError::EmptyToken { at: 2 })),
    ] {
        assert_eq!(reason(Subject::new(text)), subject, "{text:?}");
        assert_eq!(reason(SubjectFilter::new(text)), filter, "{text:?}");
        if let Ok(filter) = SubjectFilter::new(text) {
            assert!(filter.has_wildcards(), "{text:?}");
        }
    }
    assert!(!SubjectFilter::from_static("a*.b>").has_wildcards());
}

#[test]
fn queue_groups_are_literal() {
    for text in ["workers", "*", ">", "a..b", ".", "\u{e4}"] {
        assert_eq!(QueueGroup::new(text).unwrap().as_str(), text);
    }
    assert_eq!(reason(QueueGroup::new("")), Err(SubjectError::Empty));
    assert_eq!(
        reason(QueueGroup::new("a b")),
        Err(SubjectError::Byte { byte: b' ', at: 1 })
    );
    assert_eq!(
        reason(QueueGroup::new("ab\r")),
        Err(SubjectError::Byte { byte: b'\r', at: 2 })
    );
}

#[test]
fn errors_say_what_to_do() {
    for (error, part) in [
        (SubjectError::Empty, "at least one token"),
        (SubjectError::EmptyToken { at: 7 }, "byte 7"),
        (SubjectError::Byte { byte: 9, at: 7 }, "0x09 at 7"),
        (SubjectError::Wildcard { at: 7 }, "only subscriptions"),
        (SubjectError::TailNotLast { at: 7 }, "byte 7"),
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn an_error_names_the_text_cut_and_escaped() {
    let text = |error: InvalidSubject| (error.code(), error.to_string());
    assert_eq!(
        text(Subject::new("a.\r\nPUB b").unwrap_err()),
        (
            "subject_byte",
            String::from(
                r"`a.\r\nPUB b`: the subject or queue group has the byte 0x0d at 2; blanks and control characters are not allowed"
            )
        )
    );
    assert_eq!(
        text(SubjectFilter::new("a.>.b").unwrap_err()),
        (
            "subject_tail_not_last",
            String::from(
                "`a.>.b`: the subject has a `>` at byte 2 that is not the last token; use `*` there"
            )
        )
    );
    assert_eq!(text(QueueGroup::new("").unwrap_err()).0, "subject_empty");
    let long = Subject::new(&format!("{} ", "a".repeat(1000))).unwrap_err();
    assert!(long.to_string().len() < 200, "{long}");
}

#[test]
fn all_that_is_text_can_be_given_as_a_subject_and_is_checked_then() {
    fn given<'a>(subject: impl IntoSubject<'a>) -> Result<String, SubjectError> {
        let subject = subject.into_subject().map_err(|error| error.reason)?;
        assert_eq!(
            subject.as_subject_ref().as_bytes(),
            subject.clone().into_owned().as_bytes()
        );
        Ok(subject.as_subject_ref().to_string())
    }
    let subject = Subject::from_static("a.b");
    let text = String::from("a.b");
    let all = [
        given("a.b"),
        given(text.clone()),
        given(&text),
        given(std::borrow::Cow::from("a.b")),
        given(std::borrow::Cow::from(text.clone())),
        given(subject.clone()),
        given(&subject),
        given(SubjectRef::from(&subject)),
        given(SubjectRef::from(&subject).into_subject().unwrap()),
    ];
    assert!(all.iter().all(|given| given.as_deref() == Ok("a.b")), "{all:?}");
    let wildcard = Err(SubjectError::Wildcard { at: 2 });
    let text = String::from("a.*");
    assert_eq!(
        [given("a.*"), given(&text), given(text.clone())],
        [wildcard.clone(), wildcard.clone(), wildcard]
    );
}

#[test]
fn filters_match_token_by_token() {
    for (filter, subject, expected) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a", "a.b", false),
        ("a.b", "a", false),
        ("a.b", "a.b", true),
        ("*", "a", true),
        ("*", "a.b", false),
        ("a.*", "a.b", true),
        ("a.*", "a", false),
        ("a.*.c", "a.b.c", true),
        ("a.*.c", "a.b.d", false),
        (">", "a", true),
        (">", "a.b.c", true),
        ("a.>", "a", false),
        ("a.>", "a.b", true),
        ("a.>", "a.b.c", true),
        ("a.>", "b.c", false),
        ("*.b.>", "a.b.c.d", true),
        ("*.b.>", "a.b", false),
        ("a*", "a*", true),
        ("a*", "ab", false),
        ("A", "a", false),
    ] {
        let matches = SubjectFilter::new(filter)
            .unwrap()
            .matches(&Subject::new(subject).unwrap());
        assert_eq!(matches, expected, "{filter} and {subject}");
    }
}

#[test]
fn what_is_no_subject_matches_nothing_unless_its_tokens_do() {
    let all = SubjectFilter::from_static(">");
    for subject in [&b""[..], b".", b"a.", b".a", b"a..b"] {
        assert!(!all.matches_bytes(subject), "{}", subject.escape_ascii());
    }
    assert!(!SubjectFilter::from_static("a.*").matches_bytes(b"a."));
    assert!(!SubjectFilter::from_static("a").matches_bytes(b"a."));
    assert!(all.matches_bytes(b"\xff.b"));
    assert!(SubjectFilter::from_static("*.b").matches_bytes(b"\xff.b"));
}

#[test]
fn a_child_sorts_after_its_parent() {
    let parent = Subject::from_static("a.b");
    assert_eq!(parent.child("c").unwrap(), Subject::from_static("a.b.c"));
    assert_eq!(parent.child("c.d").unwrap().as_str(), "a.b.c.d");
    assert_eq!(reason(parent.child("")), Err(SubjectError::Empty));
    assert_eq!(reason(parent.child("*")), Err(SubjectError::Wildcard { at: 0 }));
    assert_eq!(
        reason(parent.child("c.")),
        Err(SubjectError::EmptyToken { at: 2 })
    );
}

#[test]
fn literal_and_shared_texts_are_the_same() {
    const LITERAL: Subject = Subject::from_static("a.b");
    let shared = Subject::new("a.b").unwrap();
    assert_eq!(LITERAL, shared);
    assert_eq!(LITERAL, Subject::try_from("a.b").unwrap());
    assert_eq!(LITERAL, Subject::try_from(String::from("a.b")).unwrap());
    assert_eq!(LITERAL, "a.b".parse::<Subject>().unwrap());
    assert!(Subject::try_from(String::from("a..b")).is_err() && "a..b".parse::<Subject>().is_err());
    assert_eq!(
        (LITERAL.to_string(), format!("{shared:?}")),
        ("a.b".into(), "\"a.b\"".into())
    );
    assert_eq!(
        (shared.as_bytes(), AsRef::<str>::as_ref(&shared)),
        (&b"a.b"[..], "a.b")
    );
    assert_eq!(Borrow::<str>::borrow(&shared), "a.b");
    let set: HashSet<Subject> = [LITERAL, shared.clone()].into();
    assert!(set.len() == 1 && set.contains("a.b"));
    let ordered: BTreeSet<Subject> = [Subject::from_static("b"), shared.clone(), LITERAL].into();
    assert_eq!(
        ordered.iter().map(Subject::as_str).collect::<Vec<_>>(),
        ["a.b", "b"]
    );
    assert!(ordered.contains("b"));
    assert_eq!(
        Subject::from_static("a").partial_cmp(&Subject::from_static("b")),
        Some(std::cmp::Ordering::Less)
    );
    assert_eq!(SubjectFilter::from(&shared), SubjectFilter::from(shared));
    assert!(size_of::<Subject>() <= 24);
}

#[test]
#[should_panic(expected = "not a valid Subject")]
fn a_wrong_literal_subject_panics() {
    Subject::from_static("a.*");
}

#[test]
#[should_panic(expected = "not a valid SubjectFilter")]
fn a_wrong_literal_filter_panics() {
    SubjectFilter::from_static("a..b");
}

#[test]
#[should_panic(expected = "not a valid QueueGroup")]
fn a_wrong_literal_queue_group_panics() {
    QueueGroup::from_static("a b");
}

#[test]
fn sids_are_numbers() {
    let sid = Sid::new(u64::MAX);
    assert_eq!(
        (sid.get(), sid.to_string()),
        (u64::MAX, "18446744073709551615".into())
    );
    assert_eq!(format!("{:?} {:>3}", Sid::new(7), Sid::new(7)), "Sid(7)   7");
    assert!(Sid::new(1) < Sid::new(2));
}

/// Matching by definition, from the end of the filter.
fn matches(filter: &[&str], subject: &[&str]) -> bool {
    match (filter, subject) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        ([first, filter @ ..], [token, subject @ ..]) => {
            (*first == "*" || first == token) && matches(filter, subject)
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn matching_is_as_defined(filter in "[ab*](\\.[ab*]){0,4}(\\.>)?", subject in "[ab](\\.[ab]){0,5}") {
        let expected = matches(&filter.split('.').collect::<Vec<_>>(), &subject.split('.').collect::<Vec<_>>());
        let filter = SubjectFilter::new(&filter).unwrap();
        prop_assert_eq!(filter.matches(&Subject::new(&subject).unwrap()), expected);
    }

    #[test]
    fn any_text_is_a_subject_or_not_by_its_tokens(text in "[a.*> \r\n\u{e4}]{0,8}") {
        let tokens: Vec<&str> = text.split('.').collect();
        let clean = tokens.iter().all(|token| !token.is_empty()) && !text.contains([' ', '\r', '\n']);
        let wild = tokens.iter().any(|token| *token == "*" || *token == ">");
        let tail_first = tokens.iter().rev().skip(1).any(|token| *token == ">");
        prop_assert_eq!(Subject::new(&text).is_ok(), clean && !wild);
        prop_assert_eq!(SubjectFilter::new(&text).is_ok(), clean && !tail_first);
    }
}

fn message(wire: &[u8]) -> Message {
    match Decoder::default().decode(&mut BytesMut::from(wire)) {
        Ok(Some(ServerOp::Message(message))) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_subject_of_a_message_is_text_and_can_be_published_to() {
    let message = message(b"MSG orders.eu 1 _INBOX.x.7 2\r\nhi\r\n");
    let (subject, reply) = (message.subject(), message.reply().unwrap());
    assert_eq!(subject, "orders.eu");
    assert_eq!(subject, String::from("orders.eu"));
    assert_eq!(subject, Subject::from_static("orders.eu"));
    assert_eq!(subject, message.clone().subject());
    assert_eq!(
        (subject.to_string(), format!("{subject:?}")),
        ("orders.eu".into(), "\"orders.eu\"".into())
    );
    assert_eq!(subject.split('.').next_back(), Some("eu"));
    // Nothing is copied.
    assert_eq!(subject.as_ptr(), message.subject_bytes().as_ptr());
    assert_eq!(subject.to_str(), Ok("orders.eu"));
    assert_eq!(
        (&reply).into_subject().unwrap().as_subject_ref().as_str(),
        "_INBOX.x.7"
    );
    assert_eq!(Subject::try_from(reply.clone()), Subject::new("_INBOX.x.7"));
    assert_eq!(SubjectFilter::try_from(reply), SubjectFilter::new("_INBOX.x.7"));
    assert_eq!((message.text(), message.payload_str()), ("hi".into(), Ok("hi")));
}

#[test]
fn a_subject_that_is_not_text_can_be_read_and_is_never_published_to_under_another_name() {
    let message = message(b"MSG a.\xff 1 b..c 1\r\n\xfe\r\n");
    let (subject, reply) = (message.subject(), message.reply().unwrap());
    assert_eq!(subject.to_string(), "a.\u{fffd}");
    assert_eq!(
        (subject.as_bytes(), message.subject_bytes()),
        (&b"a.\xff"[..], &b"a.\xff"[..])
    );
    assert!(subject != "a.\u{fffd}" && subject.to_str().is_err());
    let not_text = Err(SubjectError::NotUtf8 { at: 2 });
    assert_eq!(reason(subject.clone().into_subject()), not_text);
    assert_eq!(reason(Subject::try_from(subject)), not_text);
    assert_eq!(reply, "b..c");
    assert_eq!(
        reason(reply.into_subject()),
        Err(SubjectError::EmptyToken { at: 2 })
    );
    assert_eq!(message.text(), "\u{fffd}");
    let error = message.payload_str().unwrap_err();
    assert_eq!((error.what, error.at, error.code()), ("payload", 0, "not_utf8"));
}

#[test]
fn whatever_is_text_is_taken_as_a_subject_a_filter_a_queue_group_and_a_payload() {
    let message = message(b"MSG a.b 1 3\r\na.b\r\n");
    let (literal, owned) = ("a.b", String::from("a.b"));
    let (borrowing, owning) = (message.text(), Cow::<str>::Owned(owned.clone()));
    let mut kinds = 0;
    macro_rules! taken {
        ($($what:expr),* $(,)?) => { $(
            kinds += 1;
            let name = stringify!($what);
            assert_eq!($what.into_subject().unwrap().as_subject_ref().as_str(), "a.b", "{name}");
            assert_eq!(SubjectFilter::try_from($what).unwrap(), "a.b", "{name}");
            assert_eq!(Subject::try_from($what).unwrap(), "a.b", "{name}");
            assert_eq!(QueueGroup::try_from($what).unwrap(), "a.b", "{name}");
            assert_eq!(Payload::from($what).as_slice(), b"a.b", "{name}");
        )* };
    }
    taken!(
        literal,
        &literal,
        owned.clone(),
        &owned,
        borrowing.clone(),
        &borrowing,
        owning.clone(),
        &owning,
    );
    assert_eq!(kinds, 8);
}

#[test]
fn whatever_is_taken_as_a_subject_is_taken_as_a_filter() {
    let message = message(b"MSG a.b 1 0\r\n\r\n");
    let subject = Subject::from_static("a.b");
    let reference = SubjectRef::from(&subject);
    let either = subject.clone().into_subject().unwrap();
    let arrived = message.subject();
    macro_rules! taken {
        ($($what:expr),* $(,)?) => { $(
            let name = stringify!($what);
            assert_eq!($what.into_subject().unwrap().as_subject_ref(), reference, "{name}");
            assert_eq!(SubjectFilter::try_from($what).unwrap(), "a.b", "{name}");
            assert_eq!(Subject::try_from($what).unwrap(), "a.b", "{name}");
        )* };
    }
    taken!(
        subject.clone(),
        &subject,
        reference,
        either.clone(),
        arrived.clone(),
        &arrived,
    );
}
