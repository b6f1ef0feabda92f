//! What zero and `Duration::MAX` mean to calls that wait: what is there already, and as long as it takes.

use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{ClosedReason, ConnectOptions, NextError, RepliesEnd, RequestMany, Subject};
use nats_conn_tests::tcp_server::TcpCluster;

static SUBJECT: Subject = Subject::from_static("durations");
const A_MOMENT: Duration = Duration::from_millis(50);

#[test]
fn every_call_that_waits_takes_no_time_or_all_there_is() {
    let cluster = TcpCluster::start(1).unwrap();
    let (client, mut events) = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .start()
        .unwrap();
    let first = events.next_timeout(Duration::MAX);
    assert!(first.is_ok());
    while events.next_timeout(A_MOMENT * 4).is_ok() {}
    assert_eq!(
        events.next_timeout(Duration::ZERO).err(),
        Some(NextError::TimedOut)
    );

    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    client.flush().wait().unwrap();
    assert_eq!(
        subscription.next_timeout(Duration::ZERO).err(),
        Some(NextError::TimedOut)
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(A_MOMENT);
            cluster.publish("durations", b"late");
            cluster.publish("durations", b"there");
        });
        let began = Instant::now();
        assert_eq!(
            subscription.next_timeout(Duration::MAX).unwrap().payload(),
            b"late"
        );
        assert!(began.elapsed() >= A_MOMENT);
    });
    while subscription.pending() == 0 {
        thread::yield_now();
    }
    assert_eq!(
        subscription.next_timeout(Duration::ZERO).unwrap().payload(),
        b"there"
    );

    let mut replies = client
        .request(&SUBJECT, "")
        .many(RequestMany::new(Duration::MAX))
        .now()
        .unwrap();
    assert_eq!(
        replies.next_timeout(Duration::ZERO).err(),
        Some(NextError::TimedOut)
    );
    let question = subscription.next_timeout(Duration::MAX).unwrap();
    client.respond(&question, "answer").wait().unwrap();
    assert_eq!(replies.next_timeout(Duration::MAX).unwrap().payload(), b"answer");

    let closed = client.closed();
    assert_eq!(closed.wait_timeout(Duration::ZERO), None);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(A_MOMENT);
            client.begin_close();
        });
        assert_eq!(closed.wait_timeout(Duration::MAX), Some(ClosedReason::Requested));
    });
    assert_eq!(closed.wait_timeout(Duration::ZERO), Some(ClosedReason::Requested));
}

#[test]
fn several_replies_are_waited_for_no_longer_than_the_request_was_to_take() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = nats_conn_std::connect(&cluster.urls()).unwrap();
    let _nobody_answers = client.subscribe(&SUBJECT).unwrap();
    let forever = RequestMany::new(Duration::MAX);
    let request = || client.request(&SUBJECT, "");
    let short = [
        request().timeout(A_MOMENT).many(forever),
        request().many(forever).timeout(A_MOMENT),
    ];
    for request in short {
        let mut replies = request.wait().unwrap();
        assert_eq!(replies.next(), None);
        assert_eq!(replies.ended(), Some(Ok(RepliesEnd::Deadline)));
    }
}
