//! Servers that announce others: which join the pool, with which settings, and what is reported (behaviour 3.2).

use std::time::Duration;

use nats_conn_sm::{Action, ConnectionEvent, Event, LinkEnd};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Auth, Reaction, Step, Tls, Urls, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::Dial;

use super::support::{INFO, dialled, gossip, hosts};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 3.2; edge: 7, 85, 89
#[test]
fn connect_urls_add_servers_after_the_explicit_ones_and_known_ones_add_nothing() {
    let mut world = Scenario::new(3)
        .knowing(&["n1", "n2"])
        .server(0, |server| server.urls = gossip(&["n1", "N2", "n3", "n3"]))
        .connected();
    world.run_for(SECOND);
    assert_eq!(hosts(&world), ["n1", "n2", "n3"]);
    assert_eq!(world.story()[2..], ["discovered_servers +n3 -"]);
    world.cluster.announce(0);
    world.run_for(SECOND);
    assert_eq!(
        world.count("discovered_servers"),
        1,
        "only when something changed"
    );
    let discovered: Vec<bool> = world
        .client
        .servers()
        .iter()
        .map(|status| status.discovered)
        .collect();
    assert_eq!(discovered, [false, false, true]);
}

// behaviour: 3.2; edge: 87, 88
#[test]
fn discovered_servers_that_are_no_longer_named_leave_but_not_the_current_nor_explicit_ones() {
    let mut world = Scenario::new(4)
        .knowing(&["n1", "n2"])
        .every_server(|server| server.urls = gossip(&["n1", "n3", "n4"]))
        .connected();
    world.run_for(5 * SECOND);
    assert_eq!(hosts(&world), ["n1", "n2", "n3", "n4"]);
    (0..2).for_each(|place| world.crash(place));
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(dialled(&world).pop(), Some("n3".into()));
    world.cluster.settings_mut(2).urls = gossip(&["n9"]);
    world.cluster.announce(2);
    world.run_for(SECOND);
    assert_eq!(hosts(&world), ["n1", "n2", "n3", "n9"], "the current one stays");
    world.cluster.settings_mut(2).urls = Urls::None;
    world.cluster.announce(2);
    world.run_for(SECOND);
    world.send("INFO {\"connect_urls\":[]}\r\n");
    world.run_for(SECOND);
    assert_eq!(
        hosts(&world),
        ["n1", "n2", "n3", "n9"],
        "an empty list changes nothing"
    );
    assert!(
        world.story().contains(&"discovered_servers +n9 -n4".into()),
        "{:?}",
        world.story()
    );
}

// behaviour: 3.2; edge: 89
#[test]
fn discovered_servers_are_ignored_if_asked() {
    let mut world = Scenario::new(2)
        .knowing(&["n1"])
        .config(|config| config.ignore_discovered = true)
        .server(0, |server| server.urls = gossip(&["n1", "n2"]))
        .connected();
    world.run_for(SECOND);
    assert_eq!(
        (hosts(&world), world.count("discovered_servers")),
        (vec!["n1".to_owned()], 0)
    );
}

// behaviour: 3.2
#[test]
fn an_unusable_announced_url_is_skipped_and_reported() {
    let mut world = Scenario::new(2)
        .knowing(&["n1"])
        .server(0, |server| {
            server.urls = Urls::Fixed(vec!["bad host:x".into(), "n2.test:4222".into(), "".into()])
        })
        .connected();
    world.run_for(SECOND);
    assert_eq!(hosts(&world), ["n1", "n2"]);
    assert!(
        world.story().contains(&"server_skipped bad host:x".into()),
        "{:?}",
        world.story()
    );
}

// behaviour: 3.2; edge: 90
#[test]
fn discovered_servers_inherit_tls_its_name_and_the_user_information() {
    let mut world = Scenario::new(2)
        .knowing(&["tls://ann:secret@n1.test:4222"])
        .every_server(|server| {
            server.tls = Tls::Required;
            server.auth = Auth::Password {
                user: "ann".into(),
                password: "secret".into(),
            };
            server.urls = Urls::Fixed(vec!["10.0.0.2:4222".into()]);
        })
        .server(1, |server| server.host = "10.0.0.2".into())
        .connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.wait("reconnected");
    let (_, upgrade) = world
        .actions
        .iter()
        .rfind(|(_, action)| matches!(action, Action::UpgradeTls { .. }))
        .expect("TLS again");
    let Action::UpgradeTls { server, .. } = upgrade else {
        panic!()
    };
    assert_eq!(
        (server.host(), server.tls_name()),
        ("10.0.0.2", "n1.test"),
        "the name that we dialled first"
    );
    assert_eq!(
        world.log().connect().expect("sent")["user"],
        serde_json::json!("ann")
    );
}

