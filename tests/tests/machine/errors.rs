//! What servers and other clients do wrong, and what follows from it (behaviour 9.1, 9.4, 12).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, DisconnectReason, Event};
use nats_conn_tests::model_server::Reaction;
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);

fn connected() -> World {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.skip_past();
    world
}

fn reason(world: &mut World) -> DisconnectReason {
    let (_, event) = world.wait("disconnected");
    let Event::Connection(ConnectionEvent::Disconnected { reason, .. }) = event else {
        panic!("{event:?}")
    };
    *reason
}

// behaviour: 9.1, 9.4; edge: 118
#[test]
fn no_error_closes_the_connection_by_itself_and_each_is_reported_with_its_kind_and_text() {
    let mut world = connected();
    let cases = [
        ("Unknown Protocol Operation", "unknown_protocol_operation"),
        ("AUTHORIZATION VIOLATION", "authorization_violation"),
        ("User Authentication Expired", "user_authentication_expired"),
        ("Invalid Subject", "invalid_subject"),
        ("Invalid Publish Subject", "invalid_publish_subject"),
        ("maximum subscriptions exceeded", "maximum_subscriptions_exceeded"),
        ("Something that no server says yet", "other"),
    ];
    for (text, _) in cases {
        world.reaction(Reaction::error(text));
    }
    world.send("-err\r\n-ERR ''\r\n-ERR 'it''s \"quoted\"'\r\n");
    world.run_for(60 * SECOND);
    let reported: Vec<(String, &str)> = world
        .all("server_error")
        .into_iter()
        .map(|(_, event)| match event {
            Event::Connection(ConnectionEvent::ServerError { error }) => {
                (error.text().to_owned(), error.code())
            }
            other => panic!("{other:?}"),
        })
        .collect();
    for ((text, code), (seen_text, seen_code)) in cases.iter().zip(&reported) {
        assert_eq!((text, code), (&seen_text.as_str(), seen_code));
    }
    assert_eq!(reported.len(), cases.len() + 3);
    assert_eq!(
        reported.last().map(|(text, _)| text.as_str()),
        Some("it''s \"quoted\"")
    );
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 9.1; edge: 103, 107, 149
#[test]
fn the_reason_of_a_disconnect_is_the_last_error_that_closes_or_what_the_transport_reports() {
    let cases: [(&[&str], Reaction, &str); 7] = [
        (&[], Reaction::Close, "eof"),
        (&[], Reaction::Reset, "io"),
        (&["Unknown Protocol Operation"], Reaction::Close, "server_error"),
        (&["maximum connections exceeded"], Reaction::Close, "server_error"),
        (&["Stale Connection"], Reaction::Close, "stale"),
        (&["Invalid Subject"], Reaction::Close, "eof"),
        (
            &[
                "Unknown Protocol Operation",
                "Permissions Violation for Publish to \"a\"",
            ],
            Reaction::Close,
            "eof",
        ),
    ];
    for (errors, end, code) in cases {
        let mut world = connected();
        for text in errors {
            world.reaction(Reaction::error(text));
        }
        world.run_for(SECOND);
        world.reaction(end);
        let reason = reason(&mut world);
        assert_eq!(reason.code(), code, "{errors:?}");
        if let DisconnectReason::ServerError(error) = reason {
            assert_eq!(error.text(), errors[errors.len() - 1]);
        }
        world.wait("reconnected");
    }
}

// behaviour: 9.1; edge: 149
#[test]
fn a_reset_after_an_error_that_closes_does_not_mask_it() {
    let mut world = connected();
    world.reaction(Reaction::error("User Authentication Expired"));
    world.run_for(SECOND);
    world.reaction(Reaction::Reset);
    assert_eq!(reason(&mut world).code(), "server_error");
}

// behaviour: 9.1, 12.2; edge: 8, 14, 17
#[test]
fn what_is_not_the_protocol_is_a_protocol_disconnect_and_a_reconnect() {
    for garbage in [
        "HELLO\r\n",
        "INFO {no json\r\n",
        "INFO []\r\n",
        "MSG a 1\r\n",
        "MSG a 1 x\r\n",
        "MSG a 1 -1\r\n",
        "MSG a 1 +1\r\nx\r\n",
        "MSG a 1 2\r\nhi!!\r\n",
        "HMSG a 1 20 10\r\n",
        "\r\n",
        "\u{0}\u{1}\u{2}\r\n",
    ] {
        let mut world = connected();
        world.send(garbage);
        assert_eq!(reason(&mut world).code(), "protocol", "{garbage:?}");
        world.wait("reconnected");
    }
}

// behaviour: 12.1; edge: 21
#[test]
fn a_line_longer_than_the_limit_is_a_protocol_disconnect_before_it_ends() {
    let mut world = connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.send(&format!("MSG {} {sid} 0\r\n\r\n", "s".repeat(60_000)));
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 1, "60 000 bytes are fine");
    world.send(&"x".repeat(70_000));
    assert_eq!(reason(&mut world).code(), "protocol");
}

