//! The adapter over real sockets, against the model server.

use std::time::Duration;

use nats_conn_tests::tcp_server::TcpCluster;
use nats_conn_tokio::{
    Client, ClientEvent, ClosedReason, ConnectFailure, ConnectOptions, EndReason, Event, Events,
    MailboxLimits, Publish, PublishFailure, RequestError, RequestFailure, RequestMany, State, Subject,
    SubjectFilter,
};
use tokio::time::timeout;

const SUBJECT: Subject = Subject::from_static("life.tick");
const SOON: Duration = Duration::from_secs(5);

fn filter(text: &str) -> SubjectFilter {
    text.parse().unwrap()
}

async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Event {
    let wait = async {
        while let Some(event) = events.next().await {
            if let ClientEvent::Connection(event) = event
                && wanted(&event)
            {
                return event;
            }
        }
        panic!("the events ended");
    };
    timeout(SOON, wait).await.expect("it happens soon")
}

async fn connected(cluster: &TcpCluster) -> Client {
    nats_conn_tokio::connect(&cluster.urls()).await.unwrap()
}

#[tokio::test]
async fn what_is_published_is_received() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster).await;
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    for number in 0..1000 {
        client
            .publish(&SUBJECT, number.to_string().as_str())
            .await
            .unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!(client.publish_fates().confirmed, 1000);
    for number in 0..1000 {
        let message = timeout(SOON, subscription.next()).await.unwrap().unwrap();
        assert_eq!(message.payload(), number.to_string().as_bytes());
    }
    assert!(client.rtt().await.unwrap() < SOON);
    assert_eq!(client.close().await, ClosedReason::Requested);
    assert_eq!(subscription.next().await, None);
    assert_eq!(subscription.ended(), Some(EndReason::Closed));
    assert_eq!(cluster.violations(), []);
}

#[tokio::test]
async fn a_request_has_one_reply_or_says_why_not() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster).await;
    let nobody = client.request(&SUBJECT, "?").await;
    assert_eq!(nobody, Err(RequestFailure::Failed(RequestError::NoResponders)));

    let mut requests = client.subscribe(filter("life.tick")).unwrap();
    let service = client.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            service.respond(&request, "one").await.unwrap();
            service.respond(&request, "two").await.unwrap();
        }
    });
    assert_eq!(client.request(&SUBJECT, "?").await.unwrap().payload(), b"one");
    let mut replies = client
        .request(&SUBJECT, "?")
        .many(RequestMany::new(SOON).max(2))
        .unwrap();
    assert_eq!(replies.next().await.unwrap().payload(), b"one");
    assert_eq!(replies.next().await.unwrap().payload(), b"two");
    assert_eq!(replies.next().await, None);
    let silent = Subject::from_static("life.silent");
    let _listener = client.subscribe(filter("life.silent")).unwrap();
    let late = client
        .request(&silent, "?")
        .timeout(Duration::from_millis(20))
        .await;
    assert!(
        matches!(late, Err(RequestFailure::Failed(RequestError::TimedOut { .. }))),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_crash_is_survived_with_subscriptions_and_publishes() {
    let cluster = TcpCluster::start(2).unwrap();
    let options = ConnectOptions::from_url(&cluster.server(0).url()).unwrap();
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| matches!(event, Event::Connected(_))).await;
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    client.flush().await.unwrap();
    cluster.server(0).crash();
    until(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    client.publish(&SUBJECT, "meanwhile").await.unwrap();
    until(&mut events, |event| matches!(event, Event::Reconnected(_))).await;
    until(&mut events, |event| {
        matches!(event, Event::Resubscribed { subscriptions: 1, .. })
    })
    .await;
    let message = timeout(SOON, subscription.next()).await.unwrap().unwrap();
    assert_eq!(message.payload(), b"meanwhile");
    assert_eq!(cluster.violations(), []);
}

#[tokio::test]
async fn a_drain_waits_until_everything_was_consumed() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster).await;
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    for _ in 0..100 {
        client.publish(&SUBJECT, "x").await.unwrap();
    }
    let drained = client.drain().unwrap();
    assert!(client.drain().is_err(), "it is draining already");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(client.state(), State::Draining);
    let mut taken = 0;
    while timeout(SOON, subscription.next()).await.unwrap().is_some() {
        taken += 1;
    }
    assert_eq!((taken, subscription.ended()), (100, Some(EndReason::Drained)));
    assert_eq!(
        timeout(SOON, drained).await.unwrap(),
        ClosedReason::Drained { complete: true }
    );
}

