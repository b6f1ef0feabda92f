//! A subscriber of `tracing` that uses the very connection of which it is told.
#![cfg(feature = "tracing")]

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{Client, ServerUrl, State, Subject, SubjectFilter};
use nats_conn_tests::tcp_server::TcpCluster;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SOON: Duration = Duration::from_secs(10);
static TOLD: Subject = Subject::from_static("told");

/// Publishes at each event, and does everything else that does not wait.
struct Uses {
    client: Mutex<Option<Client>>,
    /// The threads on which it was called and has published.
    threads: Mutex<BTreeSet<String>>,
}

static USES: Uses = Uses {
    client: Mutex::new(None),
    threads: Mutex::new(BTreeSet::new()),
};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscriber for &'static Uses {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "nats_conn"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        let Some(client) = lock(&self.client).clone() else {
            return;
        };
        let published = client.publish(&TOLD, "x").now().is_ok();
        let _ = (client.why(), client.metrics(), client.link_health());
        let subscription = client.subscribe(SubjectFilter::from_static("not.wanted"));
        drop(subscription);
        if published {
            let name = thread::current().name().unwrap_or_default().to_owned();
            lock(&self.threads).insert(name);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn a_subscriber_that_publishes_does_not_hold_the_connection_up_whichever_thread_calls_it() {
    tracing::subscriber::set_global_default(&USES).unwrap();
    let (done, is_done) = channel();
    let application = move || {
        let cluster = TcpCluster::start(1).unwrap();
        let client = nats_conn_std::connect(&cluster.urls()).unwrap();
        let told = client.subscribe(SubjectFilter::from_static("told")).unwrap();
        *lock(&USES.client) = Some(client.clone());
        let begun = Instant::now();
        let has_called = |names: &str| lock(&USES.threads).iter().any(|name| name.starts_with(names));
        // Whoever has a turn next calls the subscriber: that is this thread, if it is faster than the one that writes.
        let (one, two) = (cluster.urls(), cluster.urls() + ",nats://127.0.0.1:1");
        for urls in [&two, &one].into_iter().cycle() {
            if has_called("application") {
                break;
            }
            assert!(begun.elapsed() < SOON);
            client.set_servers(ServerUrl::parse_list(urls).unwrap()).unwrap();
            assert_eq!(client.state(), State::Connected);
            client.flush().wait().unwrap();
        }
        cluster.server(0).crash();
        cluster.server(0).restart().unwrap();
        while client.statistics().connects < 2 || !has_called("nats-conn write") {
            assert!(begun.elapsed() < SOON);
            thread::sleep(Duration::from_millis(5));
        }
        client.flush().wait().unwrap();
        assert_eq!(client.state(), State::Connected);
        assert!(told.pending() > 0);
        *lock(&USES.client) = None;
        client.close().wait();
        done.send(()).unwrap();
    };
    let application = thread::Builder::new()
        .name("application".into())
        .spawn(application);
    let outcome = is_done.recv_timeout(2 * SOON);
    if outcome.is_err() && application.as_ref().is_ok_and(|thread| thread.is_finished()) {
        application.unwrap().join().unwrap();
    }
    assert_eq!(
        outcome,
        Ok(()),
        "the subscriber waits for the connection, and the connection for it"
    );
}
