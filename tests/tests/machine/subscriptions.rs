//! Subscriptions: who gets what, how they end, and what the server refuses (behaviour 7.1, 7.2, 7.5).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, EndReason, Event, SubscriptionError};
use nats_conn_tests::by_hand::START;
use nats_conn_tests::model_server::{Op, Step, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;
use nats_proto::Sid;

use super::support::connected;

const SECOND: Duration = Duration::from_secs(1);

fn end_at(world: &World, sid: Sid) -> usize {
    let is_end = |event: &Event| matches!(event, Event::SubscriptionEnded { subscription, .. } if *subscription == sid);
    world
        .events
        .iter()
        .position(|(_, event)| is_end(event))
        .expect("it ended")
}

// behaviour: 7.1
#[test]
fn plain_wildcard_and_queue_subscriptions_get_what_matches() {
    let mut world = Scenario::new(1).connected();
    let plain = world.subscribe("a.b");
    let star = world.subscribe("a.*");
    let rest = world.subscribe("a.>");
    let queue = ["q", "q"].map(|queue| world.try_subscribe("a.b", Some(queue)).expect("subscribed"));
    let other = world.subscribe("b");
    world.run_for(SECOND);
    for _ in 0..10 {
        world.cluster.publish("a.b", None, b"x");
    }
    world.cluster.publish("a.b.c", None, b"x");
    world.run_for(SECOND);
    let counts = [plain, star, rest, other].map(|sid| world.ledger.messages(sid));
    assert_eq!(counts, [10, 10, 11, 0]);
    assert_eq!(
        queue.map(|sid| world.ledger.messages(sid)).iter().sum::<u64>(),
        10,
        "one of the group each"
    );
}

// behaviour: 7.1; edge: 22, 120
#[test]
fn what_is_in_flight_after_an_unsubscribe_is_skipped() {
    let mut world = Scenario::new(1).connected();
    let gone = world.subscribe("a");
    let kept = world.subscribe("b");
    world.run_for(SECOND);
    for _ in 0..5 {
        world.cluster.publish("a", None, b"late");
        world.cluster.publish("b", None, b"kept");
    }
    world.unsubscribe(gone).expect("alive");
    world.run_for(SECOND);
    assert_eq!((world.ledger.messages(gone), world.ledger.messages(kept)), (0, 5));
    assert_eq!(world.ledger.end(gone), Some(EndReason::Unsubscribed));
    assert_eq!(world.client.statistics().in_messages, 10, "counted anyway");
    assert_eq!(world.unsubscribe(gone), Err(SubscriptionError::Unknown));
    assert_eq!(
        world.log().frames.last().expect("a frame").op,
        Op::Unsubscribe {
            sid: gone.get(),
            max: None
        }
    );
}

// behaviour: 7.1; edge: 119
#[test]
fn unsubscribe_after_n_gives_exactly_n_in_all() {
    for (before, after) in [(0, 3), (2, 3), (2, 20)] {
        let mut world = Scenario::new(1).connected();
        let sid = world.subscribe("a");
        world.run_for(SECOND);
        for _ in 0..before {
            world.cluster.publish("a", None, b"x");
        }
        world.run_for(SECOND);
        world.unsubscribe_after(sid, after).expect("alive");
        for _ in 0..after + 5 {
            world.cluster.publish("a", None, b"x");
        }
        world.run_for(SECOND);
        assert_eq!(world.ledger.messages(sid), after);
        assert_eq!(world.ledger.end(sid), Some(EndReason::MaxReached));
    }
}

// behaviour: 7.1; edge: 119
#[test]
fn unsubscribe_after_what_has_been_received_already_ends_at_once() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    for _ in 0..3 {
        world.cluster.publish("a", None, b"x");
    }
    world.run_for(SECOND);
    world.unsubscribe_after(sid, 3).expect("alive");
    world.settle();
    assert_eq!(world.ledger.end(sid), Some(EndReason::MaxReached));
    assert_eq!(world.unsubscribe_after(sid, 5), Err(SubscriptionError::Unknown));
}

