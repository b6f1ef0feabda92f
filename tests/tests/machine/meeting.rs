//! Features that meet: a drain and its last request, a move and whoever waits meanwhile (behaviour 10.2, 11.1).

use std::time::Duration;

use nats_conn_sm::{Config, Event, LameDuckPolicy, LinkEnd, Publish, Timestamp, WhenFull};
use nats_conn_tests::by_hand::{ByHand, START, after};
use nats_conn_tests::scenario::url;
use nats_proto::{Subject, SubjectFilter};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const INFO: &str = "{\"headers\":true,\"max_payload\":1048576}";

fn text(hand: &ByHand) -> String {
    let bytes: Vec<u8> = hand.tx.chunks().flatten().copied().collect();
    String::from_utf8(bytes).expect("text")
}

/// Everything that leaves now.
fn written(hand: &mut ByHand, now: Timestamp) -> String {
    let mut all = String::new();
    while hand.client.poll_transmit(now, &mut hand.tx) {
        all += &text(hand);
        hand.write_all();
    }
    all
}

fn two_servers() -> Config {
    let mut config = ByHand::config();
    config.servers.push(url("nats://n2.test:4222"));
    config
}

/// A machine that holds publishes back: the move has begun and its PING has left.
fn moving(config: Config) -> ByHand {
    let mut config = config;
    config.lame_duck = LameDuckPolicy::Move {
        within: Duration::ZERO,
    };
    let mut hand = ByHand::connected(config, INFO);
    hand.read(b"INFO {\"ldm\":true}\r\n");
    hand.events(START);
    hand.client.handle_timeout(START + MILLISECOND);
    assert_eq!(written(&mut hand, START + MILLISECOND), "PING\r\n");
    hand
}

/// A drain that waits for one request of 10 bytes and for nothing else.
fn drain_behind_a_request(hand: &mut ByHand) {
    let subject = Subject::from_static("q");
    hand.client
        .request(START, Publish::new(&subject, "a question"), 60 * SECOND)
        .expect("made");
    hand.client.drain(START).expect("open");
    hand.client.finish_drain(START, 0);
}

/// The request has ended, and the PING behind the last publish leaves.
fn assert_goes_on(hand: &mut ByHand) {
    let told = hand.events(START);
    assert!(
        told.iter().any(|event| matches!(event, Event::Response { .. })),
        "{told:?}"
    );
    let wire = written(hand, START);
    assert!(
        wire.ends_with("PING\r\n"),
        "nothing is pending, but only this leaves: {wire:?}"
    );
}

// behaviour: 11.1, 7.3
#[test]
fn a_drain_goes_on_when_its_last_request_is_dropped_for_its_size() {
    let mut hand = ByHand::connected(ByHand::config(), INFO);
    drain_behind_a_request(&mut hand);
    hand.read(b"INFO {\"max_payload\":3}\r\n");
    assert_goes_on(&mut hand);
}

// behaviour: 11.1, 7.3
#[test]
fn a_drain_goes_on_when_its_last_request_makes_room_for_a_publish() {
    let mut config = ByHand::config();
    config.when_full = WhenFull::DropOldest;
    config.send_buffer = 200;
    let mut hand = ByHand::connected(config, INFO);
    drain_behind_a_request(&mut hand);
    let (subject, large) = (Subject::from_static("q"), [b'x'; 180]);
    hand.client
        .publish(Publish::new(&subject, &large[..]))
        .expect("room");
    assert_goes_on(&mut hand);
}

// behaviour: 11.1, 7.3
#[test]
fn a_drain_without_a_link_ends_when_its_last_request_is_over() {
    let mut config = ByHand::config();
    config.backoff.base = 4 * SECOND;
    let mut hand = ByHand::connected(config, INFO);
    let link = hand.client.link().expect("there is one");
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START);
    let subject = Subject::from_static("q");
    let request = hand
        .client
        .request(START, Publish::new(&subject, "?"), 60 * SECOND)
        .expect("made");
    hand.client.drain(START).expect("open");
    hand.client.finish_drain(START, 0);
    assert!(hand.client.cancel_request(START, request));
    assert_eq!(hand.client.publish_fates().queued, 0);
    let told = hand.events(START);
    assert!(
        told.iter().any(|event| matches!(event, Event::Closed { .. })),
        "no link and nothing queued: {told:?}; {}",
        hand.client.why(START)
    );
}

