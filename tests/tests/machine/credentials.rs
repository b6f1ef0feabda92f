//! Which credentials are sent, and to which servers (behaviour 9.3, 13.2).

use std::time::Duration;

use nats_conn_sm::{Action, AttemptError, AuthError, CleartextPolicy, Credentials, Phase};
use nats_conn_tests::model_server::{Auth, Reaction, Step, Tls, When};
use nats_conn_tests::scenario::Scenario;
use serde_json::json;

use super::attempts::first_failure;

const SECOND: Duration = Duration::from_secs(1);

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
fn credentials_that_cannot_be_obtained_fail_the_attempt_in_auth_and_the_next_continues() {
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
    assert_eq!((phase, error), (Phase::Auth, AttemptError::Auth(unusable)));
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!(
        (phase, error),
        (Phase::Auth, AttemptError::Auth(AuthError::NoNonce))
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
        (Phase::Auth, AttemptError::TimedOut, 5 * SECOND)
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
    let impatient = [
        Reaction::Info,
        Reaction::error("Authentication Timeout"),
        Reaction::Close,
    ];
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

// behaviour: 9.3, 9.2; edge: 55
#[test]
fn an_authentication_timeout_says_how_long_our_answer_took() {
    let impatient = || {
        let reactions = [Reaction::error("Authentication Timeout"), Reaction::Close];
        Scenario::new(1)
            .config(|config| config.ask_credentials = true)
            .server(0, |server| {
                server.script = vec![Step::instead(When::Connect, reactions)]
            })
    };
    // The answer came, and too late for this server.
    let mut world = impatient().begin();
    let answer = Ok(Credentials::token("late"));
    world
        .driver
        .answers
        .push_back((Some(Duration::from_millis(2_100)), answer));
    let (phase, error, _) = first_failure(&mut world);
    let AttemptError::AuthenticationTimeout { answered, after, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*answered, *after), (true, Duration::from_millis(2_100)));
    assert_eq!((phase, error.code()), (Phase::Connect, "authentication_timeout"));
    assert!(
        error
            .to_string()
            .ends_with("Authentication Timeout (our credentials took 2100 ms)"),
        "{error}"
    );
    // None had come.
    let timeout = Reaction::later(1_500_000_000, Reaction::error("Authentication Timeout"));
    let mut world = Scenario::new(1)
        .config(|config| config.ask_credentials = true)
        .server(0, |server| {
            server.script = vec![Step::instead(When::Accept, [Reaction::Info, timeout.clone()])]
        })
        .begin();
    world.driver.answers.push_back((None, Ok(Credentials::default())));
    let (phase, error, _) = first_failure(&mut world);
    assert_eq!(phase, Phase::Auth);
    assert!(
        error
            .to_string()
            .ends_with("(our credentials had not come after 1500 ms)"),
        "{error}"
    );
    // Nobody was asked.
    let mut world = impatient()
        .config(|config| config.ask_credentials = false)
        .begin();
    let (_, error, _) = first_failure(&mut world);
    assert_eq!(error.to_string(), "the server answered: Authentication Timeout");
}

// behaviour: 9.5
#[test]
fn a_password_or_token_beside_an_nkey_or_a_jwt_goes_into_connect_with_it() {
    let mut user = Credentials::jwt("jwt", "sig");
    (user.user, user.password) = (Some("ann".into()), Some("pw".into()));
    let mut token = Credentials::nkey("UKEY", "sig");
    token.token = Some("t0ken".into());
    for (url, cases, expected) in [
        ("n1", user, json!(["ann", "pw", null, "jwt", null, "sig"])),
        ("n1", token, json!([null, null, "t0ken", null, "UKEY", "sig"])),
        // That of a URL as well.
        (
            "nats://u:p@n1.test:4222",
            Credentials::nkey("UKEY", "sig"),
            json!(["u", "p", null, null, "UKEY", "sig"]),
        ),
        (
            "nats://tok@n1.test:4222",
            Credentials::jwt("jwt", "sig"),
            json!([null, null, "tok", "jwt", null, "sig"]),
        ),
    ] {
        let mut world = Scenario::new(1)
            .knowing(&[url])
            .config(|config| config.ask_credentials = true)
            .begin();
        world.driver.answers.push_back((Some(Duration::ZERO), Ok(cases)));
        world.wait("connected");
        let connect = world.log().connect().expect("sent");
        let fields = ["user", "pass", "auth_token", "jwt", "nkey", "sig"].map(|key| connect[key].clone());
        assert_eq!(json!(fields), expected);
    }
}

// behaviour: 9.3; edge: 58
#[test]
fn the_userinfo_of_a_url_is_sent_even_if_info_does_not_ask_for_it() {
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
        (Phase::Auth, &AttemptError::CleartextCredentials)
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

// behaviour: 9.3
#[test]
fn the_userinfo_of_a_url_replaces_the_user_and_token_that_the_driver_gives() {
    let cases = [
        ("nats://tok@n1.test:4222", Credentials::user_password("u", "p")),
        ("nats://u:p@n1.test:4222", Credentials::token("tok")),
    ];
    for (url, other) in cases {
        let mut world = Scenario::new(1)
            .knowing(&[url])
            .config(|config| config.ask_credentials = true)
            .begin();
        world.driver.answers.push_back((Some(Duration::ZERO), Ok(other)));
        world.wait("connected");
        let connect = world.log().connect().expect("sent");
        let is_there =
            ["auth_token", "user", "pass"].map(|key| connect.get(key).is_some_and(|value| !value.is_null()));
        let by_token = url.contains("tok");
        assert_eq!(is_there, [by_token, !by_token, !by_token], "{connect}");
    }
}

// behaviour: 9.3
#[test]
fn constructors_of_credentials_set_their_fields() {
    let both = Credentials::user_password("sally", "hunter2");
    let text = |secret: &Option<nats_proto::Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    assert_eq!(text(&both.user), Some("sally".into()));
    assert_eq!(text(&both.password), Some("hunter2".into()));
    assert_eq!(text(&Credentials::token("t0ken").token), Some("t0ken".into()));
}
