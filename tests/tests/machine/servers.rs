//! What is remembered of each server, and told of it (behaviour 3, 4.1, 9.2, 10.1).

use std::time::Duration;

use nats_conn_sm::{Action, Event, LinkEnd, RemovalReason, WaitReason};
use nats_conn_tests::model_server::{Deed, Step, Tls, Urls, When};
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::{Dial, World};

const SECOND: Duration = Duration::from_secs(1);

fn next(world: &World) -> Vec<String> {
    let servers = world.client.servers().into_iter();
    servers
        .filter(|status| status.next)
        .map(|status| status.server.host().to_owned())
        .collect()
}

fn fails_once(deed: Deed) -> Vec<Step> {
    vec![Step::instead(When::Accept, [deed])]
}

// behaviour: 3.4
#[test]
fn failures_of_the_initial_round_do_not_count_for_max_reconnects_later() {
    let mut world = Scenario::new(2)
        .config(|config| config.max_reconnects = Some(2))
        .server(0, |server| {
            server.next_scripts.push_back(fails_once(Deed::Close));
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
            "{name}: once at first, and twice behind the loss"
        );
    }
}

// behaviour: 3.5, 3.1
#[test]
fn a_server_that_is_in_the_new_pool_too_is_the_same_whatever_else_its_url_says() {
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
        "nothing is told"
    );
    // The one just lost goes last among equals.
    world.deed(Deed::Close);
    world.wait("reconnected");
    assert_eq!(world.story().last(), Some(&"resubscribed 0 0".into()));
    assert!(world.story().contains(&"reconnected n2".into()));
}

