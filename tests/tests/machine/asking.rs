//! When the machine asks by itself what the server has processed (behaviour 6.5).

use std::time::Duration;

use nats_conn_sm::{Config, Delivery, Publish, Timestamp};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_proto::Subject;

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

/// Writes everything there is, and says how many PINGs were among it.
fn write(hand: &mut ByHand, now: Timestamp) -> usize {
    let mut pings = 0;
    while hand.client.poll_transmit(now, &mut hand.tx) {
        let bytes: Vec<u8> = hand.tx.chunks().flatten().copied().collect();
        pings += bytes.windows(6).filter(|window| *window == b"PING\r\n").count();
        hand.write_all();
    }
    pings
}

// behaviour: 6.5
#[test]
fn at_least_once_asks_again_at_once_while_a_publisher_finds_no_room_behind_a_confirmation() {
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
        "no room yet, and the publisher goes on waiting"
    );
    assert_eq!(write(&mut hand, now), 1, "the next leaves at once");
    hand.read(b"PONG\r\n");
    hand.events(now);
    assert!(publish(&mut hand, 1_000));
    assert_eq!(write(&mut hand, now), 0, "nobody waits any more");
}

// behaviour: 6.5
#[test]
fn nobody_is_asked_about_nothing_while_a_refusal_stands() {
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
