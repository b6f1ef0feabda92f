//! The adapter over real sockets, against the model server.

use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{
    Client, ClientEvent, ClosedReason, ConnectError, ConnectOptions, ConnectionEvent, EndReason, Events,
    Excerpt, MailboxLimits, NextError, PublishError, PublishSeq, RepliesEnd, RequestError, RequestMany,
    State, Subject, SubjectFilter,
};
use nats_conn_tests::tcp_server::TcpCluster;

static SUBJECT: Subject = Subject::from_static("life.tick");
const SOON: Duration = Duration::from_secs(10);

fn filter(text: &str) -> SubjectFilter {
    text.parse().unwrap()
}

fn until(events: &mut Events, wanted: impl Fn(&ConnectionEvent) -> bool) -> ConnectionEvent {
    let deadline = Instant::now() + SOON;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match events.next_timeout(left).expect("it happens soon") {
            ClientEvent::Connection(event) if wanted(&event) => return event,
            _ => {}
        }
    }
}

fn connected(cluster: &TcpCluster) -> Client {
    nats_conn_std::connect(&cluster.urls()).unwrap()
}

#[test]
fn what_is_published_is_received() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    for number in 0..1000 {
        client
            .publish(&SUBJECT, number.to_string().as_str())
            .wait()
            .unwrap();
    }
    client.flush().wait().unwrap();
    assert_eq!(client.publish_fates().confirmed, 1000);
    for number in 0..1000 {
        let message = subscription.next_timeout(SOON).unwrap();
        assert_eq!(message.payload(), number.to_string().as_bytes());
    }
    assert!(client.rtt().wait().unwrap() < SOON);
    let nothing = subscription.next_timeout(Duration::from_millis(5));
    assert_eq!(nothing, Err(NextError::TimedOut));
    assert_eq!(client.close().wait(), ClosedReason::Requested);
    assert_eq!(subscription.next_timeout(SOON), Err(NextError::Ended));
    assert_eq!(subscription.next(), None);
    assert_eq!(subscription.ended(), Some(EndReason::Closed));
    assert_eq!(cluster.violations(), []);
}

#[test]
fn an_iterator_ends_after_the_last_message() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    subscription.unsubscribe_after(3).unwrap();
    let publisher = client.clone();
    let publishing = thread::spawn(move || {
        for number in ["one", "two", "three", "four"] {
            publisher.publish(&SUBJECT, number).wait().unwrap();
        }
    });
    let received: Vec<_> = subscription
        .iter()
        .map(|message| message.payload().to_vec())
        .collect();
    publishing.join().unwrap();
    assert_eq!(received, [&b"one"[..], b"two", b"three"]);
    assert_eq!(subscription.ended(), Some(EndReason::MaxReached));
}

#[test]
fn a_request_gets_one_reply_or_an_error_that_says_why_not() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    let nobody = client.request(&SUBJECT, "?").wait();
    assert_eq!(
        nobody,
        Err(RequestError::NoResponders {
            subject: Excerpt::new("life.tick")
        })
    );

    let requests = client.subscribe(filter("life.tick")).unwrap();
    let service = client.clone();
    let serving = thread::spawn(move || {
        for request in requests {
            service.respond(&request, "one").wait().unwrap();
            service.respond(&request, "two").wait().unwrap();
        }
    });
    for _ in 0..100 {
        assert_eq!(client.request(&SUBJECT, "?").wait().unwrap().payload(), b"one");
    }
    let many = RequestMany::new(SOON).max(2);
    let mut replies = client.request(&SUBJECT, "?").many(many).now().unwrap();
    let received: Vec<_> = replies.by_ref().map(|reply| reply.payload().to_vec()).collect();
    assert_eq!(received, [b"one", b"two"]);
    assert_eq!(replies.ended(), Some(Ok(RepliesEnd::MaxReached)));

    let started: Vec<_> = (0..64)
        .map(|_| client.request(&SUBJECT, "?").timeout(SOON).now().unwrap())
        .collect();
    for response in started {
        assert_eq!(response.wait().unwrap().payload(), b"one");
    }

    let silent = Subject::from_static("life.silent");
    let _listener = client.subscribe(filter("life.silent")).unwrap();
    let late = client
        .request(&silent, "?")
        .timeout(Duration::from_millis(20))
        .wait();
    assert!(matches!(late, Err(RequestError::TimedOut { .. })), "{late:?}");
    client.close().wait();
    serving.join().unwrap();
}

