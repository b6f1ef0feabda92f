//! A server that is named with and without TLS is used with TLS, and an event reports it (behaviour 3.1).

use std::time::Duration;

use nats_conn_sm::{Action, AttemptError, ConnectionEvent, Credentials, Event, LinkEnd, Phase};
use nats_conn_tests::model_server::{Reaction, Step, Tls, Urls, When};
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::{Dial, World};
use serde_json::json;

use super::attempts::first_failure;

const SECOND: Duration = Duration::from_secs(1);
const PLAIN: &str = "nats://n1.test:4222";
const TLS: &str = "tls://N1.test";

/// The servers of all events about raised ones, as URLs.
fn raised(world: &World) -> Vec<String> {
    let server = |event: &Event| match event {
        Event::Connection(ConnectionEvent::ServerTlsRaised { server }) => Some(server.to_string()),
        _ => None,
    };
    world
        .events
        .iter()
        .filter_map(|(_, event)| server(event))
        .collect()
}

fn pool(world: &World) -> Vec<String> {
    let servers = world.client.servers();
    servers.iter().map(|status| status.server.to_string()).collect()
}

/// Whether the last CONNECT was sent through TLS.
fn was_encrypted(world: &World) -> bool {
    world.log().connect().expect("sent")["tls_required"] == json!(true)
}

// behaviour: 3.1, 13.2
#[test]
fn in_one_list_tls_wins_whatever_the_order_and_the_event_comes_before_the_first_attempt() {
    for (list, randomize) in [([PLAIN, TLS], false), ([TLS, PLAIN], false), ([PLAIN, TLS], true)] {
        let mut world = Scenario::new(1)
            .knowing(&list)
            .config(|config| config.randomize = randomize)
            .server(0, |server| server.tls = Tls::Available)
            .connected();
        assert_eq!(pool(&world), ["tls://n1.test:4222"]);
        assert_eq!(raised(&world), ["tls://n1.test:4222"], "once");
        assert_eq!(world.story()[..2], ["tls_raised n1", "connecting n1"]);
        assert!(was_encrypted(&world));
        world.run_for(SECOND);
    }
    let world = Scenario::new(1).knowing(&[PLAIN, PLAIN]).connected();
    assert_eq!(
        raised(&world),
        Vec::<String>::new(),
        "the same twice is not a contradiction"
    );
}

// behaviour: 3.1
#[test]
fn a_server_without_tls_that_one_url_names_with_it_is_not_connected_to() {
    let mut world = Scenario::new(1)
        .knowing(&["nats://ann:secret@n1.test:4222", TLS])
        .begin();
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!((phase, error), (Phase::Tls, AttemptError::TlsNotOffered));
    assert_eq!(world.log().bytes, 0, "the password did not leave");
}

// behaviour: 3.1, 3.2
#[test]
fn the_first_userinfo_of_a_list_counts_wherever_tls_is_named() {
    for (list, user) in [
        (["nats://ann:secret@n1.test:4222", TLS], "ann"),
        ([TLS, "nats://ann:secret@n1.test:4222"], "ann"),
        (
            ["nats://ann:secret@n1.test:4222", "tls://bob:secret@n1.test:4222"],
            "ann",
        ),
        (
            ["tls://bob:secret@n1.test:4222", "nats://ann:secret@n1.test:4222"],
            "bob",
        ),
    ] {
        for randomize in [false, true] {
            let world = Scenario::new(1)
                .knowing(&list)
                .config(|config| config.randomize = randomize)
                .server(0, |server| server.tls = Tls::Available)
                .connected();
            assert!(was_encrypted(&world));
            assert_eq!(
                world.log().connect().expect("sent")["user"],
                json!(user),
                "{list:?}"
            );
        }
    }
}

// behaviour: 3.1, 3.5
#[test]
fn a_new_pool_raises_a_server_and_does_not_lower_one() {
    for (first, then, with_tls_first) in [(PLAIN, TLS, false), (TLS, PLAIN, true)] {
        let mut world = Scenario::new(1)
            .knowing(&[first])
            .server(0, |server| server.tls = Tls::Available)
            .connected();
        world.run_for(5 * SECOND);
        assert_eq!(raised(&world), Vec::<String>::new());
        world.set_servers(&[then]).expect("open");
        world.run_for(5 * SECOND);
        assert_eq!(raised(&world), ["tls://n1.test:4222"]);
        assert_eq!(pool(&world), ["tls://n1.test:4222"]);
        assert_eq!(
            was_encrypted(&world),
            with_tls_first,
            "the present link stays as it is"
        );
        assert_eq!(world.count("disconnected"), 0);
        world.reaction(Reaction::Close);
        world.wait("reconnected");
        assert!(was_encrypted(&world), "the next one has TLS");
    }
}