// behaviour: 3.5, 2.3
#[test]
fn a_server_that_was_discovered_and_replaced_between_two_sessions_is_not_reported_as_added() {
    let mut world = Scenario::new(2)
        .knowing(&["n1"])
        .config(|config| config.retry_initial = true)
        .server(0, |server| {
            server.urls = Urls::Fixed(vec!["n2.test:4222".into()]);
            server.script.push(Step::also(When::Connect, [Reaction::Close]));
        })
        .route(1, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .begin();
    world.wait("connect_failed");
    world.wait("connect_failed");
    world.cluster.settings_mut(0).script.clear();
    world.cluster.settings_mut(0).urls = Urls::None;
    world.set_servers(&["n1"]).expect("open");
    world.wait("connected");
    world.run_for(SECOND);
    assert!(world.story().contains(&"server_removed n2 replaced".into()));
    assert_eq!(world.count("discovered_servers"), 0, "{:?}", world.story());
}

// behaviour: 2.3, 3.2, 3.4
#[test]
fn a_server_that_left_before_it_was_reported_is_not_reported_as_added() {
    let mut world = Scenario::new(3)
        .knowing(&["n1", "n2"])
        .config(|config| config.max_reconnects = Some(1))
        .server(1, |server| {
            server.urls = Urls::Fixed(vec!["n3.test:4222".into()]);
            server.script.push(Step::also(When::Connect, [Reaction::Close]));
        })
        .route(2, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .connected();
    world.run_for(5 * SECOND);
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert!(world.story().contains(&"server_removed n3 max_reconnects".into()));
    assert_eq!(world.count("discovered_servers"), 0, "{:?}", world.story());
}

// behaviour: 2.3, 3.2; edge: 89
#[test]
fn a_server_that_was_learned_and_removed_between_sessions_is_not_reported() {
    let names = |names: &[&str]| Urls::Fixed(names.iter().map(|name| format!("{name}.test:4222")).collect());
    let mut world = Scenario::new(3)
        .knowing(&["n1"])
        .config(|config| {
            config.retry_initial = true;
            config.randomize = false;
        })
        .server(0, |server| {
            server.urls = names(&["n2", "n3"]);
            server.script.push(Step::also(When::Connect, [Reaction::Close]));
        })
        .route(1, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .route(2, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .begin();
    (0..3).for_each(|_| drop(world.wait("connect_failed")));
    world.cluster.settings_mut(0).script.clear();
    world.cluster.settings_mut(0).urls = names(&["n2"]);
    world.wait("connected");
    world.run_for(SECOND);
    let reported = world.all("discovered_servers");
    let [(_, Event::Connection(ConnectionEvent::DiscoveredServers { added, removed }))] = &reported[..]
    else {
        panic!("{:?}", world.story())
    };
    assert_eq!((added.len(), removed.len()), (1, 0));
    assert_eq!(added[0].host(), "n2.test");
}

// behaviour: 13.2, 3.2; edge: 90
#[test]
fn an_announced_server_with_tls_is_never_dialled_in_clear_text() {
    let info = "{\"connect_urls\":[\"tls://n9.test:4222\",\"n8.test:4222\"]}";
    let hand = ByHand::connected(ByHand::config(), info);
    let servers = hand.client.servers();
    let scheme = |host: &str| {
        let status = servers.iter().find(|status| status.server.host() == host);
        status.expect("announced").server.to_string()
    };
    assert_eq!(scheme("n9.test"), "tls://n9.test:4222");
    assert_eq!(scheme("n8.test"), "nats://n8.test:4222");
}

// behaviour: 13.1, 3.2
#[test]
fn an_unusable_announced_url_is_reported_without_its_userinfo() {
    let mut hand = ByHand::connected(ByHand::config(), INFO);
    hand.read(b"INFO {\"connect_urls\":[\"http://sally:hunter2@n3.test\"]}\r\n");
    let reported = hand.events(START);
    let reported = format!(
        "{:?}",
        reported
            .iter()
            .find(|event| matches!(event, Event::Connection(ConnectionEvent::ServerSkipped { .. })))
    );
    assert!(
        reported.contains("[redacted]@n3.test") && !reported.contains("hunter2"),
        "{reported}"
    );
}

// behaviour: 3.2, 12.1
#[test]
fn at_most_1024_servers_are_taken_from_an_endless_list() {
    let names: Vec<String> = (0..50_000).map(|number| format!("\"n{number}.test\"")).collect();
    let mut hand = ByHand::connected(ByHand::config(), INFO);
    for _ in 0..3 {
        hand.read(format!("INFO {{\"connect_urls\":[{}]}}\r\n", names.join(",")).as_bytes());
        hand.events(START);
    }
    assert_eq!(hand.client.servers().len(), 1024);
}
