//! Five stories that other clients test, told with this one.

use std::time::Duration;

use nats_conn_tests::tcp_server::TcpCluster;
use nats_conn_tokio::{
    ClientEvent, ClosedReason, ConnectOptions, ConnectionEvent, EndReason, MailboxLimits, PublishError,
    RequestError,
};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_subscription_goes_on_at_another_server() {
    let cluster = TcpCluster::start(2).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let (client, mut events) = options.randomize(false).start().unwrap();
    let mut news = client.subscribe("news").unwrap();
    client.publish("news", "before").await.unwrap();
    assert_eq!(
        timeout(LIMIT, news.next()).await.unwrap().unwrap().text(),
        "before"
    );

    cluster.server(0).crash();
    let next = loop {
        let event = timeout(LIMIT, events.next()).await.unwrap().unwrap();
        if let ClientEvent::Connection(ConnectionEvent::Reconnected(session)) = event {
            break session.info.server_name.clone();
        }
    };
    assert_eq!(next.as_deref(), Some(cluster.server(1).name().as_str()));
    client.publish("news", "after").await.unwrap();
    assert_eq!(
        timeout(LIMIT, news.next()).await.unwrap().unwrap().text(),
        "after"
    );
}

#[tokio::test]
async fn a_request_that_nobody_answers_fails_at_once() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = nats_conn_tokio::connect(&cluster.urls()).await.unwrap();
    let failure = client.request("help", "?").timeout(LIMIT).await;
    assert!(matches!(failure, Err(RequestError::NoResponders { .. })));

    let mut requests = client.subscribe("help").unwrap();
    let server = client.clone();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            server.respond(&request, request.text() + "!").await.unwrap();
        }
    });
    assert_eq!(client.request("help", "me").await.unwrap().text(), "me!");
}

#[tokio::test]
async fn of_a_queue_group_one_member_gets_each_message() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = nats_conn_tokio::connect(&cluster.urls()).await.unwrap();
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(client.queue_subscribe("jobs.*", "workers").unwrap());
    }
    let mut everybody = client.subscribe("jobs.*").unwrap();
    for number in 0..30 {
        client.publish(format!("jobs.{number}"), "").await.unwrap();
    }
    let closed = timeout(LIMIT, client.drain());
    let mut done = Vec::new();
    for member in &mut members {
        while let Some(job) = member.next().await {
            done.push(job.subject().to_string());
        }
    }
    let mut jobs = Vec::new();
    while let Some(job) = everybody.next().await {
        jobs.push(job.subject().to_string());
    }
    closed.await.unwrap();
    done.sort();
    jobs.sort();
    assert_eq!((jobs.len(), done), (30, jobs));
}

#[tokio::test]
async fn a_drain_delivers_what_was_published_and_ends_everything() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = nats_conn_tokio::connect(&cluster.urls()).await.unwrap();
    let mut messages = client.subscribe("drained").unwrap();
    for number in 0..100 {
        client.publish("drained", number.to_string()).await.unwrap();
    }
    let closed = client.drain();
    let mut received = 0;
    while let Some(message) = timeout(LIMIT, messages.next()).await.unwrap() {
        assert_eq!(message.text(), received.to_string());
        received += 1;
    }
    let complete = ClosedReason::Drained {
        complete: true,
        unread: 0,
    };
    assert_eq!((received, closed.await), (100, complete));
    assert_eq!(messages.ended(), Some(EndReason::Drained));
    assert_eq!(client.publish("drained", "late").await, Err(PublishError::Closed));
    assert!(client.all_confirmed());
}

#[tokio::test]
async fn a_slow_consumer_is_told_and_loses_the_newest() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let limits = MailboxLimits::new(10, usize::MAX);
    let (client, mut events) = options.mailbox(limits).patience(Duration::ZERO).start().unwrap();
    let mut slow = client.subscribe("flood").unwrap();
    for number in 0..50 {
        client.publish("flood", number.to_string()).await.unwrap();
    }
    let told = loop {
        let event = timeout(LIMIT, events.next()).await.unwrap().unwrap();
        if let ClientEvent::SlowConsumer { subscription, .. } = event {
            break subscription;
        }
    };
    assert_eq!(told, slow.sid());
    timeout(LIMIT, client.flush()).await.unwrap().unwrap();
    assert_eq!((slow.pending(), slow.dropped()), (10, 40));
    assert_eq!(slow.try_next().unwrap().text(), "0");
}
