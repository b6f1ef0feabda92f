//! A server announces lame duck mode: the event, the mark, and its end (behaviour 10).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Event};
use nats_conn_tests::model_server::{Reaction, Step, Urls, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// Servers that announce each other, with a client connected to the first for a while.
pub(super) fn cluster(servers: usize) -> World {
    let mut world = Scenario::new(servers)
        .every_server(|server| server.urls = Urls::Gossip)
        .connected();
    world.run_for(5 * SECOND);
    world.skip_past();
    world
}

// behaviour: 10.1, 10.2
#[test]
fn notify_is_only_the_event() {
    let mut world = Scenario::new(2)
        .notify_only()
        .every_server(|server| server.urls = Urls::Gossip)
        .connected();
    world.run_for(5 * SECOND);
    world.cluster.lame_duck(0, None);
    world.run_for(60 * SECOND);
    assert_eq!(world.count("lame_duck"), 1);
    assert_eq!(world.count("disconnected"), 0);
    world.publish("a", b"x").expect("room");
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 1);
}

// behaviour: 10.1; edge: 139
#[test]
fn when_the_lame_duck_closes_another_server_is_dialled_first() {
    let mut world = Scenario::new(3)
        .notify_only()
        .every_server(|server| server.urls = Urls::Gossip)
        .connected();
    world.run_for(5 * SECOND);
    let closes_at = world.nanos() + 20_000_000_000;
    world.cluster.lame_duck(0, Some(closes_at));
    world.wait("reconnected");
    let dialled: Vec<_> = world
        .story()
        .into_iter()
        .filter(|line| line.starts_with("connecting"))
        .collect();
    assert_eq!(dialled, ["connecting n1", "connecting n2"]);
    assert!(
        world
            .client
            .servers()
            .iter()
            .any(|status| status.lame_duck && status.server.host() == "n1.test")
    );
}

// behaviour: 10.1; edge: 140, 141
#[test]
fn the_event_comes_once_a_link_whatever_further_infos_say() {
    let mut world = Scenario::new(2).notify_only().connected();
    world.run_for(5 * SECOND);
    for info in [
        "INFO {\"ldm\":true}\r\n",
        "INFO {\"ldm\":true}\r\n",
        "INFO {}\r\n",
        "INFO {\"ldm\":false}\r\n",
        "INFO {\"ldm\":true}\r\n",
    ] {
        world.send(info);
        world.run_for(SECOND);
        assert!(world.client.servers()[0].lame_duck, "it latches");
        assert!(world.client.server_info().expect("connected").ldm);
    }
    assert_eq!(world.count("lame_duck"), 1);
    assert_eq!(
        world.client.servers().len(),
        2,
        "without connect_urls the pool is kept"
    );
}

// behaviour: 10.1; edge: 144
#[test]
fn an_initial_info_with_ldm_is_reported_after_connected() {
    let mut world = Scenario::new(2)
        .notify_only()
        .server(0, |server| {
            server.info.insert("ldm".into(), true.into());
        })
        .connected();
    world.run_for(SECOND);
    assert_eq!(world.story(), ["connecting n1", "connected n1", "lame_duck n1"]);
}

// behaviour: 10.1, 3.3; edge: 139
#[test]
fn a_lame_duck_goes_last_in_the_pool_whatever_the_others_failures_are() {
    let mut world = Scenario::new(2).notify_only().connected();
    world.run_for(5 * SECOND);
    world.crash(1);
    world.cluster.lame_duck(0, None);
    world.run_for(SECOND);
    world.cluster.restart(0);
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    let dialled: Vec<_> = world
        .story()
        .into_iter()
        .filter(|line| line.starts_with("connecting"))
        .collect();
    assert_eq!(dialled, ["connecting n1", "connecting n2", "connecting n1"]);
}

// behaviour: 10.1
#[test]
fn the_mark_ends_with_a_handshake_without_ldm() {
    let mut world = Scenario::new(1).notify_only().connected();
    world.run_for(5 * SECOND);
    world.cluster.lame_duck(0, None);
    world.run_for(SECOND);
    assert!(world.client.servers()[0].lame_duck);
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    assert!(!world.client.servers()[0].lame_duck);
}

// behaviour: 10.1
#[test]
fn the_mark_ends_after_two_minutes() {
    let mut world = cluster(2);
    world.cluster.lame_duck(0, None);
    let (marked, _) = world.wait("lame_duck");
    let is_marked = |world: &World| {
        world
            .client
            .servers()
            .iter()
            .any(|s| s.server.host() == "n1.test" && s.lame_duck)
    };
    world.run_for(Duration::from_secs(119));
    assert!(is_marked(&world));
    let rest = (marked + Duration::from_secs(121)).since(world.now());
    world.run_for(rest);
    assert!(!is_marked(&world));
}

