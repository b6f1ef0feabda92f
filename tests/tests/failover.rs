//! A cluster of three real servers: the one we are connected to is killed, the next one goes into lame duck mode.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::time::Duration;

use nats_conn_tests::on_every_server;
use nats_conn_tests::real_server::{Cluster, ServerConfig, Version};
use nats_conn_tokio::{
    Client, ClientEvent, ConnectOptions, Event, Events, LameDuckPolicy, Publish, Subject, SubjectFilter,
};
use tokio::time::{Instant, interval, timeout};

const SUBJECT: Subject = Subject::from_static("failover.tick");

/// A client that publishes a number every 20 ms, hears itself, and remembers what happened.
struct Watcher {
    client: Client,
    events: Events,
    ticks: nats_conn_tokio::Subscription,
    pace: tokio::time::Interval,
    story: Vec<String>,
    server: String,
    published: u64,
    /// Numbers published while a session was up, behind the PONG of the restored interest.
    safe: BTreeSet<u64>,
    settled: bool,
    received: BTreeSet<u64>,
}

impl Watcher {
    async fn turn(&mut self) {
        tokio::select! {
            Some(ClientEvent::Connection(event)) = self.events.next() => self.remember(&event),
            Some(message) = self.ticks.next() => {
                self.received.insert(std::str::from_utf8(message.payload()).unwrap().parse().unwrap());
            }
            _ = self.pace.tick() => {
                self.published += 1;
                let payload = self.published.to_string();
                self.client.try_publish(Publish::new(&SUBJECT, payload.as_str())).expect("room");
                if self.settled {
                    self.safe.insert(self.published);
                }
            }
        }
    }

    fn remember(&mut self, event: &Event) {
        let step = match event {
            Event::Connected(session) | Event::Reconnected(session) => {
                self.server = session.server.to_string();
                if matches!(event, Event::Connected(_)) {
                    "connected"
                } else {
                    "reconnected"
                }
            }
            Event::Resubscribed { .. } => "resubscribed",
            Event::Disconnected { reason, .. } if reason.code() == "lame_duck" => "moved",
            Event::Disconnected { unconfirmed, .. } => {
                // What was on its way when the server died may be lost, and is told: nothing promises it.
                let first = unconfirmed.iter().next().map_or(u64::MAX, |range| *range.start());
                self.safe.retain(|number| *number < first);
                "disconnected"
            }
            Event::LameDuck { .. } => "lame_duck",
            _ => return,
        };
        self.settled = matches!(step, "resubscribed") || (self.settled && step == "lame_duck");
        self.story.push(step.into());
    }

    async fn until(&mut self, step: &str, times: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.story.iter().filter(|seen| *seen == step).count() < times {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                timeout(left, self.turn()).await.is_ok(),
                "no {step}: {:?}",
                self.story
            );
        }
    }

    async fn go_on_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while timeout(end.saturating_duration_since(Instant::now()), self.turn())
            .await
            .is_ok()
        {}
    }
}

async fn failover(version: Version) {
    let config = ServerConfig::new().lame_duck(Duration::from_secs(30), Duration::from_secs(20));
    let cluster = Cluster::start(version, 3, config);
    let options = ConnectOptions::from_url(&cluster.node(0).url())
        .expect("a URL")
        .lame_duck(LameDuckPolicy::Move {
            within: Duration::from_millis(500),
        });
    let (client, events) = options.start().expect("usable options");
    let ticks = client.subscribe(SubjectFilter::from(SUBJECT)).expect("open");
    let mut watcher = Watcher {
        client,
        events,
        ticks,
        pace: interval(Duration::from_millis(20)),
        story: Vec::new(),
        server: String::new(),
        published: 0,
        safe: BTreeSet::new(),
        settled: false,
        received: BTreeSet::new(),
    };
    watcher.until("connected", 1).await;
    assert_eq!(cluster.index_of_url(&watcher.server), Some(0));
    watcher.go_on_for(Duration::from_millis(2500)).await;

    cluster.node(0).kill();
    watcher.until("resubscribed", 1).await;
    let second = cluster
        .index_of_url(&watcher.server)
        .expect("a discovered server");
    assert_ne!(second, 0);
    watcher.go_on_for(Duration::from_millis(500)).await;

    cluster.node(second).lame_duck();
    watcher.until("resubscribed", 2).await;
    let third = cluster
        .index_of_url(&watcher.server)
        .expect("a discovered server");
    assert!(third != 0 && third != second, "{third}");
    watcher.go_on_for(Duration::from_millis(500)).await;
    watcher.pace = interval(Duration::from_secs(3600));
    watcher.client.flush().await.expect("a session");
    watcher.go_on_for(Duration::from_millis(500)).await;

    let expected = [
        "connected",
        "disconnected",
        "reconnected",
        "resubscribed",
        "lame_duck",
        "moved",
        "reconnected",
        "resubscribed",
    ];
    assert_eq!(watcher.story, expected);
    assert!(
        watcher.safe.len() > 20,
        "{} published in a session",
        watcher.safe.len()
    );
    let lost: Vec<&u64> = watcher.safe.difference(&watcher.received).collect();
    assert!(lost.is_empty(), "published after a reconnect, and lost: {lost:?}");
    let fates = watcher.client.publish_fates();
    assert_eq!(
        fates.accepted,
        fates.queued + fates.written + fates.confirmed + fates.unconfirmed + fates.dropped
    );
    watcher.client.close().await;
}

on_every_server! {
    fn a_client_outlives_a_killed_server_and_moves_away_from_a_lame_duck(version) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(failover(version));
    }
}
