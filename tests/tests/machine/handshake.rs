//! One attempt to connect: its phases, its deadline, its failures (behaviour 2), and who we say we are (9.3, 13.2).

use std::time::Duration;

use nats_conn_sm::{
    Action, AuthError, CleartextPolicy, ClosedReason, ConnectError, Credentials, Event, LinkEnd, Phase,
    PublishError, TlsExpectation,
};
use nats_conn_tests::model_server::{Auth, Deed, Settings, Step, Tls, Urls, When};
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::{Dial, World};
use serde_json::{Value, json};

const SECOND: Duration = Duration::from_secs(1);

/// A world with one server that does this at the start of a link, instead of what is usual.
fn greeting_with(deeds: impl Into<Vec<Deed>>) -> Scenario {
    let step = Step::instead(When::Accept, deeds);
    Scenario::new(1).server(0, |server| server.script = vec![step])
}

fn refused() -> Dial {
    Dial::Fails(LinkEnd::Dial {
        kind: "connection_refused",
        detail: "connection refused".into(),
    })
}

/// The first failed attempt: its phase and its error, and when it failed after the start.
fn first_failure(world: &mut World) -> (Phase, ConnectError, Duration) {
    let (at, event) = world.wait("connect_failed");
    let Event::ConnectFailed { phase, error, .. } = event else {
        panic!("{event:?}")
    };
    (
        phase,
        *error,
        at.since(nats_conn_sm::Timestamp::from_millis(1000)),
    )
}

// behaviour: 2.3
#[test]
fn connect_and_ping_leave_together_and_only_the_pong_is_success() {
    let script = Step::instead(
        When::Ping(1),
        [Deed::send("+OK\r\n"), Deed::later(1_000_000_000, Deed::Pong)],
    );
    let mut world = Scenario::new(1)
        .server(0, |server| server.script = vec![script])
        .begin();
    world.run_for(Duration::from_millis(900));
    assert_eq!(world.story(), ["connecting n1"]);
    assert_eq!(world.log().names(), ["CONNECT", "PING"]);
    assert_eq!(
        world.log().frames[0].at,
        world.log().frames[1].at,
        "they left together"
    );
    world.wait("connected");
    assert_eq!(world.story(), ["connecting n1", "connected n1"]);
}

// behaviour: 2.3; edge: 64
#[test]
fn nothing_but_pongs_leaves_before_the_pong() {
    let deeds = [Deed::Ping, Deed::Ping, Deed::later(100_000_000, Deed::Pong)];
    let mut world = Scenario::new(1)
        .config(|config| config.retry_initial = true)
        .server(0, |server| {
            server.script = vec![Step::instead(When::Ping(1), deeds)]
        })
        .begin();
    world.subscribe("a");
    world.publish("b", b"x").expect("kept");
    world.run_for(Duration::from_millis(50));
    world.subscribe("c");
    world.publish("d", b"x").expect("kept");
    world.run_for(Duration::from_millis(49));
    assert_eq!(world.log().names(), ["CONNECT", "PING", "PONG", "PONG"]);
    world.wait("connected");
    world.run_for(SECOND);
    assert_eq!(world.log().names()[4..], ["SUB", "SUB", "PING", "PUB", "PUB"]);
}

// behaviour: 2.2; edge: 39, 109
#[test]
fn a_server_ping_before_connect_is_answered_right_behind_connect_and_ping() {
    let step = Step::instead(When::Accept, [Deed::Info, Deed::Ping]);
    let mut world = Scenario::new(1)
        .server(0, |server| server.script = vec![step])
        .begin();
    world.wait("connected");
    world.run_for(SECOND);
    assert_eq!(world.log().names(), ["CONNECT", "PING", "PONG"]);
}

// behaviour: 2.3; edge: 39
#[test]
fn a_server_ping_before_the_pong_is_answered_and_the_connect_succeeds() {
    let deeds = [Deed::Ping, Deed::Pong];
    let step = Step::instead(When::Ping(1), deeds);
    let mut world = Scenario::new(1)
        .server(0, |server| server.script = vec![step])
        .begin();
    world.wait("connected");
    world.run_for(SECOND);
    assert_eq!(world.log().names(), ["CONNECT", "PING", "PONG"]);
}

