//! What monitoring gets: spans and events of `tracing`, the next attempt, and numbers.

use nats_conn_client::{AttemptStage, Backoff, LameDuckPolicy, WaitReason};
use nats_conn_tests::model_server::Urls;
use tracing::Level;

use crate::captured::{capture, span_of};
use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("watched.one");

/// Longer than any test: the server closes nothing by itself.
const LONG: Duration = Duration::from_secs(600);

fn two() -> Model {
    let announcing = |name: &str| Settings {
        urls: Urls::Gossip,
        ..Settings::new(name)
    };
    Model::with([announcing("n1"), announcing("n2")])
}

/// A name that no other connection of the process has.
fn name(adapter: Adapter, what: &str) -> String {
    format!("{what} on {}", adapter.name())
}

scenarios! {
    /// Nobody takes its events.
    async fn the_life_of_a_connection_is_a_span_with_its_events_and_their_fields(adapter) {
        capture();
        let cluster = two();
        let name = name(adapter, "a life");
        let policy = LameDuckPolicy::Move { within: Duration::from_millis(20) };
        let options = options(&cluster.server(0).url()).name(&name).lame_duck(policy);
        let (client, events) = adapter.try_start(options).expect("usable options");
        drop(events);
        until(|| client.servers().len() == 2).await;
        cluster.server(0).lame_duck(LONG);
        until(|| client.statistics().connects == 2).await;
        cluster.server(1).crash();
        cluster.server(1).restart().expect("its port is free");
        until(|| client.statistics().connects == 3).await;
        soon(client.publish(&SUBJECT, "x")).await.expect("room");
        soon(client.close()).await;
        until(|| span_of(&name).is_over()).await;

        let span = span_of(&name);
        assert_eq!((span.name, span.fields["name"].as_str()), ("nats.connection", name.as_str()));
        assert!(span.fields["id"].parse::<u64>().expect("a number") > 0);
        let names = span.names();
        assert_eq!(names[..2], ["connecting", "connected"]);
        assert_eq!(names[names.len() - 2..], ["disconnected", "closed"]);
        let field = |event: &str, field: &str| span.find(event).fields[field].clone();
        let level = |event: &str| span.find(event).level;
        assert_eq!(level("connecting"), Level::DEBUG);
        assert_eq!(field("connecting", "attempt"), "1");
        assert_eq!(level("connected"), Level::INFO);
        assert_eq!(field("connected", "server"), cluster.server(0).url());
        assert_eq!(field("connected", "link"), "1");
        assert_eq!(level("discovered_servers"), Level::DEBUG);
        assert_eq!(field("discovered_servers", "added"), "1");
        assert_eq!(level("lame_duck"), Level::INFO);
        let ends: Vec<_> = span.told.iter().filter(|told| told.name() == "disconnected").collect();
        let [moved, lost, closed] = ends[..] else { panic!("{names:?}") };
        assert_eq!((moved.level, moved.fields["reason"].as_str()), (Level::INFO, "lame_duck"));
        assert_eq!(lost.level, Level::WARN);
        assert_eq!(lost.fields["server"], cluster.server(1).url());
        assert_eq!((closed.level, closed.fields["reason"].as_str()), (Level::INFO, "closed"));
        assert_eq!((closed.fields["unconfirmed"].as_str(), closed.fields["queued"].as_str()), ("1", "0"));
        assert_eq!(level("reconnected"), Level::INFO);
        assert_eq!(level("closed"), Level::INFO);
        assert_eq!(field("closed", "reason"), "requested");
        assert!(span.told.iter().all(|told| told.fields.contains_key("message")));
    }

    async fn attempts_that_fail_are_warnings_and_an_end_that_nobody_asked_for_is_an_error(adapter) {
        capture();
        let name = name(adapter, "nobody there");
        let cluster = Model::start(1);
        let url = cluster.urls();
        cluster.server(0).crash();
        let failure = soon(adapter.connect(options(&url).name(&name))).await;
        assert!(failure.is_err());
        until(|| span_of(&name).is_over()).await;
        let span = span_of(&name);
        assert_eq!(span.names(), ["connecting", "connect_failed", "closed"]);
        let failed = span.find("connect_failed");
        assert_eq!(failed.level, Level::WARN);
        assert_eq!((failed.fields["phase"].as_str(), failed.fields["reason"].as_str()), ("dial", "connection_refused"));
        assert!(failed.fields["error"].contains("dialling failed"), "{failed:?}");
        let closed = span.find("closed");
        assert_eq!((closed.level, closed.fields["reason"].as_str()), (Level::ERROR, "connect_failed"));
    }

    async fn messages_are_not_told_of_at_any_level(adapter) {
        capture();
        let cluster = Model::start(1);
        let name = name(adapter, "messages");
        let client = soon(adapter.connect(options(&cluster.urls()).name(&name))).await.expect("a session");
        let mut subscription = client.subscribe(filter("watched.*")).expect("open");
        soon(client.flush()).await.expect("a session");
        let before = span_of(&name).told.len();
        for _ in 0..1000 {
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
        }
        for _ in 0..1000 {
            message(&mut subscription).await;
        }
        soon(client.flush()).await.expect("a session");
        let told = span_of(&name).told.split_off(before);
        assert!(told.is_empty(), "{told:?}");
        soon(client.close()).await;
    }

    /// As many as messages: the first on a link is a warning.
    async fn what_a_server_refuses_again_and_again_is_one_warning(adapter, version) {
        capture();
        let name = name(adapter, version.number());
        let user = User::with_password("ann", "s3cret").deny_publish(&["secret.>"]);
        let server = real_server(version, ServerConfig::new().user(user));
        let options = options(&server.client_url_with("ann:s3cret")).name(&name);
        let client = soon(adapter.connect(options)).await.expect("a session");
        for _ in 0..20 {
            soon(client.publish("secret.plan", "x")).await.expect("room");
        }
        soon(client.flush()).await.expect("a session");
        let refusals = || span_of(&name).told.into_iter().filter(|told| told.name() == "permission_denied");
        until(|| refusals().count() == 20).await;
        let warnings: Vec<_> = refusals().filter(|told| told.level != Level::DEBUG).collect();
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert_eq!(warning.level, Level::WARN);
        assert_eq!(warning.fields["subject"], "secret.plan");
        assert_eq!(warning.fields["operation"], "publish");
        soon(client.close()).await;
    }

    async fn the_next_attempt_can_be_asked_for(adapter) {
        let cluster = Model::start(1);
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max) = (LONG, LONG);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).backoff(backoff));
        watch.until("connected").await;
        assert_eq!(client.next_attempt(), None, "in a session");
        cluster.server(0).crash();
        watch.until("backoff_wait").await;
        let next = client.next_attempt().expect("a wait");
        assert_eq!(next.server.to_string(), cluster.urls());
        let AttemptStage::Waiting { reason, left } = next.stage else { panic!("{next:?}") };
        assert!(matches!(reason, WaitReason::Flapping { .. } | WaitReason::RoundFailed { .. }));
        assert!(left > LONG / 2 && left <= LONG * 2, "{left:?}");
        if let Some(failure) = next.last_error {
            assert!(matches!(failure.error.code(), "connection_refused"), "{failure:?}");
        }
        soon(client.close()).await;
        assert_eq!(client.next_attempt(), None, "at the end");
    }

    async fn the_numbers_can_be_asked_for_and_printed(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a session");
        soon(client.publish(&SUBJECT, "x")).await.expect("room");
        soon(client.flush()).await.expect("a session");
        let page = client.metrics().label("connection", adapter.name()).to_string();
        let line = format!("\nnats_client_publishes_confirmed_total{{connection=\"{}\"}} 1\n", adapter.name());
        assert!(page.contains(&line), "{page}");
        soon(client.close()).await;
        assert!(client.metrics().to_string().contains("\nnats_client_closed 1\n"));
    }
}

fn source(file: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(file)).expect("a source")
}

/// The names of the variants of an enum, as its source has them.
fn variants<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let (_, body) = source
        .split_once(&format!("pub enum {name} {{\n"))
        .expect("the enum");
    let body = body.split("\n}\n").next().expect("its end");
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    let lines = lines.filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    lines
        .filter_map(|line| line.split(|letter: char| !letter.is_alphanumeric()).next())
        .collect()
}

#[test]
fn every_event_is_told() {
    let told = source("adapters/client/src/core/told.rs");
    for (file, name) in [
        ("nats-conn-sm/src/event.rs", "ConnectionEvent"),
        ("adapters/client/src/core/event.rs", "ClientEvent"),
    ] {
        let source = source(file);
        let variants = variants(&source, name);
        assert!(variants.len() > 3, "{name}: {variants:?}");
        for variant in variants {
            let arm = format!("{name}::{variant}");
            assert!(told.contains(&arm), "{arm} is told");
        }
    }
}
