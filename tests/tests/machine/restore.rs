//! The interest of earlier links is restored on the next (behaviour 5.1, 5.2).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Event};
use nats_conn_tests::model_server::{Op, Reaction, Step, When};
use nats_conn_tests::scenario::Scenario;

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 5.1
#[test]
fn reconnected_comes_at_the_pong_of_the_handshake_and_resubscribed_at_the_pong_after_the_interest() {
    let mut world = Scenario::new(1).connected();
    world.subscribe("a");
    world.subscribe("b");
    world.run_for(5 * SECOND);
    world.crash(0);
    world.restart(0);
    let (reconnected, _) = world.wait("reconnected");
    let (resubscribed, event) = world.wait("resubscribed");
    assert_eq!(
        resubscribed.since(reconnected),
        Duration::from_millis(2),
        "one round trip later"
    );
    assert!(matches!(
        event,
        Event::Connection(ConnectionEvent::Resubscribed {
            subscriptions: 2,
            refused: 0,
            ..
        })
    ));
    assert_eq!(world.log().names(), ["CONNECT", "PING", "SUB", "SUB", "PING"]);
}

// behaviour: 5.1
#[test]
fn without_anything_to_restore_resubscribed_comes_at_once_and_no_ping_leaves() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.restart(0);
    let (reconnected, _) = world.wait("reconnected");
    let (resubscribed, _) = world.wait("resubscribed");
    assert_eq!(resubscribed, reconnected);
    assert_eq!(world.log().names(), ["CONNECT", "PING"]);
}

// behaviour: 5.1, 7.1; edge: 72, 74
#[test]
fn a_queue_group_is_kept_and_the_rest_of_a_maximum_comes_right_after_its_sub() {
    let mut world = Scenario::new(1).connected();
    let first = world.subscribe("a");
    let second = world.try_subscribe("b", Some("workers")).expect("subscribed");
    world.unsubscribe_after(first, 5).expect("alive");
    world.run_for(3 * SECOND);
    for _ in 0..2 {
        world.cluster.publish("a", None, b"");
    }
    world.run_for(SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("resubscribed");
    let ops: Vec<&Op> = world.log().frames[2..].iter().map(|frame| &frame.op).collect();
    let (first, second) = (first.get(), second.get());
    assert_eq!(
        ops,
        [
            &Op::Subscribe {
                filter: "a".into(),
                queue: None,
                sid: first
            },
            &Op::Unsubscribe {
                sid: first,
                max: Some(3)
            },
            &Op::Subscribe {
                filter: "b".into(),
                queue: Some("workers".into()),
                sid: second
            },
            &Op::Ping,
        ]
    );
}

// behaviour: 5.2; edge: 73, 75
#[test]
fn what_is_unsubscribed_exhausted_draining_or_refused_is_not_restored() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.deny_subscribe = vec!["no".into()])
        .connected();
    let [kept, gone, spent, draining, _refused] =
        ["kept", "gone", "spent", "draining", "no"].map(|f| world.subscribe(f));
    world.unsubscribe_after(spent, 1).expect("alive");
    world.run_for(3 * SECOND);
    world.cluster.publish("spent", None, b"");
    world.unsubscribe(gone).expect("alive");
    world.run_for(SECOND);
    world.crash(0);
    world.drain_subscription(draining).expect("alive");
    world.run_for(Duration::from_millis(20));
    world.restart(0);
    let (_, event) = world.wait("resubscribed");
    assert!(
        matches!(
            event,
            Event::Connection(ConnectionEvent::Resubscribed {
                subscriptions: 1,
                refused: 0,
                ..
            })
        ),
        "{event:?}"
    );
    assert_eq!(world.log().names(), ["CONNECT", "PING", "SUB", "PING"]);
    assert_eq!(
        world.log().frames[2].op,
        Op::Subscribe {
            filter: "kept".into(),
            queue: None,
            sid: kept.get()
        }
    );
}

// behaviour: 5.1; edge: 73
#[test]
fn only_the_last_state_of_what_was_done_without_a_link_is_on_the_wire_one_sub_each() {
    let mut world = Scenario::new(1).connected();
    let old = world.subscribe("old");
    world.run_for(3 * SECOND);
    world.crash(0);
    world.wait("disconnected");
    world.unsubscribe(old).expect("alive");
    let fresh = world.subscribe("fresh");
    let counted = world.subscribe("counted");
    world.unsubscribe_after(counted, 9).expect("alive");
    world.unsubscribe_after(counted, 2).expect("alive");
    let passing = world.subscribe("passing");
    world.unsubscribe(passing).expect("alive");
    world.restart(0);
    world.wait("resubscribed");
    let ops: Vec<&Op> = world.log().frames[2..].iter().map(|frame| &frame.op).collect();
    assert_eq!(
        ops,
        [
            &Op::Subscribe {
                filter: "fresh".into(),
                queue: None,
                sid: fresh.get()
            },
            &Op::Subscribe {
                filter: "counted".into(),
                queue: None,
                sid: counted.get()
            },
            &Op::Unsubscribe {
                sid: counted.get(),
                max: Some(2)
            },
            &Op::Ping,
        ]
    );
}

