//! A reconnect that the application forces, and connections that never reconnect (behaviour 4.4, 11.3).

use std::time::Duration;

use nats_conn_sm::{Action, ConnectionEvent, Event, LinkEnd};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Reaction, Step, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::Dial;

use super::support::{INFO, dialled};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 11.3; edge: 93, 95, 66
#[test]
fn a_forced_reconnect_drops_the_link_fails_flushes_and_dials_at_once_with_publishes_kept() {
    let mut world = Scenario::new(2).connected();
    world.run_for(5 * SECOND);
    world.publish("kept", b"").expect("room");
    let flush = world.flush().expect("a session");
    world.skip_past();
    let forced = world.now();
    world.force_reconnect().expect("open");
    assert_eq!(world.wait("connecting").0, forced);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(
        world.story()[2..],
        [
            "disconnected n1 forced",
            "connecting n2",
            "reconnected n2",
            "resubscribed 0 0"
        ]
    );
    assert_eq!(world.log().publishes().count(), 1);
    let failed = |event: &Event| matches!(event, Event::Flushed { flush: f, result: Err(_) } if *f == flush);
    assert_eq!(world.events.iter().filter(|(_, event)| failed(event)).count(), 1);
}

// behaviour: 11.3; edge: 93, 94
#[test]
fn a_forced_reconnect_ends_a_wait_abandons_an_attempt_and_twice_is_once() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    for _ in 0..4 {
        world.wait("backoff_wait");
    }
    let (waiting, dials) = (world.now(), world.dials().len());
    world.force_reconnect().expect("open");
    world.force_reconnect().expect("open");
    assert_eq!(world.wait("connecting").0, waiting, "the wait ends");
    assert_eq!(world.dials().len(), dials + 1);
    world.routes[0].dial = nats_conn_tests::sim::Dial::Hangs;
    world.wait("backoff_wait");
    world.wait("connecting");
    world.settle();
    world.routes[0].dial = nats_conn_tests::sim::Dial::Connects;
    world.restart(0);
    let (hanging, dials) = (world.now(), world.dials().len());
    world.force_reconnect().expect("open");
    assert_eq!(world.wait("connecting").0, hanging, "the attempt is abandoned");
    assert_eq!(world.dials().len(), dials + 1);
    world.wait("reconnected");
    assert_eq!(world.count("disconnected"), 1);
}

// behaviour: 11.3, 4.4; edge: 93
#[test]
fn a_forced_reconnect_works_with_reconnecting_off_and_closes_if_its_round_fails() {
    let mut world = Scenario::new(2)
        .config(|config| config.reconnect = false)
        .connected();
    world.run_for(5 * SECOND);
    world.force_reconnect().expect("open");
    world.wait("reconnected");
    world.run_for(5 * SECOND);
    world.cluster.settings_mut(0).script = vec![Step::instead(When::Accept, [Reaction::Close])];
    world.cluster.settings_mut(1).script = vec![Step::instead(When::Accept, [Reaction::Close])];
    world.force_reconnect().expect("open");
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed no_reconnect".into()));
    assert!(world.force_reconnect().is_err());
}

// behaviour: 11.3; edge: 93
#[test]
fn a_forced_reconnect_is_an_error_when_closed_or_draining() {
    let mut world = Scenario::new(1).connected();
    world.drain().expect("open");
    assert_eq!(world.force_reconnect(), Err(nats_conn_sm::StateError::Draining));
    world.finish_drain();
    world.wait("closed");
    assert_eq!(world.force_reconnect(), Err(nats_conn_sm::StateError::Closed));
}

// behaviour: 4.4; edge: 96
#[test]
fn with_reconnecting_off_the_first_disconnect_closes() {
    let mut world = Scenario::new(2)
        .config(|config| config.reconnect = false)
        .connected();
    world.publish("a", b"").expect("room");
    world.run_for(5 * SECOND);
    world.crash(0);
    world.wait("closed");
    assert_eq!(
        world.story(),
        [
            "connecting n1",
            "connected n1",
            "disconnected n1 io",
            "closed no_reconnect"
        ]
    );
}

// behaviour: 11.3; edge: 94
#[test]
fn a_forced_reconnect_while_a_failed_attempt_is_being_closed_dials_at_once() {
    let mut hand = ByHand::dialled(ByHand::config());
    hand.read(b"-ERR 'maximum connections exceeded'\r\n");
    let failed = hand.events(START);
    assert!(
        failed
            .iter()
            .any(|event| matches!(event, Event::Connection(ConnectionEvent::ConnectFailed { .. })))
    );
    hand.client.force_reconnect(START).expect("open");
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    let reported = hand.events(START);
    assert!(
        matches!(
            reported[..],
            [Event::Connection(ConnectionEvent::Connecting { attempt: 2, .. })]
        ),
        "{reported:?}"
    );
}

// behaviour: 11.3, 4.3
#[test]
fn a_forced_reconnect_while_a_short_link_is_ending_skips_the_backoff() {
    for force in [false, true] {
        let mut hand = ByHand::connected(ByHand::config(), INFO);
        let link = hand.rx.link();
        hand.client
            .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
        if force {
            hand.client.force_reconnect(START).expect("open");
        }
        let reported = hand.events(START);
        let waits = reported
            .iter()
            .any(|event| matches!(event, Event::Connection(ConnectionEvent::BackoffWait { .. })));
        assert_eq!(waits, !force, "{reported:?}");
    }
}

// behaviour: 11.3, 9.4
#[test]
fn a_forced_reconnect_while_a_link_is_closed_for_a_protocol_error_skips_the_backoff() {
    for force in [false, true] {
        let mut hand = ByHand::connected(ByHand::config(), INFO);
        hand.read(b"rubbish\r\n");
        let mut reported = hand.events(START);
        let link = hand.rx.link();
        assert_eq!(
            hand.client.poll_action(),
            Some(Action::Disconnect { link, abort: true }),
            "it leaves"
        );
        if force {
            hand.client.force_reconnect(START).expect("open");
        }
        hand.client
            .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
        reported.extend(hand.events(START));
        let waits = reported
            .iter()
            .any(|event| matches!(event, Event::Connection(ConnectionEvent::BackoffWait { .. })));
        assert_eq!(waits, !force, "{reported:?}");
    }
}

// behaviour: 11.3, 3.3; edge: 94
#[test]
fn a_forced_reconnect_during_an_attempt_dials_the_next_server() {
    let mut world = Scenario::new(2)
        .every_route(|route| route.dial = Dial::Hangs)
        .begin();
    world.wait("connecting");
    world.settle();
    world.force_reconnect().expect("open");
    world.wait("connecting");
    assert_eq!(dialled(&world), ["n1", "n2"]);
}
