//! From one link to the next: what is sent on it, in which order, and what is not lost in between (behaviour 5, 6.4).

use std::time::Duration;

use nats_conn_sm::{Delivery, Event};
use nats_conn_tests::model_server::{Cluster, Reaction};
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
            "cut after {position} bytes: one more link"
        );
        assert_eq!(
            executed(&world),
            ALL,
            "cut after {position} bytes: each exactly once, in order"
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
        assert_eq!(executed(&world), ALL, "cut after {position} bytes");
    }
}

// behaviour: 6.2, 6.4
#[test]
fn what_was_handed_over_and_lost_in_transit_is_reported_as_unconfirmed_and_nothing_else_is_missing() {
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
    let sent = session(Cut::Never, Delivery::AtLeastOnce, false).log().sent;
    for position in (0..sent).step_by(5) {
        let world = session(Cut::AfterReading(position), Delivery::AtLeastOnce, false);
        assert_eq!(
            world.client.publish_fates().confirmed,
            5,
            "cut after {position} bytes read"
        );
    }
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
fn queued_messages_that_the_new_server_cannot_take_are_dropped_and_reported() {
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
        // The limit is lower than INFO says, as after a reload: the server does not announce it.
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
    // Only the INFO after the first PONG announces the limit of the account.
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
fn an_info_after_the_pong_with_another_limit_ends_the_lower_payload_limit() {
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
    world.reaction(Reaction::Close);
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
    world.reaction(Reaction::Close);
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
        world.client.handle_tls(world.now(), link, 0);
    }
    world.wait("reconnected");
    world.run_for(60 * SECOND);
    assert_eq!(world.count("disconnected"), 1);
    assert_eq!(world.count("reconnected"), 1);
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