// behaviour: 3.5, 2.3
#[test]
fn a_server_that_was_discovered_and_replaced_between_two_sessions_is_not_told_as_added() {
    let mut world = Scenario::new(2)
        .knowing(&["n1"])
        .config(|config| config.retry_initial = true)
        .server(0, |server| {
            server.urls = Urls::Fixed(vec!["n2.test:4222".into()]);
            server.script.push(Step::also(When::Connect, [Deed::Close]));
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
fn a_server_that_left_before_it_was_told_of_is_not_told_as_added() {
    let mut world = Scenario::new(3)
        .knowing(&["n1", "n2"])
        .config(|config| config.max_reconnects = Some(1))
        .server(1, |server| {
            server.urls = Urls::Fixed(vec!["n3.test:4222".into()]);
            server.script.push(Step::also(When::Connect, [Deed::Close]));
        })
        .route(2, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .connected();
    world.run_for(5 * SECOND);
    world.deed(Deed::Close);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert!(world.story().contains(&"server_removed n3 max_reconnects".into()));
    assert_eq!(world.count("discovered_servers"), 0, "{:?}", world.story());
}

// behaviour: 3.6, 4.1
#[test]
fn a_choice_that_is_always_the_same_server_still_waits_behind_each_round() {
    let mut world = Scenario::new(3)
        .config(|config| {
            config.custom_selection = true;
            config.retry_initial = true;
        })
        .every_route(|route| route.dial = Dial::Fails(LinkEnd::Eof))
        .begin();
    world.driver.chooser = Some(Box::new(|servers, _, delay| {
        Some((servers[0].server.id(), delay))
    }));
    world.run_for(60 * SECOND);
    let dials = world.dials().len();
    assert!(
        (30..=75).contains(&dials),
        "{dials} dials in a minute, three a round"
    );
    let waits = world.all("backoff_wait");
    let rounds: Vec<u32> = waits
        .iter()
        .filter_map(|(_, event)| match event {
            Event::BackoffWait {
                reason: WaitReason::RoundFailed { rounds },
                ..
            } => Some(*rounds),
            _ => None,
        })
        .collect();
    assert_eq!(rounds[..4], [1, 2, 3, 4]);
}

// behaviour: 3.6, 14, 2.5
#[test]
fn the_very_first_attempt_begins_at_once_whatever_delay_was_chosen() {
    let mut world = Scenario::new(1)
        .config(|config| config.custom_selection = true)
        .begin();
    let start = world.now();
    world.driver.chooser = Some(Box::new(|servers, _, _| {
        Some((servers[0].server.id(), 5 * SECOND))
    }));
    assert_eq!(world.wait("connecting").0, start);
    world.wait("connected");
    world.run_for(5 * SECOND);
    world.deed(Deed::Close);
    let lost = world.wait("disconnected").0;
    world.wait("backoff_wait");
    assert_eq!(
        world.wait("connecting").0,
        lost + 5 * SECOND,
        "a later one waits as chosen"
    );
}

// behaviour: 4.1
#[test]
fn jitter_is_up_to_a_second_where_the_server_demanded_tls_too_or_the_settings_do() {
    for by_settings in [false, true] {
        let mut widest = Duration::ZERO;
        for seed in 0..20 {
            let scenario = Scenario::new(1).seed(seed);
            let scenario = if by_settings {
                scenario.config(|config| {
                    config.tls_required = true;
                    config.retry_initial = true;
                })
            } else {
                scenario.server(0, |server| server.tls = Tls::Required)
            };
            let mut world = scenario.begin();
            if by_settings {
                // Before its first INFO nothing but the settings says so.
                world.crash(0);
            } else {
                world.wait("connected");
                world.run_for(5 * SECOND);
                world.crash(0);
            }
            let (_, event) = world.wait("backoff_wait");
            let Event::BackoffWait { delay, .. } = event else {
                panic!("{event:?}")
            };
            assert!(delay <= Duration::from_millis(1_100), "{delay:?}");
            widest = widest.max(delay);
        }
        assert!(widest > Duration::from_millis(600), "{widest:?}");
    }
}

// behaviour: 9.2; edge: 48
#[test]
fn another_answer_between_two_equal_authentication_errors_ends_their_row() {
    let mut world = Scenario::new(1)
        .config(|config| config.auth_strike_gap = SECOND)
        .connected();
    world.run_for(5 * SECOND);
    for round in 0..12 {
        let text = if round % 2 == 0 {
            "Authorization Violation"
        } else {
            "maximum connections exceeded"
        };
        let step = Step::instead(When::Connect, [Deed::error(text), Deed::Close]);
        world.cluster.settings_mut(0).next_scripts.push_back(vec![step]);
    }
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    assert_eq!(world.count("connect_failed"), 12);
    assert_eq!(world.count("server_removed"), 0, "{:?}", world.story());
}

// behaviour: 10.1, 2.3; edge: 144
#[test]
fn a_server_that_said_ldm_in_an_attempt_that_failed_goes_last() {
    let mut world = Scenario::new(2)
        .server(0, |server| {
            server.info.insert("ldm".into(), true.into());
            server.script.push(Step::also(When::Connect, [Deed::Close]));
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
fn a_repeated_ldm_does_not_begin_the_two_minutes_anew() {
    let mut world = Scenario::new(2).notify_only().connected();
    world.run_for(5 * SECOND);
    world.deed(Deed::send("INFO {\"ldm\":true}\r\n"));
    for _ in 0..10 {
        world.run_for(15 * SECOND);
        world.deed(Deed::send("INFO {\"ldm\":true}\r\n"));
    }
    assert_eq!(world.count("lame_duck"), 1);
    assert!(!world.client.servers()[0].lame_duck);
}

// behaviour: 3.3
#[test]
fn the_pool_says_who_would_come_next_in_every_state() {
    let mut world = Scenario::new(3).begin();
    assert_eq!(next(&world), ["n2.test"], "n1 is being dialled");
    world.wait("connected");
    world.run_for(5 * SECOND);
    assert_eq!(next(&world), ["n2.test"], "n1 would be the one just lost");
    (0..3).for_each(|place| world.crash(place));
    world.run_until(|world| world.names().last() == Some(&"backoff_wait"), u64::MAX);
    let (_, event) = world.all("backoff_wait").pop().expect("a wait");
    let Event::BackoffWait { server, .. } = event else {
        panic!("{event:?}")
    };
    assert_eq!(next(&world), [server.host().to_owned()]);
    world.close();
    world.wait("closed");
    assert_eq!(next(&world), Vec::<String>::new());
}

// behaviour: 3.2, 3.4
#[test]
fn the_pool_tells_the_reasons_of_every_server() {
    let mut world = Scenario::new(3)
        .knowing(&["n1", "n2"])
        .server(1, |server| {
            server.urls = Urls::Fixed(vec!["n2.test:4222".into(), "n3.test:4222".into()])
        })
        .route(0, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .connected();
    world.run_for(SECOND);
    let status = world.client.servers();
    let told: Vec<_> = status
        .iter()
        .map(|status| {
            (
                status.failures,
                status.last_error.is_some(),
                status.discovered,
                status.current,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, true, false, false),
            (0, false, false, true),
            (0, false, true, false)
        ]
    );
    assert_eq!(
        status[0].last_error.as_ref().map(|error| error.server.clone()),
        Some("nats://n1.test:4222".into())
    );
    assert!(!world.events.iter().any(|(_, event)| matches!(
        event,
        Event::ServerRemoved {
            reason: RemovalReason::MaxReconnects,
            ..
        }
    )));
}
