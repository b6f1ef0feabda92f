//! A move away from a lame duck: when it happens, and what waits for it and what does not (behaviour 10.2).

use std::time::Duration;

use nats_conn_sm::{Config, ConnectionEvent, Event, LameDuckPolicy, Publish};
use nats_conn_tests::by_hand::{ByHand, START, after};
use nats_conn_tests::model_server::{Op, Urls};
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::World;
use nats_proto::{Subject, SubjectFilter};

use super::lame_duck::cluster;
use super::support::{INFO, written};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

// behaviour: 10.1; edge: 139, 145
#[test]
fn move_leaves_for_another_server_within_ten_seconds_and_loses_nothing() {
    let mut begun = Vec::new();
    for seed in 0..20 {
        let mut world = Scenario::new(3)
            .seed(seed)
            .every_server(|server| server.urls = Urls::Gossip)
            .connected();
        let sid = world.subscribe("a");
        world.run_for(5 * SECOND);
        world.skip_past();
        let announced = world.now();
        world.cluster.lame_duck(0, None);
        let mut published = 0;
        while world.count("reconnected") == 0 {
            world.publish_numbered("a", 20).expect("room");
            published += 1;
            world.run_for(Duration::from_millis(10));
            assert!(published < 2_000, "it moves");
        }
        let (left, event) = world.wait("disconnected");
        assert!(
            matches!(event, Event::Connection(ConnectionEvent::Disconnected { reason, .. }) if reason.code() == "lame_duck")
        );
        assert!(left.since(announced) <= 10 * SECOND + Duration::from_millis(10));
        begun.push(left.since(announced));
        world.run_for(SECOND);
        world.flush().expect("a session");
        world.wait("flushed");
        let fates = world.client.publish_fates();
        assert_eq!((fates.confirmed, fates.unconfirmed), (published, 0), "{fates:?}");
        assert_eq!(world.ledger.messages(sid), published, "every one came back once");
        assert!(
            world.story().contains(&"reconnected n2".into()),
            "{:?}",
            world.story()
        );
        assert_eq!(world.count("backoff_wait") + world.count("connect_failed"), 0);
    }
    begun.sort();
    assert!(
        begun[19] - begun[0] > 4 * SECOND,
        "a random moment within 10 s: {begun:?}"
    );
}

// behaviour: 10.2
#[test]
fn move_is_as_notify_without_another_server_with_reconnecting_off_and_while_draining() {
    let mut alone = cluster(1);
    let mut no_reconnect = Scenario::new(2)
        .config(|config| config.reconnect = false)
        .connected();
    no_reconnect.run_for(5 * SECOND);
    let mut draining = Scenario::new(2)
        .config(|config| config.drain_timeout = 100 * SECOND)
        .connected();
    draining.subscribe("a");
    draining.run_for(5 * SECOND);
    draining.drain().expect("open");
    for world in [&mut alone, &mut no_reconnect, &mut draining] {
        world.cluster.lame_duck(0, None);
        world.run_for(30 * SECOND);
        assert_eq!(world.count("lame_duck"), 1);
        assert_eq!(world.count("disconnected"), 0, "{:?}", world.story());
    }
}

// behaviour: 10.2
#[test]
fn move_is_as_notify_if_all_others_are_marked_too() {
    let mut world = cluster(2);
    world.cluster.lame_duck(0, None);
    world.wait("reconnected");
    world.run_for(SECOND);
    world.cluster.lame_duck(1, None);
    world.run_for(30 * SECOND);
    assert_eq!(world.count("lame_duck"), 2);
    assert_eq!(world.count("disconnected"), 1);
}

// behaviour: 10.2
#[test]
fn a_move_waits_for_written_requests_ten_seconds_at_most() {
    for (answered, most) in [(true, 14), (false, 21)] {
        let mut world = cluster(2);
        world.subscribe("q");
        world.run_for(SECOND);
        let request = world.request("q", b"?", 60 * SECOND).expect("made");
        world.run_for(SECOND);
        let reply = world.log().frames.iter().find_map(|frame| match &frame.op {
            Op::Publish { reply, .. } => reply.clone(),
            _ => None,
        });
        world.skip_past();
        let announced = world.now();
        world.cluster.lame_duck(0, None);
        world.run_for(SECOND * 99 / 10);
        assert_eq!(world.count("disconnected"), 0, "the request is pending");
        if answered {
            world.cluster.publish(&reply.expect("sent"), None, b"!");
        }
        let (left, _) = world.wait("disconnected");
        let time = left.since(announced);
        assert!(
            time > 9 * SECOND && time <= most * SECOND && (answered || time >= 10 * SECOND),
            "{time:?}, {request:?}"
        );
        world.wait("reconnected");
        world.run_for(60 * SECOND);
        let answered_well = world
            .events
            .iter()
            .any(|(_, event)| matches!(event, Event::Response { result: Ok(_), .. }));
        assert_eq!(answered_well, answered);
    }
}

