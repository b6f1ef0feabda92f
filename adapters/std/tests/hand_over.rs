//! Threads of the application that do the work of the connection's own threads: what they leave undone is done.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{Client, Delivery, RequestError, Subject, SubjectFilter, blocking};
use nats_conn_tests::tcp_server::TcpCluster;

static SUBJECT: Subject = Subject::from_static("hand.over");
const SOON: Duration = Duration::from_secs(20);

fn connected(cluster: &TcpCluster) -> Client {
    nats_conn_std::connect(&cluster.urls()).unwrap()
}

/// Publishes as fast as it goes: whoever has filled a block writes it if nobody else does.
fn publish(client: &Client, publishes: usize) {
    for _ in 0..publishes {
        client.publish(&SUBJECT, [b'x'; 1000]).wait().unwrap();
    }
}

fn flushed(client: &Client) {
    let begun = Instant::now();
    while client.flush().wait().is_err() {
        assert!(begun.elapsed() < SOON);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn all_that_several_publishers_write_arrives_whole_and_nothing_is_left_when_they_stop() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| publish(&client, 1000));
        }
    });
    // Nobody calls anything any more: what is left leaves by itself.
    let begun = Instant::now();
    while cluster
        .logs()
        .iter()
        .map(|log| log.publishes().count())
        .sum::<usize>()
        < 4000
    {
        assert!(begun.elapsed() < SOON);
        thread::sleep(Duration::from_millis(5));
    }
    flushed(&client);
    assert_eq!(client.publish_fates().confirmed, 4000);
    assert_eq!(cluster.violations(), []);
}

#[test]
fn a_link_that_fails_while_publishers_write_is_left_and_everything_is_sent_over_the_next() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = nats_conn_std::ConnectOptions::from_url(&cluster.urls()).unwrap();
    let client = options.delivery(Delivery::AtLeastOnce).connect().unwrap();
    let stop = AtomicBool::new(false);
    let published = thread::scope(|threads| {
        let publishing = || {
            let mut batches = 0;
            while !stop.load(Ordering::Relaxed) {
                publish(&client, 100);
                batches += 1;
            }
            batches * 100
        };
        let publishers = [threads.spawn(publishing), threads.spawn(publishing)];
        for connects in 2..4 {
            thread::sleep(Duration::from_millis(50));
            cluster.server(0).crash();
            cluster.server(0).restart().unwrap();
            let begun = Instant::now();
            while client.statistics().connects < connects {
                assert!(begun.elapsed() < SOON);
                thread::sleep(Duration::from_millis(5));
            }
        }
        stop.store(true, Ordering::Relaxed);
        publishers.map(|publisher| publisher.join().unwrap())
    });
    flushed(&client);
    let fates = client.publish_fates();
    assert_eq!(fates.confirmed, published.iter().sum::<u64>(), "{fates:?}");
    assert_eq!(cluster.violations(), []);
}

/// Somebody who answers everything, on a connection of its own. The first request that is sent once has its answer.
fn answering(cluster: &TcpCluster) -> Client {
    let service = connected(cluster);
    let requests = service.subscribe(SubjectFilter::from_static("hand.ask")).unwrap();
    flushed(&service);
    let answering = service.clone();
    thread::spawn(move || {
        for request in requests {
            answering.respond(&request, "42").wait().unwrap();
        }
    });
    service
}

static ASK: Subject = Subject::from_static("hand.ask");
static NOBODY: Subject = Subject::from_static("hand.silent");

/// Asks often enough that the thread that reads has left that to those who ask.
fn ask(client: &Client, times: usize) {
    for _ in 0..times {
        assert_eq!(client.request(&ASK, "?").wait().unwrap().payload(), b"42");
    }
}

