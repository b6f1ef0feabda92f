//! Keep-alive: whether the peer is still there.

use std::io::Read;
use std::sync::mpsc::channel;

use nats_conn_client::{PublishError, State};
use nats_conn_tests::model_server::{Op, Reaction, Step, When, parse_transcript};

use crate::raw::{greet, raw_server};
use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("pulse.one");

scenarios! {
    async fn a_server_that_falls_silent_is_left_as_stale(adapter) {
        let mute = Step::instead(When::Ping(2), [Reaction::Silence]);
        let cluster = Model::with([Settings { next_scripts: [vec![mute]].into(), ..Settings::new("n1") }]);
        let interval = Duration::from_millis(60);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).ping_interval(interval).max_pings_out(2));
        watch.until("connected").await;
        let began = Instant::now();
        assert_eq!(watch.disconnected().await.code(), "stale");
        assert!(began.elapsed() >= interval * 2, "{:?}", began.elapsed());
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        let pings = cluster.logs()[0].names().iter().filter(|name| **name == "PING").count();
        assert_eq!(pings, 2, "that of the handshake, and the one after which nothing came");
    }

    async fn how_long_a_server_is_silent_and_what_it_owes_can_be_asked(adapter) {
        let mute = Step::instead(When::Ping(2), [Reaction::Silence]);
        let cluster = Model::with([Settings { next_scripts: [vec![mute]].into(), ..Settings::new("n1") }]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let began = Instant::now();
        let health = || client.link_health().expect("a session");
        assert_eq!(health().pings_out, 0);
        let first = client.flush();
        until(|| health().pings_out == 1).await;
        let second = client.rtt();
        until(|| health().pings_out == 2).await;
        pause(Duration::from_millis(50)).await;
        let silence = health().silence;
        assert!(silence >= Duration::from_millis(50) && silence <= began.elapsed() + Duration::from_secs(1), "{silence:?}");
        assert_eq!(client.statistics().pings_out, 2);
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        assert!(soon(first).await.is_err() && soon(second).await.is_err());
        soon(client.flush()).await.expect("a session");
        assert_eq!(health().pings_out, 0);
        soon(client.close()).await;
        assert_eq!(client.link_health(), None, "no session any more");
    }

    async fn a_server_that_asks_is_answered(adapter) {
        let interval = Some(Duration::from_millis(30).as_nanos() as u64);
        let cluster = Model::with([Settings { ping_interval: interval, ..Settings::new("n1") }]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        // It would have given up at the third.
        until(|| cluster.logs()[0].names().iter().filter(|name| **name == "PONG").count() >= 6).await;
        assert_eq!(client.state(), State::Connected);
        watch.catch_up();
        assert_eq!(watch.count("disconnected"), 0);
    }

    async fn a_real_server_that_asks_is_answered(adapter, version) {
        let config = ServerConfig::new().ping_interval(Duration::from_millis(200)).ping_max(1);
        let server = real_server(version, config);
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let began = Instant::now();
        // Nothing is to be waited for: the server gives up after 400 ms without an answer.
        while began.elapsed() < Duration::from_millis(1500) {
            soon(client.flush()).await.expect("a session");
            pause(Duration::from_millis(100)).await;
        }
        watch.catch_up();
        assert_eq!(watch.count("disconnected"), 0);
    }

    async fn a_server_that_calls_us_stale_is_believed(adapter) {
        let stale = Step::also(When::Subscribe(1), [Reaction::error("Stale Connection"), Reaction::Close]);
        let cluster = Model::with([Settings { next_scripts: [vec![stale]].into(), ..Settings::new("n1") }]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        let _subscription = client.subscribe(filter("pulse.*")).expect("open");
        assert_eq!(watch.disconnected().await.code(), "stale");
        watch.until("resubscribed").await;
        assert_eq!(watch.count("disconnected"), 1);
    }

    async fn a_flush_whose_future_is_dropped_takes_nothing_from_the_next(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a session");
        let mut subscription = client.subscribe(filter("pulse.*")).expect("open");
        for _ in 0..100 {
            drop(client.flush());
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
            drop(client.rtt());
        }
        soon(client.flush()).await.expect("a session");
        assert_eq!(subscription.pending(), 100, "everything before it has come back");
        assert!(subscription.try_next().is_some());
        assert_eq!(client.publish_fates().confirmed, 100);
    }

    /// The socket takes no more for a while: memory is bounded, publishers wait or get an error, and then it continues.
    async fn a_server_that_does_not_read_costs_bounded_memory_and_no_message(adapter) {
        const BUFFER: usize = 4 << 20;
        let (go, gone) = channel();
        let gone = Arc::new(std::sync::Mutex::new(gone));
        let (sender, transcript) = channel();
        let url = raw_server(move |_, stream| {
            let mut reader = greet(stream);
            gone.lock().expect("one link").recv().expect("a test");
            let mut all = Vec::new();
            while !all.ends_with(b"PUB pulse.last 0\r\n\r\n") {
                let mut some = [0; 1 << 16];
                let count = reader.read(&mut some).expect("a client");
                assert_ne!(count, 0, "it went");
                all.extend_from_slice(&some[..count]);
            }
            sender.send(all).expect("a test");
        });
        let (client, mut watch) = adapter.start(options(&url).send_buffer(BUFFER));
        watch.until("connected").await;
        let (payload, patience) = (vec![b'x'; 64 << 10], Duration::from_millis(300));
        let mut accepted = 0;
        let refused = loop {
            match soon(client.publish(&SUBJECT, &payload[..]).timeout(patience)).await {
                Ok(_) => accepted += 1,
                Err(failure) => break failure,
            }
            assert!(client.statistics().pending_bytes <= BUFFER as u64);
        };
        assert_eq!(refused, PublishError::TimedOut { subject: named(&SUBJECT), after: patience });
        assert_eq!(client.state(), State::Connected);
        go.send(()).expect("a link");
        soon(client.publish("pulse.last", "")).await.expect("room when it reads again");
        let transcript = soon(elsewhere(move || transcript.recv().expect("a server"))).await;
        let publishes = parse_transcript(&transcript);
        let publishes = publishes.iter().filter(|op| matches!(op, Op::Publish { .. })).count();
        assert_eq!(publishes, accepted + 1);
    }
}
