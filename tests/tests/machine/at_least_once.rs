//! What is not confirmed is sent again if `AtLeastOnce` is set (behaviour 6.5).

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::{
    ConfigError, Connection, ConnectionEvent, Delivery, DropReason, Event, LinkEnd, Publish, Timestamp,
    WhenFull,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::Op;
use nats_conn_tests::scenario::{Scenario, url};

use super::support::{SUBJECT, connected, dropped, end, publish};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

// behaviour: 6.5
#[test]
fn at_least_once_confirms_by_itself_100_ms_after_something_was_handed_out() {
    let mut world = Scenario::new(1)
        .config(|config| config.delivery = Delivery::AtLeastOnce)
        .connected();
    world.run_for(SECOND);
    let published = world.now();
    world.publish("a", b"x").expect("room");
    world.run_for(99 * MILLISECOND);
    assert_eq!(
        world.log().names().iter().filter(|name| **name == "PING").count(),
        1,
        "that of the handshake"
    );
    world.run_for(5 * MILLISECOND);
    assert_eq!(world.client.publish_fates().confirmed, 1);
    let ping = world.log().frames.last().expect("a frame");
    assert_eq!(ping.op, Op::Ping);
    assert_eq!(Timestamp::from_nanos(ping.at).since(published), 101 * MILLISECOND);
    world.run_for(60 * SECOND);
    assert_eq!(
        world.log().names().last(),
        Some(&"PING"),
        "nothing unconfirmed, no further PING"
    );
    assert_eq!(world.log().frames.len(), 4);
}

// behaviour: 6.5
#[test]
fn at_least_once_asks_at_once_when_a_publish_is_refused_for_lack_of_room() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.delivery = Delivery::AtLeastOnce;
            config.send_buffer = 10_000;
        })
        .connected();
    world.run_for(SECOND);
    let begun = world.now();
    let mut published = 0;
    // Ten buffers, of which each would wait 100 ms for the next PING.
    while published < 100 {
        if world.publish_numbered("a", 900).is_ok() {
            published += 1;
        } else {
            world.wait("writable");
        }
    }
    let taken = world.now().since(begun);
    assert!(taken < 100 * MILLISECOND, "{taken:?}");
}

// behaviour: 6.5
#[test]
fn at_least_once_adds_a_ping_after_every_64_kib() {
    let mut world = Scenario::new(1)
        .config(|config| config.delivery = Delivery::AtLeastOnce)
        .connected();
    world.run_for(SECOND);
    for _ in 0..200 {
        world.publish_numbered("a", 4096).expect("room");
    }
    world.run_for(50 * MILLISECOND);
    let mut since = 0;
    let mut pings = 0;
    for frame in &world.log().frames[2..] {
        since += frame.end - frame.start;
        if frame.op == Op::Ping {
            assert!(since <= 70_000, "{since} bytes without a PING");
            (since, pings) = (0, pings + 1);
        }
    }
    assert!((12..=14).contains(&pings), "{pings} PINGs for 800 KiB");
}

// behaviour: 6.5, 8.1
#[test]
fn confirming_pings_do_not_count_as_unanswered_keep_alives() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.delivery = Delivery::AtLeastOnce;
            config.ping_interval = 10 * SECOND;
        })
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

// behaviour: 6.5
#[test]
fn at_least_once_sends_unconfirmed_again_before_newer_ones() {
    let mut world = Scenario::new(1)
        .config(|config| config.delivery = Delivery::AtLeastOnce)
        .connected();
    world.run_for(5 * SECOND);
    world.pipe().mute = true;
    for _ in 0..5 {
        world.publish_numbered("a", 10).expect("room");
    }
    world.run_for(SECOND);
    world.pipe().mute = false;
    world.pipe().deaf = true;
    world.publish_numbered("a", 10).expect("room");
    world.crash(0);
    world.wait("disconnected");
    world.publish_numbered("a", 10).expect("room");
    world.restart(0);
    world.wait("reconnected");
    world.run_for(SECOND);
    let numbers: Vec<u8> = world
        .log()
        .publishes()
        .map(|(_, payload)| payload[0] - b'0')
        .collect();
    assert_eq!(numbers.last(), Some(&7));
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(world.client.publish_fates().confirmed, 7);
}

// behaviour: 6.5
#[test]
fn at_least_once_with_drop_oldest_is_a_configuration_error() {
    let mut config = nats_conn_sm::Config::new(vec![url("nats://a")]);
    config.delivery = Delivery::AtLeastOnce;
    config.when_full = WhenFull::DropOldest;
    let error = Connection::new(config, [1; 32], Timestamp::ZERO).map(drop);
    assert_eq!(error, Err(ConfigError::DropOldestWithAtLeastOnce));
}

