//! Drain, close, abort (behaviour 11.1, 11.2), and the grammar of the whole life (14).

use std::time::Duration;

use nats_conn_sm::{
    Action, Delivery, EndReason, Event, PublishError, RequestStartError, State, StateError, SubscribeError,
};
use nats_conn_tests::model_server::{Reaction, Step, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::{Dial, World};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn connected() -> World {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.skip_past();
    world
}

fn disconnects(world: &World) -> usize {
    world
        .actions
        .iter()
        .filter(|(_, action)| matches!(action, Action::Disconnect { .. }))
        .count()
}

// behaviour: 11.1; edge: 130, 131
#[test]
fn a_drain_drains_subscriptions_in_parallel_takes_publishes_and_then_confirms_and_closes() {
    let mut world = connected();
    let sids = ["a", "b", "c"].map(|filter| world.subscribe(filter));
    world.run_for(SECOND);
    for subject in ["a", "b", "c"] {
        world.cluster.publish(subject, None, b"on its way");
    }
    world.publish("p", b"before").expect("room");
    world.drain().expect("open");
    world
        .publish("p", b"meanwhile")
        .expect("publishes are still taken");
    assert_eq!(world.client.state(), State::Draining);
    world.run_for(SECOND);
    assert_eq!(
        sids.map(|sid| (world.ledger.messages(sid), world.ledger.end(sid))),
        [(1, Some(EndReason::Drained)); 3]
    );
    assert_eq!(
        world.count("closed"),
        0,
        "the holder has not consumed what was delivered"
    );
    world.publish("p", b"last").expect("publishes are still taken");
    world.finish_drain();
    assert_eq!(world.publish("p", b"refused"), Err(PublishError::Draining));
    world.wait("closed");
    assert_eq!(
        world.story()[2..],
        ["draining", "disconnected n1 closed", "closed drained true"]
    );
    let payloads: Vec<&[u8]> = world.log().publishes().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, [b"before".as_slice(), b"meanwhile", b"last"]);
    let names: Vec<_> = world.log().names()[5..].to_vec();
    assert_eq!(
        names.iter().filter(|name| **name == "UNSUB").count(),
        3,
        "{names:?}"
    );
    assert_eq!(world.client.publish_fates().confirmed, 3);
}

// behaviour: 11.1
#[test]
fn new_subscriptions_are_refused_from_the_start_of_a_drain_and_requests_once_all_is_consumed() {
    let mut world = connected();
    world.drain().expect("open");
    assert_eq!(world.try_subscribe("a", None), Err(SubscribeError::Draining));
    world.finish_drain();
    assert_eq!(world.request("a", b"", SECOND), Err(RequestStartError::Draining));
    world.wait("closed");
    assert_eq!(world.try_subscribe("a", None), Err(SubscribeError::Closed));
}

// behaviour: 11.1
#[test]
fn finish_drain_before_the_subscriptions_have_ended_waits_for_both() {
    let mut world = connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.cluster.publish("a", None, b"x");
    world.drain().expect("open");
    world.finish_drain();
    world.wait("closed");
    assert_eq!(
        (world.ledger.messages(sid), world.ledger.end(sid)),
        (1, Some(EndReason::Drained))
    );
}

// behaviour: 11.1; edge: 132
#[test]
fn a_drain_without_a_link_and_with_nothing_queued_closes_at_once() {
    let mut world = connected();
    world.crash(0);
    world.run_for(SECOND);
    let now = world.now();
    world.drain().expect("open");
    world.finish_drain();
    assert_eq!(world.wait("closed").0, now);
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
}

// behaviour: 11.1; edge: 132
#[test]
fn a_drain_without_a_link_keeps_reconnecting_until_what_is_queued_is_confirmed() {
    let mut world = connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.crash(0);
    world.wait("disconnected");
    world.publish("p", b"queued").expect("room");
    world.drain().expect("open");
    world.finish_drain();
    world.run_for(2 * SECOND);
    assert_eq!(world.ledger.end(sid), Some(EndReason::Drained));
    world.restart(0);
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    assert_eq!(world.log().publishes().count(), 1);
    assert!(!world.log().names().contains(&"SUB"), "no interest is restored");
}