// behaviour: 10.2
#[test]
fn a_move_is_over_within_ten_seconds_though_its_pong_does_not_come() {
    let mut hand = moving(two_servers());
    let subject = Subject::from_static("a");
    let sid = hand
        .client
        .subscribe(START, SubjectFilter::new("news").expect("a filter"), None)
        .expect("open");
    hand.client.publish(Publish::new(&subject, "held")).expect("room");
    for second in 1..600 {
        // The server talks, and does not answer.
        hand.read(format!("MSG news {sid} 1\r\nx\r\n").as_bytes());
        hand.events(after(second));
        hand.client.handle_timeout(after(second));
        hand.events(after(second));
        written(&mut hand, after(second));
        if hand.client.poll_action().is_some() {
            return;
        }
    }
    panic!(
        "after 10 minutes: {}, {:?}",
        hand.client.why(after(600)),
        hand.client.publish_fates()
    );
}

// behaviour: 10.2
#[test]
fn a_flush_behind_a_request_that_was_cancelled_is_answered_during_a_move() {
    let mut hand = moving(two_servers());
    let subject = Subject::from_static("q");
    let request = hand
        .client
        .request(START, Publish::new(&subject, "?"), 60 * SECOND)
        .expect("made");
    hand.client.flush(START).expect("a session");
    assert!(hand.client.cancel_request(START, request));
    assert_eq!(hand.client.publish_fates().queued, 0, "nothing is held");
    let wire = written(&mut hand, START + MILLISECOND);
    assert!(wire.ends_with("PING\r\n"), "{wire:?}");
}

// behaviour: 10.2
#[test]
fn a_server_that_comes_to_be_known_within_the_window_is_moved_to() {
    let mut config = ByHand::config();
    config.lame_duck = LameDuckPolicy::Move { within: 10 * SECOND };
    let mut hand = ByHand::connected(config, INFO);
    hand.read(b"INFO {\"ldm\":true}\r\nINFO {\"connect_urls\":[\"n2.test:4222\"]}\r\n");
    for second in 0..30 {
        hand.client.handle_timeout(after(second));
        hand.events(after(second));
        if !written(&mut hand, after(second)).is_empty() {
            return;
        }
    }
    panic!("{}", hand.client.why(after(30)));
}

// behaviour: 10.2
#[test]
fn a_driver_is_told_to_write_what_goes_past_held_publishes_and_not_for_these() {
    let mut hand = moving(two_servers());
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "held")).expect("room");
    assert!(!hand.client.wants_transmit());
    let filter = SubjectFilter::from_static("news");
    hand.client.subscribe(START, filter, None).expect("open");
    assert!(hand.client.wants_transmit());
    assert_eq!(written(&mut hand, START + MILLISECOND), "SUB news 1\r\n");
    assert!(!hand.client.wants_transmit());
}

// behaviour: 3.5
#[test]
fn a_new_pool_ends_an_attempt_at_a_server_that_is_not_in_it() {
    let mut hand = ByHand::dialled(ByHand::config());
    let link = hand.rx.link();
    let servers = vec![url("nats://n2.test:4222")];
    hand.client.set_servers(START, servers).expect("open");
    assert_eq!(
        hand.client.poll_action(),
        Some(nats_conn_sm::Action::Disconnect { link, abort: true })
    );
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    hand.events(START);
    let next = hand.client.poll_action();
    assert!(
        matches!(&next, Some(nats_conn_sm::Action::Connect { server, .. }) if server.host() == "n2.test"),
        "{next:?}"
    );
}
