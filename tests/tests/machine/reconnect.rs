//! From one link to the next: what leaves on it, in which order, and what is not lost on the way (behaviour 5, 6.4).

use std::time::Duration;

use nats_conn_sm::{Delivery, Event};
use nats_conn_tests::model_server::{Cluster, Deed, Op, Step, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::{Cut, World};

const SECOND: Duration = Duration::from_secs(1);

/// One small session with everything in it: interest of each kind, publishes of several sizes, a flush.
fn session(cut: Cut, delivery: Delivery, one_byte_writes: bool) -> World {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.retry_initial = true;
            config.delivery = delivery;
        })
        .route(0, |route| {
            route.cuts.push_back(cut);
            if one_byte_writes {
                route.write_max = 1;
            }
        })
        .connected();
    let counted = world.subscribe("counted");
    world
        .try_subscribe("work.*", Some("workers"))
        .expect("subscribed");
    world.unsubscribe_after(counted, 7).expect("alive");
    world.publish("first", b"1").expect("room");
    world.run_for(Duration::from_millis(5));
    for (number, size) in [(2, 0), (3, 40), (4, 10)] {
        world
            .publish(&format!("p.{number}"), &vec![b'x'; size])
            .expect("room");
    }
    let _ = world.flush();
    world.run_for(Duration::from_millis(5));
    world.publish("last", b"\r\nPUB trap 0\r\n").expect("room");
    world.run_for(10 * SECOND);
    world
}

/// CONNECT, PING, interest, PING, and then whole publishes and PINGs only.
fn assert_order_of_a_fresh_link(cluster: &Cluster, link: usize, subscriptions: usize) {
    let log = cluster.logs().nth(link).expect("the link");
    let names = log.names();
    let interest = names
        .iter()
        .skip(2)
        .take_while(|name| ["SUB", "UNSUB"].contains(name))
        .count();
    let behind = names.get(2 + interest..).unwrap_or_default();
    assert_eq!(names[..2], ["CONNECT", "PING"], "{names:?}");
    assert_eq!(
        names.iter().filter(|name| **name == "SUB").count(),
        subscriptions,
        "{names:?}"
    );
    if subscriptions > 0 {
        assert_eq!(behind.first(), Some(&"PING"), "{names:?}");
    }
    assert!(
        behind.iter().all(|name| ["PUB", "PING"].contains(name)),
        "{names:?}"
    );
    assert!(log.cut.is_empty());
}

fn executed(world: &World) -> Vec<String> {
    world
        .cluster
        .logs()
        .flat_map(|log| log.publishes().map(|(subject, _)| subject.to_owned()))
        .collect()
}

const ALL: [&str; 5] = ["first", "p.2", "p.3", "p.4", "last"];

// behaviour: 5.1, 5.4, 6.4; edge: 62, 63, 64, 69, 147
#[test]
fn after_a_cut_at_any_byte_the_next_link_carries_handshake_interest_and_whole_frames_and_no_publish_is_missing()
 {
    let length = session(Cut::Never, Delivery::AtMostOnce, false).pipe().taken;
    assert!(length > 300, "{length} bytes");
    for position in 0..length {
        let mut world = session(Cut::AfterTaking(position), Delivery::AtMostOnce, false);
        assert_eq!(
            world.cluster.logs().len(),
            2,
            "cut behind {position} bytes: one more link"
        );
        assert_eq!(
            executed(&world),
            ALL,
            "cut behind {position} bytes: each exactly once, in order"
        );
        let during_handshake = world.count("connect_failed") == 1;
        let subscriptions = if world.pipes[0].handed_at_pong.is_none() && during_handshake {
            0
        } else {
            2
        };
        if subscriptions == 2 {
            assert_order_of_a_fresh_link(&world.cluster, 1, 2);
        }
        world.verify();
    }
}

// behaviour: 5.1, 5.4, 6.4; edge: 62, 71, 147
#[test]
fn a_cut_at_any_byte_is_survived_when_every_write_takes_one_byte() {
    let length = session(Cut::Never, Delivery::AtMostOnce, true).pipe().taken;
    for position in (0..length).step_by(7) {
        let world = session(Cut::AfterTaking(position), Delivery::AtMostOnce, true);
        assert_eq!(executed(&world), ALL, "cut behind {position} bytes");
    }
}