// behaviour: 12.1; edge: 21
#[test]
fn an_info_may_be_a_mebibyte_and_no_more() {
    let info = |size: usize| format!("INFO {{\"x\":\"{}\"}}\r\n", "y".repeat(size - 10));
    let mut world = connected();
    world.send(&info(1_000_000));
    world.run_for(SECOND);
    assert_eq!(world.count("disconnected"), 0);
    world.send(&info(1_100_000));
    assert_eq!(reason(&mut world).code(), "protocol");
}

// behaviour: 12.1, 12.2; edge: 18
#[test]
fn a_size_above_the_limit_however_long_is_refused_without_waiting_for_it() {
    for size in [
        "67108865",
        "4294967296",
        "18446744073709551616",
        "99999999999999999999999999999999999999",
    ] {
        let mut world = connected();
        let sid = world.subscribe("a");
        world.run_for(SECOND);
        world.send(&format!("MSG a {sid} {size}\r\n"));
        assert_eq!(reason(&mut world).code(), "protocol", "{size}");
    }
    let mut world = connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.send(&format!("MSG a {sid} {}4\r\nfour\r\n", "0".repeat(1000)));
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 1, "leading zeros");
}

// behaviour: 12.1; edge: 20
#[test]
fn the_inbound_limit_is_eight_times_what_info_says_where_that_is_more() {
    let small = |config: &mut nats_conn_sm::Config| config.limits = config.limits.with_payload(100);
    for (max_payload, size, fine) in [
        (1000, 8_000, true),
        (1000, 8_001, false),
        (10, 100, true),
        (10, 101, false),
    ] {
        let mut world = Scenario::new(1)
            .config(small)
            .server(0, |server| server.max_payload = max_payload)
            .connected();
        let sid = world.subscribe("a");
        world.run_for(SECOND);
        world.send(&format!("MSG a {sid} {size}\r\n{}\r\n", "x".repeat(size)));
        world.run_for(SECOND);
        assert_eq!(
            (world.ledger.messages(sid), world.count("disconnected")),
            (u64::from(fine), usize::from(!fine))
        );
    }
}

// behaviour: 12.2; edge: 25, 26
#[test]
fn operations_come_in_any_case_with_any_blanks_and_bare_line_feeds() {
    let mut world = connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.send(&format!(
        "msg a {sid} 2\r\nhi\r\nMsG \t a\t{sid}   0002  \nhi\r\nhMsG a {sid} 12 14 \r\nNATS/1.0\r\n\r\nhi\r\n+ok\r\npInG\nping whatever\r\n-err 'x'\n"
    ));
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 3);
    assert_eq!((world.count("server_error"), world.count("disconnected")), (1, 0));
    world.tolerate_violations = true;
    assert_eq!(
        world
            .log()
            .names()
            .into_iter()
            .filter(|name| *name == "PONG")
            .count(),
        2
    );
}

