//! Streams of events: everything from the moment they are made, bounded, and with a count of what was missed.

use std::collections::{BTreeMap, BTreeSet};

use nats_conn_client::{Backoff, ServerStatus, State};
use nats_conn_tests::model_server::{Reaction, Settings, Step, Urls, When};

use crate::scene::*;

/// What the events so far have reported.
#[derive(Default)]
struct Reported {
    sessions: u64,
    ends: u64,
    unconfirmed: u64,
    /// Links whose server has sent INFO, by the number that it gave us.
    greeted: BTreeSet<u64>,
    max_payloads: BTreeSet<u64>,
    /// How many attempts with each server have failed.
    failures: BTreeMap<String, u32>,
    closed: bool,
}

impl Reported {
    fn note(&mut self, event: &ClientEvent) {
        match event {
            ClientEvent::Connection(
                ConnectionEvent::Connected(session) | ConnectionEvent::Reconnected(session),
            ) => {
                self.sessions += 1;
                self.greeted.extend(session.info.client_id);
                self.max_payloads.insert(session.max_payload);
            }
            ClientEvent::Connection(ConnectionEvent::ServerInfoChanged { info }) => {
                self.max_payloads.extend(info.max_payload);
            }
            ClientEvent::Connection(ConnectionEvent::ConnectFailed { server, .. }) => {
                *self.failures.entry(server.to_string()).or_default() += 1;
            }
            ClientEvent::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) => {
                self.ends += 1;
                self.unconfirmed += unconfirmed.count();
            }
            ClientEvent::Connection(ConnectionEvent::Closed { .. }) => self.closed = true,
            ClientEvent::Missed { .. } => panic!("it is never so slow"),
            _ => {}
        }
    }

    /// What is shown to have failed was reported. Servers may be shown before: what an attempt learns is reported with
    /// the next session.
    fn knows(&self, servers: &[ServerStatus]) {
        for status in servers {
            let name = status.server.to_string();
            let reported = self.failures.get(&name).copied().unwrap_or_default();
            assert!(
                status.failures <= reported,
                "{} failures of {name}, {reported} reported",
                status.failures
            );
            assert!(status.last_error.is_none() || reported > 0, "{name} has failed");
        }
    }
}

/// Looks again and again, and compares what it sees with the events that are there by then.
fn look_on(client: &Client, mut events: Events) {
    let mut reported = Reported::default();
    while !reported.closed {
        // In this order: what is shown without a session was shown after the end of all sessions counted before it.
        let before = client.statistics().connects;
        let (state, health, seen) = (client.state(), client.link_health(), client.statistics());
        let (servers, info, max_payload) = (client.servers(), client.server_info(), client.max_payload());
        let (fates, why) = (client.publish_fates(), client.why());
        while let Some(event) = events.try_next() {
            reported.note(&event);
        }
        assert!(
            seen.connects <= reported.sessions,
            "{} sessions, {} reported",
            seen.connects,
            reported.sessions
        );
        for unconfirmed in [seen.publishes.unconfirmed, fates.unconfirmed] {
            assert!(
                unconfirmed <= reported.unconfirmed,
                "{unconfirmed} unconfirmed, {} reported",
                reported.unconfirmed
            );
        }
        match state {
            State::Reconnecting => assert!(
                reported.ends >= before,
                "{before} ended, {} reported",
                reported.ends
            ),
            State::Closed => assert!(reported.closed, "no close reported"),
            _ => {}
        }
        assert!(
            health.is_none() || reported.sessions > 0,
            "a session is alive, and none was reported"
        );
        assert!(
            health.is_some() || reported.ends >= before,
            "no health though {before} sessions began, and {} ended",
            reported.ends
        );
        reported.knows(&servers);
        let greeted = info.and_then(|info| info.client_id);
        assert!(
            greeted.is_none_or(|id| reported.greeted.contains(&id)),
            "greeted as {greeted:?}, not reported"
        );
        assert!(
            max_payload.is_none_or(|most| reported.max_payloads.contains(&most)),
            "{max_payload:?} of {:?}",
            reported.max_payloads
        );
        assert!(!why.is_empty());
    }
}

