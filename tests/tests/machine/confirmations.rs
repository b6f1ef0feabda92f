//! PINGs by which the machine asks what the server has processed, and what their PONGs confirm (behaviour 6.2, 6.5).

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::{Config, Delivery, LinkEnd, Publish, Timestamp};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::Op;
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;
use nats_proto::Subject;

use super::support::{at_least_once, connected};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const INFO: &str = r#"{"max_payload":1048576,"headers":true}"#;
const A: Subject = Subject::from_static("a");

/// A machine in a session of which nothing is to be confirmed.
fn by_hand(set: impl FnOnce(&mut Config)) -> ByHand {
    let mut config = ByHand::config();
    set(&mut config);
    ByHand::connected(config, INFO)
}

fn publish(hand: &mut ByHand, size: usize) -> bool {
    let payload = vec![b'.'; size];
    hand.client.publish(Publish::new(&A, &payload[..])).is_ok()
}

/// Writes everything there is, and returns how many PINGs were among it.
fn write(hand: &mut ByHand, now: Timestamp) -> usize {
    let mut pings = 0;
    while hand.client.poll_transmit(now, &mut hand.tx) {
        let bytes: Vec<u8> = hand.tx.chunks().flatten().copied().collect();
        pings += bytes.windows(6).filter(|window| *window == b"PING\r\n").count();
        hand.write_all();
    }
    pings
}

/// When the PINGs of the present link came, the handshake's apart.
fn asked(world: &World) -> Vec<Timestamp> {
    let pings = world.log().frames.iter().filter(|frame| frame.op == Op::Ping);
    pings
        .skip(1)
        .map(|frame| Timestamp::from_nanos(frame.at))
        .collect()
}

// behaviour: 6.5
#[test]
fn at_least_once_asks_again_at_once_while_a_publisher_finds_no_room_after_a_confirmation() {
    let mut hand = by_hand(|config| {
        config.delivery = Delivery::AtLeastOnce;
        config.send_buffer = 10_000;
    });
    let mut now = START;
    assert!(publish(&mut hand, 10));
    assert_eq!(write(&mut hand, now), 0);
    now = now + 100 * MILLISECOND;
    hand.client.handle_timeout(now);
    assert_eq!(write(&mut hand, now), 1, "after 100 ms");
    // It asks about the first alone; what follows fills the buffer.
    while publish(&mut hand, 1_000) {}
    assert_eq!(write(&mut hand, now), 0, "one is outstanding");
    hand.read(b"PONG\r\n");
    assert_eq!(
        hand.events(now),
        [],
        "no room yet, and the publisher keeps waiting"
    );
    assert_eq!(write(&mut hand, now), 1, "the next leaves at once");
    hand.read(b"PONG\r\n");
    hand.events(now);
    assert!(publish(&mut hand, 1_000));
    assert_eq!(write(&mut hand, now), 0, "nobody waits any more");
}

// behaviour: 6.5
#[test]
fn no_ping_is_sent_while_nothing_is_unconfirmed_although_a_refusal_stands() {
    let mut hand = by_hand(|config| {
        config.delivery = Delivery::AtLeastOnce;
        config.send_buffer = 1_000;
    });
    assert!(publish(&mut hand, 900));
    assert!(!publish(&mut hand, 900));
    assert_eq!(write(&mut hand, START), 1);
    assert!(!publish(&mut hand, 900));
    assert_eq!(write(&mut hand, START), 0, "one at a time");
    hand.read(b"PONG\r\n");
    hand.events(START);
    assert_eq!(write(&mut hand, START), 0, "everything is confirmed");
}

// behaviour: 6.5, 6.2
#[test]
fn at_most_once_asks_a_second_after_the_first_hand_out_that_is_not_confirmed() {
    for (set, after) in [(None, SECOND), (Some(300 * MILLISECOND), 300 * MILLISECOND)] {
        let mut world = Scenario::new(1)
            .config(|config| config.confirm_after = set.or(config.confirm_after))
            .connected();
        world.run_for(5 * SECOND);
        let published = world.now();
        world.publish("a", b"first").expect("room");
        world.run_for(after / 2);
        world.publish("a", b"second").expect("room");
        world.run_for(60 * SECOND);
        // A byte is under way for a millisecond.
        assert_eq!(
            asked(&world),
            [published + after + MILLISECOND],
            "one PING, {set:?}"
        );
        let fates = world.client.publish_fates();
        assert_eq!((fates.confirmed, fates.settled), (2, 2));
        let quiet = world.client.poll_timeout().map(|at| at.since(world.now()));
        assert!(
            quiet > Some(30 * SECOND),
            "nothing is due but the keep-alive: {quiet:?}"
        );
    }
}

