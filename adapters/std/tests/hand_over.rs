//! Threads of the application that do the work of the connection's own threads: what they leave undone is done.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{Client, Delivery, Subject};
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
