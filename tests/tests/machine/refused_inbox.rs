//! An inbox that the server refused: for how long, and on which link (behaviour 7.5).

use std::time::Duration;

use nats_conn_sm::{Event, RequestError, RequestId};
use nats_conn_tests::model_server::Op;
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// A world whose server refuses inboxes, and has just refused one.
fn refused() -> World {
    let mut world = Scenario::new(1)
        .every_server(|server| server.deny_subscribe = vec!["_INBOX.>".into()])
        .connected();
    world.subscribe("q");
    world.run_for(5 * SECOND);
    let first = ask(&mut world);
    world.run_for(SECOND / 10);
    assert!(is_refused(&world, first));
    world
}

fn ask(world: &mut World) -> RequestId {
    world.request("q", b"?", 600 * SECOND).expect("open")
}

fn is_refused(world: &World, request: RequestId) -> bool {
    world.events.iter().any(|(_, event)| {
        matches!(event, Event::Response { request: other, result: Err(RequestError::Refused) } if *other == request)
    })
}

/// Whether the request was sent and waits for its answer.
fn is_answered(world: &mut World, request: RequestId) -> bool {
    let sent = world.log().frames.iter().rev().find_map(|frame| match &frame.op {
        Op::Publish { reply, .. } => reply.clone(),
        _ => None,
    });
    let Some(reply) = sent else { return false };
    world.cluster.publish(&reply, None, b"answer");
    world.run_for(SECOND / 10);
    world.events.iter().any(
        |(_, event)| matches!(event, Event::Response { request: other, result: Ok(_) } if *other == request),
    )
}

// behaviour: 7.3, 7.5
#[test]
fn a_request_made_without_a_link_is_queued_although_the_last_server_refused_the_inbox() {
    let mut world = refused();
    world.crash(0);
    world.wait("disconnected");
    let queued = ask(&mut world);
    world.run_for(SECOND / 100);
    assert!(!is_refused(&world, queued), "the refusal belonged to that link");
    assert_eq!(world.client.publish_fates().queued, 1);
    world.cluster.settings_mut(0).deny_subscribe.clear();
    world.restart(0);
    world.wait("resubscribed");
    world.run_for(SECOND / 10);
    assert!(is_answered(&mut world, queued));
}

// behaviour: 7.3, 7.5
#[test]
fn a_request_made_while_the_link_that_refused_the_inbox_is_on_its_way_out_is_queued() {
    let mut world = refused();
    world.cluster.settings_mut(0).deny_subscribe.clear();
    world.driver.holds_last_answers = true;
    world.force_reconnect().expect("open");
    let queued = ask(&mut world);
    world.settle();
    assert!(!is_refused(&world, queued));
    world.give_last_answers();
    world.driver.holds_last_answers = false;
    world.wait("resubscribed");
    world.run_for(SECOND / 10);
    assert!(is_answered(&mut world, queued));
}

// behaviour: 7.5
#[test]
fn the_wait_begins_at_a_second_again_once_a_pong_has_proven_that_the_inbox_was_accepted() {
    let mut world = refused();
    for wait in [1, 2, 4] {
        world.run_for(wait * SECOND);
        let again = ask(&mut world);
        world.run_for(SECOND / 10);
        assert!(is_refused(&world, again), "after {wait} s");
    }
    // It would be refused for 8 s now. The server changes its mind.
    world.cluster.settings_mut(0).deny_subscribe.clear();
    world.run_for(8 * SECOND);
    let accepted = ask(&mut world);
    world.flush().expect("a session");
    world.run_for(SECOND / 10);
    assert!(is_answered(&mut world, accepted));
    // And again: as a reload of its configuration does, it names the subscription that is gone.
    let inbox = world.log().frames.iter().rev().find_map(|frame| match &frame.op {
        Op::Subscribe { filter, .. } => Some(filter.clone()),
        _ => None,
    });
    let (inbox, sid) = (inbox.expect("an inbox"), last_sid(&world));
    world.cluster.settings_mut(0).deny_subscribe = vec!["_INBOX.>".into()];
    world.send(&format!(
        "-ERR 'Permissions Violation for Subscription to \"{inbox}\" (sid \"{sid}\")'\r\n"
    ));
    world.run_for(SECOND / 10);
    let early = ask(&mut world);
    world.run_for(SECOND / 10);
    assert!(is_refused(&world, early), "within the first second");
    world.cluster.settings_mut(0).deny_subscribe.clear();
    world.run_for(SECOND);
    let later = ask(&mut world);
    world.run_for(SECOND / 10);
    assert!(!is_refused(&world, later), "it is not 16 s this time");
    assert!(is_answered(&mut world, later));
}

// behaviour: 7.5
#[test]
fn a_pong_that_proves_nothing_of_the_inbox_leaves_the_wait_as_it_is() {
    let mut world = refused();
    world.run_for(SECOND);
    let again = ask(&mut world);
    world.run_for(SECOND / 10);
    assert!(is_refused(&world, again));
    world.flush().expect("a session");
    world.wait("flushed");
    world.cluster.settings_mut(0).deny_subscribe.clear();
    world.run_for(SECOND);
    let early = ask(&mut world);
    world.run_for(SECOND / 10);
    assert!(is_refused(&world, early), "the second wait takes 2 s");
}

fn last_sid(world: &World) -> u64 {
    let subscribed = world.log().frames.iter().rev().find_map(|frame| match &frame.op {
        Op::Subscribe { sid, .. } => Some(*sid),
        _ => None,
    });
    subscribed.expect("a SUB")
}

// behaviour: 7.5
#[test]
fn the_wait_is_over_exactly_a_second_after_the_refusal() {
    let mut world = refused();
    world.cluster.settings_mut(0).deny_subscribe.clear();
    let refusal = world
        .events
        .iter()
        .find(|(_, event)| matches!(event, Event::Response { .. }));
    let end = refusal.expect("one").0 + SECOND;
    world.run_for(end.since(world.now()));
    let request = ask(&mut world);
    world.run_for(SECOND / 10);
    assert!(is_answered(&mut world, request));
}
