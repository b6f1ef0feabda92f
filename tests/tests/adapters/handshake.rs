//! Handshakes that fail, and some that only look like it.

use std::sync::atomic::{AtomicUsize, Ordering};

use nats_conn_client::machine::{AttemptError, AttemptFailure, LinkEnd, Phase};
use nats_conn_client::{AuthError, Backoff, Challenge, Credentials, State};
use nats_conn_tests::model_server::{Auth, Reaction, Step, When};

use crate::raw::BlackHole;
use crate::scene::*;

/// Tries to connect to one server that does this, and returns why the one attempt failed.
async fn refused(
    adapter: Adapter,
    steps: Vec<Step>,
    change: impl FnOnce(Options) -> Options,
) -> AttemptFailure {
    let settings = Settings {
        script: steps,
        ..Settings::new("n1")
    };
    let cluster = Model::with([settings]);
    let (_client, mut watch) = adapter.start(change(options(&cluster.urls())));
    match watch.closed().await {
        ClosedReason::ConnectFailed { failures } => {
            assert_eq!(failures.len(), 1, "{failures:?}");
            failures[0].clone()
        }
        other => panic!("{other:?}"),
    }
}

fn soon_given_up(options: Options) -> Options {
    options.connect_timeout(Duration::from_millis(200))
}