// behaviour: 10.1
#[test]
fn the_mark_ends_when_another_servers_info_newly_names_it() {
    let mut world = cluster(2);
    world.cluster.lame_duck(0, None);
    world.wait("reconnected");
    world.run_for(SECOND);
    let is_marked = |world: &World| {
        world
            .client
            .servers()
            .iter()
            .any(|s| s.server.host() == "n1.test" && s.lame_duck)
    };
    assert!(is_marked(&world));
    world.cluster.restart(0);
    world.run_for(SECOND);
    assert!(!is_marked(&world), "n2 announces n1 again");
}

// behaviour: 10.1
#[test]
fn a_server_that_was_named_all_along_keeps_its_mark() {
    let mut world = Scenario::new(2).connected();
    world.run_for(5 * SECOND);
    world.cluster.lame_duck(0, None);
    world.wait("reconnected");
    let is_marked = |world: &World| {
        let servers = world.client.servers();
        servers
            .iter()
            .any(|s| s.server.host() == "n1.test" && s.lame_duck)
    };
    assert!(is_marked(&world));
    for _ in 0..2 {
        world.send("INFO {\"connect_urls\":[\"n1.test:4222\",\"n2.test:4222\"]}\r\n");
        world.run_for(SECOND);
        assert!(is_marked(&world), "it was named before");
    }
    world.send("INFO {\"connect_urls\":[\"n2.test:4222\"]}\r\n");
    world.send("INFO {\"connect_urls\":[\"n1.test:4222\",\"n2.test:4222\"]}\r\n");
    world.run_for(SECOND);
    assert!(!is_marked(&world), "it was missing, and is back");
}

// edge: 142
#[test]
fn a_lame_duck_that_closes_without_an_announcement_is_an_ordinary_disconnect() {
    let mut world = cluster(2);
    world.reaction(Reaction::Close);
    let (_, event) = world.wait("disconnected");
    assert!(
        matches!(event, Event::Connection(ConnectionEvent::Disconnected { reason, .. }) if reason.code() == "eof")
    );
    world.wait("reconnected");
    assert_eq!(world.count("lame_duck"), 0);
}

// edge: 143; behaviour: 10.1
#[test]
fn a_full_second_server_is_a_failed_attempt_and_the_lame_duck_is_tried_last() {
    let mut world = cluster(3);
    world.cluster.settings_mut(1).auth =
        nats_conn_tests::model_server::Auth::Refuse("maximum connections exceeded".into());
    world.cluster.lame_duck(0, None);
    world.wait("reconnected");
    let failed = world
        .story()
        .into_iter()
        .find(|line| line.starts_with("connect_failed"));
    assert_eq!(
        failed,
        Some("connect_failed n2 connect maximum_connections_exceeded".into())
    );
    assert!(world.story().contains(&"reconnected n3".into()));
}

// behaviour: 10.1, 2.3; edge: 144
#[test]
fn a_server_that_announced_ldm_in_a_failed_attempt_goes_last() {
    let mut world = Scenario::new(2)
        .server(0, |server| {
            server.info.insert("ldm".into(), true.into());
            server.script.push(Step::also(When::Connect, [Reaction::Close]));
        })
        .connected();
    let marked = |world: &World| {
        world
            .client
            .servers()
            .iter()
            .map(|status| status.lame_duck)
            .collect::<Vec<_>>()
    };
    assert_eq!(marked(&world), [true, false]);
    assert_eq!(world.count("lame_duck"), 0, "the event is one of a session");
    world.run_for(121 * SECOND);
    assert_eq!(marked(&world), [false, false]);
}

// behaviour: 10.1
#[test]
fn a_repeated_ldm_does_not_restart_the_two_minutes() {
    let mut world = Scenario::new(2).notify_only().connected();
    world.run_for(5 * SECOND);
    world.reaction(Reaction::send("INFO {\"ldm\":true}\r\n"));
    for _ in 0..10 {
        world.run_for(15 * SECOND);
        world.reaction(Reaction::send("INFO {\"ldm\":true}\r\n"));
    }
    assert_eq!(world.count("lame_duck"), 1);
    assert!(!world.client.servers()[0].lame_duck);
}

// behaviour: 10.1
#[test]
fn the_mark_ends_exactly_two_minutes_after_it_was_set() {
    let mut world = cluster(2);
    world.cluster.lame_duck(0, None);
    let (marked, _) = world.wait("lame_duck");
    let end = marked + Duration::from_secs(120);
    for (time, expected) in [
        (end.since(world.now()) - Duration::from_nanos(1), 1),
        (Duration::from_nanos(1), 0),
    ] {
        world.run_for(time);
        world.tell_time();
        let servers = world.client.servers();
        assert_eq!(servers.iter().filter(|server| server.lame_duck).count(), expected);
    }
}