#[test]
fn a_crash_is_survived_with_subscriptions_and_publishes() {
    let cluster = TcpCluster::start(2).unwrap();
    let options = ConnectOptions::from_url(&cluster.server(0).url()).unwrap();
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    client.flush().wait().unwrap();
    cluster.server(0).crash();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Disconnected { .. })
    });
    client.publish(&SUBJECT, "meanwhile").wait().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Reconnected(_))
    });
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Resubscribed { subscriptions: 1, .. })
    });
    assert_eq!(subscription.next_timeout(SOON).unwrap().payload(), b"meanwhile");
    assert_eq!(cluster.violations(), []);
}

#[test]
fn a_drain_waits_until_everything_was_consumed() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    for _ in 0..100 {
        client.publish(&SUBJECT, "x").wait().unwrap();
    }
    let drained = client.drain();
    let again = client.drain();
    assert_eq!(drained.wait_timeout(Duration::from_millis(50)), None);
    assert_eq!(client.state(), State::Draining);
    assert_eq!(subscription.iter().count(), 100);
    assert_eq!(subscription.ended(), Some(EndReason::Drained));
    let reason = drained.wait_timeout(SOON);
    assert_eq!(again.wait_timeout(SOON), reason, "the same end");
    assert_eq!(
        reason,
        Some(ClosedReason::Drained {
            complete: true,
            unread: 0
        })
    );
}

#[test]
fn the_last_handle_closes_also_while_the_link_is_down() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
    let subscription = client.subscribe(filter("life.*")).unwrap();
    drop(client);
    cluster.server(0).crash();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::BackoffWait { .. })
    });
    drop(subscription);
    let closed = until(&mut events, |event| {
        matches!(event, ConnectionEvent::Closed { .. })
    });
    let reason = ClosedReason::Requested;
    assert_eq!(closed, ConnectionEvent::Closed { reason });
    assert_eq!(events.next(), None);
}

#[test]
fn a_publish_waits_for_room_until_its_timeout_or_the_end() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .send_buffer(100);
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
    let full = [0; 200];
    cluster.server(0).crash();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Disconnected { .. })
    });
    client.publish(&SUBJECT, &full[..]).now().unwrap();
    let patience = Duration::from_millis(20);
    let late = client.publish(&SUBJECT, "x").timeout(patience).wait();
    assert_eq!(
        late,
        Err(PublishError::TimedOut {
            subject: Excerpt::new("life.tick"),
            after: patience
        })
    );

    let publisher = client.clone();
    let waiting = thread::spawn(move || publisher.publish(&SUBJECT, "x").wait());
    cluster.server(0).restart().unwrap();
    assert!(waiting.join().unwrap().is_ok(), "room when the link is back");
    // It has left before the next crash, and takes no room any more.
    client.flush().wait().unwrap();

    cluster.server(0).crash();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Disconnected { .. })
    });
    client.publish(&SUBJECT, &full[..]).now().unwrap();
    let publisher = client.clone();
    let waiting = thread::spawn(move || publisher.publish(&SUBJECT, "x").wait());
    client.close().wait();
    assert!(waiting.join().unwrap().is_err());
}

