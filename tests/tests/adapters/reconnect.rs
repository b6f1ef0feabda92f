//! From one link to the next: what is lost, what is kept, and which server is dialled.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use nats_conn_client::machine::{DropReason, RemovalReason};
use nats_conn_client::{
    Backoff, FlushError, PublishError, QueueGroup, ServerUrl, State, StateError, WhenFull,
};
use nats_conn_tests::model_server::{Op, Reaction, Step, When, parse_transcript};

use crate::raw::{greet, raw_server};
use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("links.one");

/// One model server whose first link does this.
fn once(steps: Vec<Step>) -> Model {
    Model::with([Settings {
        next_scripts: [steps].into(),
        ..Settings::new("n1")
    }])
}

fn urls(of: &[&Model]) -> Vec<ServerUrl> {
    let list = of.iter().map(|model| model.urls()).collect::<Vec<_>>().join(",");
    ServerUrl::parse_list(&list).expect("URLs")
}

scenarios! {
    async fn half_a_message_is_forgotten_with_its_link(adapter) {
        let half = Step::also(When::Subscribe(1), [Reaction::send("MSG links.one 1 10\r\n12345"), Reaction::Close]);
        let cluster = once(vec![half]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        let mut subscription = client.subscribe(filter("links.*")).expect("open");
        assert_eq!(watch.disconnected().await.code(), "eof");
        watch.until("resubscribed").await;
        cluster.publish("links.one", b"whole");
        assert_eq!(text(&mut subscription).await, "whole");
        assert_eq!(watch.count("disconnected"), 1);
    }

    /// A message and the error after it arrive with the end of the stream, before anything was read.
    async fn what_arrived_before_the_end_of_the_stream_counts(adapter) {
        let farewell = "MSG links.one 1 4\r\nlast\r\n-ERR 'Secure Connection - TLS Required'\r\n";
        let last_words = Step::also(When::Subscribe(1), [Reaction::send(farewell), Reaction::Close]);
        let cluster = once(vec![last_words]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        let mut subscription = client.subscribe(filter("links.*")).expect("open");
        let reason = watch.disconnected().await;
        assert_eq!((reason.code(), watch.count("server_error")), ("server_error", 1), "{reason}");
        assert_eq!(text(&mut subscription).await, "last");
    }

    /// What was cut off by the end of one link is sent again whole, and its rest never reaches the next one.
    async fn a_frame_that_was_cut_is_sent_whole_to_the_next_link(adapter) {
        const MEBIBYTE: usize = 1 << 20;
        let (sender, transcript) = std::sync::mpsc::channel();
        let published = Arc::new(Barrier::new(2));
        let all_published = published.clone();
        let url = raw_server(move |number, stream| {
            let mut reader = greet(stream);
            if number == 0 {
                all_published.wait();
                // Some of what fills the buffers of the sockets is read, and then the link is torn down.
                let mut some = vec![0; MEBIBYTE / 2];
                reader.read_exact(&mut some).expect("a client that publishes");
                rustix::net::sockopt::set_socket_linger(reader.get_ref(), Some(Duration::ZERO)).expect("a socket");
                return;
            }
            let mut all = Vec::new();
            while !all.ends_with(b"PUB links.last 4\r\nlast\r\n") {
                let mut some = [0; 1 << 16];
                let count = reader.read(&mut some).expect("a client");
                assert_ne!(count, 0, "it went");
                all.extend_from_slice(&some[..count]);
            }
            sender.send(all).expect("a test");
        });
        let (client, mut watch) = adapter.start(options(&url).send_buffer(64 * MEBIBYTE));
        watch.until("connected").await;
        for number in 0..16_u8 {
            let payload = vec![number; MEBIBYTE - 1];
            soon(client.publish(&SUBJECT, &payload[..])).await.expect("room");
        }
        soon(client.publish("links.last", "last")).await.expect("room");
        soon(elsewhere(move || published.wait())).await;
        let lost = watch.find("disconnected", |event| match event {
            ClientEvent::Connection(ConnectionEvent::Disconnected { unconfirmed, queued, .. }) =>
                Some((unconfirmed.count(), *queued)),
            _ => None,
        }).await;
        let transcript = soon(elsewhere(move || transcript.recv().expect("a second link"))).await;
        let published: Vec<u8> = parse_transcript(&transcript)
            .into_iter()
            .filter_map(|op| match op {
                Op::Publish { payload, .. } => {
                    assert!(payload == b"last" || payload.len() == MEBIBYTE - 1);
                    Some(payload[0])
                }
                _ => None,
            })
            .collect();
        assert_eq!(published.len() as u64, lost.1, "those that were queued");
        assert_eq!(lost.0 + lost.1, 17);
        let expected: Vec<u8> = (0..16).chain([b'l']).skip(lost.0 as usize).collect();
        assert_eq!(published, expected, "in order, and none twice");
    }

    async fn a_flush_fails_with_its_link_and_the_next_one_does_not_complete_it(adapter) {
        let deaf = Step::instead(When::PingFrom(2), []);
        let cluster = once(vec![deaf]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let (flush, rtt) = (client.flush(), client.rtt());
        until(|| cluster.logs()[0].names().iter().filter(|name| **name == "PING").count() >= 2).await;
        client.force_reconnect().expect("a session");
        assert_eq!(soon(flush).await, Err(FlushError::Disconnected));
        assert_eq!(soon(rtt).await.map(drop), Err(FlushError::Disconnected));
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        assert_eq!(watch.count("disconnected"), 1);
    }

    async fn what_is_done_without_a_link_is_on_the_next_one_once_and_in_order(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let kept = client.queue_subscribe(filter("links.kept"), QueueGroup::new("workers").expect("a name"));
        let kept = kept.expect("open");
        let left = client.subscribe(filter("links.left")).expect("open");
        soon(client.flush()).await.expect("a session");
        cluster.server(0).crash();
        watch.until("disconnected").await;
        left.unsubscribe().expect("alive");
        let short = client.subscribe(filter("links.short")).expect("open");
        drop(short);
        let new = client.subscribe(filter("links.new")).expect("open");
        for number in 0..3 {
            soon(client.publish(&SUBJECT, number.to_string().as_str())).await.expect("room");
        }
        cluster.server(0).restart().expect("its port");
        watch.until("resubscribed").await;
        soon(client.flush()).await.expect("a session");
        let ops: Vec<Op> = cluster.logs()[1].frames.iter().map(|frame| frame.op.clone()).collect();
        let subscribe = |filter: &str, queue: Option<&str>, subscription: &Subscription| Op::Subscribe {
            filter: filter.into(),
            queue: queue.map(str::to_owned),
            sid: subscription.sid().get(),
        };
        let publish = |number: usize| Op::Publish {
            subject: "links.one".into(),
            reply: None,
            headers: None,
            payload: number.to_string().into(),
        };
        let expected = [
            subscribe("links.kept", Some("workers"), &kept),
            subscribe("links.new", None, &new),
            Op::Ping,
            publish(0),
            publish(1),
            publish(2),
            Op::Ping,
        ];
        assert_eq!(ops[2..], expected, "after CONNECT and PING");
    }

    async fn a_forced_reconnect_leaves_the_session_the_attempt_or_the_wait(adapter) {
        let (first, second) = (Model::start(1), Model::start(1));
        let list = format!("{},{}", first.urls(), second.urls());
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max) = (LIMIT * 2, LIMIT * 2);
        let (client, mut watch) = adapter.start(options(&list).randomize(false).backoff(backoff));
        assert_eq!(watch.session().await, first.urls());
        client.force_reconnect().expect("a session");
        assert_eq!(watch.disconnected().await.code(), "forced");
        assert_eq!(watch.session().await, second.urls());

        first.server(0).crash();
        second.server(0).crash();
        watch.until("backoff_wait").await;
        first.server(0).restart().expect("its port");
        second.server(0).restart().expect("its port");
        client.force_reconnect().expect("it waits");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        soon(client.close()).await;
        assert_eq!(client.force_reconnect(), Err(StateError::Closed));
    }

    async fn without_reconnecting_the_first_loss_is_the_end(adapter) {
        let cluster = Model::start(2);
        let (client, mut watch) = adapter.start(options(&cluster.server(0).url()).reconnect(false));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("links.*")).expect("open");
        cluster.server(0).crash();
        watch.disconnected().await;
        assert_eq!(watch.closed().await, ClosedReason::NoReconnect);
        assert_eq!(soon(subscription.next()).await, None);
        assert_eq!(subscription.ended(), Some(EndReason::Closed));
        assert_eq!(client.state(), State::Closed);
        assert!(matches!(soon(client.publish(&SUBJECT, "x")).await, Err(failure) if failure == PublishError::Closed));
    }

    async fn a_server_that_fails_too_often_leaves_the_pool_and_the_last_one_is_the_end(adapter) {
        let cluster = Model::start(1);
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max, backoff.jitter) =
            (Duration::from_millis(10), Duration::from_millis(10), Some(Duration::ZERO));
        let (_client, mut watch) = adapter.start(options(&cluster.urls()).max_reconnects(3).backoff(backoff));
        watch.until("connected").await;
        cluster.server(0).crash();
        let removed = watch.until("server_removed").await;
        assert!(
            matches!(removed, ClientEvent::Connection(ConnectionEvent::ServerRemoved { reason: RemovalReason::MaxReconnects, .. })),
            "{removed:?}"
        );
        assert_eq!(watch.closed().await, ClosedReason::PoolExhausted);
        assert_eq!(watch.count("connect_failed"), 3);
    }

    async fn another_pool_is_used_when_the_link_is_lost(adapter) {
        let (first, second) = (Model::start(1), Model::start(1));
        let (client, mut watch) = adapter.start(options(&first.urls()));
        watch.until("connected").await;
        assert_eq!(client.set_servers(Vec::new()), Err(StateError::NoServers.into()));
        client.set_servers(urls(&[&second])).expect("open");
        soon(client.flush()).await.expect("the link stays");
        first.server(0).crash();
        assert_eq!(watch.session().await, second.urls());
        let pool = client.servers();
        assert_eq!(pool.len(), 1);
        assert!(pool[0].current && pool[0].server.to_string() == second.urls());
    }

    async fn another_pool_ends_a_wait(adapter) {
        let (first, second) = (Model::start(1), Model::start(1));
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max) = (LIMIT * 2, LIMIT * 2);
        let (client, mut watch) = adapter.start(options(&first.urls()).backoff(backoff));
        watch.until("connected").await;
        first.server(0).crash();
        watch.until("backoff_wait").await;
        client.set_servers(urls(&[&second])).expect("open");
        assert_eq!(watch.session().await, second.urls());
    }

    async fn a_selector_is_asked_at_every_attempt(adapter) {
        let (first, second) = (Model::start(1), Model::start(1));
        let list = format!("{},{}", first.urls(), second.urls());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let options = options(&list).randomize(false).server_selector(move |choice| {
            counter.fetch_add(1, Ordering::Relaxed);
            (choice.servers[1].server.id(), Duration::ZERO)
        });
        let (client, mut watch) = adapter.start(options);
        assert_eq!(watch.session().await, second.urls());
        client.force_reconnect().expect("a session");
        assert_eq!(watch.session().await, second.urls());
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    async fn a_delay_is_asked_for_at_every_attempt_and_leaves_the_choice_of_the_server(adapter) {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
        let cluster = Model::start(1);
        let list = format!("{nobody},{}", cluster.urls());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let asking = asked.clone();
        let first = format!("nats://{nobody}");
        let named = first.clone();
        let options = options(&list).randomize(false).reconnect_delay(move |attempt, status| {
            let server = status.server.to_string();
            // Between the servers of a round, too; the backoff of the options does not count.
            let delay = Duration::from_millis(if server == named { 0 } else { 20 });
            asking.lock().expect("nobody panics").push((attempt, server, delay));
            delay
        });
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max) = (LIMIT * 2, LIMIT * 2);
        let (_client, mut watch) = adapter.start(options.backoff(backoff));
        watch.until("connected").await;
        // The second attempt of each server is after a round of failures.
        cluster.server(0).crash();
        watch.until("disconnected").await;
        for _ in 0..2 {
            watch.until("connect_failed").await;
        }
        cluster.server(0).restart().expect("its port");
        watch.until("reconnected").await;
        let asked = asked.lock().expect("nobody panics");
        let of = |server: &str| asked.iter().filter(|(_, of, _)| of == server).map(|(attempt, ..)| *attempt).collect::<Vec<_>>();
        assert_eq!(of(&first)[..2], [1, 2], "{asked:?}");
        assert_eq!(of(&cluster.urls())[..2], [1, 1], "it worked: {asked:?}");
        let waits: Vec<_> = watch.seen().iter().filter_map(|event| match event {
            ClientEvent::Connection(ConnectionEvent::BackoffWait { delay, .. }) => Some(*delay),
            _ => None,
        }).collect();
        let wanted: Vec<_> = asked.iter().map(|(.., delay)| *delay).filter(|delay| !delay.is_zero()).collect();
        assert_eq!(waits, wanted, "each delay that is not zero is waited for, and nothing else");
    }

    async fn what_an_older_server_cannot_take_is_dropped_and_reported(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        let mut headers = nats_conn_client::Headers::new();
        headers.append("k", "v").expect("valid");
        soon(client.publish(&SUBJECT, "with headers").headers(&headers)).await.expect("room");
        soon(client.publish(&SUBJECT, &[b'x'; 2000][..])).await.expect("room");
        soon(client.publish(&SUBJECT, "small")).await.expect("room");
        cluster.server(0).set(|settings| (settings.headers, settings.max_payload) = (false, 1000));
        cluster.server(0).restart().expect("its port");
        let mut dropped = Vec::new();
        for _ in 0..2 {
            dropped.push(watch.find("publish_dropped", |event| match event {
                ClientEvent::Connection(ConnectionEvent::PublishDropped { reason, publishes, .. }) =>
                    Some((*reason, publishes.count())),
                _ => None,
            }).await);
        }
        assert_eq!(dropped, [(DropReason::HeadersUnsupported, 1), (DropReason::TooLarge, 1)]);
        soon(client.flush()).await.expect("a session");
        let logs = cluster.logs();
        let published: Vec<_> = logs[1].publishes().map(|(_, payload)| payload.to_vec()).collect();
        assert_eq!(published, [b"small".to_vec()]);
        assert_eq!(client.publish_fates().dropped, 2);
    }

    async fn a_full_buffer_is_reported_as_configured(adapter) {
        let cluster = Model::start(1);
        let start = |when_full| adapter.start(options(&cluster.urls()).send_buffer(1000).when_full(when_full));
        let (refusing, mut first) = start(WhenFull::Error);
        let (dropping, mut second) = start(WhenFull::DropOldest);
        let (off, mut third) = start(WhenFull::Off);
        for watch in [&mut first, &mut second, &mut third] {
            watch.until("connected").await;
        }
        cluster.server(0).crash();
        for watch in [&mut first, &mut second, &mut third] {
            watch.until("disconnected").await;
        }
        let payload = [b'x'; 400];
        let publish = |client: &Client| client.publish(&SUBJECT, &payload[..]).now();
        assert!(publish(&refusing).is_ok() && publish(&refusing).is_ok());
        assert_eq!(publish(&refusing), Err(PublishError::BufferFull { limit: 1000 }));
        for _ in 0..5 {
            publish(&dropping).expect("the oldest makes room");
        }
        assert_eq!(publish(&off), Err(PublishError::NotConnected));
        assert_eq!((dropping.publish_fates().queued, dropping.publish_fates().dropped), (2, 3));
        second.until("publish_dropped").await;
    }

    async fn an_automatic_unsubscribe_is_exact_across_a_restart(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("links.*")).expect("open");
        subscription.unsubscribe_after(10).expect("alive");
        for _ in 0..6 {
            soon(client.publish(&SUBJECT, "before")).await.expect("room");
        }
        soon(client.flush()).await.expect("a session");
        let restarting = server.clone();
        soon(elsewhere(move || restarting.restart())).await;
        watch.until("resubscribed").await;
        for _ in 0..6 {
            soon(client.publish(&SUBJECT, "behind")).await.expect("room");
        }
        soon(client.flush()).await.expect("a session");
        let mut received = Vec::new();
        while let Some(message) = soon(subscription.next()).await {
            received.push(String::from_utf8_lossy(message.payload()).into_owned());
        }
        assert_eq!(received, [vec!["before"; 6], vec!["behind"; 4]].concat());
        assert_eq!(subscription.ended(), Some(EndReason::MaxReached));
        let connections = server.monitor("/connz").expect("it is up");
        assert_eq!(connections["connections"][0]["subscriptions"], 0, "the server has forgotten it too");
    }

    async fn a_message_too_large_for_the_next_server_does_not_end_its_link(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        server.kill();
        watch.until("disconnected").await;
        soon(client.publish(&SUBJECT, &[b'x'; 5000][..])).await.expect("room");
        soon(client.publish(&SUBJECT, "small")).await.expect("room");
        let restarting = server.clone();
        soon(elsewhere(move || restarting.restart_with(ServerConfig::new().max_payload(1000)))).await;
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        let fates = client.publish_fates();
        assert_eq!((fates.confirmed, fates.dropped), (1, 1));
        assert_eq!(client.max_payload(), Some(1000));
        assert_eq!(watch.count("disconnected"), 1);
    }

    async fn servers_that_join_and_leave_a_cluster_are_reported(adapter, version) {
        let cluster = Arc::new(Cluster::start(version, 3, ServerConfig::new()));
        cluster.node(2).kill();
        let settled = cluster.clone();
        soon(elsewhere(move || settled.wait_until_formed())).await;
        let (client, mut watch) = adapter.start(options(&cluster.node(0).url()));
        watch.until("connected").await;
        let known = |node: usize| {
            let url = cluster.node(node).url();
            client.servers().iter().any(|status| status.server.to_string() == url)
        };
        until(|| known(1) && !known(2)).await;
        let joining = cluster.clone();
        soon(elsewhere(move || joining.node(2).restart())).await;
        until(|| known(2)).await;
        let url = cluster.node(2).url();
        let mentions = |servers: &[nats_conn_client::machine::Server]| servers.iter().any(|server| server.to_string() == url);
        watch.find("discovered_servers that adds it", |event| match event {
            ClientEvent::Connection(ConnectionEvent::DiscoveredServers { added, .. }) => mentions(added).then_some(()),
            _ => None,
        }).await;
        cluster.node(2).kill();
        watch.find("discovered_servers that removes it", |event| match event {
            ClientEvent::Connection(ConnectionEvent::DiscoveredServers { removed, .. }) => mentions(removed).then_some(()),
            _ => None,
        }).await;
        assert!(!known(2));
    }

    async fn announced_servers_are_ignored_if_configured(adapter, version) {
        let cluster = Cluster::start(version, 2, ServerConfig::new());
        let client = soon(adapter.connect(options(&cluster.node(0).url()).ignore_discovered(true))).await.expect("a server");
        soon(client.flush()).await.expect("a session");
        assert_eq!(client.servers().len(), 1);
    }

    /// The server sends why and tears the link down while we are writing: its reason counts, not that we could not
    /// write any more.
    async fn an_error_before_a_reset_is_the_reason(adapter) {
        let url = raw_server(|number, stream| {
            let mut reader = greet(stream);
            if number == 0 {
                let mut some = [0; 1000];
                reader.read_exact(&mut some).expect("a client that publishes");
                let socket = reader.get_mut();
                socket.write_all(b"-ERR 'User Authentication Expired'\r\n").expect("a client");
                rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).expect("a socket");
                return;
            }
            let _ = reader.read_to_end(&mut Vec::new());
        });
        let (client, mut watch) = adapter.start(options(&url));
        watch.until("connected").await;
        let publisher = client.clone();
        let publishing = adapter.spawn(async move {
            while soon(publisher.publish(&SUBJECT, &[b'x'; 1000][..])).await.is_ok() {
                pause(Duration::from_micros(100)).await;
            }
        });
        let reason = watch.disconnected().await;
        assert_eq!((reason.code(), watch.count("server_error")), ("server_error", 1), "{reason}");
        watch.until("reconnected").await;
        soon(client.close()).await;
        soon(publishing).await;
    }

    /// A server whose limit was lowered announces it only on new links.
    async fn a_lowered_payload_limit_costs_one_link_and_the_message(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("links.*")).expect("open");
        soon(client.flush()).await.expect("a session");
        let reloading = server.clone();
        soon(elsewhere(move || reloading.reload(ServerConfig::new().max_payload(1000)))).await;
        // The server may or may not have announced it by then.
        let accepted = soon(client.publish(&SUBJECT, &[b'x'; 5000][..])).await;
        if accepted.is_ok() {
            watch.until("publish_dropped").await;
            watch.until("resubscribed").await;
        }
        soon(client.publish(&SUBJECT, "small")).await.expect("room");
        assert_eq!(text(&mut subscription).await, "small");
        watch.catch_up();
        assert!(watch.count("disconnected") <= 1);
        assert_eq!(client.max_payload(), Some(1000));
    }

    async fn what_went_wrong_with_a_server_is_remembered_until_it_works(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        cluster.server(0).crash();
        watch.until("connect_failed").await;
        let status = &client.servers()[0];
        assert!(status.failures >= 1 && !status.current);
        assert_eq!(status.last_error.as_ref().map(|failure| failure.error.code()), Some("connection_refused"));
        assert!(client.why().contains(&cluster.urls()), "{}", client.why());
        cluster.server(0).restart().expect("its port");
        watch.until("reconnected").await;
        let status = &client.servers()[0];
        assert!(status.failures == 0 && status.current && status.last_error.is_none());
    }
}
