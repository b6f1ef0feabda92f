//! What the page on health checks promises (behaviour 8.1): with its settings a half-open link is found within the
//! time that it names.

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Event, State};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const PAGE: &str = include_str!("../../../adapters/client/docs/health.md");
const SECOND: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(10);

/// Connected to the first of two servers by the recipe.
fn by_the_recipe() -> World {
    for setting in [
        ".ping_interval(Duration::from_secs(10))",
        ".max_pings_out(2)",
        "is left 30 s after the last bytes",
        "turns false after 20 s of silence",
        "health.silence < ping_interval * 2",
    ] {
        assert!(PAGE.contains(setting), "the page says {setting}");
    }
    let mut world = Scenario::new(2)
        .config(|config| (config.ping_interval, config.max_pings_out) = (INTERVAL, 2))
        .connected();
    world.run_for(SECOND);
    world
}

/// What the page answers a check for readiness with.
fn is_ready(world: &World) -> bool {
    let health = world.client.link_health(world.now());
    world.client.state() == State::Connected && health.is_some_and(|health| health.silence < INTERVAL * 2)
}

// behaviour: 8.1
#[test]
fn a_half_open_link_is_left_within_the_time_that_the_page_promises_whichever_half_is_gone() {
    type Break = fn(&mut World);
    let both: Break = World::freeze;
    let ours: Break = |world| world.pipe().deaf = true;
    let theirs: Break = |world| world.pipe().mute = true;
    for (broken, break_it) in [("both", both), ("ours", ours), ("theirs", theirs)] {
        for writes in [false, true] {
            let mut world = by_the_recipe();
            let last_heard = world.client.statistics().last_inbound.expect("a session");
            break_it(&mut world);
            while world.count("disconnected") == 0 {
                if writes {
                    let _ = world.publish_numbered("a", 20);
                }
                world.run_for(Duration::from_millis(100));
                assert!(
                    world.now() < last_heard + 31 * SECOND,
                    "{broken}, writes: {writes}"
                );
            }
            let (at, event) = world.all("disconnected").remove(0);
            assert_eq!(at.since(last_heard), 30 * SECOND, "{broken}, writes: {writes}");
            assert!(
                matches!(event, Event::Connection(ConnectionEvent::Disconnected { reason, .. }) if reason.code() == "stale")
            );
            world.wait("reconnected");
            assert!(is_ready(&world));
        }
    }
}

// behaviour: 8.1
#[test]
fn readiness_ends_before_the_link_is_left_and_liveness_does_not() {
    let mut world = by_the_recipe();
    let last_heard = world.client.statistics().last_inbound.expect("a session");
    world.freeze();
    let mut ended = None;
    while world.count("disconnected") == 0 {
        if !is_ready(&world) {
            ended = ended.or(Some(world.now()));
        }
        assert_ne!(world.client.state(), State::Closed);
        world.run_for(Duration::from_millis(10));
    }
    let ended = ended.expect("it is not ready").since(last_heard);
    assert!(
        ended >= 20 * SECOND && ended <= 20 * SECOND + Duration::from_millis(10),
        "{ended:?}"
    );
}

// behaviour: 8.1
#[test]
fn an_idle_link_is_never_silent_for_longer_than_an_interval_and_a_round_trip() {
    let mut world = by_the_recipe();
    for _ in 0..6000 {
        world.run_for(Duration::from_millis(100));
        let health = world.client.link_health(world.now()).expect("a session");
        assert!(
            health.silence <= INTERVAL + Duration::from_millis(2),
            "{health:?}"
        );
        assert!(is_ready(&world));
    }
    assert_eq!(world.count("disconnected"), 0);
}
