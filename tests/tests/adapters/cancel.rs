//! Every future of a handle may be dropped at any poll, as `select!` does: nothing is lost, done twice or left behind,
//! and the documentation of each says what dropping it means.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::Poll;

use nats_conn_client::{RepliesEnd, RequestMany};

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("cancel.it");

/// Polls it so many times, whether or not it was woken, and then drops it, unless it was done before.
async fn cut<T>(polls: u32, future: impl IntoFuture<Output = T>) -> Option<T> {
    let mut future = pin!(future.into_future());
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(cx);
        cx.waker().wake_by_ref();
        polled.map(Some)
    })
    .await
}

/// Makes one future after another and drops each after more polls, until one is done before that.
async fn until_done<T, F: IntoFuture<Output = T>>(mut make: impl FnMut() -> F) -> T {
    soon(async move {
        for polls in 0.. {
            if let Some(output) = cut(polls_of(polls), make()).await {
                return output;
            }
        }
        unreachable!("it counts for ever")
    })
    .await
}

/// 0, 1, 2, … and then further and further apart: a future that needs very many polls is done in time, too.
fn polls_of(round: u32) -> u32 {
    if round < 16 {
        round
    } else {
        16 << (round - 16).min(16)
    }
}

scenarios! {
    async fn a_message_is_not_lost_with_the_call_that_waited_for_it(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut subscription = client.subscribe(&SUBJECT).expect("open");
        for number in 0..200 {
            soon(client.publish(&SUBJECT, number.to_string().as_str())).await.expect("room");
            // Some have arrived already, some have not.
            if number % 5 == 0 {
                soon(client.flush()).await.expect("a session");
            }
            let message = soon(async {
                for round in 0.. {
                    if let Some(message) = cut(polls_of(round), subscription.next()).await {
                        return message;
                    }
                }
                unreachable!()
            });
            assert_eq!(message.await.expect("a message").payload(), number.to_string().as_bytes());
        }
        assert_eq!(subscription.try_next(), None);
    }

    async fn an_event_is_not_lost_with_the_call_that_waited_for_it(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let (mut patient, mut hasty) = (client.events(), client.events());
        // The first stream begins where the connection did.
        while patient.try_next().is_some() {}
        cluster.server(0).crash();
        cluster.server(0).restart().expect("the same port");
        let (mut expected, mut reported) = (Vec::new(), Vec::new());
        let closing = client.clone();
        while let Some(event) = soon(patient.next()).await {
            if matches!(event, ClientEvent::Connection(ConnectionEvent::Reconnected(_))) {
                drop(closing.close());
            }
            expected.push(event);
        }
        for round in 0.. {
            match cut(polls_of(round % 8), hasty.next()).await {
                Some(Some(event)) => reported.push(event),
                Some(None) => break,
                None => {}
            }
        }
        while reported.len() > expected.len() {
            reported.remove(0);
        }
        assert_eq!(reported, expected);
    }

    async fn a_request_that_is_dropped_is_cancelled_and_takes_no_other_reply(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let service = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut asked = service.subscribe(&SUBJECT).expect("open");
        soon(service.flush()).await.expect("a session");
        let answering = service.clone();
        let _serving = adapter.spawn(async move {
            while let Some(request) = asked.next().await {
                answering.respond(&request, request.payload()).await.expect("open");
            }
        });
        for question in 0..20 {
            let mut number = 0;
            let reply = soon(async {
                for round in 0.. {
                    number += 1;
                    let text = format!("{question}.{number}");
                    let reply = cut(polls_of(round), client.request(&SUBJECT, text.as_str())).await;
                    assert_eq!(client.statistics().requests, 0, "it is forgotten at once");
                    if let Some(reply) = reply {
                        return (reply, text);
                    }
                }
                unreachable!()
            });
            let (reply, text) = reply.await;
            assert_eq!(reply.expect("a reply").payload(), text.as_bytes());
        }
    }

    async fn replies_are_not_lost_with_the_calls_that_waited_for_them(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let service = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let mut asked = service.subscribe(&SUBJECT).expect("open");
        soon(service.flush()).await.expect("a session");
        let answering = service.clone();
        let _serving = adapter.spawn(async move {
            while let Some(request) = asked.next().await {
                for number in 0..50 {
                    let number = number.to_string();
                    answering.respond(&request, number.as_str()).await.expect("open");
                }
            }
        });
        let many = RequestMany::new(LIMIT).max(50);
        let mut replies = client.request(&SUBJECT, "?").many(many).now().expect("room");
        let mut reported = Vec::new();
        soon(async {
            for round in 0.. {
                match cut(polls_of(round % 8), replies.next()).await {
                    Some(Some(reply)) => reported.push(String::from_utf8_lossy(reply.payload()).into_owned()),
                    Some(None) => return,
                    None => pause(Duration::from_millis(1)).await,
                }
            }
        })
        .await;
        assert_eq!(reported, (0..50).map(|number: u32| number.to_string()).collect::<Vec<_>>());
        assert_eq!(replies.ended(), Some(Ok(RepliesEnd::MaxReached)));
    }

    async fn a_publish_that_is_dropped_while_it_waits_for_room_was_not_published(adapter) {
        let cluster = Model::start(1);
        let server = cluster.server(0);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).send_buffer(100));
        watch.until("connected").await;
        server.crash();
        watch.until("disconnected").await;
        let (subject, large) = (SUBJECT, [b'x'; 200]);
        client.publish(&subject, &large[..]).now().expect("nothing else is queued");
        for polls in 0..20 {
            assert_eq!(cut(polls, client.publish(&SUBJECT, "no room")).await, None);
            assert_eq!(client.publish_fates().accepted, 1);
        }
        server.restart().expect("the same port");
        let accepted = until_done(|| client.publish(&subject, "room")).await;
        accepted.expect("there is room with a link");
        assert_eq!(client.publish_fates().accepted, 2);
        soon(client.flush()).await.expect("a session");
        let logs = cluster.logs();
        let arrived = logs.iter().flat_map(|log| log.publishes()).map(|(_, payload)| payload.len());
        assert_eq!(arrived.collect::<Vec<_>>(), [200, 4], "each once");
    }

    async fn a_dropped_publisher_does_not_take_the_room_of_one_that_waits(adapter) {
        let cluster = Model::start(1);
        let server = cluster.server(0);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).send_buffer(100));
        watch.until("connected").await;
        server.crash();
        watch.until("disconnected").await;
        let (subject, large) = (SUBJECT, [b'x'; 200]);
        client.publish(&subject, &large[..]).now().expect("nothing else is queued");
        let waiting = client.clone();
        let patient = adapter.spawn(async move { waiting.publish(&SUBJECT, "patient").await });
        assert_eq!(cut(3, client.publish(&SUBJECT, "hasty")).await, None);
        server.restart().expect("the same port");
        soon(patient).await.expect("there is room with a link");
    }

    async fn a_flush_and_a_round_trip_that_are_dropped_leave_the_next_as_it_is(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        for number in 1..=20 {
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
            until_done(|| client.flush()).await.expect("a session");
            assert_eq!(client.publish_fates().confirmed, number);
            let time = until_done(|| client.rtt()).await.expect("a session");
            assert!(time < LIMIT);
        }
        assert_eq!(client.statistics().connects, 1);
    }

    async fn a_drain_continues_whenever_its_future_is_dropped(adapter) {
        let cluster = Model::start(1);
        for polls in [0, 1, 2, 3, 5, 8] {
            let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
            soon(client.publish(&SUBJECT, "last")).await.expect("room");
            cut(polls, client.drain()).await;
            assert_eq!(soon(client.closed()).await, ClosedReason::Drained { complete: true, unread: 0 }, "{polls}");
            assert_eq!(client.publish_fates().confirmed, 1);
        }
    }

    async fn a_close_continues_whenever_its_future_is_dropped(adapter) {
        let cluster = Model::start(1);
        for polls in [0, 1, 2, 3, 5, 8] {
            let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
            soon(client.publish(&SUBJECT, "last")).await.expect("room");
            cut(polls, client.close()).await;
            // A future that only waits may be dropped and made again.
            assert_eq!(until_done(|| client.closed()).await, ClosedReason::Requested, "{polls}");
            until(|| cluster.server(0).connections() == 0).await;
        }
        let logs = cluster.logs();
        assert_eq!(logs.iter().flat_map(|log| log.publishes()).count(), 6, "what was queued has left");
    }

    async fn connecting_stops_when_its_future_is_dropped(adapter) {
        let cluster = Model::start(1);
        for polls in [0, 1, 2, 4, 16, 64] {
            let client = cut(polls, adapter.connect(options(&cluster.urls()))).await;
            drop(client);
            until(|| cluster.server(0).connections() == 0).await;
        }
        let client = until_done(|| adapter.connect(options(&cluster.urls()))).await.expect("a server");
        soon(client.flush()).await.expect("a session");
        until(|| cluster.server(0).connections() == 1).await;
    }
}