// behaviour: 6.5, 6.6
#[test]
fn what_is_kept_for_sending_again_fills_the_buffer_too() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.delivery = Delivery::AtLeastOnce;
            config.send_buffer = 10_000;
        })
        .connected();
    world.run_for(SECOND);
    world.pipe().mute = true;
    let mut accepted = 0;
    while accepted < 50 && world.publish_numbered("a", 1000).is_ok() {
        accepted += 1;
        world.run_for(MILLISECOND);
    }
    assert_eq!(accepted, 9, "written, but not confirmed");
    world.pipe().mute = false;
    world.wait("writable");
}

// behaviour: 6.5
#[test]
fn one_ping_of_those_after_100_ms_is_outstanding_at_a_time() {
    let mut world = Scenario::new(1)
        .config(|config| config.delivery = Delivery::AtLeastOnce)
        .connected();
    world.run_for(SECOND);
    world.routes[0].latency = 250 * MILLISECOND;
    // 64 KiB with a PING of their own, whose PONG comes while the other kind is on its way.
    world.publish_numbered("a", 70_000).expect("room");
    world.run_for(25 * MILLISECOND);
    for _ in 0..80 {
        world.run_for(25 * MILLISECOND);
        world.publish_numbered("a", 10).expect("room");
    }
    world.run_for(2 * SECOND);
    let asked: Vec<u64> = world
        .log()
        .frames
        .iter()
        .filter(|frame| frame.op == Op::Ping)
        .map(|frame| frame.at)
        .collect();
    // That of the handshake, that of the volume, and then never two within a round trip.
    for pair in asked[2..].windows(2) {
        assert!(
            pair[1] - pair[0] >= 500_000_000,
            "{:?} apart",
            Duration::from_nanos(pair[1] - pair[0])
        );
    }
    assert!(asked.len() >= 5, "{asked:?}");
    assert_eq!(world.client.publish_fates().confirmed, 81);
}

// behaviour: 6.2, 6.5, 11.2
#[test]
fn at_least_once_what_was_written_is_unconfirmed_and_not_dropped_where_no_link_follows() {
    for closes in [true, false] {
        let mut hand = connected(|config| {
            config.delivery = Delivery::AtLeastOnce;
            config.reconnect = closes;
        });
        for _ in 0..3 {
            publish(&mut hand, 1);
        }
        hand.write(START);
        publish(&mut hand, 2);
        assert!(hand.client.poll_transmit(START, &mut hand.tx));
        if closes {
            hand.client.close(START);
        }
        let reported = end(&mut hand);
        assert_eq!(dropped(&reported), [(DropReason::Closed, vec![4..=4])]);
        let settles_some = reported
            .iter()
            .any(|event| matches!(event, Event::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) if !unconfirmed.is_empty()));
        assert!(settles_some);
        let unconfirmed = reported.iter().find_map(|event| match event {
            Event::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) => {
                Some(unconfirmed.iter().collect::<Vec<_>>())
            }
            _ => None,
        });
        assert_eq!(unconfirmed, Some(vec![1..=3]));
        let fates = hand.client.publish_fates();
        assert_eq!((fates.unconfirmed, fates.dropped, fates.settled), (3, 1, 4));
    }
}

// behaviour: 6.2, 6.5
#[test]
fn a_pong_does_not_confirm_what_the_driver_reports_as_not_written() {
    let mut config = ByHand::config();
    config.delivery = Delivery::AtLeastOnce;
    let mut hand = ByHand::connected(config, "{}");
    let link = hand.rx.link();
    let subject = nats_conn_sm::proto::Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "x")).expect("room");
    hand.client.flush(START).expect("a session");
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    // A server that answers a PING before it can have read it, and is gone.
    hand.read(b"PONG\r\n");
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START);
    let fates = hand.client.publish_fates();
    assert_eq!((fates.queued, fates.confirmed), (1, 0), "{fates:?}");
    assert!(hand.client.queued() > 0, "its frame waits for the next link");
}

// behaviour: 6.5, 6.6
#[test]
fn at_least_once_asks_at_once_when_what_was_written_leaves_no_room() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.delivery = Delivery::AtLeastOnce;
            config.send_buffer = 10_000;
        })
        .connected();
    world.run_for(SECOND);
    while world.publish_numbered("a", 900).is_ok() {
        world.run_for(MILLISECOND);
    }
    let refused = world.now();
    let (writable, _) = world.wait("writable");
    assert!(writable.since(refused) < 10 * MILLISECOND);
}

// behaviour: 6.5, 6.6
#[test]
fn at_most_once_asks_for_no_confirmation_when_there_is_no_room() {
    let mut hand = connected(|config| config.send_buffer = 2 * "PUB a 1\r\nx\r\n".len());
    publish(&mut hand, 1);
    hand.write(START);
    (0..2).for_each(|_| publish(&mut hand, 1));
    let refused = hand.client.publish(Publish::new(&SUBJECT, &b"x"[..]));
    assert!(refused.is_err());
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    assert_eq!(hand.tx.chunk(), b"PUB a 1\r\nx\r\nPUB a 1\r\nx\r\n");
}
