//! Drains while handlers are running, with and without a link (behaviour 11.1).

use std::collections::BTreeSet;
use std::time::Duration;

use nats_conn_sm::{Delivery, Event, PublishError, RequestStartError, State, SubscribeError};
use nats_conn_tests::model_server::Op;
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn connected() -> World {
    settled(Scenario::new(1))
}

fn settled(scenario: Scenario) -> World {
    let mut world = scenario.connected();
    world.run_for(5 * SECOND);
    world.skip_past();
    world
}

/// What any server has executed, each answer once.
fn answers(world: &World) -> BTreeSet<String> {
    let payloads = world.cluster.logs().flat_map(|log| log.publishes());
    let texts = payloads.map(|(_, payload)| String::from_utf8_lossy(payload).into_owned());
    texts.filter(|text| text.starts_with("answer")).collect()
}

/// A backlog of 10, and a handler that takes 100 ms for each and answers; after three of them the server may go, for
/// 300 ms. The drain begins before the first.
fn ten_answers(mut world: World, outage: bool) -> World {
    let sid = world.subscribe("work");
    world.run_for(SECOND);
    for _ in 0..10 {
        world.cluster.publish("work", None, b"?");
    }
    world.run_for(SECOND);
    world.drain().expect("open");
    world.run_for(100 * MILLISECOND);
    assert_eq!(world.ledger.messages(sid), 10);
    for number in 0..10 {
        world.run_for(50 * MILLISECOND);
        if outage && number == 3 {
            world.crash(0);
        }
        if outage && number == 6 {
            world.restart(0);
        }
        world.run_for(50 * MILLISECOND);
        let answer = format!("answer {number}");
        world
            .publish("answers", answer.as_bytes())
            .expect("a drain takes the answers of running handlers");
        assert_eq!(world.client.state(), State::Draining);
    }
    world.finish_drain();
    world.wait("closed");
    world
}

// behaviour: 11.1; edge: 130
#[test]
fn a_handler_that_takes_its_time_answers_all_of_a_backlog() {
    let world = ten_answers(connected(), false);
    assert_eq!(answers(&world).len(), 10);
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    assert!(world.client.publish_fates().all_confirmed());
}

// behaviour: 11.1, 6.5; edge: 132, 133
#[test]
fn a_handler_answers_all_of_a_backlog_over_an_outage() {
    // At most once, what was written is not sent again: it is not known whether all of it arrived.
    for (delivery, complete) in [(Delivery::AtMostOnce, false), (Delivery::AtLeastOnce, true)] {
        let scenario = Scenario::new(1).config(|config| config.delivery = delivery);
        let world = ten_answers(settled(scenario), true);
        assert_eq!(answers(&world).len(), 10, "{delivery:?}");
        assert_eq!(world.count("reconnected"), 1);
        assert!(!world.log().names().contains(&"SUB"), "no interest is restored");
        assert_eq!(world.story().last(), Some(&format!("closed drained {complete}")));
        assert_eq!(world.client.publish_fates().all_confirmed(), complete);
    }
}

// behaviour: 11.1; edge: 132
#[test]
fn without_a_link_publishes_are_taken_until_there_is_one_and_all_is_consumed() {
    let mut world = connected();
    world.crash(0);
    world.wait("disconnected");
    world.drain().expect("open");
    world.publish("p", b"1").expect("taken without a link");
    world.finish_drain();
    world.publish("p", b"2").expect("nothing is being written yet");
    world.restart(0);
    world.wait("reconnected");
    assert_eq!(world.publish("p", b"3"), Err(PublishError::Draining));
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    let payloads: Vec<&[u8]> = world.log().publishes().map(|(_, payload)| payload).collect();
    assert_eq!(payloads, [b"1", b"2"]);
}

// behaviour: 11.1; edge: 132
#[test]
fn without_a_link_and_with_nothing_queued_a_drain_waits_for_running_handlers() {
    let mut world = connected();
    world.crash(0);
    world.wait("disconnected");
    world.drain().expect("open");
    world.run_for(2 * SECOND);
    assert_eq!(world.count("closed"), 0, "{:?}", world.story());
    world.publish("p", b"an answer").expect("a handler is running");
    world.finish_drain();
    world.run_for(2 * SECOND);
    assert_eq!(world.count("closed"), 0, "something is queued");
    world.restart(0);
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    assert_eq!(world.log().publishes().count(), 1);
}