// behaviour: 6.2, 6.4
#[test]
fn what_was_handed_over_and_lost_on_the_way_is_told_as_unconfirmed_and_nothing_else_is_missing() {
    let length = session(Cut::Never, Delivery::AtMostOnce, false).pipe().taken;
    for position in 0..length {
        let world = session(Cut::AfterArriving(position), Delivery::AtMostOnce, false);
        let missing: Vec<&str> = ALL
            .into_iter()
            .filter(|subject| !executed(&world).contains(&(*subject).into()))
            .collect();
        let lost = world.ledger.unconfirmed().len();
        assert!(
            missing.len() <= lost,
            "cut at {position}: {missing:?} are missing, {lost} are unconfirmed"
        );
        let fates = world.client.publish_fates();
        assert_eq!(
            fates.confirmed + fates.unconfirmed + fates.written,
            5,
            "{fates:?}"
        );
    }
}

// behaviour: 6.5; edge: 70
#[test]
fn at_least_once_brings_everything_to_the_server_whatever_byte_the_link_is_cut_at() {
    let length = session(Cut::Never, Delivery::AtLeastOnce, false).pipe().taken;
    for position in 0..length {
        for cut in [Cut::AfterTaking(position), Cut::AfterArriving(position)] {
            let world = session(cut, Delivery::AtLeastOnce, false);
            let mut seen = executed(&world);
            let mut first = Vec::new();
            seen.retain(|subject| {
                !first.contains(subject) && {
                    first.push(subject.clone());
                    true
                }
            });
            assert_eq!(seen, ALL, "{cut:?}: all arrive, and first in order");
            assert_eq!(world.client.publish_fates().confirmed, 5, "{cut:?}");
        }
    }
}

// behaviour: 6.5
#[test]
fn at_least_once_sends_again_what_arrived_when_only_the_answer_was_lost() {
    let said = session(Cut::Never, Delivery::AtLeastOnce, false).log().said;
    for position in (0..said).step_by(5) {
        let world = session(Cut::AfterReading(position), Delivery::AtLeastOnce, false);
        assert_eq!(
            world.client.publish_fates().confirmed,
            5,
            "cut behind {position} bytes read"
        );
    }
}