// behaviour: 3.1, 3.5
#[test]
fn a_new_pool_that_names_a_server_with_and_without_tls_is_reported_once() {
    for known in [PLAIN, TLS, "nats://n2.test:4222"] {
        let mut world = Scenario::new(2)
            .knowing(&[known])
            .every_server(|server| server.tls = Tls::Available)
            .connected();
        world.set_servers(&[PLAIN, TLS]).expect("open");
        world.run_for(SECOND);
        assert_eq!(raised(&world), ["tls://n1.test:4222"], "{known}");
    }
}

// behaviour: 3.1, 9.3
#[test]
fn an_attempt_in_clear_text_that_a_new_pool_raises_sends_nothing_more() {
    let begun = || {
        let mut world = Scenario::new(1)
            .knowing(&[PLAIN])
            .config(|config| config.ask_credentials = true)
            .server(0, |server| server.tls = Tls::Available)
            .route(0, |route| {
                (route.dial_time, route.latency) = (Duration::from_millis(10), Duration::from_millis(5))
            })
            .begin();
        for _ in 0..2 {
            let answer = Ok(Credentials::user_password("ann", "secret"));
            world
                .driver
                .answers
                .push_back((Some(Duration::from_millis(50)), answer));
        }
        world
    };
    // While it is dialled, while INFO is in transit, and while the credentials are being obtained.
    for (millis, attempts) in [(5, 1), (12, 1), (30, 2)] {
        let mut world = begun();
        world.run_for(Duration::from_millis(millis));
        world.set_servers(&[TLS]).expect("open");
        world.wait("connected");
        assert!(was_encrypted(&world), "at {millis} ms");
        assert_eq!(world.count("connecting"), attempts, "at {millis} ms");
        assert_eq!(world.count("connect_failed"), 0);
        let asked = |action: &&(_, Action)| matches!(action.1, Action::UpgradeTls { .. });
        assert_eq!(world.actions.iter().filter(asked).count(), 1);
        world.run_for(SECOND);
    }
}

// behaviour: 3.1, 3.2
#[test]
fn a_server_that_is_announced_with_tls_is_raised() {
    // By its URL, and because it inherits TLS from the server that announces it.
    for (known, announced) in [
        ("nats://n1.test:4222", "tls://n2.test:4222"),
        ("tls://n1.test:4222", "n2.test:4222"),
    ] {
        let mut world = Scenario::new(2)
            .knowing(&[known, "nats://n2.test:4222"])
            .every_server(|server| server.tls = Tls::Available)
            .server(0, |server| server.urls = Urls::Fixed(vec![announced.into()]))
            .connected();
        world.run_for(5 * SECOND);
        assert_eq!(raised(&world), ["tls://n2.test:4222"], "{known}");
        assert_eq!(world.count("discovered_servers"), 0, "nothing is new");
        // Repeated, it is nothing new.
        world.reaction(Reaction::Info);
        world.run_for(5 * SECOND);
        assert_eq!(raised(&world).len(), 1);
        world.crash(0);
        world.wait("reconnected");
        assert!(was_encrypted(&world));
    }
}

// behaviour: 3.1, 3.2
#[test]
fn an_announcement_without_a_scheme_does_not_change_a_server_with_tls() {
    let mut world = Scenario::new(2)
        .knowing(&["nats://n1.test:4222", "tls://n2.test:4222"])
        .every_server(|server| server.tls = Tls::Available)
        .server(0, |server| server.urls = Urls::Fixed(vec!["n2.test:4222".into()]))
        .connected();
    world.run_for(5 * SECOND);
    assert_eq!(raised(&world), Vec::<String>::new());
    assert_eq!(pool(&world), ["nats://n1.test:4222", "tls://n2.test:4222"]);
}

// behaviour: 3.1, 3.2
#[test]
fn a_server_that_announces_itself_with_tls_is_upgraded_to_tls_at_once() {
    let mut world = Scenario::new(1)
        .knowing(&["nats://ann:secret@n1.test:4222"])
        .server(0, |server| {
            server.tls = Tls::Available;
            server.urls = Urls::Fixed(vec!["tls://n1.test:4222".into()]);
        })
        .connected();
    assert_eq!(raised(&world), ["tls://n1.test:4222"]);
    assert!(was_encrypted(&world));
    world.run_for(SECOND);
}