// behaviour: 11.1; edge: 133
#[test]
fn a_link_lost_in_a_drain_is_replaced_while_something_is_to_be_confirmed() {
    let mut world = connected();
    world.subscribe("a");
    world.run_for(SECOND);
    world.pipe().deaf = true;
    world.routes[0].send_room = 0;
    world.publish("p", b"queued").expect("room");
    world.drain().expect("open");
    world.finish_drain();
    world.run_for(SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("disconnected");
    world.routes[0].send_room = 1 << 20;
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    assert_eq!(world.log().publishes().count(), 1);
}

// behaviour: 11.1; edge: 133
#[test]
fn a_link_lost_with_something_unconfirmed_makes_the_drain_incomplete() {
    let mut world = connected();
    world.pipe().deaf = true;
    world.publish("p", b"written").expect("room");
    world.run_for(SECOND);
    world.drain().expect("open");
    world.finish_drain();
    world.run_for(SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained false".into()));
    assert_eq!(world.ledger.unconfirmed().len(), 1);
}

// behaviour: 11.1, 6.5
#[test]
fn with_at_least_once_a_drain_over_a_lost_link_is_complete() {
    let mut world = Scenario::new(1)
        .config(|config| config.delivery = Delivery::AtLeastOnce)
        .connected();
    world.run_for(5 * SECOND);
    world.pipe().mute = true;
    world.publish("p", b"written").expect("room");
    world.run_for(Duration::from_millis(10));
    world.drain().expect("open");
    world.finish_drain();
    world.run_for(SECOND);
    world.pipe().mute = false;
    world.crash(0);
    world.restart(0);
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
}

// behaviour: 11.1; edge: 134
#[test]
fn a_drain_takes_25_seconds_at_most_and_reports_what_was_left() {
    let mut world = connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.crash(0);
    world.wait("disconnected");
    world.publish("p", b"left").expect("room");
    let request = world.request("p", b"left", 100 * SECOND).expect("made");
    let begun = world.now();
    world.drain().expect("open");
    let (at, _) = world.wait("closed");
    assert_eq!(at.since(begun), 25 * SECOND);
    let story = world.story();
    assert_eq!(story.last(), Some(&"closed drained false".into()));
    // The request is not reported: its frame was taken back with it.
    assert!(story.contains(&"publish_dropped 1 closed".into()), "{story:?}");
    assert_eq!(world.ledger.end(sid), Some(EndReason::Drained));
    let closed = |event: &Event| matches!(event, Event::Response { request: r, result: Err(nats_conn_sm::RequestError::Closed) } if *r == request);
    assert!(world.events.iter().any(|(_, event)| closed(event)), "{story:?}");
}

// behaviour: 11.1
#[test]
fn a_drain_ends_early_if_reconnecting_is_off_or_the_pool_becomes_empty() {
    for reconnect in [false, true] {
        let mut world = Scenario::new(1)
            .config(|config| {
                config.reconnect = reconnect;
                config.max_reconnects = Some(2);
            })
            .connected();
        world.subscribe("a");
        world.run_for(5 * SECOND);
        world.pipe().deaf = true;
        world.publish("p", b"left").expect("room");
        world.drain().expect("open");
        let begun = world.now();
        world.crash(0);
        let (at, _) = world.wait("closed");
        assert!(at.since(begun) < 5 * SECOND);
        assert_eq!(world.story().last(), Some(&"closed drained false".into()));
    }
}

// behaviour: 11.1; edge: 135
#[test]
fn draining_twice_is_once_and_closing_while_draining_closes() {
    let mut world = connected();
    world.subscribe("a");
    world.drain().expect("open");
    let _ = world.drain();
    world.close();
    world.wait("closed");
    assert_eq!(world.count("draining"), 1);
    assert_eq!(world.story().last(), Some(&"closed requested".into()));
    assert_eq!(world.drain(), Err(StateError::Closed));
}

// behaviour: 11.2; edge: 136, 138
#[test]
fn close_hands_over_what_is_queued_and_reports_disconnected_before_closed() {
    let mut world = connected();
    world.subscribe("a");
    for _ in 0..100 {
        world.publish_numbered("p", 1000).expect("room");
    }
    let now = world.now();
    world.close();
    assert_eq!(world.publish("p", b"x"), Err(PublishError::Closed));
    let (at, _) = world.wait("closed");
    assert_eq!(at, now, "the transport took it at once");
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 100);
    let names = world.names();
    assert_eq!(names[names.len() - 2..], ["disconnected", "closed"]);
    assert_eq!(disconnects(&world), 1);
    assert_eq!(world.count("publish_dropped"), 0);
}

// behaviour: 11.2; edge: 136
#[test]
fn close_writes_for_half_a_second_at_most_and_reports_the_rest_as_dropped() {
    let mut world = connected();
    world.pipe().deaf = true;
    world.routes[0].send_room = 5_000;
    for _ in 0..100 {
        world.publish_numbered("p", 1000).expect("room");
    }
    let now = world.now();
    world.close();
    let (at, _) = world.wait("closed");
    assert_eq!(at.since(now), Duration::from_millis(500));
    let fates = world.client.publish_fates();
    assert_eq!(fates.unconfirmed + fates.dropped, 100, "{fates:?}");
    assert_eq!(fates.unconfirmed, 4, "whole frames that the transport took");
    assert!(
        world
            .story()
            .iter()
            .any(|line| line.starts_with("publish_dropped") && line.ends_with("closed"))
    );
}

// behaviour: 11.2
#[test]
fn abort_skips_the_writing() {
    let mut world = connected();
    world.publish("p", b"x").expect("room");
    let now = world.now();
    world.abort();
    let (at, _) = world.wait("closed");
    assert_eq!(at, now);
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 0);
    assert_eq!(world.ledger.dropped().len(), 1);
    assert!(matches!(
        world.actions.last(),
        Some((_, Action::Disconnect { abort: true, .. }))
    ));
}