// behaviour: 5.1
#[test]
fn reconnected_comes_at_the_pong_of_the_handshake_and_resubscribed_at_the_pong_behind_the_interest() {
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
        Event::Resubscribed {
            subscriptions: 2,
            refused: 0,
            ..
        }
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
fn a_queue_group_is_kept_and_the_rest_of_a_maximum_stands_right_behind_its_sub() {
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
            Event::Resubscribed {
                subscriptions: 1,
                refused: 0,
                ..
            }
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
            Event::Resubscribed {
                subscriptions: 1,
                refused: 1,
                ..
            }
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
    world.cluster.settings_mut(0).script = vec![Step::also(When::Subscribe(50_000), [Deed::Ping])];
    // The transport takes little at once, so that the restore is under way for a while.
    world.routes[0].send_room = 32 * 1024;
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    let (_, event) = world.wait("resubscribed");
    assert!(matches!(
        event,
        Event::Resubscribed {
            subscriptions: 100_000,
            refused: 0,
            ..
        }
    ));
    let names = world.log().names();
    let pong = names.iter().position(|name| *name == "PONG").expect("answered");
    let subs_behind = names[pong..].iter().filter(|name| **name == "SUB").count();
    assert!(
        subs_behind > 30_000,
        "answered within a block or two: {subs_behind} SUBs came behind it"
    );
}

// behaviour: 5.1
#[test]
fn what_is_subscribed_and_published_during_the_restore_goes_behind_its_ping_in_call_order() {
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
    world.run_for(SECOND);
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
fn a_call_on_a_subscription_that_the_restore_has_passed_is_queued_behind_its_sub() {
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

// behaviour: 5.4; edge: 100
#[test]
fn the_next_attempt_waits_for_the_last_answer_about_the_old_link_one_second_at_most() {
    for (held, expected) in [(400, 400), (5_000, 1_000)] {
        let mut world = Scenario::new(1).connected();
        world.run_for(5 * SECOND);
        world.publish("a", b"x").expect("room");
        world.settle();
        world.driver.holds_last_answers = true;
        world.skip_past();
        let forced = world.now();
        world.force_reconnect().expect("open");
        world.run_for(Duration::from_millis(held));
        world.driver.holds_last_answers = false;
        world.give_last_answers();
        let (disconnected, _) = world.wait("disconnected");
        let (connecting, _) = world.wait("connecting");
        assert_eq!(disconnected.since(forced), Duration::from_millis(expected));
        assert_eq!(connecting, disconnected);
        world.wait("reconnected");
    }
}

// behaviour: 5.4, 6.4
#[test]
fn where_the_driver_cannot_know_what_was_taken_the_block_is_unconfirmed_and_never_sent_again() {
    let mut world = Scenario::new(1)
        .route(0, |route| route.send_room = 100)
        .connected();
    world.run_for(5 * SECOND);
    world.pipe().deaf = true;
    for _ in 0..4 {
        world.publish_numbered("a", 60).expect("room");
    }
    world.settle();
    world.publish_numbered("a", 60).expect("room");
    world.driver.uncertain = true;
    world.crash(0);
    world.wait("disconnected");
    world.driver.uncertain = false;
    world.restart(0);
    world.run_for(SECOND);
    assert_eq!(
        world.ledger.unconfirmed().iter().copied().collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert_eq!(
        world.log().publishes().count(),
        1,
        "only the one that was not handed out yet"
    );
}

// behaviour: 5.3, 2.6; edge: 78, 79
#[test]
fn queued_messages_that_the_new_server_cannot_take_are_dropped_and_told() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.wait("disconnected");
    let mut headers = nats_proto::Headers::new();
    headers.append("K", "v").expect("a header");
    world.publish_with_headers("h", &headers, b"").expect("room");
    world.publish("big", &[b'x'; 200]).expect("room");
    world.publish("small", b"x").expect("room");
    world.cluster.settings_mut(0).headers = false;
    world.cluster.settings_mut(0).max_payload = 100;
    world.restart(0);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert!(
        world
            .story()
            .contains(&"publish_dropped 1 headers_unsupported".into()),
        "{:?}",
        world.story()
    );
    assert!(
        world.story().contains(&"publish_dropped 1 too_large".into()),
        "{:?}",
        world.story()
    );
    assert_eq!(
        world
            .log()
            .publishes()
            .map(|(subject, _)| subject)
            .collect::<Vec<_>>(),
        ["small"]
    );
    assert_eq!(world.count("disconnected"), 1);
}

// behaviour: 5.3, 2.6; edge: 79, 113
#[test]
fn a_message_that_ended_a_link_with_maximum_payload_violation_does_not_end_the_next() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        // The limit is lower than INFO says, as behind a reload: the server tells nobody.
        let mut world = Scenario::new(1)
            .config(|config| config.delivery = delivery)
            .server(0, |server| {
                server.info.insert("max_payload".into(), 1000.into());
                server.max_payload = 100;
            })
            .connected();
        world.tolerate_violations = true;
        world.run_for(5 * SECOND);
        for size in [10, 500, 20] {
            world.publish_numbered("a", size).expect("room");
        }
        world.run_for(20 * SECOND);
        assert_eq!(world.count("disconnected"), 1, "{:?}", world.story());
        assert!(
            world.story().contains(&"publish_dropped 1 too_large".into()),
            "{:?}",
            world.story()
        );
        assert!(world.ledger.dropped().contains(&2));
        assert!(world.story().contains(&"disconnected n1 server_error".into()));
    }
}

// behaviour: 2.6; edge: 78
#[test]
fn the_lowest_payload_limit_of_a_session_holds_for_the_next_link_from_its_start() {
    // Only the INFO behind the first PONG tells the limit of the account.
    let mut world = Scenario::new(1)
        .server(0, |server| server.account_max_payload = Some(100))
        .connected();
    world.run_for(5 * SECOND);
    assert_eq!(world.client.max_payload(), Some(100));
    assert!(world.publish("a", &[0; 101]).is_err());
    world.crash(0);
    world.wait("disconnected");
    world.restart(0);
    world.wait("reconnected");
    assert_eq!(
        world.client.max_payload(),
        Some(100),
        "before the second INFO of this link has come"
    );
}

// behaviour: 2.6
#[test]
fn an_info_behind_the_pong_that_says_something_else_ends_the_lower_payload_limit() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.account_max_payload = Some(100))
        .connected();
    world.run_for(5 * SECOND);
    world.cluster.settings_mut(0).account_max_payload = Some(500);
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(world.client.max_payload(), Some(500));
}

