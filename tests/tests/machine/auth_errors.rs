//! Repeated authentication errors (behaviour 9.2).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Event, LinkEnd, RemovalReason};
use nats_conn_tests::model_server::{Auth, Reaction, Step, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::Dial;

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 9.2; edge: 48
#[test]
fn the_same_authentication_error_twice_over_ten_seconds_takes_the_server_out() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.cluster.settings_mut(0).auth = Auth::Refuse("Authorization Violation".into());
    world.crash(0);
    world.restart(0);
    let (first, _) = world.wait("connect_failed");
    let (at, event) = world.wait("server_removed");
    assert!(matches!(
        event,
        Event::Connection(ConnectionEvent::ServerRemoved {
            reason: RemovalReason::Auth,
            ..
        })
    ));
    assert!(at.since(first) >= 10 * SECOND, "{:?}", at.since(first));
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed auth".into()));
    assert!(
        world.count("backoff_wait") >= 5,
        "an ordinary failed attempt before that"
    );
}

// behaviour: 9.2
#[test]
fn within_the_gap_it_is_an_ordinary_failure_and_a_success_ends_the_row() {
    let mut world = Scenario::new(1).connected();
    for _ in 0..4 {
        world.run_for(9 * SECOND);
        world.cluster.settings_mut(0).auth = Auth::Refuse("User Authentication Expired".into());
        world.crash(0);
        world.restart(0);
        world.wait("connect_failed");
        world.wait("connect_failed");
        world.cluster.settings_mut(0).auth = Auth::Open;
        world.wait("reconnected");
    }
    assert_eq!(world.count("server_removed"), 0);
}

// behaviour: 9.2; edge: 48, 49
#[test]
fn two_different_authentication_errors_or_two_servers_are_not_a_row() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.reaction(Reaction::error("User Authentication Expired"));
    world.reaction(Reaction::Close);
    world.run_for(20 * SECOND);
    assert_eq!(world.count("reconnected"), 1);
    let mut world = Scenario::new(2)
        .config(|config| config.retry_initial = true)
        .every_server(|server| server.auth = Auth::Refuse("Authorization Violation".into()))
        .begin();
    world.run_for(9 * SECOND);
    assert_eq!(
        world.count("server_removed"),
        0,
        "each has failed often, within its own gap"
    );
    for place in 0..2 {
        world.cluster.settings_mut(place).auth = Auth::Refuse("User Authentication Revoked".into());
    }
    world.run_for(9 * SECOND);
    assert_eq!(world.count("server_removed"), 0, "another error is another row");
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed auth".into()));
}

// behaviour: 9.2; edge: 51
#[test]
fn authentication_timeout_and_connection_limits_are_retried_for_ever() {
    for text in [
        "Authentication Timeout",
        "maximum connections exceeded",
        "maximum account active connections exceeded",
    ] {
        let mut world = Scenario::new(1).connected();
        world.run_for(5 * SECOND);
        world.cluster.settings_mut(0).auth = Auth::Refuse(text.into());
        world.crash(0);
        world.restart(0);
        world.run_for(300 * SECOND);
        assert_eq!(world.count("server_removed") + world.count("closed"), 0, "{text}");
        assert!(world.count("connect_failed") > 30);
    }
}

// behaviour: 9.2
#[test]
fn authentication_errors_can_be_set_to_never_give_up() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.ignore_auth_strikes = true;
            config.retry_initial = true;
        })
        .server(0, |server| {
            server.auth = Auth::Refuse("Authorization Violation".into())
        })
        .begin();
    world.run_for(300 * SECOND);
    assert_eq!(world.count("server_removed"), 0);
}

// behaviour: 9.2
#[test]
fn the_gap_of_authentication_errors_can_be_set() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.auth_strike_gap = Duration::ZERO;
            config.retry_initial = true;
        })
        .server(0, |server| {
            server.auth = Auth::Refuse("Authorization Violation".into())
        })
        .begin();
    world.wait("closed");
    assert_eq!(world.count("connect_failed"), 2);
}

// behaviour: 3.4
#[test]
fn an_empty_pool_is_auth_only_if_every_removal_was_for_authentication() {
    let mut world = Scenario::new(2)
        .config(|config| {
            config.auth_strike_gap = Duration::ZERO;
            config.max_reconnects = Some(3);
            config.retry_initial = true;
        })
        .server(0, |server| {
            server.auth = Auth::Refuse("Authorization Violation".into())
        })
        .route(1, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .begin();
    world.wait("closed");
    assert_eq!(world.story().last(), Some(&"closed pool_exhausted".into()));
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
        let step = Step::instead(When::Connect, [Reaction::error(text), Reaction::Close]);
        world.cluster.settings_mut(0).next_scripts.push_back(vec![step]);
    }
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    assert_eq!(world.count("connect_failed"), 12);
    assert_eq!(world.count("server_removed"), 0, "{:?}", world.story());
}
