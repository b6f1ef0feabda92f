//! Handshakes that go wrong, and some that only look so.

use nats_conn_client::Backoff;
use nats_conn_client::machine::{AttemptFailure, ConnectError, LinkEnd, Phase};
use nats_conn_tests::model_server::{Auth, Deed, Step, When};

use crate::scene::*;

/// Connects to one server that does this, in vain, and says what the one attempt came to.
async fn refused(home: Home, steps: Vec<Step>, change: impl FnOnce(Options) -> Options) -> AttemptFailure {
    let settings = Settings {
        script: steps,
        ..Settings::new("n1")
    };
    let cluster = Model::with([settings]);
    let (_client, mut watch) = home.start(change(options(&cluster.urls())));
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
    async fn a_server_that_closes_right_after_accept_fails_the_attempt(home) {
        let close = Step::instead(When::Accept, [Deed::Close]);
        let failure = refused(home, vec![close], |options| options).await;
        assert_eq!((failure.phase, failure.error), (Phase::Info, ConnectError::Link(LinkEnd::Eof)));
    }

    async fn half_an_info_runs_into_the_deadline(home) {
        let half = Step::instead(When::Accept, [Deed::send("INFO {\"server_id\":"), Deed::Silence]);
        let failure = refused(home, vec![half], soon_given_up).await;
        assert_eq!((failure.phase, failure.error), (Phase::Info, ConnectError::TimedOut));
    }

    async fn a_pong_that_never_comes_runs_into_the_deadline(home) {
        let silent = Step::instead(When::Ping(1), [Deed::Silence]);
        let failure = refused(home, vec![silent], soon_given_up).await;
        assert_eq!((failure.phase, failure.error), (Phase::Connect, ConnectError::TimedOut));
    }

    async fn an_error_in_place_of_info_is_told_by_its_text(home) {
        let error = Step::instead(When::Accept, [Deed::error("maximum connections exceeded"), Deed::Close]);
        let failure = refused(home, vec![error], |options| options).await;
        assert_eq!(failure.phase, Phase::Info);
        assert!(failure.error.to_string().contains("maximum connections exceeded"), "{failure:?}");
    }

    /// The text and the end of the stream may be one packet.
    async fn an_error_right_behind_info_is_told_by_its_text(home) {
        let error = Step::also(
            When::Accept,
            [Deed::Info, Deed::error("maximum connections exceeded"), Deed::Close],
        );
        let failure = refused(home, vec![error], |options| options).await;
        assert!(failure.error.to_string().contains("maximum connections exceeded"), "{failure:?}");
    }

    async fn a_ping_before_the_pong_is_answered_and_the_session_begins(home) {
        let ping = Step::also(When::Connect, [Deed::Ping]);
        let cluster = Model::with([Settings { script: vec![ping], ..Settings::new("n1") }]);
        let client = soon(home.connect(options(&cluster.urls()))).await.expect("a session");
        soon(client.flush()).await.expect("a session");
        let names = cluster.logs()[0].names();
        assert_eq!(&names[..3], ["CONNECT", "PING", "PONG"]);
    }

    async fn what_the_first_server_refuses_the_second_may_take(home) {
        let refusing = Settings { auth: Auth::Refuse("Authorization Violation".into()), ..Settings::new("n1") };
        let cluster = Model::with([refusing, Settings::new("n2")]);
        let (_client, mut watch) = home.start(options(&cluster.urls()).randomize(false));
        let server = watch.session().await;
        assert_eq!(server, cluster.server(1).url());
        assert_eq!(watch.names(), ["connecting", "connect_failed", "connecting", "connected"]);
    }

    async fn a_server_that_shakes_hands_and_closes_is_not_dialled_in_a_loop(home) {
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max, backoff.jitter) =
            (Duration::from_millis(100), Duration::from_millis(400), Some(Duration::ZERO));
        let flap = Step::instead(When::Ping(1), [Deed::Pong, Deed::Close]);
        let cluster = Model::with([Settings { script: vec![flap], ..Settings::new("n1") }]);
        let began = Instant::now();
        let (client, mut watch) = home.start(options(&cluster.urls()).backoff(backoff));
        for _ in 0..4 {
            assert_eq!(watch.disconnected().await.code(), "eof");
        }
        // Waits of 100, 200 and 400 ms lie between four links.
        assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
    }

    async fn a_server_that_is_full_is_tried_again_until_there_is_room(home, version) {
        let server = real_server(version, ServerConfig::new().max_connections(1));
        let first = soon(home.connect(options(&server.url()))).await.expect("a server");
        let refused = soon(home.connect(options(&server.url()))).await.expect_err("it is full");
        assert!(refused.to_string().contains("maximum connections exceeded"), "{refused}");
        let (second, mut watch) = home.start(options(&server.url()).retry_initial(true));
        watch.until("backoff_wait").await;
        soon(first.close()).await;
        watch.until("connected").await;
        soon(second.flush()).await.expect("a session");
        assert_eq!(watch.count("server_removed"), 0);
    }
}
