//! Which servers are in the pool, when they leave it, and which is next (behaviour 3).

use std::time::Duration;

use nats_conn_sm::{
    Action, ClosedReason, ConnectionEvent, Event, LinkEnd, RemovalReason, SendBuf, StateError,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Reaction, Step, Tls, Urls, When};
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::Dial;

use super::support::{INFO, dialled, fails_once, gossip, hosts};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 3.1
#[test]
fn servers_are_the_same_by_host_in_any_case_and_port() {
    let world = Scenario::new(1)
        .knowing(&[
            "nats://N1.test:4222",
            "nats://n1.test",
            "nats://u:p@n1.TEST:4222/",
            "nats://n1.test:4223",
        ])
        .begin();
    assert_eq!(world.client.servers().len(), 2);
    let mut world = world;
    world.wait("connected");
}

// behaviour: 3.1
#[test]
fn schemes_that_are_not_supported_say_so() {
    for (text, says) in [
        ("ws://a", "not supported"),
        ("wss://a", "not supported"),
        ("http://a", "http"),
    ] {
        let error = nats_proto::ServerUrl::parse(text)
            .expect_err("refused")
            .to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert_eq!(url("a").to_string(), "nats://a:4222");
    assert_eq!(url("[::1]:99").to_string(), "nats://[::1]:99");
}

// behaviour: 3.2
#[test]
fn explicit_servers_are_shuffled_unless_asked_not_to() {
    let order = |seed, randomize| {
        let mut world = Scenario::new(5)
            .seed(seed)
            .config(|config| config.randomize = randomize)
            .every_route(|route| route.dial = Dial::Fails(LinkEnd::Eof))
            .begin();
        world.wait("closed");
        dialled(&world)
    };
    assert_eq!(order(1, false), ["n1", "n2", "n3", "n4", "n5"]);
    let orders: std::collections::BTreeSet<_> = (0..30).map(|seed| order(seed, true)).collect();
    assert!(orders.len() > 20, "{} orders of 30 seeds", orders.len());
    let firsts: std::collections::BTreeSet<_> = orders.iter().map(|order| order[0].clone()).collect();
    assert_eq!(firsts.len(), 5, "every server is first for some seed");
}

// behaviour: 3.2; edge: 86
#[test]
fn the_clients_of_a_dead_server_spread_over_the_others() {
    let mut next = std::collections::BTreeMap::<String, u32>::new();
    for seed in 0..60 {
        let mut world = Scenario::new(4)
            .seed(seed)
            .knowing(&["n1"])
            .config(|config| config.randomize = true)
            .server(0, |server| server.urls = gossip(&["n1", "n2", "n3", "n4"]))
            .connected();
        world.run_for(5 * SECOND);
        world.crash(0);
        world.wait("reconnected");
        *next.entry(dialled(&world).pop().expect("dialled")).or_default() += 1;
    }
    assert_eq!(next.len(), 3, "{next:?}");
    assert!(next.values().all(|count| *count >= 8), "{next:?}");
}

// behaviour: 3.7; edge: 90
#[test]
fn the_tls_name_is_the_host_that_we_dialled_never_that_of_info() {
    let mut world = Scenario::new(1)
        .server(0, |server| {
            server.tls = Tls::Required;
            server.info.insert("host".into(), "evil.example".into());
        })
        .connected();
    world.run_for(SECOND);
    let name = world.actions.iter().find_map(|(_, action)| match action {
        Action::UpgradeTls { server, .. } => Some(server.tls_name().to_owned()),
        _ => None,
    });
    assert_eq!(name.as_deref(), Some("n1.test"));
}

// behaviour: 3.3
#[test]
fn the_next_server_has_the_fewest_failures_and_the_one_just_lost_goes_last_among_equals() {
    let mut world = Scenario::new(3).connected();
    world.run_for(5 * SECOND);
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    world.run_for(5 * SECOND);
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    assert_eq!(
        dialled(&world),
        ["n1", "n2", "n1"],
        "pool order, but for the one just lost"
    );
    // n2 fails once: it goes after n3.
    world.run_for(5 * SECOND);
    world
        .cluster
        .settings_mut(1)
        .next_scripts
        .push_back(vec![Step::instead(When::Accept, [Reaction::Close])]);
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    world.run_for(5 * SECOND);
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    assert_eq!(dialled(&world)[3..], ["n2", "n3", "n1"]);
}

// behaviour: 3.4; edge: 84, 97
#[test]
fn max_reconnects_failures_in_a_row_take_a_server_out_and_an_empty_pool_closes_once() {
    for limit in [1, 3] {
        let mut world = Scenario::new(2)
            .config(|config| config.max_reconnects = Some(limit))
            .connected();
        world.run_for(5 * SECOND);
        (0..2).for_each(|place| world.crash(place));
        world.wait("closed");
        let dials = dialled(&world);
        for name in ["n1", "n2"] {
            let tries = dials[1..].iter().filter(|dial| *dial == name).count();
            assert_eq!(tries, limit as usize, "{name}");
        }
        assert_eq!(world.count("server_removed"), 2);
        let (_, event) = world.all("closed").remove(0);
        assert_eq!(
            event,
            Event::Connection(ConnectionEvent::Closed {
                reason: ClosedReason::PoolExhausted
            })
        );
        assert!(world.client.servers().is_empty());
    }
}

// behaviour: 3.4; edge: 84
#[test]
fn a_success_sets_the_count_of_failures_back() {
    let mut world = Scenario::new(1)
        .config(|config| config.max_reconnects = Some(3))
        .connected();
    for _ in 0..4 {
        world.run_for(5 * SECOND);
        world.routes[0].dial = Dial::Fails(LinkEnd::Eof);
        world.crash(0);
        world.wait("connect_failed");
        world.wait("connect_failed");
        world.routes[0].dial = Dial::Connects;
        world.restart(0);
        world.wait("reconnected");
    }
    assert_eq!(world.count("server_removed"), 0);
}

// behaviour: 3.4
#[test]
fn a_removed_server_comes_back_with_a_clean_record_when_an_info_names_it() {
    let mut world = Scenario::new(2)
        .config(|config| config.max_reconnects = Some(2))
        .every_server(|server| server.urls = Urls::Gossip)
        .connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.wait("reconnected");
    world.run_for(5 * SECOND);
    // n2 is current; n1 is gone, and fails twice while n2 fails once.
    world.cluster.settings_mut(1).urls = gossip(&["n2"]);
    world
        .cluster
        .settings_mut(1)
        .next_scripts
        .push_back(vec![Step::instead(When::Accept, [Reaction::Close])]);
    world.reaction(Reaction::Close);
    world.wait_for("n1 to be removed", |event| {
        matches!(event, Event::Connection(ConnectionEvent::ServerRemoved { .. }))
    });
    assert_eq!(hosts(&world), ["n2"]);
    world.cluster.settings_mut(1).urls = gossip(&["n2", "n1"]);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert!(hosts(&world).contains(&"n1".into()), "{:?}", world.story());
    let status = world
        .client
        .servers()
        .into_iter()
        .find(|status| status.server.host() == "n1.test");
    assert_eq!(status.map(|status| status.failures), Some(0));
}

// behaviour: 3.4
#[test]
fn the_initial_round_counts_only_with_retry_initial() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.max_reconnects = Some(1);
        })
        .server(0, |server| {
            server
                .next_scripts
                .push_back(vec![Step::instead(When::Accept, [Reaction::Close])])
        })
        .begin();
    world.wait("closed");
    assert_eq!(world.count("server_removed"), 0);
    let (_, event) = world.all("closed").remove(0);
    assert!(matches!(
        event,
        Event::Connection(ConnectionEvent::Closed {
            reason: ClosedReason::ConnectFailed { .. }
        })
    ));
    let mut world = Scenario::new(1)
        .config(|config| {
            config.max_reconnects = Some(1);
            config.retry_initial = true;
        })
        .server(0, |server| {
            server
                .next_scripts
                .push_back(vec![Step::instead(When::Accept, [Reaction::Close])])
        })
        .begin();
    world.wait("closed");
    assert_eq!(world.count("server_removed"), 1);
}