// behaviour: 10.2
#[test]
fn the_window_of_a_move_can_be_set_and_a_crash_in_it_is_an_ordinary_disconnect() {
    let policy = LameDuckPolicy::Move {
        within: Duration::from_millis(100),
    };
    let mut world = Scenario::new(2)
        .config(|config| config.lame_duck = policy)
        .connected();
    world.run_for(5 * SECOND);
    let announced = world.now();
    world.cluster.lame_duck(0, None);
    let (left, _) = world.wait("disconnected");
    assert!(left.since(announced) <= Duration::from_millis(110));
    let mut world = cluster(2);
    world.cluster.lame_duck(0, None);
    world.wait("lame_duck");
    world.crash(0);
    let (_, event) = world.wait("disconnected");
    assert!(
        matches!(event, Event::Connection(ConnectionEvent::Disconnected { reason, .. }) if reason.code() == "io")
    );
    world.wait("reconnected");
}

// behaviour: 10.2
#[test]
fn a_move_is_called_off_when_the_only_better_server_goes_too() {
    let mut world = cluster(2);
    let request = world.request("nobody-answers", b"?", 60 * SECOND);
    assert!(request.is_ok());
    world.run_for(SECOND);
    world.skip_past();
    let listener = world.subscribe("q");
    world.run_for(SECOND);
    world.request("q", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    world.cluster.lame_duck(0, None);
    // Wait until publishes are held for the next link, because a written request has no reply yet.
    let mut held = false;
    for _ in 0..200 {
        world.publish_numbered("p", 10).expect("room");
        world.run_for(Duration::from_millis(100));
        if world.client.queued() > 0 {
            held = true;
            break;
        }
    }
    assert!(held, "{:?}", world.story());
    world.set_servers(&["n1"]).expect("open");
    world.run_for(60 * SECOND);
    assert_eq!(world.count("disconnected"), 0, "{:?}", world.story());
    let fates = world.client.publish_fates();
    assert_eq!(
        (fates.queued, fates.written),
        (0, fates.written),
        "held publishes leave after all"
    );
    assert_eq!(world.ledger.end(listener), None);
}

/// A world whose client holds publishes back for the next link, because a written request has no reply yet.
fn holding() -> World {
    let mut world = cluster(2);
    world.subscribe("q");
    world.request("q", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    world.cluster.lame_duck(0, None);
    for _ in 0..200 {
        world.publish_numbered("p", 10).expect("room");
        world.run_for(Duration::from_millis(50));
        if world.client.queued() > 0 {
            world.skip_past();
            return world;
        }
    }
    panic!("it never holds back: {:?}", world.story());
}

/// What the last server got on its link after this many frames, without keep-alives.
fn sent_after(world: &World, frames: usize) -> Vec<String> {
    let line = |op: &Op| match op {
        Op::Subscribe { filter, .. } => format!("SUB {filter}"),
        Op::Unsubscribe { max, .. } => format!("UNSUB {max:?}"),
        other => other.name().to_owned(),
    };
    world.log().frames[frames..]
        .iter()
        .map(|frame| line(&frame.op))
        .collect()
}

// behaviour: 10.2
#[test]
fn while_a_move_holds_publishes_back_subscriptions_are_made_served_and_ended_on_the_old_link() {
    let mut world = holding();
    let (before, published) = (world.log().frames.len(), world.log().publishes().count());
    let sid = world.subscribe("news");
    let counted = world.subscribe("counted");
    world.unsubscribe_after(counted, 2).expect("known");
    world.publish_numbered("p", 10).expect("room");
    world.run_for(SECOND);
    assert_eq!(
        sent_after(&world, before),
        ["SUB news", "SUB counted", "UNSUB Some(2)"]
    );
    assert_eq!(world.log().publishes().count(), published, "publishes are held");
    world.cluster.publish("news", None, b"from the server that goes");
    world.run_for(SECOND);
    assert_eq!(world.ledger.messages(sid), 1);
    world.unsubscribe(sid).expect("known");
    world.drain_subscription(counted).expect("known");
    world.run_for(SECOND);
    assert_eq!(sent_after(&world, before + 3), ["UNSUB None", "UNSUB None"]);
    assert_eq!(world.count("disconnected"), 0, "{:?}", world.story());
    world.wait("reconnected");
    world.run_for(5 * SECOND);
    let fates = world.client.publish_fates();
    assert_eq!(
        (fates.queued, fates.unconfirmed, fates.dropped),
        (0, 0, 0),
        "{fates:?}"
    );
}

// behaviour: 10.2, 6.3
#[test]
fn while_a_move_holds_publishes_back_a_flush_is_answered_unless_it_follows_one() {
    let mut world = holding();
    let flushed = |world: &World| -> Vec<bool> {
        let flushed = world.all("flushed").into_iter();
        flushed
            .map(|(_, event)| matches!(event, Event::Flushed { result: Ok(()), .. }))
            .collect()
    };
    world.flush().expect("a session");
    world.run_for(SECOND);
    assert!(flushed(&world).is_empty(), "a publish in front of it is held");
    world.wait("reconnected");
    assert_eq!(flushed(&world), [false], "the link went before it was answered");

    let mut world = cluster(2);
    world.subscribe("q");
    world.request("q", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    world.cluster.lame_duck(0, None);
    let published = world.log().publishes().count();
    world.run_for(11 * SECOND);
    world.flush().expect("a session");
    world.publish_numbered("p", 10).expect("room");
    let sid = world.subscribe("news");
    world.run_for(SECOND);
    assert_eq!(
        world.client.publish_fates().queued,
        1,
        "it holds back: {:?}",
        world.story()
    );
    assert_eq!(flushed(&world), [true], "nothing in front of it is held");
    assert_eq!(world.log().publishes().count(), published);
    world.cluster.publish("news", None, b"x");
    world.run_for(SECOND);
    assert_eq!(
        world.ledger.messages(sid),
        1,
        "what follows a held publish passes it"
    );
}

// behaviour: 10.2
#[test]
fn while_a_move_holds_blocks_of_publishes_back_every_subscription_between_them_leaves() {
    let mut world = holding();
    let before = world.log().frames.len();
    for number in 0..3_000 {
        world.publish_numbered("p", 600).expect("room");
        world.subscribe(&format!("news.{number}"));
    }
    world.run_for(SECOND);
    let sent = sent_after(&world, before);
    assert_eq!(sent.len(), 3_000);
    for (number, line) in sent.iter().enumerate() {
        assert_eq!(*line, format!("SUB news.{number}"));
    }
    assert_eq!(world.client.publish_fates().queued, 3_001);
    world.wait("reconnected");
    world.run_for(5 * SECOND);
    let fates = world.client.publish_fates();
    assert_eq!(
        (fates.queued, fates.unconfirmed, fates.dropped),
        (0, 0, 0),
        "{fates:?}"
    );
}

fn two_servers() -> Config {
    let mut config = ByHand::config();
    config.servers.push(url("nats://n2.test:4222"));
    config
}

/// A machine that holds publishes back: the move has begun and its PING has left.
fn moving(config: Config) -> ByHand {
    let mut config = config;
    config.lame_duck = LameDuckPolicy::Move {
        within: Duration::ZERO,
    };
    let mut hand = ByHand::connected(config, INFO);
    hand.read(b"INFO {\"ldm\":true}\r\n");
    hand.events(START);
    hand.client.handle_timeout(START + MILLISECOND);
    assert_eq!(written(&mut hand, START + MILLISECOND), "PING\r\n");
    hand
}

// behaviour: 10.2
#[test]
fn a_move_is_over_within_ten_seconds_though_its_pong_does_not_come() {
    let mut hand = moving(two_servers());
    let subject = Subject::from_static("a");
    let sid = hand
        .client
        .subscribe(START, SubjectFilter::new("news").expect("a filter"), None)
        .expect("open");
    hand.client.publish(Publish::new(&subject, "held")).expect("room");
    for second in 1..600 {
        // The server sends, and does not answer.
        hand.read(format!("MSG news {sid} 1\r\nx\r\n").as_bytes());
        hand.events(after(second));
        hand.client.handle_timeout(after(second));
        hand.events(after(second));
        written(&mut hand, after(second));
        if hand.client.poll_action().is_some() {
            return;
        }
    }
    panic!(
        "after 10 minutes: {}, {:?}",
        hand.client.why(after(600)),
        hand.client.publish_fates()
    );
}

// behaviour: 10.2
#[test]
fn a_flush_after_a_cancelled_request_is_answered_during_a_move() {
    let mut hand = moving(two_servers());
    let subject = Subject::from_static("q");
    let request = hand
        .client
        .request(START, Publish::new(&subject, "?"), 60 * SECOND)
        .expect("made");
    hand.client.flush(START).expect("a session");
    assert!(hand.client.cancel_request(START, request));
    assert_eq!(hand.client.publish_fates().queued, 0, "nothing is held");
    let wire = written(&mut hand, START + MILLISECOND);
    assert!(wire.ends_with("PING\r\n"), "{wire:?}");
}

// behaviour: 10.2
#[test]
fn a_move_takes_a_server_that_is_discovered_within_the_window() {
    let mut config = ByHand::config();
    config.lame_duck = LameDuckPolicy::Move { within: 10 * SECOND };
    let mut hand = ByHand::connected(config, INFO);
    hand.read(b"INFO {\"ldm\":true}\r\nINFO {\"connect_urls\":[\"n2.test:4222\"]}\r\n");
    for second in 0..30 {
        hand.client.handle_timeout(after(second));
        hand.events(after(second));
        if !written(&mut hand, after(second)).is_empty() {
            return;
        }
    }
    panic!("{}", hand.client.why(after(30)));
}

// behaviour: 10.2
#[test]
fn wants_transmit_is_true_for_what_passes_held_publishes_and_not_for_these() {
    let mut hand = moving(two_servers());
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "held")).expect("room");
    assert!(!hand.client.wants_transmit());
    let filter = SubjectFilter::from_static("news");
    hand.client.subscribe(START, filter, None).expect("open");
    assert!(hand.client.wants_transmit());
    assert_eq!(written(&mut hand, START + MILLISECOND), "SUB news 1\r\n");
    assert!(!hand.client.wants_transmit());
}