/// A function of a public interface, as the sources have it.
struct Function {
    place: String,
    docs: String,
    head: String,
}

impl Function {
    /// Whether it returns something that is awaited: one of these types, or an `async fn` or `impl Future`.
    fn gives_a_future(&self, futures: &BTreeSet<String>) -> bool {
        let Some((_, given)) = self.head.split_once("->") else {
            return self.head.contains("async fn ");
        };
        let mut words = given.split(|c: char| !c.is_alphanumeric());
        // A type of a trait is what its implementation says.
        self.head.contains("async fn ")
            || given.contains("impl Future<")
            || words.any(|word| word == "Connecting" || futures.contains(word))
    }
}

/// Every function that is public, or of a public trait.
fn functions(file: &Path, text: &str) -> Vec<Function> {
    let (mut found, mut docs, mut head, mut of_trait) = (Vec::new(), String::new(), None::<String>, false);
    // What tests define is not a public interface.
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    for line in text.lines() {
        of_trait = line.starts_with("pub trait ") || (of_trait && line != "}");
        let line = line.trim();
        let begins = ["pub fn ", "pub async fn "]
            .iter()
            .any(|begin| line.starts_with(begin));
        if let Some(doc) = line.strip_prefix("///") {
            docs.push_str(doc);
        } else if head.is_some() || begins || (of_trait && line.starts_with("fn ")) {
            let head = head.get_or_insert_default();
            head.push_str(line);
            head.push(' ');
        } else if !line.starts_with("#[") {
            docs.clear();
        }
        if head.is_some() && (line.ends_with('{') || line.ends_with(';')) {
            found.push(Function {
                place: file.display().to_string(),
                docs: std::mem::take(&mut docs),
                head: head.take().unwrap_or_default(),
            });
        }
    }
    found
}