// behaviour: 3.5; edge: 92
#[test]
fn a_new_pool_leaves_the_present_link_until_it_is_lost_and_replaces_all_others() {
    let mut world = Scenario::new(4)
        .knowing(&["n1", "n2"])
        .server(0, |server| server.urls = gossip(&["n1", "n4"]))
        .connected();
    world.run_for(5 * SECOND);
    world.set_servers(&["n3"]).expect("open");
    world.run_for(SECOND);
    assert_eq!(world.count("disconnected"), 0);
    let replaced = |event: &Event| {
        matches!(
            event,
            Event::Connection(ConnectionEvent::ServerRemoved {
                reason: RemovalReason::Replaced,
                ..
            })
        )
    };
    assert!(
        world.events.iter().filter(|(_, event)| replaced(event)).count() >= 2,
        "{:?}",
        world.story()
    );
    world.crash(0);
    world.wait("reconnected");
    assert_eq!(dialled(&world), ["n1", "n3"]);
    assert_eq!(
        world.client.set_servers(world.now(), vec![]),
        Err(StateError::NoServers)
    );
}

// behaviour: 3.5, 4.2; edge: 92
#[test]
fn a_new_pool_while_reconnecting_resets_failures_and_rounds() {
    let mut world = Scenario::new(2).knowing(&["n1"]).connected();
    world.run_for(5 * SECOND);
    (0..2).for_each(|place| world.crash(place));
    world.run_for(60 * SECOND);
    world.set_servers(&["n2", "n1"]).expect("open");
    world.skip_past();
    let (_, event) = world.wait("backoff_wait");
    let Event::Connection(ConnectionEvent::BackoffWait { delay, attempt, .. }) = event else {
        panic!("{event:?}")
    };
    assert!(delay <= Duration::from_millis(200), "{delay:?}");
    assert!(attempt <= 3, "{attempt}");
}