// behaviour: 2.3; edge: 40
#[test]
fn an_info_between_connect_and_pong_is_merged_and_makes_no_second_connect() {
    let step = Step::also(
        When::Ping(1),
        [Deed::send(
            "INFO {\"connect_urls\":[\"n2.test:4222\"],\"max_payload\":77} \r\n",
        )],
    );
    let mut world = Scenario::new(2)
        .knowing(&["n1"])
        .server(0, |server| {
            server.script = vec![step];
            server.connect_info = false;
        })
        .connected();
    world.run_for(SECOND);
    assert_eq!(world.log().names(), ["CONNECT", "PING"]);
    assert_eq!(world.client.max_payload(), Some(77));
    assert_eq!(
        world.story(),
        ["connecting n1", "connected n1", "discovered_servers +n2 -"]
    );
}

// behaviour: 2.6; edge: 3
#[test]
fn an_info_behind_the_pong_in_the_same_read_is_normal_and_may_lower_max_payload() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.account_max_payload = Some(64))
        .connected();
    world.run_for(SECOND);
    assert_eq!(world.names(), ["connecting", "connected", "server_info_changed"]);
    assert_eq!(world.client.max_payload(), Some(64));
    assert!(matches!(
        world.publish("a", &[0; 65]),
        Err(PublishError::TooLarge {
            size: 65,
            max_payload: 64
        })
    ));
    world.publish("a", &[0; 64]).expect("exactly the limit");
}

// behaviour: 2.6; edge: 6
#[test]
fn unknown_missing_and_null_fields_of_info_are_fine() {
    let infos = [
        "INFO {}\r\n",
        "INFO {\"server_id\":null,\"host\":null,\"port\":null,\"max_payload\":null,\"headers\":null,\"connect_urls\":null}\r\n",
        "INFO {\"host\":\"some.name\",\"port\":0,\"proto\":99999,\"new\":{\"deep\":[1,2,{}]},\"connect_urls\":[]} \r\n",
        "info\t{\"headers\":false}\n",
    ];
    for info in infos {
        let mut world = greeting_with([Deed::send(info)])
            .server(0, |server| server.headers = false)
            .begin();
        world.wait("connected");
    }
}

// behaviour: 2.6
#[test]
fn a_later_info_is_merged_and_the_nonce_and_what_was_negotiated_stay() {
    let mut world = Scenario::new(1)
        .server(0, |server| {
            server.nonce = Some(String::from("NONCE"));
            server.version = String::from("2.11.0");
        })
        .connected();
    world.run_for(SECOND);
    world.send("INFO {\"version\":\"2.12.1\",\"headers\":false,\"max_payload\":500}\r\n");
    world.run_for(SECOND);
    let info = world.client.server_info().expect("connected").as_ref().clone();
    assert_eq!(info.nonce.as_deref(), Some("NONCE"));
    assert!(info.headers, "CONNECT said that there are headers");
    assert_eq!(
        (info.version.as_deref(), info.max_payload),
        (Some("2.12.1"), Some(500))
    );
    assert_eq!(
        info.server_name.as_deref(),
        Some("n1"),
        "what is not told again stays"
    );
}

