//! One attempt to connect: its phases, its deadline, its failures, and the first round (behaviour 2.1, 2.5).

use std::time::Duration;

use nats_conn_sm::{
    AttemptError, AuthError, ClosedReason, ConnectionEvent, Credentials, Event, LinkEnd, Phase,
};
use nats_conn_tests::model_server::{Auth, Reaction, Step, Tls, Urls, When};
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::{Dial, World};

const SECOND: Duration = Duration::from_secs(1);

fn refused() -> Dial {
    Dial::Fails(LinkEnd::Dial {
        kind: "connection_refused",
        detail: "connection refused".into(),
    })
}

/// A world with one server that does this at the start of a link, instead of what is usual.
pub(super) fn greeting_with(reactions: impl Into<Vec<Reaction>>) -> Scenario {
    let step = Step::instead(When::Accept, reactions);
    Scenario::new(1).server(0, |server| server.script = vec![step])
}

/// The first failed attempt: its phase and its error, and when it failed after the start.
pub(super) fn first_failure(world: &mut World) -> (Phase, AttemptError, Duration) {
    let (at, event) = world.wait("connect_failed");
    let Event::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) = event else {
        panic!("{event:?}")
    };
    (
        phase,
        *error,
        at.since(nats_conn_sm::Timestamp::from_millis(1000)),
    )
}

// behaviour: 2.1; edge: 35
#[test]
fn one_deadline_over_all_phases_is_counted_from_the_dial() {
    let partial = Reaction::send("INFO {\"server_id\":");
    let mut world = greeting_with([partial])
        .route(0, |route| route.dial_time = 2 * SECOND)
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Info, AttemptError::TimedOut, 5 * SECOND)
    );
    world.wait("closed");
}

// behaviour: 2.1; edge: 36
#[test]
fn a_pong_that_never_comes_is_a_timeout_of_the_phase_connect() {
    let step = Step::instead(When::Ping(1), []);
    let mut world = Scenario::new(1)
        .server(0, |server| server.script = vec![step])
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Connect, AttemptError::TimedOut, 5 * SECOND)
    );
}

// behaviour: 2.1
#[test]
fn a_dial_that_never_ends_is_a_timeout_of_the_phase_dial_and_the_time_can_be_set() {
    let mut world = Scenario::new(1)
        .config(|config| config.connect_timeout = Duration::from_millis(300))
        .route(0, |route| route.dial = Dial::Hangs)
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Dial, AttemptError::TimedOut, Duration::from_millis(300))
    );
}

// behaviour: 2.1
#[test]
fn a_deadline_while_a_name_is_resolved_is_of_the_phase_that_the_driver_reported() {
    for (progress, phase) in [
        (nats_conn_sm::Progress::Resolving, Phase::Resolve),
        (nats_conn_sm::Progress::Dialing, Phase::Dial),
    ] {
        let mut world = Scenario::new(1)
            .route(0, |route| route.dial = Dial::Hangs)
            .begin();
        world.settle();
        let link = world.pipe().link;
        world.client.handle_progress(world.now(), link, progress);
        assert_eq!(first_failure(&mut world).0, phase);
    }
}

// behaviour: 2.1; edge: 101
#[test]
fn each_failure_of_the_driver_is_reported_with_its_phase_and_cause() {
    let ends = [
        (
            LinkEnd::Resolve {
                detail: "no such host".into(),
            },
            Phase::Resolve,
            "resolve_failed",
        ),
        (
            LinkEnd::Dial {
                kind: "connection_refused",
                detail: "refused".into(),
            },
            Phase::Dial,
            "connection_refused",
        ),
    ];
    for (end, phase, code) in ends {
        let mut world = Scenario::new(1)
            .route(0, |route| route.dial = Dial::Fails(end.clone()))
            .begin();
        let (seen, error, _) = first_failure(&mut world);
        assert_eq!((seen, error.code()), (phase, code));
        assert_eq!(error, AttemptError::Link(end));
    }
}

// behaviour: 2.1; edge: 34
#[test]
fn a_server_that_closes_without_a_byte_is_a_failed_attempt_and_the_next_is_tried() {
    let step = Step::instead(When::Accept, [Reaction::Close]);
    let mut world = Scenario::new(2)
        .server(0, |server| server.script = vec![step])
        .begin();
    world.wait("connected");
    assert_eq!(
        world.story(),
        [
            "connecting n1",
            "connect_failed n1 info eof",
            "connecting n2",
            "connected n2"
        ]
    );
}

// behaviour: 2.5; edge: 59
#[test]
fn the_initial_connect_tries_every_server_once_without_waits_and_reports_the_error_of_each() {
    let mut world = Scenario::new(3)
        .route(0, |route| route.dial = refused())
        .server(1, |server| server.auth = Auth::Token("secret".into()))
        .route(2, |route| route.dial = refused())
        .begin();
    let (_, event) = world.wait("closed");
    let Event::Connection(ConnectionEvent::Closed {
        reason: ClosedReason::ConnectFailed { failures },
    }) = event
    else {
        panic!("{event:?}")
    };
    let reported: Vec<_> = failures
        .iter()
        .map(|f| (f.server.as_str(), f.phase, f.error.code()))
        .collect();
    assert_eq!(
        reported,
        [
            ("nats://n1.test:4222", Phase::Dial, "connection_refused"),
            ("nats://n2.test:4222", Phase::Auth, "authorization_violation"),
            ("nats://n3.test:4222", Phase::Dial, "connection_refused"),
        ]
    );
    assert_eq!(world.count("backoff_wait"), 0);
    assert_eq!(world.dials().len(), 3);
}