#[test]
fn a_slow_consumer_is_reported_once_and_affects_only_itself() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .mailbox(MailboxLimits::new(10, 1 << 20));
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
    let mut slow = client.subscribe(filter("life.*")).unwrap();
    for _ in 0..100 {
        client.publish(&SUBJECT, "x").wait().unwrap();
    }
    client.flush().wait().unwrap();
    assert_eq!((slow.pending(), slow.dropped()), (10, 90));
    let reported: Vec<_> = std::iter::from_fn(|| events.try_next())
        .filter(|event| matches!(event, ClientEvent::SlowConsumer { .. }))
        .collect();
    assert!(
        matches!(reported[..], [ClientEvent::SlowConsumer { dropped: 1.., .. }]),
        "{reported:?}"
    );
    for _ in 0..10 {
        assert!(slow.try_next().is_some());
    }
    client.publish(&SUBJECT, "y").wait().unwrap();
    assert_eq!(slow.next_timeout(SOON).unwrap().payload(), b"y");
}

#[test]
fn a_forced_reconnect_leaves_in_good_order() {
    let cluster = TcpCluster::start(2).unwrap();
    let options = ConnectOptions::from_url(&cluster.server(0).url()).unwrap();
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
    client.force_reconnect().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Reconnected(_))
    });
    client.flush().wait().unwrap();
    assert_eq!(client.close().wait(), ClosedReason::Requested);
    assert_eq!(cluster.violations(), []);
}

#[test]
fn what_cannot_be_connected_says_why_in_one_line() {
    let unusable = nats_conn_std::connect("ws://localhost").unwrap_err();
    assert!(matches!(unusable, ConnectError::Start(_)), "{unusable}");

    let cluster = TcpCluster::start(1).unwrap();
    let server = cluster.server(0);
    server.crash();
    let refused = nats_conn_std::connect(&server.url()).unwrap_err().to_string();
    assert!(
        refused.contains("refused") && refused.contains("is a server running there"),
        "{refused}"
    );
    assert!(!refused.contains('\n'));

    server.restart().unwrap();
    server.refuse_auth(true);
    let wrong = nats_conn_std::connect(&server.url()).unwrap_err().to_string();
    assert!(
        wrong.contains("Authorization Violation") && wrong.contains("check user"),
        "{wrong}"
    );
}

#[test]
fn a_first_connect_that_is_tried_again_returns_after_its_first_round() {
    let cluster = TcpCluster::start(1).unwrap();
    cluster.server(0).crash();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .retry_initial(true);
    let client = options.connect().unwrap();
    let mut events = client.events();
    assert_eq!(client.state(), State::Connecting);
    cluster.server(0).restart().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
}

#[test]
fn durations_beyond_the_clock_are_as_long_as_it_takes() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .connect_timeout(Duration::MAX)
        .publish_timeout(Duration::MAX)
        .credentials_callback(|_| async { Ok(nats_conn_std::Credentials::default()) });
    let client = options.connect().unwrap();
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    client.publish(&SUBJECT, "x").wait().unwrap();
    assert_eq!(subscription.next_timeout(Duration::MAX).unwrap().payload(), b"x");
    client.close().wait();
}

#[test]
fn a_reply_and_the_fate_of_a_publish_are_waited_for_again_after_a_time_limit() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    let mut requests = client.subscribe(&SUBJECT).unwrap();
    let mut response = client.request(&SUBJECT, "?").now().unwrap();
    let request = requests.next_timeout(SOON).unwrap();
    let short = Duration::from_millis(5);
    assert_eq!(response.wait_timeout(short), None);
    assert_eq!(response.wait_timeout(Duration::ZERO), None);
    client.respond(&request, "!").wait().unwrap();
    let reply = response.wait_timeout(SOON).expect("in time");
    assert_eq!(reply.unwrap().payload(), b"!");

    let mut events = client.events();
    cluster.server(0).crash();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Disconnected { .. })
    });
    let mut outcome = client.publish(&SUBJECT, "x").confirmed().now().unwrap();
    assert_eq!(outcome.wait_timeout(short), None);
    cluster.server(0).restart().unwrap();
    let fate = outcome.wait_timeout(SOON).expect("in time");
    // The request and its answer were the first two.
    assert_eq!(fate, Ok(PublishSeq::from_u64(3)));
}