// behaviour: 7.1
#[test]
fn a_later_maximum_replaces_the_earlier_one() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.unsubscribe_after(sid, 2).expect("alive");
    world.unsubscribe_after(sid, 4).expect("alive");
    world.run_for(SECOND);
    for _ in 0..6 {
        world.cluster.publish("a", None, b"x");
    }
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 4);
}

// behaviour: 7.1, 5.1; edge: 72
#[test]
fn unsubscribe_after_n_is_exact_across_reconnects() {
    for crash_after in 0..5 {
        let mut world = Scenario::new(1).connected();
        let sid = world.subscribe("a");
        world.unsubscribe_after(sid, 5).expect("alive");
        world.run_for(5 * SECOND);
        for _ in 0..crash_after {
            world.cluster.publish("a", None, b"x");
        }
        world.run_for(SECOND);
        world.crash(0);
        world.restart(0);
        world.wait("resubscribed");
        for _ in 0..7 {
            world.cluster.publish("a", None, b"x");
        }
        world.run_for(SECOND);
        assert_eq!(world.ledger.messages(sid), 5, "{crash_after} before the crash");
        assert_eq!(world.ledger.end(sid), Some(EndReason::MaxReached));
        let max = Op::Unsubscribe {
            sid: sid.get(),
            max: Some(5 - crash_after),
        };
        assert!(
            world.log().frames.iter().any(|frame| frame.op == max),
            "max counts from the new SUB"
        );
    }
}

// behaviour: 7.1, 5.1
#[test]
fn a_maximum_that_is_changed_on_a_later_link_counts_what_came_on_earlier_ones() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.run_for(5 * SECOND);
    for _ in 0..3 {
        world.cluster.publish("a", None, b"x");
    }
    world.run_for(SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("resubscribed");
    world.unsubscribe_after(sid, 4).expect("alive");
    world.run_for(SECOND);
    let max = Op::Unsubscribe {
        sid: sid.get(),
        max: Some(1),
    };
    assert_eq!(world.log().frames.last().expect("a frame").op, max);
    world.cluster.publish("a", None, b"x");
    world.cluster.publish("a", None, b"x");
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 4);
}

// behaviour: 5.2; edge: 77
#[test]
fn sids_are_never_used_again() {
    let mut world = Scenario::new(1).connected();
    let mut sids = std::collections::BTreeSet::new();
    for round in 0..5 {
        for number in 0..10 {
            let sid = world.subscribe(&format!("s.{round}.{number}"));
            assert!(sids.insert(sid));
            if number % 2 == 0 {
                world.unsubscribe(sid).expect("alive");
            }
        }
        world.run_for(5 * SECOND);
        world.crash(0);
        world.restart(0);
        world.wait("resubscribed");
    }
    assert_eq!(sids.len(), 50);
}

// behaviour: 7.2; edge: 130
#[test]
fn draining_a_subscription_loses_nothing_that_was_in_flight() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    for _ in 0..5 {
        world.cluster.publish("a", None, b"on its way");
    }
    world.drain_subscription(sid).expect("alive");
    world.settle();
    assert_eq!(world.ledger.end(sid), None, "not before the PONG");
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 5);
    assert_eq!(world.ledger.end(sid), Some(EndReason::Drained));
    let names = world.log().names();
    assert_eq!(names[names.len() - 2..], ["UNSUB", "PING"]);
    world.cluster.publish("a", None, b"too late");
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 5);
}

// behaviour: 7.2; edge: 130
#[test]
fn draining_works_with_a_maximum_set() {
    let mut world = Scenario::new(1).connected();
    let [short, long] = ["a", "a"].map(|filter| world.subscribe(filter));
    world.unsubscribe_after(short, 2).expect("alive");
    world.unsubscribe_after(long, 9).expect("alive");
    world.run_for(SECOND);
    for _ in 0..4 {
        world.cluster.publish("a", None, b"x");
    }
    for sid in [short, long] {
        world.drain_subscription(sid).expect("alive");
    }
    world.run_for(SECOND);
    assert_eq!(
        (world.ledger.messages(short), world.ledger.end(short)),
        (2, Some(EndReason::MaxReached))
    );
    assert_eq!(
        (world.ledger.messages(long), world.ledger.end(long)),
        (4, Some(EndReason::Drained))
    );
}

