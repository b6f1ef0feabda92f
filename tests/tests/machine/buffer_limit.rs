//! The limit of the outbound buffer, and what happens to publishes that exceed it (behaviour 6.6).

use std::time::Duration;

use nats_conn_sm::{Config, DropReason, Publish, PublishError, WhenFull};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Op, Reaction};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

use super::support::{SUBJECT, connected, dropped, publish};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A world whose transport takes nothing more, with so much room for publishes.
fn stuck(send_buffer: usize) -> World {
    let mut world = Scenario::new(1)
        .config(|config| config.send_buffer = send_buffer)
        .connected();
    world.run_for(SECOND);
    world.pipe().deaf = true;
    world.routes[0].send_room = 0;
    world
}

// behaviour: 6.6; edge: 68
#[test]
fn a_full_buffer_is_an_error_and_writable_comes_once_when_half_of_it_is_free() {
    let mut world = stuck(10_000);
    let mut accepted = 0;
    while world.publish_numbered("a", 1000).is_ok() {
        accepted += 1;
    }
    assert_eq!(accepted, 9, "9 frames of some 1015 bytes fit into 10000");
    assert!(matches!(
        world.publish_numbered("a", 1000),
        Err(PublishError::BufferFull { limit: 10_000 })
    ));
    assert!(world.client.queued() <= 10_000);
    world.run_for(SECOND);
    assert_eq!(world.count("writable"), 0);
    world.pipe().deaf = false;
    world.routes[0].send_room = 3 * 1024;
    world.wait("writable");
    let pending = world.client.statistics().pending_bytes;
    assert!(pending <= 5_000, "{pending} bytes");
    world.run_for(SECOND);
    assert_eq!(world.count("writable"), 1);
    world.publish_numbered("a", 1000).expect("room again");
}

// behaviour: 6.6
#[test]
fn a_frame_larger_than_the_buffer_is_taken_when_nothing_is_queued() {
    let mut world = Scenario::new(1)
        .config(|config| config.send_buffer = 100)
        .connected();
    world.run_for(SECOND);
    world.publish_numbered("a", 5000).expect("alone");
    assert!(world.publish_numbered("a", 1).is_err());
    world.run_for(SECOND);
    world.publish_numbered("a", 1).expect("the large one has left");
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 2);
}

// behaviour: 6.6
#[test]
fn drop_oldest_makes_room_by_dropping_what_is_not_handed_out_and_reports_it() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.send_buffer = 10_000;
            config.when_full = WhenFull::DropOldest;
        })
        .connected();
    world.run_for(SECOND);
    world.crash(0);
    world.wait("disconnected");
    for _ in 0..20 {
        world.publish_numbered("a", 1000).expect("older ones make room");
        assert!(world.client.queued() <= 10_000);
    }
    world.restart(0);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 9, "the newest");
    assert_eq!(
        world.ledger.dropped().iter().copied().collect::<Vec<_>>(),
        (1..=11).collect::<Vec<_>>()
    );
    assert!(
        world
            .story()
            .iter()
            .any(|line| line.starts_with("publish_dropped") && line.ends_with("overflow"))
    );
}

// behaviour: 6.6; edge: 68
#[test]
fn off_refuses_without_a_link_and_writable_comes_with_the_next() {
    let mut world = Scenario::new(1)
        .config(|config| config.when_full = WhenFull::Off)
        .connected();
    world.run_for(5 * SECOND);
    world.publish("a", b"1").expect("there is a link");
    world.run_for(MILLISECOND);
    world.crash(0);
    world.wait("disconnected");
    assert_eq!(world.publish("a", b"2"), Err(PublishError::NotConnected));
    world.run_for(SECOND);
    assert_eq!(world.count("writable"), 0);
    world.restart(0);
    world.wait("writable");
    assert_eq!(world.count("reconnected"), 1);
    world.publish("a", b"3").expect("there is a link");
    world.run_for(SECOND);
    assert_eq!(world.count("writable"), 1);
}

// behaviour: 6.6; edge: 108, 155
#[test]
fn blocks_hold_64_kib_at_most_and_a_pong_goes_in_front_of_the_next() {
    let mut world = Scenario::new(1)
        .route(0, |route| route.send_room = 64 * 1024)
        .connected();
    world.run_for(SECOND);
    world.pipe().deaf = true;
    for _ in 0..1000 {
        world.publish_numbered("a", 1000).expect("room");
    }
    world.settle();
    world.reaction(Reaction::Ping);
    world.run_for(SECOND);
    world.pipe().deaf = false;
    world.run_for(SECOND);
    let names = world.log().names();
    let pong = names.iter().position(|name| *name == "PONG").expect("answered");
    // One block was in the transport and one in the driver's hands when the PING came.
    assert!(pong <= 2 + 2 * 66, "the PONG is frame {pong}");
    assert_eq!(world.log().publishes().count(), 1000);
}