// behaviour: 11.1; edge: 132
#[test]
fn without_a_link_a_drain_is_over_with_the_last_of_consumer_queue_and_request() {
    // While it waits, and in the middle of an attempt.
    for hangs in [false, true] {
        let mut world = connected();
        world.crash(0);
        world.wait("disconnected");
        if hangs {
            world.routes[0].dial = nats_conn_tests::sim::Dial::Hangs;
            world.run_for(SECOND);
        }
        world.drain().expect("open");
        let request = world
            .request("q", b"?", 2 * SECOND)
            .expect("a handler is running");
        world.run_for(SECOND);
        world.finish_drain();
        assert_eq!(world.count("closed"), 0);
        assert!(world.cancel_request(request));
        let now = world.now();
        assert_eq!(world.wait("closed").0, now);
    }
}

// behaviour: 11.1; edge: 131
#[test]
fn requests_are_taken_while_something_is_being_consumed_and_answered() {
    for outage in [false, true] {
        // Servers that do not know whether there will be an answer.
        let scenario = Scenario::new(1).every_server(|server| server.headers = false);
        let mut world = settled(scenario);
        let sid = world.subscribe("work");
        world.run_for(SECOND);
        world.cluster.publish("work", None, b"?");
        world.run_for(SECOND);
        world.drain().expect("open");
        world.run_for(SECOND);
        assert_eq!(world.ledger.messages(sid), 1);
        if outage {
            world.crash(0);
            world.run_for(SECOND);
        }
        assert_eq!(world.try_subscribe("new", None), Err(SubscribeError::Draining));
        world
            .request("q", b"?", 20 * SECOND)
            .expect("a handler is running");
        if outage {
            world.restart(0);
            world.wait("reconnected");
            assert_eq!(world.count("closed"), 0);
        }
        world.finish_drain();
        assert_eq!(world.request("q", b"?", SECOND), Err(RequestStartError::Draining));
        world.publish("p", b"taken").expect("a request is pending");
        world.run_for(SECOND);
        let reply = world.log().frames.iter().find_map(|frame| match &frame.op {
            Op::Publish { reply, .. } => reply.clone(),
            _ => None,
        });
        world.cluster.publish(&reply.expect("sent"), None, b"!");
        world.wait("closed");
        let answered = |event: &Event| matches!(event, Event::Response { result: Ok(_), .. });
        assert!(
            world.events.iter().any(|(_, event)| answered(event)),
            "{:?}",
            world.story()
        );
        assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    }
}

// behaviour: 11.1; edge: 133
#[test]
fn a_link_lost_while_a_drain_writes_the_last_publishes_is_replaced_and_nothing_new_is_accepted() {
    let mut world = connected();
    world.pipe().deaf = true;
    world.routes[0].send_room = 0;
    world.publish("p", b"queued").expect("room");
    world.drain().expect("open");
    world.finish_drain();
    assert_eq!(world.publish("p", b"new"), Err(PublishError::Draining));
    world.run_for(SECOND);
    world.crash(0);
    world.wait("disconnected");
    assert_eq!(world.publish("p", b"new"), Err(PublishError::Draining));
    world.routes[0].send_room = 1 << 20;
    world.restart(0);
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed drained true".into()));
    assert_eq!(world.log().publishes().count(), 1);
}

// behaviour: 11.1
#[test]
fn what_is_left_unread_is_reported_and_does_not_make_a_drain_incomplete() {
    let mut world = connected();
    world.subscribe("work");
    world.run_for(SECOND);
    for _ in 0..3 {
        world.cluster.publish("work", None, b"?");
    }
    world.drain().expect("open");
    world.run_for(SECOND);
    world.give_up_unread(2);
    world.give_up_unread(3);
    world.wait("closed");
    assert_eq!(
        world.story().last(),
        Some(&"closed drained true unread 2".into()),
        "the first word counts"
    );
}

// behaviour: 11.1; edge: 134
#[test]
fn a_drain_whose_consumers_never_finish_ends_at_its_time_limit() {
    let mut world = connected();
    world.drain().expect("open");
    let begun = world.now();
    let (at, _) = world.wait("closed");
    assert_eq!(at.since(begun), 25 * SECOND);
    assert_eq!(world.story().last(), Some(&"closed drained false".into()));
}

// behaviour: 11.1, 4.4; edge: 133
#[test]
fn where_no_link_can_follow_a_drain_does_not_wait_for_running_handlers() {
    for (queued, complete) in [(false, "true"), (true, "false")] {
        let mut world = settled(Scenario::new(1).config(|config| config.reconnect = false));
        world.subscribe("work");
        world.run_for(SECOND);
        world.drain().expect("open");
        world.run_for(SECOND);
        if queued {
            world.pipe().deaf = true;
            world.publish("p", b"left").expect("a handler is running");
        }
        let now = world.now();
        world.crash(0);
        assert!(world.wait("closed").0.since(now) < SECOND);
        assert_eq!(world.story().last(), Some(&format!("closed drained {complete}")));
    }
}