scenarios! {
    async fn a_server_that_closes_right_after_accept_fails_the_attempt(adapter) {
        let close = Step::instead(When::Accept, [Reaction::Close]);
        let failure = refused(adapter, vec![close], |options| options).await;
        assert_eq!((failure.phase, failure.error), (Phase::Info, AttemptError::Link(LinkEnd::Eof)));
    }

    async fn half_an_info_runs_into_the_deadline(adapter) {
        let half = Step::instead(When::Accept, [Reaction::send("INFO {\"server_id\":"), Reaction::Silence]);
        let failure = refused(adapter, vec![half], soon_given_up).await;
        assert_eq!((failure.phase, failure.error), (Phase::Info, AttemptError::TimedOut));
    }

    async fn a_pong_that_never_comes_is_a_timeout(adapter) {
        let silent = Step::instead(When::Ping(1), [Reaction::Silence]);
        let failure = refused(adapter, vec![silent], soon_given_up).await;
        assert_eq!((failure.phase, failure.error), (Phase::Connect, AttemptError::TimedOut));
    }

    async fn an_error_in_place_of_info_is_reported_with_its_text(adapter) {
        let error = Step::instead(When::Accept, [Reaction::error("maximum connections exceeded"), Reaction::Close]);
        let failure = refused(adapter, vec![error], |options| options).await;
        assert_eq!(failure.phase, Phase::Info);
        assert!(failure.error.to_string().contains("maximum connections exceeded"), "{failure:?}");
    }

    /// The text and the end of the stream may be one packet.
    async fn an_error_right_after_info_is_reported_with_its_text(adapter) {
        let error = Step::also(
            When::Accept,
            [Reaction::Info, Reaction::error("maximum connections exceeded"), Reaction::Close],
        );
        let failure = refused(adapter, vec![error], |options| options).await;
        assert!(failure.error.to_string().contains("maximum connections exceeded"), "{failure:?}");
    }

    async fn a_ping_before_the_pong_is_answered_and_the_session_begins(adapter) {
        let ping = Step::also(When::Connect, [Reaction::Ping]);
        let cluster = Model::with([Settings { script: vec![ping], ..Settings::new("n1") }]);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a session");
        soon(client.flush()).await.expect("a session");
        let names = cluster.logs()[0].names();
        assert_eq!(&names[..3], ["CONNECT", "PING", "PONG"]);
    }

    async fn what_the_first_server_refuses_the_second_may_take(adapter) {
        let refusing = Settings { auth: Auth::Refuse("Authorization Violation".into()), ..Settings::new("n1") };
        let cluster = Model::with([refusing, Settings::new("n2")]);
        let (_client, mut watch) = adapter.start(options(&cluster.urls()).randomize(false));
        let server = watch.session().await;
        assert_eq!(server, cluster.server(1).url());
        assert_eq!(watch.names(), ["connecting", "connect_failed", "connecting", "connected"]);
    }

    async fn a_server_that_shakes_hands_and_closes_is_not_dialled_in_a_loop(adapter) {
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max, backoff.jitter) =
            (Duration::from_millis(100), Duration::from_millis(400), Some(Duration::ZERO));
        let flap = Step::instead(When::Ping(1), [Reaction::Pong, Reaction::Close]);
        let cluster = Model::with([Settings { script: vec![flap], ..Settings::new("n1") }]);
        let began = Instant::now();
        let (client, mut watch) = adapter.start(options(&cluster.urls()).backoff(backoff));
        for _ in 0..4 {
            assert_eq!(watch.disconnected().await.code(), "eof");
        }
        // Waits of 100, 200 and 400 ms lie between four links.
        assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
    }

    async fn a_server_at_its_connection_limit_is_retried_until_it_accepts(adapter, version) {
        let server = real_server(version, ServerConfig::new().max_connections(1));
        let first = soon(adapter.connect(options(&server.url()))).await.expect("a server");
        let refused = soon(adapter.connect(options(&server.url()))).await.expect_err("it is full");
        assert!(refused.to_string().contains("maximum connections exceeded"), "{refused}");
        let (second, mut watch) = adapter.start(options(&server.url()).retry_initial(true));
        watch.until("backoff_wait").await;
        soon(first.close()).await;
        watch.until("connected").await;
        soon(second.flush()).await.expect("a session");
        assert_eq!(watch.count("server_removed"), 0);
    }

    async fn a_server_that_is_not_nats_is_recognised(adapter) {
        let http = Step::instead(When::Accept, [Reaction::send("HTTP/1.1 400 Bad Request\r\n\r\n"), Reaction::Close]);
        let failure = refused(adapter, vec![http], |options| options).await;
        assert_eq!(failure.phase, Phase::Info);
        assert!(failure.error.to_string().contains("does not look like a NATS server"), "{failure:?}");
    }

    async fn an_info_before_the_pong_brings_no_second_connect(adapter) {
        let info = Step::also(When::Connect, [Reaction::Info, Reaction::Info]);
        let cluster = Model::with([Settings { script: vec![info], ..Settings::new("n1") }]);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a session");
        soon(client.flush()).await.expect("a session");
        let connects = cluster.logs()[0].names().iter().filter(|name| **name == "CONNECT").count();
        assert_eq!(connects, 1);
    }

    async fn if_no_server_answers_the_error_is_one_line_that_names_every_server(adapter) {
        let (first, second) = (Model::start(1), Model::start(1));
        let urls = format!("{},{}", first.urls(), second.urls());
        first.server(0).crash();
        second.server(0).crash();
        let failure = soon(adapter.connect(options(&urls))).await.expect_err("nobody is there");
        let line = failure.to_string();
        for url in [first.urls(), second.urls()] {
            assert!(line.contains(&url), "{line}");
        }
        assert!(line.contains("is a server running there") && !line.contains('\n'), "{line}");
        let ConnectError::Unreachable { failures } = failure else { panic!("{failure:?}") };
        assert_eq!(failures.len(), 2);
        assert!(failures.iter().all(|failure| failure.error.code() == "connection_refused"), "{failures:?}");
    }

    async fn a_name_that_cannot_be_resolved_is_a_failed_attempt(adapter) {
        // A label of a name has 63 characters at most: no resolver is asked.
        let url = format!("nats://{}.example", "a".repeat(64));
        let failure = soon(adapter.connect(options(&url))).await.expect_err("there is no such name");
        let ConnectError::Unreachable { failures } = failure else { panic!("{failure:?}") };
        assert_eq!((failures[0].phase, failures[0].error.code()), (Phase::Resolve, "resolve_failed"));
    }

    async fn a_name_is_dialled_at_the_address_that_listens(adapter) {
        let cluster = Model::start(1);
        let url = format!("nats://localhost:{}", cluster.server(0).port());
        let client = soon(adapter.connect(options(&url))).await.expect("it listens on 127.0.0.1, and not on ::1");
        soon(client.flush()).await.expect("a session");
    }

    async fn a_server_that_never_answers_costs_one_deadline_and_the_next_one_is_dialled(adapter) {
        let hole = BlackHole::new();
        let cluster = Model::start(1);
        let urls = format!("{},{}", hole.url(), cluster.urls());
        let patience = Duration::from_millis(300);
        let began = Instant::now();
        let (client, mut watch) = adapter.start(options(&urls).randomize(false).connect_timeout(patience));
        let failed = watch.until("connect_failed").await;
        assert!(began.elapsed() >= patience);
        assert!(
            matches!(&failed, ClientEvent::Connection(ConnectionEvent::ConnectFailed { phase: Phase::Dial, error, .. })
                if **error == AttemptError::TimedOut),
            "{failed:?}"
        );
        watch.until("connected").await;
        soon(client.flush()).await.expect("a session");
    }

    async fn a_close_ends_an_attempt_in_any_phase_at_once(adapter) {
        let hole = BlackHole::new();
        let mute = Step::instead(When::Accept, [Reaction::Silence]);
        let deaf = Step::instead(When::Ping(1), [Reaction::Silence]);
        let silent = |step| Model::with([Settings { script: vec![step], ..Settings::new("n1") }]);
        let (no_info, no_pong) = (silent(mute), silent(deaf));
        for url in [hole.url(), no_info.urls(), no_pong.urls()] {
            let (client, mut watch) = adapter.start(options(&url).connect_timeout(LIMIT * 2));
            watch.until("connecting").await;
            if url == no_pong.urls() {
                let asked = || no_pong.logs().last().is_some_and(|log| log.names().contains(&"PING"));
                until(asked).await;
            }
            assert_eq!(soon(client.close()).await, ClosedReason::Requested, "{url}");
            assert_eq!(watch.closed().await, ClosedReason::Requested, "{url}");
        }
    }

    async fn a_close_ends_a_wait_at_once(adapter) {
        let cluster = Model::start(1);
        cluster.server(0).crash();
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max) = (LIMIT * 2, LIMIT * 2);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).retry_initial(true).backoff(backoff));
        watch.until("backoff_wait").await;
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
        assert_eq!(watch.closed().await, ClosedReason::Requested);
    }

    async fn credentials_that_come_too_late_fail_the_attempt_and_are_forgotten(adapter) {
        let cluster = Model::start(1);
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let callback = move |_: Challenge| {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            async move {
                if number == 0 {
                    pause(LIMIT * 2).await;
                }
                Ok::<_, AuthError>(Credentials::token("t0ken"))
            }
        };
        let options = options(&cluster.urls())
            .connect_timeout(Duration::from_millis(300))
            .retry_initial(true)
            .credentials_callback(callback);
        let (client, mut watch) = adapter.start(options);
        let failed = watch.until("connect_failed").await;
        assert!(
            matches!(&failed, ClientEvent::Connection(ConnectionEvent::ConnectFailed { phase: Phase::Auth, error, .. })
                if **error == AttemptError::TimedOut),
            "{failed:?}"
        );
        watch.until("connected").await;
        soon(client.flush()).await.expect("a session");
        assert!(asked.load(Ordering::Relaxed) >= 2, "asked again at every attempt");
    }

    /// Whatever was done before there was a server is done when there is one.
    async fn what_is_done_before_the_first_server_is_there_is_kept(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        server.kill();
        let (client, mut watch) = adapter.start(options(&server.url()).retry_initial(true));
        watch.until("backoff_wait").await;
        let (to, mut subscription) = (subject("early.bird"), client.subscribe(filter("early.*")).expect("open"));
        for number in 0..10 {
            soon(client.publish(&to, number.to_string().as_str())).await.expect("room");
        }
        let starting = server.clone();
        soon(elsewhere(move || starting.restart())).await;
        watch.until("connected").await;
        watch.until("resubscribed").await;
        for number in 0..10 {
            assert_eq!(text(&mut subscription).await, number.to_string());
        }
    }

    async fn with_retry_initial_there_is_no_connection_after_a_failed_first_round(adapter) {
        let cluster = Model::start(1);
        cluster.server(0).crash();
        let client = soon(adapter.connect(options(&cluster.urls()).retry_initial(true))).await.expect("it tries again");
        assert_ne!(client.state(), State::Connected);
        cluster.server(0).restart().expect("its port");
        until(|| client.state() == State::Connected).await;
    }

    async fn a_name_of_any_characters_reaches_the_server(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let name = "quotes \" and \\ and \r\n and \u{1f408}";
        let options = options(&server.url()).name(name).verbose(true).pedantic(true);
        let client = soon(adapter.connect(options)).await.expect("a session");
        soon(client.flush()).await.expect("a session");
        let connections = server.monitor("/connz").expect("it is up");
        assert_eq!(connections["connections"][0]["name"], name);
    }

    async fn an_unusable_url_is_an_error_without_its_password(adapter) {
        for url in ["", "http://127.0.0.1:4222", "nats://", "ws://127.0.0.1:80", "nats://ann:s3cret@127.0.0.1:port"] {
            let error = Options::from_url(url).expect_err(url).to_string();
            assert!(!error.contains('\n') && !error.contains("s3cret"), "{error}");
        }
        let zero = adapter.try_start(options("nats://127.0.0.1:1").max_reconnects(0)).expect_err("no attempts");
        assert!(zero.to_string().contains("max_reconnects is 0"), "{zero}");
    }

    async fn a_wrong_password_is_reported_with_what_to_do_about_it(adapter) {
        let cluster = Model::start(1);
        cluster.server(0).refuse_auth(true);
        let url = cluster.urls().replace("nats://", "nats://ann:s3cret@");
        let line = soon(adapter.connect(options(&url))).await.expect_err("nobody is let in").to_string();
        assert!(line.contains("Authorization Violation") && line.contains("check user"), "{line}");
        assert!(!line.contains("s3cret"), "{line}");
    }

    async fn a_connect_whose_future_is_dropped_leaves_nothing_behind(adapter) {
        if adapter == Adapter::Std {
            // A call that blocks a thread cannot be cancelled.
            return;
        }
        let silent = Step::instead(When::Ping(1), []);
        let cluster = Model::with([Settings { script: vec![silent], ..Settings::new("n1") }]);
        let asked = async { while !cluster.logs().last().is_some_and(|log| log.names().contains(&"PING")) {
            pause(Duration::from_millis(2)).await;
        } };
        let mut connecting = Box::pin(adapter.connect(options(&cluster.urls()).connect_timeout(LIMIT * 2)));
        let mut asked = Box::pin(soon(asked));
        let given_up = std::future::poll_fn(|cx| {
            assert!(connecting.as_mut().poll(cx).is_pending(), "nobody answers");
            asked.as_mut().poll(cx)
        });
        given_up.await;
        drop(connecting);
        until(|| cluster.logs()[0].ended.is_some()).await;
        assert_eq!(cluster.logs().len(), 1);
    }
}