// behaviour: 5.1, 7.5; edge: 80
#[test]
fn a_subscription_refused_at_the_restore_is_counted_and_ended() {
    let mut world = Scenario::new(1).connected();
    let [_, refused] = ["a", "b"].map(|filter| world.subscribe(filter));
    world.run_for(3 * SECOND);
    world.cluster.settings_mut(0).deny_subscribe = vec!["b".into()];
    world.crash(0);
    world.restart(0);
    let (_, event) = world.wait("resubscribed");
    assert!(
        matches!(
            event,
            Event::Connection(ConnectionEvent::Resubscribed {
                subscriptions: 1,
                refused: 1,
                ..
            })
        ),
        "{event:?}"
    );
    assert_eq!(world.ledger.end(refused), Some(nats_conn_sm::EndReason::Refused));
}

// behaviour: 5.1; edge: 155
#[test]
fn a_hundred_thousand_subscriptions_are_restored_in_small_blocks_while_pings_are_answered() {
    let mut world = Scenario::new(1).connected();
    for number in 0..100_000 {
        world
            .client
            .subscribe(
                world.now(),
                format!("s.{number}").parse().expect("a filter"),
                None,
            )
            .expect("taken");
    }
    world.tolerate_unknown_subscriptions();
    world.run_for(3 * SECOND);
    world.cluster.settings_mut(0).script = vec![Step::also(When::Subscribe(50_000), [Reaction::Ping])];
    // The transport takes little at once, so that the restore takes a while.
    world.routes[0].send_room = 32 * 1024;
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    let (_, event) = world.wait("resubscribed");
    assert!(matches!(
        event,
        Event::Connection(ConnectionEvent::Resubscribed {
            subscriptions: 100_000,
            refused: 0,
            ..
        })
    ));
    let names = world.log().names();
    let pong = names.iter().position(|name| *name == "PONG").expect("answered");
    let subs_after = names[pong..].iter().filter(|name| **name == "SUB").count();
    assert!(
        subs_after > 30_000,
        "answered within a block or two: {subs_after} SUBs came after it"
    );
}

// behaviour: 5.1
#[test]
fn what_is_subscribed_and_published_during_the_restore_follows_its_ping_in_call_order() {
    let mut world = Scenario::new(1).connected();
    let old = world.subscribe("old");
    world.run_for(3 * SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("disconnected");
    world.publish("queued", b"").expect("room");
    world.wait("reconnected");
    let fresh = world.subscribe("fresh");
    world.publish("late", b"").expect("room");
    world.wait("resubscribed");
    world.run_for(SECOND / 2);
    let publish = |subject: &str| Op::Publish {
        subject: subject.into(),
        reply: None,
        headers: None,
        payload: vec![],
    };
    let ops: Vec<&Op> = world.log().frames[2..].iter().map(|frame| &frame.op).collect();
    assert_eq!(
        ops,
        [
            &Op::Subscribe {
                filter: "old".into(),
                queue: None,
                sid: old.get()
            },
            &Op::Ping,
            &publish("queued"),
            &Op::Subscribe {
                filter: "fresh".into(),
                queue: None,
                sid: fresh.get()
            },
            &publish("late"),
        ]
    );
}

// behaviour: 5.1
#[test]
fn a_call_on_a_subscription_that_the_restore_has_passed_is_queued_after_its_sub() {
    let mut world = Scenario::new(1).connected();
    let sids: Vec<_> = (0..50)
        .map(|number| world.subscribe(&format!("s.{number}")))
        .collect();
    world.run_for(3 * SECOND);
    world.routes[0].send_room = 200;
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    // Whether the restore has reached them or not: in the end the server knows neither.
    world.unsubscribe(sids[0]).expect("alive");
    world.unsubscribe(sids[49]).expect("alive");
    world.unsubscribe_after(sids[1], 4).expect("alive");
    world.wait("resubscribed");
    world.run_for(SECOND);
    let mut known = std::collections::BTreeSet::new();
    for frame in &world.log().frames {
        match &frame.op {
            Op::Subscribe { sid, .. } => assert!(known.insert(*sid)),
            Op::Unsubscribe { sid, max: None } => assert!(known.remove(sid)),
            Op::Unsubscribe { sid, max } => assert_eq!((*sid, *max), (sids[1].get(), Some(4))),
            _ => {}
        }
    }
    let expected = sids[1..49].iter().map(|sid| sid.get()).collect();
    assert_eq!(known, expected);
}