// behaviour: 6.5
#[test]
fn at_most_once_sends_no_confirming_ping_if_that_is_switched_off() {
    let mut world = Scenario::new(1)
        .config(|config| config.confirm_after = None)
        .connected();
    world.run_for(5 * SECOND);
    world.publish("a", b"x").expect("room");
    world.settle();
    let due = world.client.poll_timeout();
    assert!(
        due.is_some_and(|at| at.since(world.now()) > 100 * SECOND),
        "{due:?}"
    );
    world.run_for(60 * SECOND);
    assert_eq!(asked(&world), []);
    assert_eq!(world.client.publish_fates().written, 1);
    world.flush().expect("a session");
    world.run_for(SECOND);
    assert_eq!(world.client.publish_fates().confirmed, 1);
}

// behaviour: 6.5
#[test]
fn at_least_once_keeps_its_cadence_whatever_is_set_for_at_most_once() {
    for set in [None, Some(5 * SECOND)] {
        let mut world = Scenario::new(1)
            .config(|config| (config.delivery, config.confirm_after) = (Delivery::AtLeastOnce, set))
            .connected();
        world.run_for(5 * SECOND);
        let published = world.now();
        world.publish("a", b"x").expect("room");
        world.run_for(60 * SECOND);
        assert_eq!(asked(&world), [published + 101 * MILLISECOND], "{set:?}");
    }
}

// behaviour: 6.5
#[test]
fn the_second_of_at_most_once_starts_over_when_another_pong_has_confirmed_everything() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.publish("a", b"first").expect("room");
    world.run_for(SECOND / 2);
    let flushed = world.now();
    world.flush().expect("a session");
    world.run_for(SECOND / 4);
    let published = world.now();
    world.publish("a", b"second").expect("room");
    world.run_for(60 * SECOND);
    assert_eq!(
        asked(&world),
        [flushed + MILLISECOND, published + SECOND + MILLISECOND]
    );
}

// behaviour: 6.5
#[test]
fn at_most_once_has_one_confirming_ping_outstanding_at_a_time() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.routes[0].latency = 2 * SECOND;
    for _ in 0..200 {
        world.publish_numbered("a", 10).expect("room");
        world.run_for(100 * MILLISECOND);
    }
    world.run_for(20 * SECOND);
    let asked = asked(&world);
    for pair in asked.windows(2) {
        assert!(
            pair[1].since(pair[0]) >= 5 * SECOND,
            "a round trip and a second: {asked:?}"
        );
    }
    assert!(asked.len() >= 4, "{asked:?}");
    assert_eq!(world.client.publish_fates().confirmed, 200);
}

// behaviour: 6.5
#[test]
fn at_most_once_asks_about_what_the_driver_was_still_writing_when_the_last_pong_came() {
    let mut hand = by_hand(|_| ());
    let mut now = START;
    assert!(publish(&mut hand, 10));
    assert_eq!(write(&mut hand, now), 0);
    now = now + SECOND;
    assert_eq!(hand.client.poll_timeout(), Some(now));
    hand.client.handle_timeout(now);
    assert_eq!(write(&mut hand, now), 1);
    assert!(publish(&mut hand, 10));
    assert!(hand.client.poll_transmit(now, &mut hand.tx), "in its hand");
    hand.read(b"PONG\r\n");
    hand.events(now);
    now = now + SECOND;
    assert_eq!(hand.client.poll_timeout(), Some(now));
    hand.client.handle_timeout(now);
    hand.write_all();
    assert_eq!(write(&mut hand, now), 1);
}

// behaviour: 6.5, 6.6
#[test]
fn at_most_once_asks_no_sooner_for_a_publisher_that_waits_for_room() {
    let mut hand = by_hand(|config| config.send_buffer = 1_000);
    let mut now = START;
    assert!(publish(&mut hand, 900));
    assert!(!publish(&mut hand, 900));
    assert_eq!(write(&mut hand, now), 0, "a confirmation makes no room");
    now = now + SECOND;
    hand.client.handle_timeout(now);
    assert_eq!(write(&mut hand, now), 1);
    assert!(publish(&mut hand, 900) && !publish(&mut hand, 900));
    assert!(
        hand.client.poll_transmit(now, &mut hand.tx),
        "in the driver's hand"
    );
    hand.read(b"PONG\r\n");
    hand.events(now);
    hand.write_all();
    assert_eq!(write(&mut hand, now), 0);
}