// behaviour: 1.5; edge: 61, 3
#[test]
fn a_link_that_ends_within_a_message_leaves_nothing_behind_for_the_next() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    world.run_for(5 * SECOND);
    world.send(&format!("MSG a {sid} 5\r\nwhole\r\nMSG a {sid} 100\r\nhalf"));
    world.deed(Deed::Close);
    world.wait("disconnected");
    assert_eq!(world.ledger.messages(sid), 1);
    world.wait("reconnected");
    world.run_for(SECOND);
    world.cluster.publish("a", None, b"again");
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 2);
}

// behaviour: 1.5, 9.1; edge: 148, 107
#[test]
fn everything_that_arrived_counts_before_the_end_of_its_link() {
    let mut world = Scenario::new(1).connected();
    let sid = world.subscribe("a");
    let flush = world.flush().expect("a session");
    world.run_for(5 * SECOND);
    world.skip_past();
    world.send(&format!(
        "MSG a {sid} 2\r\nhi\r\n-ERR 'User Authentication Expired'\r\n"
    ));
    world.deed(Deed::Close);
    world.wait("disconnected");
    let names: Vec<_> = world
        .names()
        .into_iter()
        .filter(|name| *name != "server_info_changed")
        .collect();
    assert_eq!(
        names[3..6],
        ["message", "server_error", "disconnected"],
        "{flush:?}"
    );
    assert!(world.story().contains(&"disconnected n1 server_error".into()));
}

// behaviour: 5.4, 1.4; edge: 99, 94
#[test]
fn several_ends_of_one_link_are_one_disconnect() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    let link = world.pipe().link;
    world.crash(0);
    world.restart(0);
    world.wait("disconnected");
    let mut unsent = nats_conn_sm::SendBuf::new(link);
    for _ in 0..3 {
        world
            .client
            .handle_link_closed(world.now(), link, nats_conn_sm::LinkEnd::Eof, &mut unsent);
        world.client.handle_connected(world.now(), link);
        world.client.handle_tls(world.now(), link);
    }
    world.wait("reconnected");
    world.run_for(60 * SECOND);
    assert_eq!(world.count("disconnected"), 1);
    assert_eq!(world.count("reconnected"), 1);
}

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
    world.cluster.settings_mut(0).script = vec![Step::instead(When::Accept, [Deed::Close])];
    world.cluster.settings_mut(1).script = vec![Step::instead(When::Accept, [Deed::Close])];
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

// behaviour: 6.3, 8.2; edge: 24, 65, 66, 111
#[test]
fn a_flush_is_failed_by_the_end_of_its_link_and_never_completed_by_a_later_one() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.freeze();
    let first = world.flush().expect("a session");
    world.run_for(SECOND);
    world.crash(0);
    world.pipe().mute = false;
    world.wait("disconnected");
    assert!(world.flush().is_err(), "there is no link");
    world.restart(0);
    world.wait("reconnected");
    // More PONGs than PINGs.
    world.send("PONG\r\nPONG\r\nPONG\r\n");
    world.run_for(SECOND);
    let second = world.flush().expect("a session");
    world.run_for(SECOND);
    let ends: Vec<_> = world
        .all("flushed")
        .into_iter()
        .map(|(_, event)| match event {
            Event::Flushed { flush, result } => (flush, result.is_ok()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ends, [(first, false), (second, true)]);
}