// behaviour: 11.2; edge: 137
#[test]
fn close_ends_everything_that_is_open_with_closed_and_nothing_comes_after_it() {
    let mut world = connected();
    let sid = world.subscribe("a");
    world.freeze();
    world.flush().expect("a session");
    world.rtt().expect("a session");
    world.request("a", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    world.close();
    world.wait("closed");
    assert_eq!(world.ledger.end(sid), Some(EndReason::Closed));
    assert_eq!(
        (
            world.count("flushed"),
            world.count("round_trip"),
            world.count("response")
        ),
        (1, 1, 1)
    );
    let events = world.events.len();
    world.run_for(100 * SECOND);
    assert_eq!(world.events.len(), events);
    assert_eq!(world.client.poll_timeout(), None);
    assert_eq!(world.client.state(), State::Closed);
}

// behaviour: 11.2; edge: 54, 135
#[test]
fn closing_again_changes_nothing() {
    let mut world = connected();
    world.close();
    world.close();
    world.abort();
    world.wait("closed");
    world.close();
    world.run_for(SECOND);
    assert_eq!(world.count("closed"), 1);
    assert_eq!(disconnects(&world), 1);
    assert_eq!(world.story()[2..], ["disconnected n1 closed", "closed requested"]);
}

// behaviour: 11.2; edge: 54
#[test]
fn close_during_a_wait_or_a_reconnect_is_prompt_and_drops_what_is_queued() {
    for dial in [Dial::Connects, Dial::Hangs] {
        let mut world = connected();
        world.crash(0);
        world.wait("disconnected");
        world.publish("p", b"x").expect("room");
        world.routes[0].dial = dial;
        world.run_for(SECOND);
        let now = world.now();
        world.close();
        assert_eq!(world.wait("closed").0, now);
        assert!(
            world.story().contains(&"publish_dropped 1 closed".into()),
            "{:?}",
            world.story()
        );
    }
}

// behaviour: 11.2, 5.4
#[test]
fn a_close_whose_last_answer_never_comes_still_closes() {
    let mut world = connected();
    world.publish("p", b"x").expect("room");
    world.settle();
    world.driver.holds_last_answers = true;
    let now = world.now();
    world.close();
    let (at, _) = world.wait("closed");
    assert!(at.since(now) <= 2 * SECOND, "{:?}", at.since(now));
}

// behaviour: 14, 11.2; edge: 98, 152
#[test]
fn closing_at_any_event_of_an_eventful_life_keeps_the_grammar() {
    let stormy = |close_at: usize| {
        let mut world = Scenario::new(2)
            .config(|config| {
                config.retry_initial = true;
                config.max_reconnects = Some(4);
            })
            .server(0, |server| {
                server
                    .next_scripts
                    .push_back(vec![Step::instead(When::Accept, [Reaction::Close])])
            })
            .begin();
        world.subscribe("a");
        let steps: [fn(&mut World); 6] = [
            |world| world.crash(1),
            |world| world.restart(1),
            |world| assert!(world.force_reconnect().is_ok() || world.count("closed") == 1),
            |world| world.cluster.lame_duck(0, None),
            |world| assert!(world.set_servers(&["n2", "n1"]).is_ok() || world.count("closed") == 1),
            |world| (0..2).for_each(|place| world.crash(place)),
        ];
        for step in steps {
            let end = world.nanos() + 7_000_000_000;
            if world.run_until(|world| world.events.len() >= close_at, end) {
                break;
            }
            let _ = world.publish("a", b"x");
            step(&mut world);
        }
        world.close();
        world.wait("closed");
        world
    };
    let events = stormy(usize::MAX).events.len();
    assert!(events > 25, "{events}");
    for close_at in 1..events {
        let mut world = stormy(close_at);
        world.run_for(10 * SECOND);
        assert_eq!(world.names().last(), Some(&"closed"));
        world.verify();
    }
}

// behaviour: 11.4; edge: 153
#[test]
fn an_aborted_connection_needs_no_last_answer() {
    let mut world = connected();
    world.subscribe("a");
    world.abort();
    world.wait("closed");
    world.verify();
    assert_eq!(world.client.statistics().subscriptions, 0);
}

// behaviour: 11.1, 4.4; edge: 96, 133
#[test]
fn with_reconnecting_off_a_drain_whose_publishes_are_all_confirmed_is_complete_though_the_link_goes() {
    let mut world = Scenario::new(1)
        .config(|config| config.reconnect = false)
        .connected();
    world.publish("p", b"x").expect("room");
    world.flush().expect("a session");
    world.wait("flushed");
    world.drain().expect("open");
    world.crash(0);
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
}

// behaviour: 11.1; edge: 133
#[test]
fn what_was_lost_before_a_drain_does_not_make_it_incomplete() {
    let mut world = connected();
    world.pipe().deaf = true;
    world.publish("p", b"written").expect("room");
    world.run_for(SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    assert_eq!(world.ledger.unconfirmed().len(), 1);
    world.drain().expect("open");
    world.finish_drain();
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
}

// behaviour: 11.1; edge: 133
#[test]
fn a_drain_that_waited_for_a_reply_only_ends_with_the_link() {
    let mut world = connected();
    world.subscribe("q");
    world.request("q", b"?", 600 * SECOND).expect("open");
    world.run_for(SECOND);
    world.drain().expect("open");
    world.finish_drain();
    world.run_for(SECOND);
    assert_eq!(world.client.state(), State::Draining);
    world.crash(0);
    world.restart(0);
    world.wait("closed");
    world.run_for(60 * SECOND);
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    assert_eq!(world.dials().len(), 1);
}

// behaviour: 11.2
#[test]
fn a_connection_shows_that_it_is_closing_from_the_call_on_and_not_while_it_drains() {
    let mut world = connected();
    world.pipe().deaf = true;
    world.publish("p", b"queued").expect("room");
    world.drain().expect("open");
    assert!(!world.client.is_closing());
    world.close();
    assert_eq!(world.count("closed"), 0);
    assert!(world.client.is_closing());
    world.wait("closed");
    assert!(world.client.is_closing());
}