// behaviour: 2.5; edge: 47
#[test]
fn authentication_that_fails_on_the_first_server_and_works_on_the_second_connects() {
    let mut world = Scenario::new(2)
        .server(0, |server| server.auth = Auth::Token("secret".into()))
        .connected();
    assert_eq!(world.story()[1], "connect_failed n1 auth authorization_violation");
    world.run_for(SECOND);
    assert_eq!(world.story().last(), Some(&"connected n2".into()));
}

// behaviour: 2.5; edge: 56, 57
#[test]
fn with_retry_initial_attempts_continue_and_what_was_queued_is_sent_once_connected() {
    let mut world = Scenario::new(1)
        .config(|config| config.retry_initial = true)
        .server(0, |server| server.max_payload = 100)
        .route(0, |route| route.dial = refused())
        .begin();
    world.subscribe("a");
    world.publish("a", b"kept").expect("kept");
    world.publish("a", &[b'x'; 500]).expect("there is no limit yet");
    world.run_for(10 * SECOND);
    assert!(world.count("backoff_wait") > 3);
    world.routes[0].dial = Dial::Connects;
    world.wait("connected");
    world.run_for(SECOND);
    assert_eq!(world.count("reconnected") + world.count("disconnected"), 0);
    assert_eq!(world.log().names(), ["CONNECT", "PING", "SUB", "PING", "PUB"]);
    let story = world.story();
    assert!(story.contains(&"publish_dropped 1 too_large".into()), "{story:?}");
    assert!(story.contains(&"resubscribed 1 0".into()), "{story:?}");
    assert_eq!(world.count("message"), 1);
}

// behaviour: 2.3, 3.2
#[test]
fn what_info_announced_in_a_failed_attempt_is_kept_and_reported_with_the_next_connect() {
    let step = Step::instead(When::Ping(1), [Reaction::Close]);
    let mut world = Scenario::new(2)
        .knowing(&["n1"])
        .server(0, |server| {
            server.script = vec![step];
            server.urls = Urls::Fixed(vec!["n1.test:4222".into(), "n2.test:4222".into()]);
        })
        .begin();
    world.wait("connected");
    world.run_for(SECOND);
    assert_eq!(
        world.story(),
        [
            "connecting n1",
            "connect_failed n1 connect eof",
            "connecting n2",
            "connected n2",
            "discovered_servers +n2 -",
        ]
    );
}

// behaviour: 11.2, 2.1; edge: 54
#[test]
fn close_is_prompt_in_every_phase_of_an_attempt_and_closed_comes_once() {
    let phases: [(&str, Scenario); 5] = [
        (
            "dial",
            Scenario::new(1).route(0, |route| route.dial = Dial::Hangs),
        ),
        ("info", greeting_with([Reaction::Silence])),
        (
            "tls",
            Scenario::new(1)
                .server(0, |s| s.tls = Tls::Required)
                .route(0, |route| route.tls.0 = 9 * SECOND),
        ),
        (
            "auth",
            Scenario::new(1).config(|config| config.ask_credentials = true),
        ),
        (
            "pong",
            Scenario::new(1).server(0, |s| s.script = vec![Step::instead(When::Ping(1), [])]),
        ),
    ];
    for (phase, scenario) in phases {
        let mut world = scenario.begin();
        world.driver.answers.push_back((None, Err(AuthError::NoNonce)));
        world.run_for(SECOND);
        let now = world.now();
        world.close();
        world.close();
        assert_eq!(world.wait("closed").0, now, "{phase}");
        world.run_for(60 * SECOND);
        assert_eq!(world.count("closed"), 1);
        assert_eq!(world.dials().len(), 1);
    }
}

// behaviour: 1.4, 2.1; edge: 100, 146
#[test]
fn answers_about_a_link_that_is_gone_are_ignored() {
    let mut world = Scenario::new(2)
        .route(0, |route| route.dial = Dial::Hangs)
        .begin();
    world.settle();
    let old = world.pipe().link;
    world.wait_for(
        "second dial",
        |event| matches!(event, Event::Connection(ConnectionEvent::Connecting { link, .. }) if *link != old),
    );
    world.client.handle_connected(world.now(), old);
    world.client.handle_tls(world.now(), old, 0);
    world
        .client
        .handle_credentials(world.now(), old, Ok(Credentials::token("old")));
    let mut unsent = nats_conn_sm::SendBuf::new(old);
    world
        .client
        .handle_link_closed(world.now(), old, LinkEnd::Eof, &mut unsent);
    let mut rx = nats_conn_sm::ReceiveBuf::new(old);
    rx.buffer_mut().extend_from_slice(b"INFO {}\r\nPONG\r\n");
    assert_eq!(world.client.poll_event(world.now(), &mut rx), None);
    assert!(!world.client.poll_transmit(world.now(), &mut unsent));
    world.wait("connected");
    assert_eq!(
        world.story(),
        [
            "connecting n1",
            "connect_failed n1 dial timed_out",
            "connecting n2",
            "connected n2"
        ]
    );
}

// edge: 60
#[test]
fn a_dial_that_failed_at_all_addresses_counts_once() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.retry_initial = true;
            config.max_reconnects = Some(3);
        })
        .route(0, |route| route.dial = refused())
        .begin();
    world.wait("closed");
    assert_eq!(world.dials().len(), 3);
    assert_eq!(url("nats://n1.test").port(), 4222);
}
