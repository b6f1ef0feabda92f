//! How a connection ends: drained, closed, dropped, or with its driver.

use std::collections::BTreeMap;

use nats_conn_client::{FlushError, PublishError, State, StateError, SubscribeError, SubscriptionError};
use nats_conn_tests::model_server::{Step, When};

use crate::process::another_process;
use crate::raw::{greet, raw_server};
use std::task::{Context, Wake, Waker};

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("end.one");
/// Where the server of a program is that publishes and ends.
const SERVER: &str = "NATS_CONN_LAST_LINE";

async fn connected(adapter: Adapter, url: &str) -> Client {
    soon(adapter.connect(options(url))).await.expect("a server")
}

/// The waker of an executor that is broken.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("on purpose")
    }
}

scenarios! {
    /// The line that the documentation asks for is enough: nothing is lost when the process ends right after it.
    async fn a_program_that_publishes_and_closes_before_it_ends_loses_nothing(adapter) {
        const MESSAGES: usize = 100;

        if let Ok(url) = std::env::var(SERVER) {
            let client = connected(adapter, &url).await;
            for _ in 0..MESSAGES {
                client.publish(&SUBJECT, "x").await.expect("room");
            }
            client.close().await;
            std::process::exit(0);
        }
        let cluster = Model::start(1);
        let test = "ending::a_program_that_publishes_and_closes_before_it_ends_loses_nothing";
        for _ in 0..10 {
            another_process(&format!("{test}::{}", adapter.name()), SERVER, cluster.urls()).await;
        }
        let arrived = || cluster.logs().iter().map(|log| log.publishes().count()).sum::<usize>();
        until(|| arrived() == 10 * MESSAGES).await;
    }

    async fn a_drain_waits_until_everything_was_consumed(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, &cluster.urls()).await;
        let mut subscription = client.subscribe(filter("end.*")).expect("open");
        for _ in 0..100 {
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
        }
        let drained = client.drain();
        let again = client.drain();
        assert_eq!(client.subscribe(filter("end.*")).err(), Some(SubscribeError::Draining));
        until(|| subscription.ended().is_some()).await;
        assert_eq!((client.state(), subscription.pending()), (State::Draining, 100));
        let mut taken = 0;
        while soon(subscription.next()).await.is_some() {
            taken += 1;
        }
        assert_eq!((taken, subscription.ended()), (100, Some(EndReason::Drained)));
        assert_eq!(soon(drained).await, ClosedReason::Drained { complete: true, unread: 0 });
        assert_eq!(soon(again).await, ClosedReason::Drained { complete: true, unread: 0 }, "the same end");
    }

    async fn a_dropped_subscription_holds_up_no_drain(adapter) {
        let cluster = Model::start(1);
        let client = connected(adapter, &cluster.urls()).await;
        let subscription = client.subscribe(filter("end.*")).expect("open");
        for _ in 0..100 {
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
        }
        let drained = client.drain();
        until(|| subscription.ended().is_some()).await;
        drop(subscription);
        assert_eq!(soon(drained).await, ClosedReason::Drained { complete: true, unread: 0 });
    }

    /// Another client keeps publishing: what was received before the drain had ended is consumed, without a
    /// gap, and what was published by the drained client itself is confirmed.
    async fn a_drain_under_load_is_complete(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (sender, client) = (connected(adapter, &server.url()).await, connected(adapter, &server.url()).await);
        let mut subscription = client.subscribe(&SUBJECT).expect("open");
        soon(client.flush()).await.expect("a session");
        let publishing = adapter.spawn(async move {
            let mut number = 0_u64;
            while soon(sender.publish(&SUBJECT, number.to_string().as_str())).await.is_ok() {
                number += 1;
                if number.is_multiple_of(100) {
                    // Not faster than it is consumed, or all the test would do is catch up.
                    pause(Duration::from_millis(2)).await;
                }
            }
        });
        for _ in 0..1000 {
            message(&mut subscription).await;
        }
        let drained = client.drain();
        let (copies, mut next) = (subject("end.copies"), 1000_u64);
        while let Some(message) = soon(subscription.next()).await {
            assert_eq!(message.payload(), next.to_string().as_bytes(), "without a gap");
            next += 1;
            // Publishing is still allowed: what is consumed may have to be passed on.
            soon(client.publish(&copies, message.payload())).await.expect("it takes publishes until all is consumed");
        }
        assert_eq!((subscription.ended(), subscription.dropped()), (Some(EndReason::Drained), 0));
        assert_eq!(soon(drained).await, ClosedReason::Drained { complete: true, unread: 0 });
        let fates = client.publish_fates();
        assert_eq!((fates.accepted, fates.confirmed), (next - 1000, next - 1000));
        drop(publishing);
    }

    async fn a_drain_without_a_link_waits_for_what_is_queued(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        cluster.server(0).crash();
        watch.until("disconnected").await;
        soon(client.publish(&SUBJECT, "queued")).await.expect("room");
        let drained = client.drain();
        cluster.server(0).restart().expect("its port");
        assert_eq!(soon(drained).await, ClosedReason::Drained { complete: true, unread: 0 });
        assert_eq!(watch.closed().await, ClosedReason::Drained { complete: true, unread: 0 });
        assert_eq!(cluster.logs().last().expect("a link").publishes().count(), 1);
    }

    async fn a_drain_without_a_link_and_with_nothing_queued_ends_at_once(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let _subscription = client.subscribe(filter("end.*")).expect("open");
        cluster.server(0).crash();
        watch.until("disconnected").await;
        assert_eq!(soon(client.drain()).await, ClosedReason::Drained { complete: true, unread: 0 });
    }

    async fn a_drain_that_takes_too_long_is_incomplete(adapter) {
        let deaf = Step::instead(When::PingFrom(2), []);
        let cluster = Model::with([Settings { script: vec![deaf], ..Settings::new("n1") }]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).drain_timeout(Duration::from_millis(200)));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("end.*")).expect("open");
        let drained = client.drain();
        assert_eq!(soon(drained).await, ClosedReason::Drained { complete: false, unread: 0 });
        assert_eq!(soon(subscription.next()).await, None);
        assert_eq!(watch.closed().await, ClosedReason::Drained { complete: false, unread: 0 });
        let names = watch.names();
        assert_eq!(names[names.len() - 3..], ["draining", "disconnected", "closed"]);
    }

    async fn a_close_cuts_a_drain_short(adapter) {
        let deaf = Step::instead(When::PingFrom(2), []);
        let cluster = Model::with([Settings { script: vec![deaf], ..Settings::new("n1") }]);
        let client = connected(adapter, &cluster.urls()).await;
        let _subscription = client.subscribe(filter("end.*")).expect("open");
        let drained = client.drain();
        let reason = soon(client.close()).await;
        assert_eq!(soon(drained).await, reason);
        assert!(matches!(reason, ClosedReason::Requested | ClosedReason::Drained { complete: false, unread: 0 }), "{reason:?}");
    }

    async fn a_close_still_writes_what_was_published(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (sender, receiver) = (connected(adapter, &server.url()).await, connected(adapter, &server.url()).await);
        let mut subscription = receiver.subscribe(&SUBJECT).expect("open");
        soon(receiver.flush()).await.expect("a session");
        for number in 0..1000 {
            sender.publish(&SUBJECT, number.to_string().as_str()).now().expect("room");
        }
        assert_eq!(soon(sender.close()).await, ClosedReason::Requested);
        for number in 0..1000 {
            assert_eq!(text(&mut subscription).await, number.to_string());
        }
    }

    async fn a_close_does_not_wait_for_a_server_that_does_not_read(adapter) {
        let url = raw_server(|_, stream| {
            let _open = greet(stream);
            std::thread::park();
        });
        let client = connected(adapter, &url).await;
        let (payload, patience) = (vec![b'x'; 1 << 20], Duration::from_millis(300));
        while soon(client.publish(&SUBJECT, &payload[..]).timeout(patience)).await.is_ok() {}
        let began = Instant::now();
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        let fates = client.publish_fates();
        assert!(fates.dropped > 0, "{fates:?}");
        assert_eq!(fates.accepted, fates.confirmed + fates.unconfirmed + fates.dropped);
    }

    async fn after_the_end_every_call_is_refused(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("end.*")).expect("open");
        let flush = client.flush();
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
        assert_eq!(soon(client.close()).await, ClosedReason::Requested, "once more does no harm");
        assert!(matches!(soon(flush).await, Ok(()) | Err(FlushError::Closed | FlushError::Disconnected)));
        assert_eq!(watch.closed().await, ClosedReason::Requested);
        let names = watch.names();
        assert_eq!(names[names.len() - 2..], ["disconnected", "closed"]);

        assert_eq!(client.state(), State::Closed);
        assert_eq!(soon(client.drain()).await, ClosedReason::Requested, "nor does a drain: that was the end");
        assert_eq!(client.force_reconnect(), Err(StateError::Closed));
        assert_eq!(client.set_servers("nats://127.0.0.1:1").err(), Some(StateError::Closed.into()));
        assert_eq!(client.subscribe(filter("end.*")).err(), Some(SubscribeError::Closed));
        assert_eq!(client.publish(&SUBJECT, "x").now(), Err(PublishError::Closed));
        assert_eq!(soon(client.publish(&SUBJECT, "x")).await, Err(PublishError::Closed));
        assert_eq!(soon(client.flush()).await, Err(FlushError::Closed));
        assert_eq!(soon(client.rtt()).await, Err(FlushError::Closed));
        assert_eq!(soon(client.events().next()).await, None);
        assert_eq!(soon(subscription.next()).await, None);
        assert_eq!(subscription.unsubscribe(), Err(SubscriptionError::Unknown));
        assert!(!client.why().is_empty());
    }

    async fn the_last_handle_closes(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let subscription = client.subscribe(filter("end.*")).expect("open");
        let clone = client.clone();
        drop(client);
        soon(clone.flush()).await.expect("a clone keeps it open");
        drop(clone);
        cluster.publish("end.one", b"x");
        let mut subscription = subscription;
        assert_eq!(text(&mut subscription).await, "x", "a subscription keeps it open");
        drop(subscription);
        assert_eq!(watch.disconnected().await.code(), "closed");
        assert_eq!(watch.closed().await, ClosedReason::Requested);
        until(|| cluster.server(0).connections() == 0).await;
    }

    async fn a_pending_request_keeps_the_connection_open(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut service = client.subscribe(filter("end.*")).expect("open");
        let pending = client.request(&SUBJECT, "?").now().expect("room");
        let request = message(&mut service).await;
        drop((client, service));
        cluster.publish(&request.reply().expect("a reply subject"), b"here");
        assert_eq!(soon(pending).await.expect("a reply").payload(), b"here");
        assert_eq!(watch.closed().await, ClosedReason::Requested);
    }

    async fn the_last_handle_closes_also_while_the_link_is_down(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let subscription = client.subscribe(filter("end.*")).expect("open");
        drop(client);
        cluster.server(0).crash();
        watch.until("backoff_wait").await;
        drop(subscription);
        assert_eq!(watch.closed().await, ClosedReason::Requested);
    }

    async fn the_last_handle_closes_also_before_the_first_session(adapter) {
        let silent = Step::instead(When::Accept, []);
        let cluster = Model::with([Settings { script: vec![silent], ..Settings::new("n1") }]);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).connect_timeout(LIMIT * 2));
        watch.until("connecting").await;
        drop(client);
        assert_eq!(watch.closed().await, ClosedReason::Requested);
    }

    async fn a_drain_continues_when_its_client_is_dropped(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        for _ in 0..100 {
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
        }
        drop(client.drain());
        drop(client);
        assert_eq!(watch.closed().await, ClosedReason::Drained { complete: true, unread: 0 });
        assert_eq!(cluster.logs()[0].publishes().count(), 100);
    }

    async fn a_panicking_driver_closes_visibly(adapter) {
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(filter("end.*")).expect("open");
        // What a task is woken by belongs to its executor; a broken one panics in the middle of a turn.
        let mut events = client.events();
        let broken = Waker::from(Arc::new(Broken));
        assert!(events.poll_event(&mut Context::from_waker(&broken)).is_pending());
        client.force_reconnect().expect("open");
        watch.until("driver_failed").await;
        let reason = watch.closed().await;
        // What the console prints; nothing that comes from outside makes its driver fail.
        assert_eq!((&reason, reason.code()), (&ClosedReason::DriverFailed, "driver_failed"));
        assert!(watch.seen().contains(&ClientEvent::DriverFailed { panicked: true }));
        assert_eq!(soon(subscription.next()).await, None);
        assert_eq!(subscription.ended(), Some(EndReason::Closed));
        assert!(soon(client.publish(&SUBJECT, "x")).await.is_err());
        assert_eq!(soon(client.closed()).await, ClosedReason::DriverFailed);
    }

    async fn many_subscriptions_are_drained_together(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = connected(adapter, &server.url()).await;
        let mut subscriptions = BTreeMap::new();
        for number in 0..200_u32 {
            let to = subject(&format!("end.many.{number}"));
            subscriptions.insert(number, client.subscribe(&to).expect("open"));
            for _ in 0..10 {
                soon(client.publish(&to, "x")).await.expect("room");
            }
        }
        let drained = client.drain();
        for subscription in subscriptions.values_mut() {
            let mut taken = 0;
            while soon(subscription.next()).await.is_some() {
                taken += 1;
            }
            assert_eq!((taken, subscription.ended()), (10, Some(EndReason::Drained)));
        }
        assert_eq!(soon(drained).await, ClosedReason::Drained { complete: true, unread: 0 });
    }
}
