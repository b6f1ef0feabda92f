//! When a link is encrypted, and what may be said before it is (behaviour 2.2, 13.2).

use std::time::Duration;

use nats_conn_sm::{Action, ConnectError, Phase, TlsExpectation};
use nats_conn_tests::model_server::{Deed, Tls};
use nats_conn_tests::scenario::Scenario;
use serde_json::json;

use super::attempts::{first_failure, greeting_with};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 2.1, 13.2
#[test]
fn tls_is_upgraded_behind_info_where_scheme_option_or_info_ask_for_it() {
    let by_scheme = Scenario::new(1).knowing(&["tls://n1.test:4222"]);
    let by_option = Scenario::new(1).config(|config| config.tls_required = true);
    let by_info = Scenario::new(1);
    for (scenario, tls, expectation) in [
        (by_scheme, Tls::Available, TlsExpectation::Required),
        (by_option, Tls::Required, TlsExpectation::Required),
        (by_info, Tls::Required, TlsExpectation::IfDemanded),
    ] {
        let mut world = scenario.server(0, |server| server.tls = tls).connected();
        world.run_for(SECOND);
        let (first, upgrade) = (&world.actions[0].1, &world.actions[1].1);
        assert!(
            matches!(first, Action::Connect { tls, .. } if *tls == expectation),
            "{first:?}"
        );
        assert!(matches!(upgrade, Action::UpgradeTls { server, .. } if server.tls_name() == "n1.test"));
        assert_eq!(world.log().connect().expect("sent")["tls_required"], json!(true));
    }
}

// behaviour: 13.2; edge: 41
#[test]
fn tls_that_is_only_available_is_not_used_unless_asked_for() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.tls = Tls::Available)
        .connected();
    world.run_for(SECOND);
    assert!(
        !world
            .actions
            .iter()
            .any(|(_, action)| matches!(action, Action::UpgradeTls { .. }))
    );
}

// behaviour: 2.3, 13.2; edge: 44
#[test]
fn tls_that_is_wanted_and_not_to_be_had_fails_in_tls_before_anything_is_said() {
    let scenarios = [
        Scenario::new(1).knowing(&["tls://user:secret@n1.test:4222"]),
        Scenario::new(1).config(|config| config.tls_required = true),
    ];
    for scenario in scenarios {
        let mut world = scenario.begin();
        let (phase, error, _) = first_failure(&mut world);
        assert_eq!((phase, error), (Phase::Tls, ConnectError::TlsNotOffered));
        assert_eq!(world.log().bytes, 0);
    }
}

// behaviour: 2.3; edge: 45
#[test]
fn a_tls_handshake_that_fails_is_a_failure_of_the_phase_tls() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.tls = Tls::Required)
        .route(0, |route| route.tls.1 = Err("unknown issuer".into()))
        .begin();
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!(phase, Phase::Tls);
    assert!(error.to_string().contains("unknown issuer"), "{error}");
}

// behaviour: 2.1; edge: 42
#[test]
fn tls_first_comes_before_info_and_a_server_that_does_not_answer_is_a_timeout() {
    let first = |config: &mut nats_conn_sm::Config| config.tls_first = true;
    let mut world = Scenario::new(1)
        .config(first)
        .server(0, |server| server.tls = Tls::First)
        .connected();
    assert!(matches!(
        world.actions[0].1,
        Action::Connect {
            tls: TlsExpectation::First,
            ..
        }
    ));
    world.run_for(SECOND);
    let mut world = Scenario::new(1)
        .server(0, |server| server.tls = Tls::First)
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Info, ConnectError::TimedOut, 5 * SECOND)
    );
    let mut world = Scenario::new(1)
        .config(first)
        .route(0, |route| route.tls.0 = 60 * SECOND)
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Tls, ConnectError::TimedOut, 5 * SECOND)
    );
}

// behaviour: 2.2; edge: 38
#[test]
fn a_whole_error_line_behind_info_before_tls_is_reported() {
    let throttled = "Connection throttling is active. Please try again later.";
    let mut world = greeting_with([Deed::Info, Deed::error(throttled), Deed::Close])
        .server(0, |server| server.tls = Tls::Required)
        .begin();
    let (_, error, _) = first_failure(&mut world);
    let ConnectError::Server(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error.text(), throttled);
    assert!(
        !world
            .actions
            .iter()
            .any(|(_, action)| matches!(action, Action::UpgradeTls { .. }))
    );
}

// behaviour: 2.2
#[test]
fn clear_text_behind_info_before_tls_fails_the_attempt_and_is_never_kept() {
    for smuggled in [
        "PONG\r\n",
        "MSG a 1 2\r\nhi\r\n",
        "-ERR 'half",
        "+OK\r\nPONG\r\nPONG\r\n",
    ] {
        let mut world = greeting_with([Deed::Info, Deed::send(smuggled)])
            .server(0, |server| server.tls = Tls::Required)
            .begin();
        let (_, error, _) = first_failure(&mut world);
        assert_eq!(error, ConnectError::PlaintextBeforeTls, "{smuggled:?}");
        assert_eq!(world.log().bytes, 0);
        assert!(
            !world
                .actions
                .iter()
                .any(|(_, action)| matches!(action, Action::UpgradeTls { .. }))
        );
    }
}
