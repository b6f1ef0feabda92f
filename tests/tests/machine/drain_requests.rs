//! A drain waits for pending requests, however they end (behaviour 7.3, 11.1).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Event, LinkEnd, Publish, WhenFull};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::Op;
use nats_proto::Subject;

use super::drain::connected;
use super::support::{INFO, written};

const SECOND: Duration = Duration::from_secs(1);

/// A drain that waits for one request of 10 bytes and for nothing else.
fn drain_after_a_request(hand: &mut ByHand) {
    let subject = Subject::from_static("q");
    hand.client
        .request(START, Publish::new(&subject, "a question"), 60 * SECOND)
        .expect("made");
    hand.client.drain(START).expect("open");
    hand.client.finish_drain(START, 0);
}

/// The request has ended, and the PING after the last publish leaves.
fn assert_continues(hand: &mut ByHand) {
    let reported = hand.events(START);
    assert!(
        reported
            .iter()
            .any(|event| matches!(event, Event::Response { .. })),
        "{reported:?}"
    );
    let wire = written(hand, START);
    assert!(
        wire.ends_with("PING\r\n"),
        "nothing is pending, but only this leaves: {wire:?}"
    );
}

// behaviour: 11.1, 7.3
#[test]
fn a_drain_continues_when_its_last_request_is_dropped_for_its_size() {
    let mut hand = ByHand::connected(ByHand::config(), INFO);
    drain_after_a_request(&mut hand);
    hand.read(b"INFO {\"max_payload\":3}\r\n");
    assert_continues(&mut hand);
}

// behaviour: 11.1, 7.3
#[test]
fn a_drain_continues_when_its_last_request_makes_room_for_a_publish() {
    let mut config = ByHand::config();
    config.when_full = WhenFull::DropOldest;
    config.send_buffer = 200;
    let mut hand = ByHand::connected(config, INFO);
    drain_after_a_request(&mut hand);
    let (subject, large) = (Subject::from_static("q"), [b'x'; 180]);
    hand.client
        .publish(Publish::new(&subject, &large[..]))
        .expect("room");
    assert_continues(&mut hand);
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
    let reported = hand.events(START);
    assert!(
        reported
            .iter()
            .any(|event| matches!(event, Event::Connection(ConnectionEvent::Closed { .. }))),
        "no link and nothing queued: {reported:?}; {}",
        hand.client.why(START)
    );
}

// behaviour: 11.1; edge: 131
#[test]
fn a_drain_waits_for_pending_requests_and_their_inbox_goes_last() {
    let mut world = connected();
    world.subscribe("q");
    world.run_for(SECOND);
    world.request("q", b"?", 20 * SECOND).expect("made");
    world.run_for(SECOND);
    let reply = world.log().frames.iter().find_map(|frame| match &frame.op {
        Op::Publish { reply, .. } => reply.clone(),
        _ => None,
    });
    world.drain().expect("open");
    world.finish_drain();
    world.run_for(5 * SECOND);
    assert_eq!(world.count("closed"), 0);
    world.cluster.publish(&reply.expect("sent"), None, b"!");
    world.wait("closed");
    let answered = world
        .events
        .iter()
        .any(|(_, event)| matches!(event, Event::Response { result: Ok(_), .. }));
    assert!(answered);
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
}

// behaviour: 11.1
#[test]
fn the_request_inbox_is_restored_in_a_drain_only_while_requests_are_pending() {
    for pending in [true, false] {
        let mut world = connected();
        world.request("nobody", b"?", SECOND).expect("made");
        world.run_for(5 * SECOND);
        world.crash(0);
        world.wait("disconnected");
        if pending {
            world.request("q", b"?", 20 * SECOND).expect("made");
        }
        world.publish("p", b"queued").expect("room");
        world.drain().expect("open");
        world.restart(0);
        world.wait("reconnected");
        world.run_for(SECOND);
        world.finish_drain();
        world.wait("closed");
        assert_eq!(world.log().names().contains(&"SUB"), pending);
        assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    }
}