// behaviour: 3.1, 2.3
#[test]
fn an_info_that_raises_its_own_server_once_credentials_are_due_fails_the_attempt() {
    let mut world = Scenario::new(1)
        .knowing(&[PLAIN])
        .config(|config| {
            config.ask_credentials = true;
            config.retry_initial = true;
        })
        .server(0, |server| server.tls = Tls::Available)
        .begin();
    for _ in 0..2 {
        let answer = Ok(Credentials::user_password("ann", "secret"));
        world
            .driver
            .answers
            .push_back((Some(Duration::from_millis(50)), answer));
    }
    world.run_for(Duration::from_millis(20));
    world.send("INFO {\"connect_urls\":[\"tls://n1.test:4222\"],\"tls_available\":true}\r\n");
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!((phase, &error), (Phase::Tls, &AttemptError::TlsRaised));
    assert!(error.to_string().contains("the next attempt uses TLS"), "{error}");
    assert_eq!(world.log().bytes, 0);
    world.wait("connected");
    assert!(was_encrypted(&world));
}

// behaviour: 3.1, 3.7
#[test]
fn the_tls_settings_of_a_server_survive_raising_it() {
    let named = url("nats://n1.test:4222").with_tls_name("cluster.test");
    for servers in [[named.clone(), url(TLS)], [url(TLS), named]] {
        let world = Scenario::new(1)
            .config(|config| config.servers = servers.to_vec())
            .server(0, |server| server.tls = Tls::Available)
            .connected();
        let status = world.client.servers().remove(0);
        assert_eq!(
            (status.server.tls_name(), status.server.to_string()),
            ("cluster.test", "tls://n1.test:4222".into())
        );
        assert!(was_encrypted(&world));
    }
    // An address that a server with TLS announces is trusted by the name of that server, also where it was known.
    let mut world = Scenario::new(2)
        .server(1, |server| server.host = "10.0.0.2".into())
        .knowing(&["tls://n1.test:4222", "nats://10.0.0.2:4222"])
        .every_server(|server| server.tls = Tls::Available)
        .server(0, |server| {
            server.urls = Urls::Fixed(vec!["10.0.0.2:4222".into()])
        })
        .connected();
    world.run_for(5 * SECOND);
    assert_eq!(raised(&world), ["tls://10.0.0.2:4222"]);
    assert_eq!(world.client.servers()[1].server.tls_name(), "n1.test");
    // A new pool that names it by its address again changes nothing in that.
    world.set_servers(&["n1", "nats://10.0.0.2:4222"]).expect("open");
    assert_eq!(world.client.servers()[1].server.tls_name(), "n1.test");
    assert_eq!(pool(&world), ["tls://n1.test:4222", "tls://10.0.0.2:4222"]);
}

// behaviour: 3.1, 3.2
#[test]
fn a_server_that_is_raised_before_it_was_reported_is_reported_with_tls() {
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
    world.cluster.settings_mut(0).urls =
        Urls::Fixed(vec!["tls://n2.test:4222".into(), "n3.test:4222".into()]);
    let (_, event) = world.wait("discovered_servers");
    let Event::Connection(ConnectionEvent::DiscoveredServers { added, .. }) = event else {
        panic!("{event:?}")
    };
    let added: Vec<String> = added.iter().map(ToString::to_string).collect();
    assert_eq!(added, ["tls://n2.test:4222", "nats://n3.test:4222"]);
}

// behaviour: 3.1, 3.5
#[test]
fn each_server_that_a_new_pool_names_with_and_without_tls_is_reported() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.tls = Tls::Available)
        .connected();
    let other = ["nats://n2.test:4222", "tls://n2.test:4222"];
    world
        .set_servers(&[PLAIN, TLS, other[0], other[1]])
        .expect("open");
    world.run_for(SECOND);
    let mut raised = raised(&world);
    raised.sort();
    assert_eq!(raised, ["tls://n1.test:4222", "tls://n2.test:4222"]);
}

// behaviour: 3.1, 3.7
#[test]
fn tls_comes_first_if_one_of_the_urls_of_a_server_says_so() {
    let first = url("nats://n1.test:4222").with_tls_first(true);
    for servers in [[first.clone(), url(TLS)], [url(TLS), first]] {
        let mut world = Scenario::new(1)
            .config(|config| config.servers = servers.to_vec())
            .server(0, |server| server.tls = Tls::First)
            .connected();
        world.run_for(SECOND);
        assert!(was_encrypted(&world));
    }
}