// behaviour: 7.2
#[test]
fn draining_a_subscription_without_a_link_ends_it_at_once() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.run_for(5 * SECOND);
    world.crash(0);
    world.wait("disconnected");
    world.drain_subscription(sid).expect("alive");
    world.settle();
    assert_eq!(world.ledger.end(sid), Some(EndReason::Drained));
}

// behaviour: 7.2, 5.2; edge: 75
#[test]
fn a_link_that_ends_during_a_drain_ends_the_drain() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.run_for(5 * SECOND);
    world.drain_subscription(sid).expect("alive");
    world.settle();
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(world.ledger.end(sid), Some(EndReason::Drained));
    assert_eq!(world.log().names(), ["CONNECT", "PING"]);
}

// behaviour: 7.5; edge: 115
#[test]
fn a_refused_subscription_is_found_by_subject_and_queue_and_ends() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.deny_subscribe = vec!["no.>".into()])
        .connected();
    world.run_for(SECOND);
    let plain = world.subscribe("no.a");
    let fine = world.subscribe("yes");
    let queue = world.try_subscribe("no.a", Some("q")).expect("subscribed");
    world.run_for(SECOND);
    assert_eq!(
        [plain, fine, queue].map(|sid| world.ledger.end(sid)),
        [Some(EndReason::Refused), None, Some(EndReason::Refused)]
    );
    let reported: Vec<_> = world
        .all("permission_denied")
        .into_iter()
        .map(|(_, event)| match event {
            Event::Connection(ConnectionEvent::PermissionDenied {
                subject,
                queue,
                subscription,
                ..
            }) => (subject, queue, subscription),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        reported,
        [
            ("no.a".into(), None, Some(plain)),
            ("no.a".into(), Some("q".into()), Some(queue))
        ]
    );
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 7.5
#[test]
fn the_sid_that_the_server_names_takes_precedence() {
    let mut world = Scenario::new(1).connected();
    let [first, second] = ["a", "a"].map(|filter| world.subscribe(filter));
    world.run_for(SECOND);
    world.flush().expect("a session");
    world.wait("flushed");
    // A reload of the server's configuration takes an old subscription away.
    world.send(&format!(
        "-ERR 'Permissions Violation for Subscription to \"a\" (sid \"{second}\")'\r\n"
    ));
    world.run_for(SECOND);
    assert_eq!(
        (world.ledger.end(first), world.ledger.end(second)),
        (None, Some(EndReason::Refused))
    );
}

// behaviour: 7.5
#[test]
fn without_a_sid_the_violation_concerns_the_oldest_sub_not_covered_by_a_pong_or_none() {
    let mut world = Scenario::new(1).connected();
    let covered = world.subscribe("a");
    world.flush().expect("a session");
    world.wait("flushed");
    world.cluster.settings_mut(0).deny_subscribe = vec!["a".into()];
    let [second, third] = ["a", "a"].map(|filter| world.subscribe(filter));
    world.run_for(SECOND);
    assert_eq!(
        [covered, second, third].map(|sid| world.ledger.end(sid).is_some()),
        [false, true, true]
    );
    assert!(end_at(&world, second) < end_at(&world, third));
    // Nothing is uncovered now: an event only.
    world.flush().expect("a session");
    world.wait("flushed");
    world.send("-ERR 'Permissions Violation for Subscription to \"a\"'\r\n");
    world.run_for(SECOND);
    assert_eq!(world.ledger.end(covered), None);
    assert_eq!(world.count("permission_denied"), 3);
}

// behaviour: 7.5; edge: 117
#[test]
fn maximum_subscriptions_exceeded_is_an_event_only() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.max_subscriptions = Some(1))
        .connected();
    let [first, second] = ["a", "b"].map(|filter| world.subscribe(filter));
    world.run_for(SECOND);
    assert_eq!(
        world.story().last(),
        Some(&"server_error maximum_subscriptions_exceeded".into())
    );
    assert_eq!((world.ledger.end(first), world.ledger.end(second)), (None, None));
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 7.5; edge: 115, 116
#[test]
fn a_refused_publish_is_an_event_with_its_subject_and_affects_nothing_else() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.deny_publish = vec!["no.>".into()])
        .connected();
    world.run_for(SECOND);
    let sid = world.subscribe("no.a");
    world.publish("no.a", b"x").expect("room");
    let (subject, reply) = (
        "fine".parse().expect("a subject"),
        "no.reply".parse().expect("a subject"),
    );
    world
        .publish_as(nats_conn_sm::Publish::new(&subject, "x").reply_to(&reply))
        .expect("room");
    world.run_for(SECOND);
    let reported: Vec<_> = world
        .all("permission_denied")
        .into_iter()
        .map(|(_, event)| match event {
            Event::Connection(ConnectionEvent::PermissionDenied {
                operation, subject, ..
            }) => (operation, subject),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        reported
            .iter()
            .map(|(_, subject)| subject.as_str())
            .collect::<Vec<_>>(),
        ["no.a", "no.reply"]
    );
    use nats_proto::PermissionOperation::{Publish, PublishReply};
    assert_eq!([&reported[0].0, &reported[1].0], [&Publish, &PublishReply]);
    assert_eq!(world.ledger.end(sid), None);
}