scenarios! {
    async fn nothing_is_shown_before_the_event_that_reports_it(adapter) {
        let settings = |name, max_payload| Settings { max_payload, urls: Urls::Gossip, ..Settings::new(name) };
        // The second is discovered, and announces a lower limit after each handshake; there is no third.
        let narrow = Settings { account_max_payload: Some(1 << 17), ..settings("n2", 1 << 18) };
        let cluster = Model::with([settings("n1", 1 << 20), narrow]);
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
        let urls = format!("{},{nobody}", cluster.server(0).url());
        let started = adapter.try_start(options(&urls).backoff(Backoff::NONE).retry_initial(true));
        let (client, events) = started.expect("usable options");
        let mut sessions = client.events();
        let looking = client.clone();
        let looker = std::thread::spawn(move || look_on(&looking, events));
        let is_session = |event| matches!(event, Some(ClientEvent::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_))));
        until(|| client.statistics().connects == 1).await;
        for _ in 0..1000 {
            let _ = soon(client.publish("a.b", "x")).await;
            client.force_reconnect().expect("open");
            while !is_session(soon(sessions.next()).await) {}
        }
        soon(client.close()).await;
        looker.join().expect("nothing was ahead");
    }

    async fn what_a_call_changed_is_not_shown_before_the_event_that_reports_it(adapter) {
        for drains in [false, true] {
            let nobody = || std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
            let mut backoff = Backoff::default();
            (backoff.base, backoff.max) = (Duration::from_secs(60), Duration::from_secs(60));
            let options = options(&nobody().to_string()).retry_initial(true).backoff(backoff);
            let (client, mut watch) = adapter.start(options);
            watch.until("backoff_wait").await;
            // Nothing is awaited from here on: on a single thread the driver does not run in between.
            let others = vec![nobody().to_string().parse().expect("a URL")];
            client.set_servers(others.clone()).expect("open");
            let shown: Vec<_> = client.servers().iter().map(|server| server.server.url().clone()).collect();
            watch.catch_up();
            assert!(shown != others || watch.count("server_removed") == 1, "{:?}", watch.names());
            if drains {
                drop(client.drain());
            } else {
                drop(client.close());
            }
            let state = client.state();
            watch.catch_up();
            match state {
                State::Closed => assert_eq!(watch.count("closed"), 1, "{:?}", watch.names()),
                State::Draining => assert_eq!(watch.count("draining"), 1, "{:?}", watch.names()),
                _ => {}
            }
            drop(client.close());
        }
    }

    async fn every_holder_has_all_events_from_when_it_asked(adapter) {
        let cluster = Model::start(1);
        let (client, mut first) = adapter.start(options(&cluster.urls()));
        first.until("connected").await;
        assert_eq!(first.names(), ["connecting", "connected"], "from before the first attempt on");
        first.until("server_info_changed").await;
        let mut second = client.events();
        client.force_reconnect().expect("a session");
        first.until("resubscribed").await;
        soon(client.close()).await;
        first.closed().await;
        let mut seen = Vec::new();
        while let Some(event) = soon(second.next()).await {
            seen.push(event);
        }
        assert_eq!(seen[..], first.seen()[3..]);
        assert!(seen.last().is_some_and(ClientEvent::is_closed));
        assert_eq!(soon(client.events().next()).await, None, "nothing happens any more");
    }

    /// A warning that comes before the session is in a stream of events that is made in the session.
    async fn the_first_stream_made_after_connect_has_all_events_from_the_beginning(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("it is there");
        let (mut first, mut second) = (client.events(), client.events());
        soon(client.close()).await;
        let mut names = Vec::new();
        while let Some(event) = soon(first.next()).await {
            names.push(crate::watch::name_of(&event));
        }
        assert_eq!(names[..2], ["connecting", "connected"]);
        assert_eq!(names[names.len() - 2..], ["disconnected", "closed"]);
        let begin = soon(second.next()).await.expect("an event");
        assert_ne!(crate::watch::name_of(&begin), "connecting", "from when it asked");
    }

    async fn a_failed_connect_reports_what_failed_with_each_server_even_if_the_pool_became_empty(adapter) {
        let refused = Step::instead(When::Accept, [Reaction::error("maximum connections exceeded"), Reaction::Close]);
        let settings = ["n1", "n2"].map(|server| Settings {
            script: vec![refused.clone()],
            ..Settings::new(server)
        });
        let cluster = Model::with(settings);
        for retry in [false, true] {
            let options = options(&cluster.urls()).retry_initial(retry).max_reconnects(1);
            let failure = soon(adapter.connect(options)).await.expect_err("nothing to connect to");
            let text = failure.to_string();
            assert_eq!(text.matches("maximum connections exceeded").count(), 2, "{text}");
            assert_eq!(text.contains("pool_exhausted"), retry, "{text}");
        }
    }

    async fn a_stream_that_falls_behind_learns_how_much_it_missed_and_never_misses_the_end(adapter) {
        const CAPACITY: u64 = 4;
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        let mut all = client.events();
        watch.until("connected").await;

        let slow = options(&cluster.urls()).event_capacity(CAPACITY as usize);
        let (slow_client, mut behind) = adapter.try_start(slow).expect("usable options");
        until(|| slow_client.statistics().connects == 1).await;
        for round in 2..6 {
            slow_client.force_reconnect().expect("a session");
            until(|| slow_client.statistics().connects == round).await;
        }
        soon(slow_client.close()).await;
        let (mut reported, mut missed) = (0, 0);
        let mut last = None;
        while let Some(event) = soon(behind.next()).await {
            if let ClientEvent::Missed { events } = event {
                missed += events;
            } else {
                reported += 1;
            }
            last = Some(event);
        }
        assert!(last.is_some_and(|event| event.is_closed()));
        assert_eq!(reported, CAPACITY + 1, "as many as are held, and the end");
        // connecting, connected, and four times disconnected, connecting, reconnected, resubscribed; at the end
        // disconnected and closed. The server's second INFO of a link may be reported, too.
        assert!(reported + missed >= 20, "{reported} + {missed}");
        soon(client.close()).await;
        while soon(all.next()).await.is_some() {}
    }

    async fn events_do_not_keep_a_connection_open(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut events = client.events();
        drop(client);
        watch.closed().await;
        while let Some(event) = soon(events.next()).await {
            if event.is_closed() {
                return assert_eq!(soon(events.next()).await, None);
            }
        }
        panic!("no end");
    }

    /// Nobody takes them: the connection does not care.
    async fn events_that_nobody_takes_block_nothing(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, _events) = adapter.try_start(options(&server.url()).event_capacity(2)).expect("usable options");
        let mut subscription = client.subscribe(filter("events.*")).expect("open");
        for _ in 0..3 {
            until(|| client.state() == nats_conn_client::State::Connected).await;
            client.force_reconnect().expect("open");
        }
        let to = subject("events.one");
        let arrives = async {
            loop {
                soon(client.publish(&to, "x")).await.expect("room");
                if within(Duration::from_millis(200), subscription.next()).await.is_some() {
                    return;
                }
            }
        };
        soon(arrives).await;
    }
}