#[tokio::test]
async fn the_last_handle_closes_also_while_the_link_is_down() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| matches!(event, Event::Connected(_))).await;
    let subscription = client.subscribe(filter("life.*")).unwrap();
    drop(client);
    cluster.server(0).crash();
    until(&mut events, |event| matches!(event, Event::BackoffWait { .. })).await;
    drop(subscription);
    until(&mut events, |event| {
        matches!(
            event,
            Event::Closed {
                reason: ClosedReason::Requested
            }
        )
    })
    .await;
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_publish_waits_for_room_until_its_timeout_or_the_end() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .send_buffer(100);
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| matches!(event, Event::Connected(_))).await;
    cluster.server(0).crash();
    until(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    client.try_publish(Publish::new(&SUBJECT, &[0; 200][..])).unwrap();
    let patience = Duration::from_millis(20);
    let late = client.publish(&SUBJECT, "x").timeout(patience).await;
    assert_eq!(late, Err(PublishFailure::TimedOut(patience)));

    let publisher = client.clone();
    let waiting = tokio::spawn(async move { publisher.publish(&SUBJECT, "x").await });
    tokio::task::yield_now().await;
    cluster.server(0).restart().unwrap();
    assert!(
        timeout(SOON, waiting).await.unwrap().unwrap().is_ok(),
        "room when the link is back"
    );

    cluster.server(0).crash();
    until(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    client.try_publish(Publish::new(&SUBJECT, &[0; 200][..])).unwrap();
    let publisher = client.clone();
    let waiting = tokio::spawn(async move { publisher.publish(&SUBJECT, "x").await });
    tokio::task::yield_now().await;
    client.close().await;
    assert!(timeout(SOON, waiting).await.unwrap().unwrap().is_err());
}

#[tokio::test]
async fn a_slow_consumer_is_told_once_and_costs_only_itself() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .mailbox(MailboxLimits::new(10, 1 << 20));
    let (client, mut events) = options.start().unwrap();
    until(&mut events, |event| matches!(event, Event::Connected(_))).await;
    let mut slow = client.subscribe(filter("life.*")).unwrap();
    for _ in 0..100 {
        client.publish(&SUBJECT, "x").await.unwrap();
    }
    client.flush().await.unwrap();
    assert_eq!((slow.pending(), slow.dropped()), (10, 90));
    let told: Vec<_> = std::iter::from_fn(|| events.try_next())
        .filter(|event| matches!(event, ClientEvent::SlowConsumer { .. }))
        .collect();
    assert!(
        matches!(told[..], [ClientEvent::SlowConsumer { dropped: 1.., .. }]),
        "{told:?}"
    );
    for _ in 0..10 {
        assert!(slow.try_next().is_some());
    }
    client.publish(&SUBJECT, "y").await.unwrap();
    assert_eq!(timeout(SOON, slow.next()).await.unwrap().unwrap().payload(), b"y");
}

#[tokio::test]
async fn what_cannot_be_connected_says_why_in_one_line() {
    let unusable = nats_conn_tokio::connect("ws://localhost").await.unwrap_err();
    assert!(matches!(unusable, ConnectFailure::Start(_)), "{unusable}");

    let cluster = TcpCluster::start(1).unwrap();
    let server = cluster.server(0);
    server.crash();
    let refused = nats_conn_tokio::connect(&server.url())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("refused") && refused.contains("is a server running there"),
        "{refused}"
    );
    assert!(!refused.contains('\n'));

    server.restart().unwrap();
    server.refuse_auth(true);
    let wrong = nats_conn_tokio::connect(&server.url())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("Authorization Violation") && wrong.contains("check user"),
        "{wrong}"
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").unwrap();
    });
    let other = nats_conn_tokio::connect(&address.to_string())
        .await
        .unwrap_err()
        .to_string();
    assert!(other.contains("does not look like a NATS server"), "{other}");
}

#[test]
fn a_runtime_that_goes_away_closes_visibly() {
    let cluster = TcpCluster::start(1).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (client, mut events) = runtime.block_on(async {
        let (client, mut events) = ConnectOptions::from_url(&cluster.urls())
            .unwrap()
            .start()
            .unwrap();
        until(&mut events, |event| matches!(event, Event::Connected(_))).await;
        (client, events)
    });
    let mut subscription = client.subscribe(filter("life.*")).unwrap();
    drop(runtime);
    let told: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
    assert!(
        told.contains(&ClientEvent::DriverFailed { panicked: false }),
        "{told:?}"
    );
    assert!(told.last().unwrap().is_closed());
    assert_eq!(subscription.try_next(), None);
    assert_eq!(subscription.ended(), Some(EndReason::Closed));
    assert!(client.try_publish(Publish::new(&SUBJECT, "x")).is_err());
}