// behaviour: 2.1; edge: 35
#[test]
fn one_deadline_over_all_phases_is_counted_from_the_dial() {
    let partial = Deed::send("INFO {\"server_id\":");
    let mut world = greeting_with([partial])
        .route(0, |route| route.dial_time = 2 * SECOND)
        .begin();
    assert_eq!(
        first_failure(&mut world),
        (Phase::Info, ConnectError::TimedOut, 5 * SECOND)
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
        (Phase::Connect, ConnectError::TimedOut, 5 * SECOND)
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
        (Phase::Dial, ConnectError::TimedOut, Duration::from_millis(300))
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
fn each_failure_of_the_driver_is_told_with_its_phase_and_cause() {
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
        assert_eq!(error, ConnectError::Link(end));
    }
}

// behaviour: 2.1; edge: 34
#[test]
fn a_server_that_closes_without_a_byte_is_a_failed_attempt_and_the_next_is_tried() {
    let step = Step::instead(When::Accept, [Deed::Close]);
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

// behaviour: 2.2, 2.3; edge: 37, 38
#[test]
fn an_error_in_place_of_info_is_reported_by_its_text() {
    let mut world = greeting_with([Deed::error("maximum connections exceeded"), Deed::Close]).begin();
    let (phase, error, _) = first_failure(&mut world);
    let ConnectError::Server(error) = error else {
        panic!("{error:?}")
    };
    assert_eq!(
        (phase, error.text()),
        (Phase::Info, "maximum connections exceeded")
    );
}

// behaviour: 2.2; edge: 37
#[test]
fn anything_else_in_place_of_info_does_not_look_like_a_nats_server() {
    for (greeting, protocol) in [
        ("PING\r\n", false),
        ("+OK\r\n", false),
        ("MSG a 1 2\r\nhi\r\n", false),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", true),
        ("SSH-2.0-OpenSSH_9.6\r\n", true),
        ("INFO {no json\r\n", true),
    ] {
        let mut world = greeting_with([Deed::send(greeting)]).begin();
        let (phase, error, _) = first_failure(&mut world);
        assert_eq!(phase, Phase::Info, "{greeting:?}");
        assert_eq!(
            matches!(error, ConnectError::Protocol(_)),
            protocol,
            "{greeting:?}: {error:?}"
        );
        assert!(
            error.to_string().contains("not look like a NATS server"),
            "{error}"
        );
        assert_eq!(world.log().bytes, 0, "nothing is said to it");
    }
}

// behaviour: 2.3; edge: 47, 51
#[test]
fn an_error_before_the_pong_fails_the_attempt_with_a_typed_error_and_its_phase() {
    for (text, phase) in [
        ("Authorization Violation", Phase::Auth),
        ("User Authentication Expired", Phase::Auth),
        ("Authentication Timeout", Phase::Connect),
        ("maximum connections exceeded", Phase::Connect),
        ("something new", Phase::Connect),
    ] {
        let step = Step::instead(When::Connect, [Deed::error(text), Deed::Close]);
        let mut world = Scenario::new(1)
            .server(0, |server| server.script = vec![step])
            .begin();
        let (seen, error, _) = first_failure(&mut world);
        let ConnectError::Server(error) = error else {
            panic!("{error:?}")
        };
        assert_eq!((seen, error.text()), (phase, text));
    }
}

// behaviour: 2.3; edge: 52
#[test]
fn a_verbose_handshake_is_ok_and_pong_or_ok_and_an_error() {
    let verbose = |step: Option<Step>| {
        Scenario::new(1)
            .config(|config| config.verbose = true)
            .server(0, |server| server.script.extend(step))
    };
    let mut world = verbose(None).connected();
    world.subscribe("a");
    world.publish("a", b"x").expect("room");
    world.run_for(SECOND);
    assert_eq!(world.log().connect().expect("sent")["verbose"], json!(true));
    assert_eq!(world.count("message"), 1);
    let step = Step::instead(
        When::Connect,
        [
            Deed::send("+OK\r\n"),
            Deed::error("Authorization Violation"),
            Deed::Close,
        ],
    );
    let mut world = verbose(Some(step)).begin();
    assert_eq!(first_failure(&mut world).0, Phase::Auth);
}

// behaviour: 2.4; edge: 129
#[test]
fn connect_holds_the_allowed_fields_only_and_json_escapes_what_is_in_them() {
    let name = "quote \" back\\slash \r\nPUB a 0\r\n \u{1}";
    let mut world = Scenario::new(1)
        .config(|config| {
            config.name = Some(name.into());
            config.echo = false;
            config.pedantic = true;
        })
        .connected();
    world.run_for(SECOND);
    let connect = world.log().connect().expect("sent").clone();
    assert_eq!(connect["name"], json!(name));
    assert_eq!(connect["protocol"], json!(1));
    let flags = [
        "verbose",
        "pedantic",
        "echo",
        "headers",
        "no_responders",
        "tls_required",
    ]
    .map(|flag| &connect[flag]);
    assert_eq!(
        flags,
        [
            &json!(false),
            &json!(true),
            &json!(false),
            &json!(true),
            &json!(true),
            &json!(false)
        ]
    );
    for absent in ["user", "pass", "auth_token", "jwt", "nkey", "sig"] {
        assert_eq!(connect[absent], Value::Null, "{absent}");
    }
    assert_eq!(world.log().names(), ["CONNECT", "PING"]);
}

// behaviour: 2.4; edge: 32
#[test]
fn headers_and_no_responders_follow_info() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.headers = false)
        .connected();
    let connect = world.log().connect().expect("sent");
    assert_eq!(
        (&connect["headers"], &connect["no_responders"]),
        (&json!(false), &json!(false))
    );
    let mut headers = nats_proto::Headers::new();
    headers.append("K", "v").expect("a header");
    assert_eq!(
        world.publish_with_headers("a", &headers, b""),
        Err(PublishError::HeadersUnsupported)
    );
}