// behaviour: 6.5, 8.1
#[test]
fn what_at_most_once_asks_does_not_count_as_an_unanswered_keep_alive() {
    let mut world = Scenario::new(1)
        .config(|config| config.ping_interval = 10 * SECOND)
        .connected();
    world.run_for(SECOND);
    let last_received = world.now();
    world.freeze();
    world.skip_past();
    for _ in 0..25 {
        world.publish_numbered("a", 10).expect("room");
        world.run_for(SECOND);
    }
    assert_eq!(world.count("disconnected"), 0, "only the third interval ends it");
    let (at, _) = world.wait("disconnected");
    assert!(
        at.since(last_received) > 28 * SECOND,
        "{:?}",
        at.since(last_received)
    );
}

// behaviour: 6.5, 5.4
#[test]
fn a_link_that_ends_before_its_pong_confirms_nothing_and_the_next_one_is_asked() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.publish("a", b"first").expect("room");
    world.run_for(SECOND / 2);
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    world.run_for(2 * SECOND);
    assert_eq!(asked(&world), [], "nothing was handed out on this link");
    let published = world.now();
    world.publish("a", b"second").expect("room");
    world.run_for(5 * SECOND);
    assert_eq!(asked(&world), [published + SECOND + MILLISECOND]);
    let fates = world.client.publish_fates();
    assert_eq!((fates.unconfirmed, fates.confirmed), (1, 1));
}

// behaviour: 6.5
#[test]
fn a_block_that_is_being_written_when_a_confirming_pong_comes_gets_its_own_ping() {
    let mut hand = at_least_once();
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "1")).expect("room");
    hand.write(START);
    let asked = START + 100 * MILLISECOND;
    hand.client.handle_timeout(asked);
    hand.write(asked);
    hand.client.publish(Publish::new(&subject, "2")).expect("room");
    assert!(
        hand.client.poll_transmit(asked, &mut hand.tx),
        "the second is being written"
    );
    hand.read(b"PONG\r\n");
    hand.events(asked);
    assert_eq!(hand.client.publish_fates().confirmed, 1);
    hand.write_all();
    hand.write(asked);
    assert_eq!(hand.client.publish_fates().written, 1);
    assert_eq!(hand.client.poll_timeout(), Some(asked + 100 * MILLISECOND));
}

// behaviour: 6.5, 6.2
#[test]
fn the_rest_of_a_partly_confirmed_block_is_queued_again() {
    let mut hand = at_least_once();
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "1")).expect("room");
    hand.client.flush(START).expect("a session");
    hand.client.publish(Publish::new(&subject, "2")).expect("room");
    hand.write(START);
    hand.read(b"PONG\r\n");
    hand.events(START);
    assert_eq!(hand.client.publish_fates().confirmed, 1);
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START);
    let fates = hand.client.publish_fates();
    assert_eq!((fates.confirmed, fates.queued, fates.unconfirmed), (1, 1, 0));
    assert_eq!(hand.client.queued(), "PUB a 1\r\n2\r\n".len(), "and only that");
}

// behaviour: 5.4, 6.2
#[test]
fn the_rest_of_a_block_that_is_partly_confirmed_while_written_is_queued_again() {
    let mut hand = connected(|_| {});
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "1")).expect("room");
    hand.client.flush(START).expect("a session");
    let front = hand.client.queued();
    for payload in ["2", "3"] {
        hand.client
            .publish(Publish::new(&subject, payload))
            .expect("room");
    }
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    hand.tx.advance(front + 4);
    hand.read(b"PONG\r\n");
    hand.events(START);
    assert_eq!(hand.client.publish_fates().confirmed, 1);
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START);
    let fates = hand.client.publish_fates();
    assert_eq!((fates.confirmed, fates.queued, fates.unconfirmed), (1, 2, 0));
    assert_eq!(hand.client.queued(), "PUB a 1\r\n2\r\nPUB a 1\r\n3\r\n".len());
}