/// The names of types that are awaited: by themselves, or by another name.
fn futures(sources: &[(PathBuf, String)]) -> BTreeSet<String> {
    let name = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let lines = || sources.iter().flat_map(|(_, text)| text.lines());
    let mut futures: BTreeSet<String> = lines()
        .filter(|line| line.starts_with("impl"))
        .filter_map(|line| line.split_once("Future for ").map(|(_, of)| name(of)))
        .collect();
    for line in lines() {
        if let Some((alias, of)) = line
            .strip_prefix("pub type ")
            .and_then(|line| line.split_once(" = "))
            && (futures.contains(&name(of)) || of.contains("dyn Future<"))
        {
            futures.insert(name(alias));
        }
    }
    futures
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).expect("a source");
            found.push((path, text));
        }
    }
    found
}

#[test]
fn every_function_that_returns_a_future_documents_cancellation() {
    let adapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters");
    let sources: Vec<_> = ["client", "console", "tokio", "async-std", "std"]
        .iter()
        .flat_map(|adapter| sources(&adapters.join(adapter).join("src")))
        .collect();
    let futures = futures(&sources);
    for known in [
        "Publishing",
        "Request",
        "Response",
        "Confirmation",
        "Flush",
        "RoundTrip",
        "RequestForMany",
        "Responding",
        "Reconnecting",
        "Closing",
        "Driver",
    ] {
        assert!(futures.contains(known), "{known} is awaited: {futures:?}");
    }
    let all = sources.iter().flat_map(|(file, text)| functions(file, text));
    let awaited: Vec<Function> = all.filter(|function| function.gives_a_future(&futures)).collect();
    assert!(awaited.len() > 20, "they are found: {}", awaited.len());
    let silent: Vec<String> = awaited
        .iter()
        .filter(|function| !function.docs.contains("# Cancel safety"))
        .map(|function| format!("{}: {}", function.place, function.head))
        .collect();
    assert!(
        silent.is_empty(),
        "no word about cancelling:\n{}",
        silent.join("\n")
    );
}
