//! What is sent before a session begins, and how INFO changes it (behaviour 2.2 to 2.4, 2.6).

use std::time::Duration;

use nats_conn_sm::{AttemptError, Phase, PublishError};
use nats_conn_tests::model_server::{Reaction, Settings, Step, When};
use nats_conn_tests::scenario::Scenario;
use serde_json::{Value, json};

use super::attempts::{first_failure, greeting_with};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 2.3
#[test]
fn connect_and_ping_leave_together_and_only_the_pong_is_success() {
    let script = Step::instead(
        When::Ping(1),
        [
            Reaction::send("+OK\r\n"),
            Reaction::later(1_000_000_000, Reaction::Pong),
        ],
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
    let reactions = [
        Reaction::Ping,
        Reaction::Ping,
        Reaction::later(100_000_000, Reaction::Pong),
    ];
    let mut world = Scenario::new(1)
        .config(|config| config.retry_initial = true)
        .server(0, |server| {
            server.script = vec![Step::instead(When::Ping(1), reactions)]
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
fn a_server_ping_before_connect_is_answered_right_after_connect_and_ping() {
    let step = Step::instead(When::Accept, [Reaction::Info, Reaction::Ping]);
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
    let reactions = [Reaction::Ping, Reaction::Pong];
    let step = Step::instead(When::Ping(1), reactions);
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
        [Reaction::send(
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
fn an_info_after_the_pong_in_the_same_read_is_normal_and_may_lower_max_payload() {
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
        let mut world = greeting_with([Reaction::send(info)])
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
        "what is not repeated stays"
    );
}

// behaviour: 2.2, 2.3; edge: 37, 38
#[test]
fn an_error_in_place_of_info_is_reported_by_its_text() {
    let mut world = greeting_with([Reaction::error("maximum connections exceeded"), Reaction::Close]).begin();
    let (phase, error, _) = first_failure(&mut world);
    let AttemptError::Server(error) = error else {
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
        let mut world = greeting_with([Reaction::send(greeting)]).begin();
        let (phase, error, _) = first_failure(&mut world);
        assert_eq!(phase, Phase::Info, "{greeting:?}");
        assert_eq!(
            matches!(error, AttemptError::Protocol(_)),
            protocol,
            "{greeting:?}: {error:?}"
        );
        assert!(
            error.to_string().contains("not look like a NATS server"),
            "{error}"
        );
        assert_eq!(world.log().bytes, 0, "nothing is sent to it");
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
        let step = Step::instead(When::Connect, [Reaction::error(text), Reaction::Close]);
        let mut world = Scenario::new(1)
            .server(0, |server| server.script = vec![step])
            .begin();
        let (seen, error, _) = first_failure(&mut world);
        let AttemptError::Server(error) = error else {
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
            Reaction::send("+OK\r\n"),
            Reaction::error("Authorization Violation"),
            Reaction::Close,
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

// edge: 53
#[test]
fn no_echo_is_sent_whatever_protocol_the_server_announces() {
    let mut world = Scenario::new(1)
        .config(|config| config.echo = false)
        .server(0, |server| *server = Settings::new("n1").with_info("proto", 0))
        .connected();
    world.subscribe("a");
    world.publish("a", b"").expect("room");
    world.run_for(SECOND);
    assert_eq!(world.count("message"), 0);
}