// behaviour: 3.4, 3.5
#[test]
fn unusable_settings_are_configuration_errors_that_say_what_to_do() {
    use nats_conn_sm::{Config, ConfigError, Connection, Timestamp};
    let error = |change: fn(&mut Config)| {
        let mut config = Config::new(vec![url("nats://a")]);
        change(&mut config);
        Connection::new(config, [1; 32], Timestamp::ZERO)
            .map(drop)
            .expect_err("refused")
    };
    assert_eq!(error(|config| config.servers.clear()), ConfigError::NoServers);
    let zero = error(|config| config.max_reconnects = Some(0));
    assert_eq!(zero, ConfigError::ZeroMaxReconnects);
    assert!(
        zero.to_string().contains("reconnect = false"),
        "it names the switch: {zero}"
    );
}

// behaviour: 3.4
#[test]
fn failures_of_the_initial_round_do_not_count_for_max_reconnects_later() {
    let mut world = Scenario::new(2)
        .config(|config| config.max_reconnects = Some(2))
        .server(0, |server| {
            server.next_scripts.push_back(fails_once(Reaction::Close));
        })
        .connected();
    assert_eq!(world.story()[3], "connected n2");
    world.run_for(5 * SECOND);
    (0..2).for_each(|place| world.crash(place));
    world.wait("closed");
    for name in ["n1.test", "n2.test"] {
        let dials = world.actions.iter().filter(|(_, action)| match action {
            Action::Connect { server, .. } => server.host() == name,
            _ => false,
        });
        assert_eq!(
            dials.count(),
            3,
            "{name}: once at first, and twice after the loss"
        );
    }
}

// behaviour: 3.5, 3.1
#[test]
fn a_server_that_is_also_in_the_new_pool_keeps_its_identity_whatever_else_its_url_holds() {
    let mut world = Scenario::new(2).knowing(&["n1"]).connected();
    world.run_for(5 * SECOND);
    let before = world.client.servers().remove(0).server.id();
    let servers = vec![url("nats://ann:secret@N1.test:4222"), url("nats://n2.test:4222")];
    world.client.set_servers(world.now(), servers).expect("open");
    let status = world.client.servers();
    assert_eq!(status[0].server.id(), before);
    assert!(status[0].current && !status[1].current);
    assert_eq!(
        world.client.poll_timeout(),
        Some(world.now() + 115 * SECOND),
        "nothing is reported"
    );
    // The one just lost goes last among equals.
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    assert_eq!(world.story().last(), Some(&"resubscribed 0 0".into()));
    assert!(world.story().contains(&"reconnected n2".into()));
}

// behaviour: 4.4, 3.4
#[test]
fn an_empty_pool_is_the_reason_even_if_reconnecting_is_off() {
    let mut config = ByHand::config();
    config.reconnect = false;
    config.max_reconnects = Some(1);
    let mut hand = ByHand::connected(config, INFO);
    hand.client.force_reconnect(START).expect("open");
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    hand.events(START);
    let next = std::iter::from_fn(|| hand.client.poll_action()).find_map(|action| match action {
        Action::Connect { link, .. } => Some(link),
        _ => None,
    });
    let next = next.expect("it dials");
    hand.client
        .handle_link_closed(START, next, LinkEnd::Eof, &mut SendBuf::new(next));
    let reported = hand.events(START);
    assert!(
        matches!(
            reported.last(),
            Some(Event::Connection(ConnectionEvent::Closed {
                reason: ClosedReason::PoolExhausted
            }))
        ),
        "{reported:?}"
    );
}

// behaviour: 3.5
#[test]
fn a_new_pool_ends_an_attempt_at_a_server_that_is_not_in_it() {
    let mut hand = ByHand::dialled(ByHand::config());
    let link = hand.rx.link();
    let servers = vec![url("nats://n2.test:4222")];
    hand.client.set_servers(START, servers).expect("open");
    assert_eq!(
        hand.client.poll_action(),
        Some(nats_conn_sm::Action::Disconnect { link, abort: true })
    );
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    hand.events(START);
    let next = hand.client.poll_action();
    assert!(
        matches!(&next, Some(nats_conn_sm::Action::Connect { server, .. }) if server.host() == "n2.test"),
        "{next:?}"
    );
}