// behaviour: 2.5; edge: 59
#[test]
fn the_initial_connect_tries_every_server_once_without_waits_and_tells_the_error_of_each() {
    let mut world = Scenario::new(3)
        .route(0, |route| route.dial = refused())
        .server(1, |server| server.auth = Auth::Token("secret".into()))
        .route(2, |route| route.dial = refused())
        .begin();
    let (_, event) = world.wait("closed");
    let Event::Closed {
        reason: ClosedReason::ConnectFailed { failures },
    } = event
    else {
        panic!("{event:?}")
    };
    let told: Vec<_> = failures
        .iter()
        .map(|f| (f.server.as_str(), f.phase, f.error.code()))
        .collect();
    assert_eq!(
        told,
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
fn with_retry_initial_it_goes_on_and_what_was_done_meanwhile_is_sent_once_connected() {
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
fn what_info_taught_in_a_failed_attempt_stays_and_is_told_with_the_next_connect() {
    let step = Step::instead(When::Ping(1), [Deed::Close]);
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

// behaviour: 9.3; edge: 50
#[test]
fn credentials_are_asked_for_at_every_attempt_with_its_nonce() {
    let mut world = Scenario::new(1)
        .config(|config| config.ask_credentials = true)
        .server(0, |server| {
            server.auth = Auth::Nkey("UKEY".into());
            server.nonce = Some("first".into());
        })
        .begin();
    for _ in 0..2 {
        world.driver.answers.push_back((
            Some(Duration::from_millis(30)),
            Ok(Credentials::nkey("UKEY", "signature")),
        ));
    }
    world.wait("connected");
    world.run_for(5 * SECOND);
    world.cluster.settings_mut(0).nonce = Some("second".into());
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    let nonces: Vec<_> = world
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::Authenticate { nonce, .. } => nonce.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(nonces, ["first", "second"]);
    assert_eq!(world.log().connect().expect("sent")["sig"], json!("signature"));
}

// behaviour: 9.3, 2.3; edge: 46
#[test]
fn credentials_that_cannot_be_had_fail_the_attempt_in_auth_and_the_next_goes_on() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.ask_credentials = true;
            config.retry_initial = true;
        })
        .begin();
    let unusable = AuthError::Unusable {
        detail: "cannot read creds".into(),
    };
    world
        .driver
        .answers
        .push_back((Some(Duration::ZERO), Err(unusable.clone())));
    world
        .driver
        .answers
        .push_back((Some(Duration::ZERO), Err(AuthError::NoNonce)));
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!((phase, error), (Phase::Auth, ConnectError::Auth(unusable)));
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!(
        (phase, error),
        (Phase::Auth, ConnectError::Auth(AuthError::NoNonce))
    );
    world.wait("connected");
}

// behaviour: 9.3, 2.1; edge: 55
#[test]
fn a_late_answer_about_credentials_is_ignored_and_the_attempt_has_timed_out_in_auth() {
    let mut world = Scenario::new(1)
        .config(|config| {
            config.ask_credentials = true;
            config.retry_initial = true;
        })
        .begin();
    let late = Ok(Credentials::token("late"));
    world
        .driver
        .answers
        .push_back((Some(Duration::from_millis(5_200)), late));
    world
        .driver
        .answers
        .push_back((Some(SECOND), Ok(Credentials::token("in time"))));
    assert_eq!(
        first_failure(&mut world),
        (Phase::Auth, ConnectError::TimedOut, 5 * SECOND)
    );
    world.wait("connected");
    assert_eq!(
        world.log().connect().expect("sent")["auth_token"],
        json!("in time")
    );
}

// behaviour: 9.3, 2.3; edge: 55
#[test]
fn a_server_that_does_not_wait_for_the_credentials_fails_the_attempt_in_auth() {
    let impatient = [Deed::Info, Deed::error("Authentication Timeout"), Deed::Close];
    let mut world = Scenario::new(1)
        .config(|config| {
            config.ask_credentials = true;
            config.retry_initial = true;
        })
        .server(0, |server| {
            server.script = vec![Step::also(When::Accept, impatient.clone())];
        })
        .begin();
    let late = Ok(Credentials::token("late"));
    world.driver.answers.push_back((Some(SECOND), late));
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!((phase, error.code()), (Phase::Auth, "authentication_timeout"));
}

// behaviour: 9.3; edge: 58
#[test]
fn the_user_information_of_a_url_is_sent_also_where_info_does_not_ask_for_it() {
    let mut world = Scenario::new(1)
        .knowing(&["nats://u%20ser:pa%22ss@n1.test:4222"])
        .connected();
    let connect = world.log().connect().expect("sent").clone();
    assert_eq!(
        (&connect["user"], &connect["pass"]),
        (&json!("u ser"), &json!("pa\"ss"))
    );
    world.run_for(SECOND);
    let mut world = Scenario::new(1)
        .knowing(&["nats://toke%6e@n1.test:4222"])
        .connected();
    assert_eq!(world.log().connect().expect("sent")["auth_token"], json!("token"));
    world.run_for(SECOND);
}

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

// behaviour: 13.2; edge: 44
#[test]
fn a_password_in_clear_text_is_warned_about_once_per_server_allowed_or_refused() {
    let with = |policy| {
        Scenario::new(1)
            .knowing(&["nats://u:p@n1.test:4222"])
            .config(|config| config.cleartext_credentials = policy)
    };
    let mut world = with(CleartextPolicy::Warn).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    assert_eq!(world.count("cleartext_credentials"), 1);
    let world = with(CleartextPolicy::Allow).connected();
    assert_eq!(world.count("cleartext_credentials"), 0);
    let mut world = with(CleartextPolicy::Refuse).begin();
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!(
        (phase, &error),
        (Phase::Auth, &ConnectError::CleartextCredentials)
    );
    assert!(error.to_string().contains("cleartext_credentials"));
    assert_eq!(world.log().bytes, 0);
}

// behaviour: 13.2
#[test]
fn loopback_and_tls_are_no_clear_text() {
    for host in ["localhost", "127.8.9.1", "[::1]", "LocalHost"] {
        let mut world = Scenario::new(1)
            .server(0, |server| {
                server.host = host.trim_matches(['[', ']']).to_lowercase()
            })
            .knowing(&[&format!("nats://u:p@{host}:4222")])
            .config(|config| config.cleartext_credentials = CleartextPolicy::Refuse)
            .begin();
        world.wait("connected");
    }
    let mut world = Scenario::new(1)
        .knowing(&["tls://u:p@n1.test:4222"])
        .server(0, |server| server.tls = Tls::Required)
        .config(|config| config.cleartext_credentials = CleartextPolicy::Refuse)
        .begin();
    world.wait("connected");
}

// behaviour: 11.2, 2.1; edge: 54
#[test]
fn close_is_prompt_in_every_phase_of_an_attempt_and_closed_comes_once() {
    let phases: [(&str, Scenario); 5] = [
        (
            "dial",
            Scenario::new(1).route(0, |route| route.dial = Dial::Hangs),
        ),
        ("info", greeting_with([Deed::Silence])),
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
        |event| matches!(event, Event::Connecting { link, .. } if *link != old),
    );
    world.client.handle_connected(world.now(), old);
    world.client.handle_tls(world.now(), old);
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

// edge: 53
#[test]
fn no_echo_is_asked_for_whatever_the_server_says_of_its_protocol() {
    let mut world = Scenario::new(1)
        .config(|config| config.echo = false)
        .server(0, |server| *server = Settings::new("n1").with_info("proto", 0))
        .connected();
    world.subscribe("a");
    world.publish("a", b"").expect("room");
    world.run_for(SECOND);
    assert_eq!(world.count("message"), 0);
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
