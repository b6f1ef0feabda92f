//! How long the client waits before it dials again (behaviour 4).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Event, LinkEnd, WaitReason};
use nats_conn_tests::model_server::{Reaction, Step, Tls, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::{Dial, World};

const SECOND: Duration = Duration::from_secs(1);

/// The waits so far.
fn delays(world: &World) -> Vec<Duration> {
    let waits = world.all("backoff_wait").into_iter();
    waits
        .map(|(at, event)| match event {
            Event::Connection(ConnectionEvent::BackoffWait { delay, until, .. }) => {
                assert_eq!(until, at + delay);
                delay
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

// behaviour: 4.3; edge: 83
#[test]
fn a_server_that_shakes_hands_and_closes_is_dialled_at_most_40_times_in_60_s() {
    for seed in 0..20 {
        let script = Step::instead(When::Ping(1), [Reaction::Pong, Reaction::Close]);
        let mut world = Scenario::new(1)
            .seed(seed)
            .server(0, |server| server.script = vec![script])
            .begin();
        world.run_for(60 * SECOND);
        let dials = world.dials().len();
        assert!((10..=40).contains(&dials), "{dials} dials with seed {seed}");
        assert_eq!(
            world.count("connected") + world.count("reconnected"),
            dials,
            "the handshake succeeds every time"
        );
    }
}

// behaviour: 4.3; edge: 83, 97
#[test]
fn a_link_that_lived_shorter_than_min_stable_counts_as_a_failed_round_but_not_for_max_reconnects() {
    let script = Step::instead(
        When::Ping(1),
        [Reaction::Pong, Reaction::later(1_900_000_000, Reaction::Close)],
    );
    let mut world = Scenario::new(1)
        .config(|config| config.max_reconnects = Some(2))
        .server(0, |server| server.script = vec![script])
        .begin();
    world.run_for(60 * SECOND);
    assert!(world.count("reconnected") > 5, "{:?}", world.story());
    assert_eq!(world.count("server_removed"), 0);
    assert_eq!(
        world.count("disconnected"),
        world.count("backoff_wait"),
        "every one is followed by a wait"
    );
    let reasons = world.all("backoff_wait").into_iter();
    for (_, event) in reasons {
        assert!(
            matches!(
                event,
                Event::Connection(ConnectionEvent::BackoffWait {
                    reason: WaitReason::Flapping { .. },
                    ..
                })
            ),
            "{event:?}"
        );
    }
}

// behaviour: 4.1; edge: 81, 82
#[test]
fn after_a_stable_link_the_first_attempt_is_at_once_even_with_one_server() {
    for servers in [1, 3] {
        let mut world = Scenario::new(servers).connected();
        world.run_for(2 * SECOND);
        world.crash(0);
        let (lost, _) = world.wait("disconnected");
        assert_eq!(world.wait("connecting").0, lost);
    }
}

// behaviour: 4.1; edge: 81
#[test]
fn waits_double_from_100_ms_to_4_s_and_jitter_is_bounded() {
    for seed in 0..10 {
        let mut world = Scenario::new(1).seed(seed).connected();
        world.run_for(5 * SECOND);
        world.crash(0);
        world.run_for(60 * SECOND);
        let mut wait = Duration::from_millis(100);
        for delay in delays(&world) {
            let jitter = Duration::from_secs(2).min((wait / 2).max(Duration::from_millis(100)));
            assert!(delay >= wait && delay <= wait + jitter, "{delay:?} for {wait:?}");
            wait = (wait * 2).min(4 * SECOND);
        }
        assert_eq!(wait, 4 * SECOND);
    }
}

// behaviour: 4.1; edge: 81
#[test]
fn jitter_is_spread_over_its_range() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.run_for(2000 * SECOND);
    let late: Vec<Duration> = delays(&world)
        .into_iter()
        .skip(6)
        .map(|delay| delay - 4 * SECOND)
        .collect();
    assert!(late.len() > 300);
    let low = late.iter().filter(|jitter| **jitter < SECOND).count();
    assert!(
        low * 10 > late.len() * 4 && low * 10 < late.len() * 6,
        "{low} of {} below the middle",
        late.len()
    );
    assert!(late.iter().all(|jitter| *jitter <= 2 * SECOND));
}

// behaviour: 4.1
#[test]
fn jitter_zero_means_none() {
    let mut world = Scenario::new(1)
        .config(|config| config.backoff.jitter = Some(Duration::ZERO))
        .connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.run_for(20 * SECOND);
    let millis: Vec<u128> = delays(&world).iter().map(Duration::as_millis).collect();
    assert_eq!(millis[..8], [100, 200, 400, 800, 1600, 3200, 4000, 4000]);
}

// behaviour: 4.1
#[test]
fn jitter_is_up_to_a_second_where_tls_is_used() {
    let mut widest = Duration::ZERO;
    for seed in 0..20 {
        let mut world = Scenario::new(1)
            .seed(seed)
            .knowing(&["tls://n1.test:4222"])
            .config(|config| config.retry_initial = true)
            .route(0, |route| route.dial = Dial::Fails(LinkEnd::Eof))
            .begin();
        world.run_for(SECOND);
        let first = delays(&world)[0];
        assert!(first <= Duration::from_millis(1_100));
        widest = widest.max(first);
    }
    assert!(widest > Duration::from_millis(600), "{widest:?}");
}

// behaviour: 4.1, 3.3
#[test]
fn within_a_round_each_server_is_tried_once_without_waits() {
    let mut world = Scenario::new(3).connected();
    world.run_for(5 * SECOND);
    (0..3).for_each(|place| world.crash(place));
    world.run_for(SECOND);
    let story = world.story();
    assert_eq!(
        story[2..10],
        [
            "disconnected n1 io",
            "connecting n2",
            "connect_failed n2 dial connection_refused",
            "connecting n3",
            "connect_failed n3 dial connection_refused",
            "connecting n1",
            "connect_failed n1 dial connection_refused",
            "backoff_wait n2",
        ]
    );
}

// behaviour: 4.1; edge: 81
#[test]
fn a_stable_link_sets_the_rounds_back_to_zero() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.run_for(20 * SECOND);
    world.restart(0);
    world.wait("reconnected");
    world.run_for(5 * SECOND);
    world.crash(0);
    world.skip_past();
    let (lost, _) = world.wait("disconnected");
    assert_eq!(world.wait("connecting").0, lost);
    let (_, event) = world.wait("backoff_wait");
    assert!(
        matches!(event, Event::Connection(ConnectionEvent::BackoffWait { delay, .. }) if delay <= Duration::from_millis(200)),
        "{event:?}"
    );
}

// behaviour: 4.2; edge: 54
#[test]
fn a_wait_ends_early_on_close_on_a_forced_reconnect_and_on_a_new_pool() {
    let waiting = || {
        let mut world = Scenario::new(2).knowing(&["n1"]).connected();
        world.run_for(5 * SECOND);
        world.crash(0);
        world.run_for(30 * SECOND);
        world.run_until(|world| world.names().last() == Some(&"backoff_wait"), u64::MAX);
        world.skip_past();
        world
    };
    let mut world = waiting();
    let now = world.now();
    world.close();
    assert_eq!(world.wait("closed").0, now);
    let mut world = waiting();
    let now = world.now();
    world.force_reconnect().expect("open");
    assert_eq!(world.wait("connecting").0, now);
    let mut world = waiting();
    let now = world.now();
    world.set_servers(&["n2"]).expect("open");
    assert_eq!(world.wait("connecting").0, now);
    world.wait("reconnected");
}

// behaviour: 4.2
#[test]
fn a_wait_is_reported_with_its_server_its_length_and_the_number_of_the_attempt() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    for number in 2..5 {
        let (at, event) = world.wait("backoff_wait");
        let Event::Connection(ConnectionEvent::BackoffWait {
            server,
            attempt,
            delay,
            until,
            reason,
        }) = event
        else {
            panic!("{event:?}")
        };
        assert_eq!((server.host(), attempt, until), ("n1.test", number, at + delay));
        assert_eq!(reason, WaitReason::RoundFailed { rounds: number - 1 });
        let (dialled, event) = world.wait("connecting");
        assert_eq!(dialled, until);
        assert!(
            matches!(event, Event::Connection(ConnectionEvent::Connecting { attempt, .. }) if attempt == number)
        );
    }
}

// behaviour: 4.1
#[test]
fn a_link_left_by_force_starts_at_once_however_short_it_lived() {
    let mut world = Scenario::new(2).connected();
    world.run_for(Duration::from_millis(10));
    let now = world.now();
    world.force_reconnect().expect("open");
    assert_eq!(world.wait("connecting").0, now);
    assert_eq!(world.count("backoff_wait"), 0);
}

// behaviour: 4.1; edge: 101
#[test]
fn without_waits_a_failing_name_is_still_no_busy_loop_within_a_round() {
    let mut world = Scenario::new(1)
        .config(|config| config.retry_initial = true)
        .route(0, |route| {
            route.dial = Dial::Fails(LinkEnd::Resolve {
                detail: "no such name".into(),
            });
            route.dial_time = Duration::ZERO;
        })
        .begin();
    world.run_for(60 * SECOND);
    let dials = world.dials().len();
    assert!((12..=40).contains(&dials), "{dials}");
    assert!(
        world.story()[1].starts_with("connect_failed n1 resolve"),
        "{:?}",
        world.story()[1]
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
                // Before its first INFO only the settings require TLS.
                world.crash(0);
            } else {
                world.wait("connected");
                world.run_for(5 * SECOND);
                world.crash(0);
            }
            let (_, event) = world.wait("backoff_wait");
            let Event::Connection(ConnectionEvent::BackoffWait { delay, .. }) = event else {
                panic!("{event:?}")
            };
            assert!(delay <= Duration::from_millis(1_100), "{delay:?}");
            widest = widest.max(delay);
        }
        assert!(widest > Duration::from_millis(600), "{widest:?}");
    }
}
