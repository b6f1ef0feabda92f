//! What a driver may rely on, whatever the order of its calls; the machine is driven by hand (behaviour 1, 5.4).

use std::time::Duration;

use nats_conn_sm::{
    Action, AttemptError, Connection, ConnectionEvent, Event, Fate, LinkEnd, Phase, Publish, PublishSeq,
    ReceiveBuf, SendBuf,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_proto::Subject;

use super::support;

const SECOND: Duration = Duration::from_secs(1);
const INFO: &str = "{\"headers\":true,\"max_payload\":1048576,\"connect_urls\":[\"n9.test:4222\"]}";

fn connected() -> ByHand {
    ByHand::connected(ByHand::config(), INFO)
}

// behaviour: 1.1
#[test]
fn the_deadline_is_now_only_while_something_waits_to_be_polled() {
    let mut hand = connected();
    assert_eq!(hand.client.poll_timeout(), Some(START + 120 * SECOND));
    hand.client.drain(START).expect("open");
    assert_eq!(hand.client.poll_timeout(), Some(START), "an event waits");
    hand.events(START);
    assert_eq!(hand.client.poll_timeout(), Some(START + 25 * SECOND));
    hand.client.abort(START + SECOND);
    assert_eq!(
        hand.client.poll_timeout(),
        Some(START + SECOND),
        "an action waits, whatever time is given next"
    );
    assert!(hand.client.poll_action().is_some());
    assert_eq!(
        hand.client.poll_timeout(),
        Some(START + 2 * SECOND),
        "the last answer of the link"
    );
}

// behaviour: 1.4, 6.2; edge: 147
#[test]
fn another_empty_buffer_of_the_same_link_does_not_count_as_written() {
    let mut hand = connected();
    let link = hand.rx.link();
    let subject = Subject::from_static("a");
    let seq = hand.client.publish(Publish::new(&subject, "x")).expect("room");
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    let mut other = SendBuf::new(link);
    hand.client.handle_written(START, &mut other);
    hand.client.handle_written(START, &mut hand.tx);
    assert!(
        !hand.client.poll_transmit(START, &mut other),
        "one block at a time"
    );
    assert_eq!(
        hand.client.fate(seq),
        Some(Fate::Queued),
        "neither says that it was written"
    );
    hand.write_all();
    assert!(!hand.client.poll_transmit(START, &mut hand.tx), "nothing more");
    assert_eq!(hand.client.fate(seq), Some(Fate::Written));
    assert_eq!(hand.client.fate(PublishSeq::from_u64(0)), None);
}

// behaviour: 1.5, 2.3; edge: 2, 148
#[test]
fn an_error_after_info_has_the_same_phase_whether_the_end_of_the_link_was_reported_before_or_after_the_bytes()
{
    for text in ["maximum connections exceeded", "Authorization Violation"] {
        let reported = [false, true].map(|end_first| {
            let mut hand = ByHand::dialled(ByHand::config());
            let link = hand.rx.link();
            hand.read(format!("INFO {INFO}\r\n").as_bytes());
            hand.read(format!("-ERR '{text}'\r\n").as_bytes());
            let mut reported = Vec::new();
            if !end_first {
                reported.extend(hand.events(START));
            }
            hand.client
                .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
            reported.extend(hand.events(START));
            let failed = reported.into_iter().find_map(|event| match event {
                Event::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) => {
                    Some((phase, *error))
                }
                _ => None,
            });
            let known = hand.client.servers();
            (failed.expect("it fails"), known.len())
        });
        assert_eq!(reported[0], reported[1], "{text}");
        let ((phase, error), servers) = &reported[0];
        assert!(matches!(error, AttemptError::Server(_)));
        let expected = if text.starts_with('A') {
            Phase::Auth
        } else {
            Phase::Connect
        };
        assert_eq!((*phase, *servers), (expected, 2), "what INFO taught stays, too");
    }
}

// behaviour: 5.4, 11.2
#[test]
fn a_link_whose_end_was_reported_is_never_asked_to_disconnect_even_after_the_end() {
    let mut hand = ByHand::dialled(ByHand::config());
    let link = hand.rx.link();
    hand.client.close(START);
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    assert_eq!(hand.client.poll_action(), None);
    assert!(matches!(
        hand.events(START).last(),
        Some(Event::Connection(ConnectionEvent::Closed { .. }))
    ));
}

// behaviour: 1.4
#[test]
fn what_was_read_and_not_parsed_can_be_taken_back() {
    let mut hand = support::connected(|_| {});
    hand.read(b"PING\r\nMSG a 1");
    hand.events(START);
    assert_eq!(hand.rx.into_bytes(), &b"MSG a 1"[..]);
}

// behaviour: 12.1
#[test]
fn the_next_read_has_room_for_a_payload_but_for_no_more_than_a_mebibyte() {
    let mut hand = support::connected(|_| {});
    assert_eq!(hand.client.link(), Some(hand.rx.link()));
    assert_eq!(hand.client.read_hint(), 8 * 1024);
    hand.read(b"MSG a 1 100000\r\n");
    hand.events(START);
    assert_eq!(hand.client.read_hint(), 100_002);
    let mut hand = support::connected(|_| {});
    hand.read(b"MSG a 1 8000000\r\n");
    hand.events(START);
    assert_eq!(hand.client.read_hint(), 1024 * 1024);
}

// behaviour: 1.4
#[test]
fn wants_transmit_is_true_for_what_the_next_poll_does_and_not_while_a_block_is_written() {
    let mut hand = connected();
    let subject = Subject::from_static("a");
    assert!(!hand.client.wants_transmit());
    hand.client.publish(Publish::new(&subject, "x")).expect("room");
    assert!(hand.client.wants_transmit());
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    hand.client.publish(Publish::new(&subject, "y")).expect("room");
    assert!(!hand.client.wants_transmit(), "one block at a time");
    hand.client.close(START);
    hand.write_all();
    assert!(hand.client.wants_transmit());
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    hand.write_all();
    // Nothing is left, and it is this poll that leaves the link.
    assert!(hand.client.wants_transmit());
    assert!(!hand.client.poll_transmit(START, &mut hand.tx));
    assert!(matches!(
        hand.client.poll_action(),
        Some(Action::Disconnect { abort: false, .. })
    ));
    assert!(!hand.client.wants_transmit());
}

// behaviour: 1.4
#[test]
fn what_was_read_before_the_link_was_reported_as_connected_waits_for_that() {
    let mut client = Connection::new(ByHand::config(), [7; 32], START).expect("usable");
    let Some(Action::Connect { link, .. }) = client.poll_action() else {
        panic!("it dials at once")
    };
    let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    let client = client.into();
    let mut hand = ByHand { client, rx, tx };
    hand.read(b"INFO {}\r\n");
    hand.events(START);
    assert!(!hand.client.poll_transmit(START, &mut hand.tx));
    hand.client.handle_connected(START, link);
    hand.events(START);
    assert!(hand.client.poll_transmit(START, &mut hand.tx), "CONNECT and PING");
}
