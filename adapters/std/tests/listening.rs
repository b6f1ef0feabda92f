//! Threads that wait for messages read them themselves: they get all of them, and so does everybody else.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{
    ByteStream, Client, ConnectOptions, EndReason, NextError, RequestError, Std, Stream, Subject,
    SubjectFilter, Subscription, blocking,
};
use nats_conn_tests::tcp_server::TcpCluster;

static SUBJECT: Subject = Subject::from_static("listening.here");
static OTHER: Subject = Subject::from_static("listening.there");
static SILENT: Subject = Subject::from_static("listening.silent");
const SOON: Duration = Duration::from_secs(20);

fn connected(cluster: &TcpCluster) -> Client {
    nats_conn_std::connect(&cluster.urls()).unwrap()
}

fn subscribed(client: &Client, subject: &Subject) -> Subscription {
    let filter = SubjectFilter::try_from(subject.as_str()).unwrap();
    client.subscribe(filter).unwrap().confirmed().wait().unwrap()
}

/// One message after the other, each when the one before it was received: the thread that reads has left that to the
/// consumer after the first of them.
fn receive(from: &Client, subscription: &mut Subscription, messages: usize) {
    let subject = Subject::new(SUBJECT.as_str()).unwrap();
    for number in 0..messages {
        let text = number.to_string();
        from.publish(&subject, text.as_str()).wait().unwrap();
        let message = subscription.next_timeout(SOON).unwrap();
        assert_eq!(message.payload(), text.as_bytes());
    }
}

/// How many reads each thread has begun.
type Reads = Arc<Mutex<BTreeMap<String, usize>>>;

struct Watched(TcpStream, Reads);

impl ByteStream for Watched {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let thread = thread::current();
        let name = thread.name().filter(|name| name.starts_with("nats-conn"));
        let name = name.unwrap_or("application").to_owned();
        *self.1.lock().unwrap().entry(name).or_default() += 1;
        ByteStream::read(&self.0, buffer)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        ByteStream::write(&self.0, pieces)
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        ByteStream::set_write_timeout(&self.0, timeout)
    }

    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        ByteStream::set_read_timeout(&self.0, timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        ByteStream::shutdown(&self.0, how)
    }
}

#[test]
fn a_thread_that_waits_for_messages_reads_them_and_the_one_that_reads_does_where_nobody_waits() {
    let cluster = TcpCluster::start(1).unwrap();
    let reads = Reads::default();
    let noted = reads.clone();
    let adapter = Std::with_connector(move |target| {
        let stream = TcpStream::connect((target.server.host(), target.server.port()))?;
        stream.set_nodelay(true)?;
        Ok(Stream::new(Watched(stream, noted.clone())))
    });
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let client = options.adapter(adapter).connect().unwrap();
    let service = connected(&cluster);
    let mut subscription = subscribed(&client, &SUBJECT);
    let count = |name| reads.lock().unwrap().get(name).copied().unwrap_or_default();
    let begun = Instant::now();
    while count("application") < 100 {
        assert!(begun.elapsed() < SOON);
        receive(&service, &mut subscription, 10);
    }
    // Now nobody waits, and what comes is there all the same.
    let before = count("nats-conn read");
    service.publish(&SUBJECT, "x").wait().unwrap();
    while subscription.pending() == 0 {
        assert!(begun.elapsed() < SOON);
        thread::sleep(Duration::from_millis(1));
    }
    assert!(count("nats-conn read") > before);
    // Who only looks has it read without being asked each time.
    assert!(subscription.try_next().is_some());
    for _ in 0..10 {
        service.publish(&SUBJECT, "x").wait().unwrap();
        while subscription.try_next().is_none() {
            assert!(begun.elapsed() < SOON);
            thread::yield_now();
        }
    }
}