// behaviour: 7.1; edge: 4
#[test]
fn a_message_in_the_same_read_as_the_pong_of_the_restore_is_delivered() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.run_for(5 * SECOND);
    let message = format!("MSG a {sid} 2\r\nhi\r\n");
    world
        .cluster
        .settings_mut(0)
        .next_scripts
        .push_back(vec![Step::also(
            When::Subscribe(1),
            [nats_conn_tests::model_server::Reaction::send(&message)],
        )]);
    world.crash(0);
    world.restart(0);
    world.wait("resubscribed");
    assert_eq!(world.ledger.messages(sid), 1);
}

// edge: 76; behaviour: 5.1
#[test]
fn every_link_has_one_connect_and_all_of_the_interest() {
    let mut world = Scenario::new(2).connected();
    for number in 0..3 {
        world.subscribe(&format!("s.{number}"));
    }
    for place in [0, 1, 0, 1] {
        world.run_for(5 * SECOND);
        world.crash(place);
        world.wait("resubscribed");
        world.restart(place);
        assert_eq!(
            world.log().names(),
            ["CONNECT", "PING", "SUB", "SUB", "SUB", "PING"]
        );
    }
}

// behaviour: 1.5, 7.1; edge: 148
#[test]
fn nothing_is_delivered_after_the_end_of_a_subscription() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.unsubscribe_after(sid, 1).expect("alive");
    world.run_for(SECOND);
    // A server that does not count.
    world.send(&format!(
        "MSG a {sid} 1\r\n1\r\nMSG a {sid} 1\r\n2\r\nMSG a {sid} 1\r\n3\r\n"
    ));
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 1);
    assert_eq!(world.ledger.end(sid), Some(EndReason::MaxReached));
}

// behaviour: 6.1; edge: 114
#[test]
fn a_subscription_whose_line_is_as_long_as_servers_take_is_accepted_and_a_longer_one_is_not() {
    let mut hand = connected(|_| {});
    let filter = |len: usize| nats_proto::SubjectFilter::new(&"a".repeat(len)).expect("a filter");
    assert!(
        hand.client.subscribe(START, filter(4094), None).is_ok(),
        "and a blank and a digit"
    );
    assert_eq!(
        hand.client.subscribe(START, filter(4095), None),
        Err(nats_conn_sm::SubscribeError::ControlLineTooLong {
            size: 4097,
            max: 4096
        })
    );
}
