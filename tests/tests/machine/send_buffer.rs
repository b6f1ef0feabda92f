//! Room for publishes, and what at-least-once asks by itself (behaviour 6.5, 6.6).

use std::time::Duration;

use nats_conn_sm::{Delivery, PublishError, WhenFull};
use nats_conn_tests::model_server::{Deed, Op};
use nats_conn_tests::scenario::Scenario;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

// behaviour: 6.6, 2.6
#[test]
fn writable_comes_too_when_a_lower_payload_limit_made_the_room() {
    let mut world = Scenario::new(1)
        .config(|config| config.send_buffer = 10_000)
        .connected();
    world.run_for(SECOND);
    world.pipe().deaf = true;
    world.routes[0].send_room = 0;
    world.publish_numbered("a", 100).expect("room");
    world.run_for(MILLISECOND);
    while world.publish_numbered("a", 1000).is_ok() {}
    world.deed(Deed::send("INFO {\"max_payload\":500}\r\n"));
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

// behaviour: 6.5
#[test]
fn of_the_pings_that_ask_after_100_ms_one_is_outstanding_at_a_time() {
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
