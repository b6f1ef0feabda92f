//! When a link is encrypted, and what may be sent before that (behaviour 2.2, 13.2).

use std::time::Duration;

use nats_conn_sm::{Action, AttemptError, ConnectionEvent, Event, LinkEnd, Phase};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Reaction, Step, Tls, When};
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::Cut;
use serde_json::json;

use super::attempts::{first_failure, greeting_with};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 2.1, 13.2
#[test]
fn the_upgrade_to_tls_follows_info_if_scheme_option_or_info_require_it() {
    let by_scheme = Scenario::new(1).knowing(&["tls://n1.test:4222"]);
    let by_option = Scenario::new(1).config(|config| config.tls_required = true);
    let by_info = Scenario::new(1);
    for (scenario, tls) in [
        (by_scheme, Tls::Available),
        (by_option, Tls::Required),
        (by_info, Tls::Required),
    ] {
        let mut world = scenario.server(0, |server| server.tls = tls).connected();
        world.run_for(SECOND);
        let (first, upgrade) = (&world.actions[0].1, &world.actions[1].1);
        assert!(matches!(first, Action::Connect { .. }), "{first:?}");
        assert!(matches!(upgrade, Action::UpgradeTls { server, .. } if server.tls_name() == "n1.test"));
        assert_eq!(world.log().connect().expect("sent")["tls_required"], json!(true));
    }
}

// behaviour: 13.2; edge: 41
#[test]
fn tls_that_is_only_available_is_not_used_unless_configured() {
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
fn required_tls_that_the_server_lacks_fails_in_tls_before_anything_is_sent() {
    let scenarios = [
        Scenario::new(1).knowing(&["tls://user:secret@n1.test:4222"]),
        Scenario::new(1).config(|config| config.tls_required = true),
    ];
    for scenario in scenarios {
        let mut world = scenario.begin();
        let (phase, error, _) = first_failure(&mut world);
        assert_eq!((phase, error), (Phase::Tls, AttemptError::TlsNotOffered));
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
    assert!(matches!(world.actions[1].1, Action::UpgradeTls { .. }));
    world.run_for(SECOND);
    let mut world = Scenario::new(1)
        .server(0, |server| server.tls = Tls::First)
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Info, AttemptError::TimedOut, 5 * SECOND)
    );
    let mut world = Scenario::new(1)
        .config(first)
        .route(0, |route| route.tls.0 = 60 * SECOND)
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Tls, AttemptError::TimedOut, 5 * SECOND)
    );
}