// behaviour: 12.3; edge: 27, 28, 29
#[test]
fn what_another_client_puts_into_a_message_never_costs_the_link() {
    let mut world = connected();
    let sid = world.subscribe(">");
    world.run_for(SECOND);
    let blocks: [&[u8]; 10] = [
        b"NATS/1.0\r\nno colon\r\n\r\n",
        b"NATS/1.0\r\nK:\r\n\r\n",
        b"NATS/1.0\r\n: v\r\n\r\n",
        b"NATS/1.0\r\nK\xff: \xfe\r\n\r\n",
        b"NATS/1.0 5\r\n\r\n",
        b"NATS/1.0 \r\n\r\n",
        b"NATS/1.0 99999999999999999999 x\r\n\r\n",
        b"NATS/1.0\r\n folded\r\n\r\n",
        b"NATS/9.9\r\nK: v\r\n\r\n",
        b"complete garbage",
    ];
    for block in blocks {
        let head = format!("HMSG a {sid} {} {}\r\n", block.len(), block.len() + 2);
        world.reaction(Reaction::Send([head.as_bytes(), block, b"hi\r\n"].concat()));
    }
    world.reaction(Reaction::Send(
        [
            "MSG a.\u{ff}".as_bytes(),
            b"\xff\xfe ",
            sid.to_string().as_bytes(),
            b" 0\r\n\r\n",
        ]
        .concat(),
    ));
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 11);
    assert_eq!(world.count("disconnected"), 0);
    let messages = world.all("message");
    for ((_, event), block) in messages.iter().zip(blocks) {
        let Event::Message { message, .. } = event else {
            panic!("{event:?}")
        };
        assert_eq!(
            (message.header_block(), message.payload()),
            (Some(block), b"hi".as_slice())
        );
    }
    let Event::Message { message, .. } = &messages[0].1 else {
        panic!()
    };
    assert!(message.headers().is_err(), "reading them is an error");
    let Event::Message { message, .. } = &messages[10].1 else {
        panic!()
    };
    assert!(message.subject().to_str().is_err() && message.subject_bytes().ends_with(b"\xff\xfe"));
}

// behaviour: 12.4, 12.3
#[test]
fn headers_arrive_as_they_were_written_and_names_match_exactly() {
    let mut world = connected();
    world.subscribe("a");
    let mut headers = nats_proto::Headers::new();
    for (name, value) in [("Key", "1"), ("key", "2"), ("Key", "3"), ("Empty", "")] {
        headers.append(name, value).expect("a header");
    }
    world.publish_with_headers("a", &headers, b"x").expect("room");
    world.run_for(SECOND);
    let Some((_, Event::Message { message, .. })) = world.all("message").pop() else {
        panic!()
    };
    let seen = message.headers().expect("readable").expect("there are some");
    assert_eq!(seen.get_all("Key").collect::<Vec<_>>(), [b"1", b"3"]);
    assert_eq!(seen.get("KEY"), None);
    assert_eq!(seen.get_ignore_case("KEY"), Some(b"1".as_slice()));
    assert_eq!(seen.get("Empty"), Some(b"".as_slice()));
}

// edge: 13
#[test]
fn an_unsolicited_ok_is_ignored() {
    let mut world = connected();
    world.send("+OK\r\n+OK\r\n");
    let flush = world.flush().expect("a session");
    world.run_for(SECOND);
    assert_eq!(
        (world.count("flushed"), world.count("disconnected")),
        (1, 0),
        "{flush:?}"
    );
}

// behaviour: 9.1; edge: 150
#[test]
fn a_server_that_closes_its_side_only_is_gone_all_the_same() {
    let mut world = connected();
    world.publish("a", b"x").expect("room");
    world.reaction(Reaction::Close);
    assert_eq!(reason(&mut world).code(), "eof");
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(world.count("disconnected"), 1);
}

// behaviour: 7.4; edge: 123
#[test]
fn a_slow_application_costs_other_subscriptions_and_the_link_nothing() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.ping_interval = Some(2_000_000_000))
        .connected();
    let (slow, fast) = (world.subscribe("slow"), world.subscribe("fast"));
    world.run_for(SECOND);
    for _ in 0..1000 {
        world.cluster.publish("slow", None, &[b'x'; 1000]);
        world.cluster.publish("fast", None, b"x");
    }
    world.run_for(20 * SECOND);
    assert_eq!(
        (world.ledger.messages(slow), world.ledger.messages(fast)),
        (1000, 1000)
    );
    assert!(world.log().names().contains(&"PONG"));
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 12.1, 2.6; edge: 20
#[test]
fn the_inbound_limit_follows_what_info_says_not_what_is_remembered_of_earlier_sessions() {
    let mut world = Scenario::new(1)
        .config(|config| config.limits = config.limits.with_payload(100))
        .server(0, |server| {
            server.max_payload = 1000;
            server.account_max_payload = Some(500);
        })
        .connected();
    let sid = world.subscribe("a");
    world.run_for(5 * SECOND);
    world.cluster.settings_mut(0).connect_info = false;
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(world.client.max_payload(), Some(500));
    let message = |size: usize| format!("MSG a {sid} {size}\r\n{}\r\n", "x".repeat(size));
    world.send(&message(8_000));
    world.run_for(SECOND);
    world.send(&format!("INFO {{\"max_payload\":2000}}\r\n{}", message(16_000)));
    world.run_for(SECOND);
    assert_eq!((world.ledger.messages(sid), world.count("disconnected")), (2, 1));
}