#[test]
fn several_that_wait_get_theirs_whoever_reads_and_answers_come_too() {
    let cluster = TcpCluster::start(1).unwrap();
    let (service, client) = (connected(&cluster), connected(&cluster));
    let begun = Instant::now();
    const EACH: usize = 300;
    let subscriptions = [&SUBJECT, &SUBJECT, &OTHER].map(|subject| subscribed(&client, subject));
    let polled = subscribed(&client, &SUBJECT);
    let silent = subscribed(&client, &SILENT);
    thread::scope(|threads| {
        for subscription in subscriptions {
            threads.spawn(move || assert_eq!(subscription.take(EACH).count(), EACH));
        }
        // Whom nobody calls holds nobody up.
        threads.spawn(|| silent.into_iter().count());
        // An executor reads nothing itself.
        threads.spawn(|| {
            let mut polled = polled.into_inner();
            for _ in 0..EACH {
                assert!(blocking::wait(None, pin!(polled.next())).unwrap().is_some());
            }
        });
        let flushing = threads.spawn(|| {
            for _ in 0..EACH {
                client.flush().wait().unwrap();
            }
        });
        for number in 0..EACH {
            service.publish(&SUBJECT, "x").wait().unwrap();
            service.publish(&OTHER, "x").wait().unwrap();
            if number % 10 == 0 {
                thread::sleep(Duration::from_millis(1));
            }
        }
        service.flush().wait().unwrap();
        flushing.join().unwrap();
        let arrived = || client.statistics().in_messages >= 4 * EACH as u64;
        while !arrived() {
            assert!(begun.elapsed() < SOON);
            thread::sleep(Duration::from_millis(5));
        }
        client.drain().wait();
    });
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(cluster.violations(), []);
}

#[test]
fn what_others_wait_for_is_neither_late_nor_lost_while_a_consumer_reads() {
    let cluster = TcpCluster::start(1).unwrap();
    let (service, client) = (connected(&cluster), connected(&cluster));
    let mut subscription = subscribed(&client, &SUBJECT);
    let requests = subscribed(&service, &SILENT);
    receive(&service, &mut subscription, 10);
    thread::scope(|threads| {
        let consumer = threads.spawn(move || subscription.next());
        thread::sleep(Duration::from_millis(5));
        for milliseconds in [5, 15, 50] {
            let (begun, timeout) = (Instant::now(), Duration::from_millis(milliseconds));
            let late = client.request(&SILENT, "?").timeout(timeout).wait();
            assert!(matches!(late, Err(RequestError::TimedOut { .. })), "{late:?}");
            assert!(begun.elapsed() >= timeout && begun.elapsed() < SOON / 4);
            client.flush().wait().unwrap();
            client.rtt().wait().unwrap();
        }
        service.publish(&SUBJECT, "x").wait().unwrap();
        assert!(consumer.join().unwrap().is_some());
    });
    drop(requests);
}

#[test]
fn who_waits_for_a_message_so_long_at_most_waits_no_longer_and_misses_none() {
    let cluster = TcpCluster::start(1).unwrap();
    let (service, client) = (connected(&cluster), connected(&cluster));
    let mut subscription = subscribed(&client, &SUBJECT);
    for milliseconds in [0, 1, 5, 30, 50, 100] {
        receive(&service, &mut subscription, 5);
        let (begun, timeout) = (Instant::now(), Duration::from_millis(milliseconds));
        let nothing = subscription.next_timeout(timeout);
        assert!(matches!(nothing, Err(NextError::TimedOut)), "{nothing:?}");
        assert!(begun.elapsed() >= timeout && begun.elapsed() < SOON / 4);
    }
    // Often and briefly, without ever reading.
    let begun = Instant::now();
    service.publish(&SUBJECT, "x").wait().unwrap();
    while subscription.next_timeout(Duration::from_millis(1)).is_err() {
        assert!(begun.elapsed() < SOON);
    }
}

#[test]
fn a_consumer_that_reads_sees_the_end_of_the_link_and_the_next_one_and_the_end_of_the_connection() {
    let cluster = TcpCluster::start(1).unwrap();
    let (service, client) = (connected(&cluster), connected(&cluster));
    let mut subscription = subscribed(&client, &SUBJECT);
    receive(&service, &mut subscription, 10);
    thread::scope(|threads| {
        let consumer = threads.spawn(|| {
            let first = subscription.next();
            assert!(first.is_some(), "the subscription goes on");
            assert!(subscription.next().is_none());
            (Instant::now(), subscription.ended())
        });
        thread::sleep(Duration::from_millis(5));
        cluster.server(0).crash();
        cluster.server(0).restart().unwrap();
        let begun = Instant::now();
        let connects = |client: &Client| client.statistics().connects;
        while connects(&client) < 2 || connects(&service) < 2 || client.flush().wait().is_err() {
            assert!(begun.elapsed() < SOON);
            thread::sleep(Duration::from_millis(5));
        }
        let before = client.statistics().in_messages;
        service.publish(&SUBJECT, "x").wait().unwrap();
        while client.statistics().in_messages == before {
            assert!(begun.elapsed() < SOON);
            thread::sleep(Duration::from_millis(1));
        }
        let closing = Instant::now();
        client.begin_close();
        let (ended, reason) = consumer.join().unwrap();
        assert_eq!(reason, Some(EndReason::Closed));
        assert!(ended.saturating_duration_since(closing) < SOON / 4);
    });
}