// behaviour: 6.6
#[test]
fn subscribing_needs_no_room() {
    let mut world = stuck(1000);
    while world.publish_numbered("a", 100).is_ok() {}
    let sid = world.subscribe("b");
    world.unsubscribe(sid).expect("alive");
    let kept = world.subscribe("c");
    world.flush().expect("a session");
    world.pipe().deaf = false;
    world.routes[0].send_room = 1 << 20;
    world.wait("flushed");
    assert!(
        world
            .log()
            .frames
            .iter()
            .any(|frame| matches!(&frame.op, Op::Subscribe { sid, .. } if *sid == kept.get()))
    );
}

// behaviour: 6.6, 2.6
#[test]
fn writable_also_comes_when_a_lower_payload_limit_made_room() {
    let mut world = stuck(10_000);
    world.publish_numbered("a", 100).expect("room");
    world.run_for(MILLISECOND);
    while world.publish_numbered("a", 1000).is_ok() {}
    world.reaction(Reaction::send("INFO {\"max_payload\":500}\r\n"));
    world.run_for(SECOND);
    assert_eq!(world.count("writable"), 1, "{:?}", world.story());
    world.pipe().deaf = false;
    world.routes[0].send_room = 1 << 20;
    world.run_for(SECOND);
    assert_eq!(world.count("writable"), 1);
    assert_eq!(world.client.publish_fates().dropped, 9);
}

// behaviour: 6.1, 6.6
#[test]
fn a_publish_that_is_refused_for_its_subject_drops_nothing_to_make_room() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.send_buffer = 10_000;
            config.when_full = WhenFull::DropOldest;
        })
        .begin();
    for _ in 0..9 {
        world.publish_numbered("a", 1000).expect("room");
    }
    let long = "s".repeat(4093);
    assert_eq!(
        world.publish_numbered(&long, 1000),
        Err(PublishError::ControlLineTooLong {
            size: 4098,
            max: 4096
        })
    );
    assert_eq!(world.client.publish_fates().dropped, 0);
    world
        .publish_numbered(&"s".repeat(4091), 1000)
        .expect("as long as a server takes");
    assert!(world.client.publish_fates().dropped > 0);
    world.wait("connected");
    world.run_for(SECOND);
    assert_eq!(world.client.publish_fates().queued, 0);
}

// behaviour: 6.6
#[test]
fn what_fits_exactly_is_taken_and_a_steady_overflow_is_reported_once() {
    let drop_oldest = |config: &mut Config| {
        config.send_buffer = 2 * "PUB a 1\r\nx\r\n".len();
        config.when_full = nats_conn_sm::WhenFull::DropOldest;
    };
    let mut config = ByHand::config();
    drop_oldest(&mut config);
    let mut hand = ByHand::dialled(config);
    hand.events(START);
    (0..2).for_each(|_| publish(&mut hand, 1));
    assert_eq!(hand.client.publish_fates().dropped, 0);
    (0..2).for_each(|_| publish(&mut hand, 1));
    let reported = hand.events(START);
    assert_eq!(dropped(&reported), [(DropReason::Overflow, vec![1..=2])]);
    // What is handed out makes no room, what is queued after it does.
    let mut hand = connected(drop_oldest);
    publish(&mut hand, 1);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    (0..2).for_each(|_| publish(&mut hand, 1));
    assert_eq!(
        dropped(&hand.events(START)),
        [(DropReason::Overflow, vec![2..=2])]
    );
}

// behaviour: 6.6
#[test]
fn what_would_not_fit_beside_the_block_that_is_written_drops_nothing() {
    let mut hand = connected(|config| {
        config.send_buffer = 1000;
        config.when_full = WhenFull::DropOldest;
    });
    publish(&mut hand, 600);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    publish(&mut hand, 100);
    let payload = [b'x'; 500];
    let refused = hand.client.publish(Publish::new(&SUBJECT, &payload[..]));
    assert!(
        matches!(refused, Err(PublishError::BufferFull { .. })),
        "{refused:?}"
    );
    assert_eq!(hand.client.publish_fates().dropped, 0);
}