#[test]
fn threads_that_read_their_own_answers_and_those_who_wait_otherwise_get_all_of_them() {
    let cluster = TcpCluster::start(1).unwrap();
    let (service, client) = (answering(&cluster), connected(&cluster));
    let begun = Instant::now();
    thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| ask(&client, 200));
        }
        // Futures of the same connection, polled on a thread: nobody reads for them but others.
        threads.spawn(|| {
            for _ in 0..200 {
                let request = pin!(client.inner().request(&ASK, "?").into_future());
                let reply = blocking::wait(None, request).unwrap().unwrap();
                assert_eq!(reply.payload(), b"42");
            }
        });
        threads.spawn(|| {
            for _ in 0..200 {
                client.flush().wait().unwrap();
                client.publish(&SUBJECT, "x").confirmed().wait().unwrap();
            }
        });
    });
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    drop((client, service));
    assert_eq!(cluster.violations(), []);
}

#[test]
fn a_request_that_times_out_leaves_reading_to_others_and_is_not_late() {
    let cluster = TcpCluster::start(1).unwrap();
    let (_service, client) = (answering(&cluster), connected(&cluster));
    for milliseconds in [5, 15, 30, 100] {
        ask(&client, 5);
        let silent = connected(&cluster);
        let requests = silent.subscribe(&NOBODY).unwrap();
        flushed(&silent);
        let begun = Instant::now();
        let timeout = Duration::from_millis(milliseconds);
        let late = client.request(&NOBODY, "?").timeout(timeout).wait();
        assert!(matches!(late, Err(RequestError::TimedOut { .. })), "{late:?}");
        assert!(
            begun.elapsed() >= timeout && begun.elapsed() < SOON / 4,
            "{:?}",
            begun.elapsed()
        );
        drop(requests);
        ask(&client, 5);
    }
}

#[test]
fn the_end_of_a_link_and_of_the_connection_is_told_to_a_thread_that_reads() {
    let cluster = TcpCluster::start(1).unwrap();
    let (_service, client) = (answering(&cluster), connected(&cluster));
    let silent = connected(&cluster);
    let requests = silent.subscribe(&NOBODY).unwrap();
    flushed(&silent);
    ask(&client, 5);
    let asks = || client.request(&NOBODY, "?").timeout(SOON).wait();
    thread::scope(|threads| {
        let asking = threads.spawn(asks);
        let begun = Instant::now();
        thread::sleep(Duration::from_millis(5));
        cluster.server(0).crash();
        let lost = asking.join().unwrap();
        assert!(matches!(lost, Err(RequestError::Disconnected { .. })), "{lost:?}");
        assert!(begun.elapsed() < SOON / 2);
    });
    cluster.server(0).restart().unwrap();
    flushed(&client);
    flushed(&silent);
    let begun = Instant::now();
    while client.request(&ASK, "?").wait().is_err() {
        assert!(begun.elapsed() < SOON);
        thread::sleep(Duration::from_millis(5));
    }
    ask(&client, 5);
    thread::scope(|threads| {
        let asking = threads.spawn(asks);
        thread::sleep(Duration::from_millis(5));
        let begun = Instant::now();
        client.begin_close();
        let closed = asking.join().unwrap();
        assert!(matches!(closed, Err(RequestError::Closed { .. })), "{closed:?}");
        client.closed().wait();
        assert!(begun.elapsed() < SOON / 2);
    });
    drop(requests);
}

#[test]
fn a_subscription_and_what_nobody_asks_for_are_read_after_a_request_that_read_itself() {
    let cluster = TcpCluster::start(1).unwrap();
    let (service, client) = (answering(&cluster), connected(&cluster));
    let mut events = client.events();
    ask(&client, 5);
    let mut messages = client.subscribe(&SUBJECT).unwrap();
    flushed(&client);
    service.publish(&SUBJECT, "x").wait().unwrap();
    assert_eq!(messages.next_timeout(SOON).unwrap().payload(), b"x");
    drop(messages);
    ask(&client, 5);
    cluster.server(0).crash();
    let lost = events.find(|event| format!("{event:?}").contains("Disconnected"));
    assert!(
        lost.is_some(),
        "the end of the link is noticed though nobody waits for an answer"
    );
}