// behaviour: 2.2; edge: 38
#[test]
fn a_whole_error_line_after_info_before_tls_is_reported() {
    let throttled = "Connection throttling is active. Please try again later.";
    let mut world = greeting_with([Reaction::Info, Reaction::error(throttled), Reaction::Close])
        .server(0, |server| server.tls = Tls::Required)
        .begin();
    let (_, error, _) = first_failure(&mut world);
    let AttemptError::Server(error) = error else {
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
fn clear_text_after_info_before_tls_fails_the_attempt_and_is_never_kept() {
    for smuggled in [
        "PONG\r\n",
        "MSG a 1 2\r\nhi\r\n",
        "-ERR 'half",
        "+OK\r\nPONG\r\nPONG\r\n",
    ] {
        let mut world = greeting_with([Reaction::Info, Reaction::send(smuggled)])
            .server(0, |server| server.tls = Tls::Required)
            .begin();
        let (_, error, _) = first_failure(&mut world);
        assert_eq!(error, AttemptError::PlaintextBeforeTls, "{smuggled:?}");
        assert_eq!(world.log().bytes, 0);
        assert!(
            !world
                .actions
                .iter()
                .any(|(_, action)| matches!(action, Action::UpgradeTls { .. }))
        );
    }
}

// behaviour: 2.3
#[test]
fn a_link_that_ends_after_the_tls_handshake_before_a_byte_came_fails_in_tls_and_asks_for_a_certificate() {
    let upgraded = |reaction: Reaction| {
        Scenario::new(1).server(0, |server| {
            server.tls = Tls::Required;
            server.script = vec![Step::instead(When::Connect, [reaction])];
        })
    };
    let first = |reaction: Reaction| {
        Scenario::new(1)
            .config(|config| config.tls_first = true)
            .server(0, |server| {
                server.tls = Tls::First;
                server.script = vec![Step::instead(When::Accept, [reaction])];
            })
    };
    let broken = upgraded(Reaction::Silence).route(0, |route| route.cuts = [Cut::AfterTaking(0)].into());
    for scenario in [
        upgraded(Reaction::Close),
        upgraded(Reaction::Reset),
        first(Reaction::Close),
        first(Reaction::Reset),
        broken,
    ] {
        let mut world = scenario.begin();
        let (phase, error, _) = first_failure(&mut world);
        assert_eq!((phase, &error), (Phase::Tls, &AttemptError::ClosedAfterTls));
        assert_eq!(
            error.to_string(),
            "the peer closed right after the TLS handshake: does it want a client certificate?"
        );
    }
}

// behaviour: 2.3
#[test]
fn an_end_after_something_was_decrypted_or_without_tls_is_reported_as_an_end() {
    let closing = |tls, reactions: Vec<Reaction>| {
        Scenario::new(1).server(0, move |server| {
            server.tls = tls;
            server.script = vec![Step::instead(When::Connect, reactions)];
        })
    };
    let half = closing(Tls::Required, vec![Reaction::send("-ER"), Reaction::Close]);
    let plain = closing(Tls::None, vec![Reaction::Close]);
    for scenario in [half, plain] {
        let (phase, error, _) = first_failure(&mut scenario.begin());
        assert_eq!((phase, error), (Phase::Connect, AttemptError::Link(LinkEnd::Eof)));
    }
    let refused = closing(
        Tls::Required,
        vec![Reaction::error("Authorization Violation"), Reaction::Close],
    );
    let (phase, error, _) = first_failure(&mut refused.begin());
    assert_eq!((phase, error.code()), (Phase::Auth, "authorization_violation"));
}

// behaviour: 2.1, 3.7
#[test]
fn tls_first_and_the_expected_name_are_of_single_servers() {
    let mut world = Scenario::new(2)
        .config(|config| {
            config.servers = vec![
                url("nats://n1.test:4222")
                    .with_tls_first(true)
                    .with_tls_name("cluster.test"),
                url("tls://n2.test:4222"),
            ];
        })
        .server(0, |server| server.tls = Tls::First)
        .server(1, |server| server.tls = Tls::Required)
        .connected();
    world.run_for(5 * Duration::from_secs(1));
    world.crash(0);
    world.wait("reconnected");
    let upgraded = world.actions.iter().filter_map(|(_, action)| match action {
        Action::UpgradeTls { server, .. } => Some((server.host(), server.tls_name())),
        _ => None,
    });
    assert_eq!(
        upgraded.collect::<Vec<_>>(),
        [("n1.test", "cluster.test"), ("n2.test", "n2.test"),]
    );
    assert_eq!(world.count("connect_failed"), 0);
    assert_eq!(world.client.servers()[0].server.to_string(), "tls://n1.test:4222");
}

// behaviour: 3.2
#[test]
fn an_announced_server_inherits_that_tls_comes_first() {
    let mut world = Scenario::new(2)
        .config(|config| config.servers = vec![url("tls://n1.test:4222").with_tls_first(true)])
        .every_server(|server| server.tls = Tls::First)
        .server(0, |server| {
            server.urls = nats_conn_tests::model_server::Urls::Fixed(vec!["n2.test:4222".into()])
        })
        .connected();
    world.run_for(5 * Duration::from_secs(1));
    world.crash(0);
    world.wait("reconnected");
    assert_eq!(world.count("connect_failed"), 0, "{:?}", world.story());
}

// behaviour: 2.2
#[test]
fn half_a_line_before_the_requested_tls_upgrade_fails_the_attempt_at_once() {
    let mut config = ByHand::config();
    config.tls_required = true;
    let mut hand = ByHand::dialled(config);
    hand.read(b"INFO {\"tls_available\":true}\r\n");
    assert_eq!(hand.events(START).len(), 1, "connecting");
    assert!(matches!(
        hand.client.poll_action(),
        Some(Action::UpgradeTls { .. })
    ));
    hand.read(b"-ERR 'ha");
    let reported = hand.events(START);
    assert!(
        matches!(&reported[..], [Event::Connection(ConnectionEvent::ConnectFailed { error, .. })] if error.code() == "plaintext_before_tls"),
        "{reported:?}"
    );
}

// behaviour: 2.2; edge: 43
#[test]
fn clear_text_that_was_not_parsed_when_tls_is_established_fails_the_attempt() {
    for unparsed in [&b"PONG\r\n"[..], b"x"] {
        let mut hand = ByHand::dialled(ByHand::config());
        let link = hand.rx.link();
        hand.read(b"INFO {\"tls_required\":true}\r\n");
        hand.events(START);
        assert!(matches!(
            hand.client.poll_action(),
            Some(Action::UpgradeTls { .. })
        ));
        // It arrived while the handshake was made, and the driver did not poll for events in between.
        hand.read(unparsed);
        hand.client.handle_tls(START, link, hand.rx.len());
        let events = hand.events(START);
        let failed = events.iter().find_map(|event| match event {
            Event::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) => {
                Some((*phase, error.code()))
            }
            _ => None,
        });
        assert_eq!(failed, Some((Phase::Tls, "plaintext_before_tls")), "{events:?}");
        assert!(!hand.client.poll_transmit(START, &mut hand.tx));
    }
}

// behaviour: 2.3
#[test]
fn a_link_that_ends_during_the_tls_handshake_fails_in_tls() {
    let reset = LinkEnd::Io {
        kind: "connection_reset",
        detail: "reset by peer".into(),
    };
    for (end, detail) in [
        (LinkEnd::Eof, "the peer closed the connection"),
        (reset, "reset by peer"),
    ] {
        let mut config = ByHand::config();
        config.tls_required = true;
        let mut hand = ByHand::dialled(config);
        hand.read(b"INFO {\"tls_available\":true}\r\n");
        hand.events(START);
        let link = hand.rx.link();
        hand.client.handle_link_closed(START, link, end, &mut hand.tx);
        let failed = hand.events(START).into_iter().find_map(|event| match event {
            Event::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) => Some((phase, *error)),
            _ => None,
        });
        let detail = detail.into();
        assert_eq!(failed, Some((Phase::Tls, AttemptError::Tls { detail })));
    }
}
