//! A peer that does not read: no deadline waits for it, whatever has been published.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{
    Client, ClientEvent, ClosedReason, ConnectOptions, ConnectionEvent, DisconnectReason, Events,
    RequestError, Subject,
};

static SUBJECT: Subject = Subject::from_static("dead.letter");
const SOON: Duration = Duration::from_secs(10);
/// More than all the buffers on the way hold.
const SEND_BUFFER: usize = 32 << 20;

/// Servers that let everybody in and then read nothing, and the sockets of those that were let in.
fn deaf_server() -> (String, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    let (sender, sockets) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream
                .write_all(b"INFO {\"max_payload\":1048576,\"headers\":true}\r\n")
                .unwrap();
            let (mut sent, mut buffer) = (Vec::new(), [0; 1024]);
            while !sent.ends_with(b"PING\r\n") {
                let count = stream.read(&mut buffer).unwrap();
                sent.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(b"PONG\r\n").unwrap();
            if sender.send(stream).is_err() {
                return;
            }
        }
    });
    (url, sockets)
}

fn options(url: &str) -> ConnectOptions {
    ConnectOptions::from_url(url)
        .unwrap()
        .send_buffer(SEND_BUFFER)
        .ping_interval(Duration::from_secs(60))
}

/// Publishes until nothing leaves any more: the writer waits for room in its socket.
fn stuff(client: &Client) {
    let payload = vec![0; 1 << 20];
    while client.publish(&SUBJECT, &payload[..]).now().is_ok() {}
    let mut left = client.statistics().out_bytes;
    loop {
        thread::sleep(Duration::from_millis(50));
        let now = client.statistics().out_bytes;
        if now == left {
            return;
        }
        left = now;
    }
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

#[test]
fn it_is_found_stale() {
    let (url, sockets) = deaf_server();
    let interval = Duration::from_millis(200);
    let (client, mut events) = options(&url)
        .ping_interval(interval)
        .reconnect(false)
        .start()
        .unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
    let began = Instant::now();
    let payload = vec![0; 1 << 20];
    while client.publish(&SUBJECT, &payload[..]).now().is_ok() {}
    let lost = until(&mut events, |event| {
        matches!(event, ConnectionEvent::Disconnected { .. })
    });
    let ConnectionEvent::Disconnected { reason, .. } = lost else {
        panic!("{lost:?}");
    };
    assert_eq!(*reason, DisconnectReason::Stale);
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    drop(sockets);
}

#[test]
fn a_close_takes_half_a_second_at_most() {
    let (url, sockets) = deaf_server();
    let client = options(&url).connect().unwrap();
    stuff(&client);
    let began = Instant::now();
    assert_eq!(client.close().wait(), ClosedReason::Requested);
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    let fates = client.publish_fates();
    assert!(
        fates.unconfirmed + fates.dropped > 0,
        "nobody can have read all: {fates:?}"
    );
    drop(sockets);
}

#[test]
fn a_drain_ends_at_its_timeout() {
    let (url, sockets) = deaf_server();
    let client = options(&url)
        .drain_timeout(Duration::from_millis(300))
        .connect()
        .unwrap();
    stuff(&client);
    let began = Instant::now();
    let reason = client.drain().wait();
    assert_eq!(
        reason,
        ClosedReason::Drained {
            complete: false,
            unread: 0
        }
    );
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    drop(sockets);
}

#[test]
fn a_request_times_out_and_a_reconnect_leaves() {
    let (url, sockets) = deaf_server();
    let (client, mut events) = options(&url).start().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Connected(_))
    });
    // Some room is left in the send buffer.
    let payload = vec![0; 1 << 20];
    for _ in 0..(SEND_BUFFER >> 20) - 2 {
        client.publish(&SUBJECT, &payload[..]).wait().unwrap();
    }
    let began = Instant::now();
    let timeout = Duration::from_millis(100);
    let late = client.request(&SUBJECT, "?").timeout(timeout).wait();
    assert!(matches!(late, Err(RequestError::TimedOut { .. })), "{late:?}");
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    client.force_reconnect().unwrap();
    until(&mut events, |event| {
        matches!(event, ConnectionEvent::Reconnected(_))
    });
    assert_eq!(sockets.iter().take(2).count(), 2);
}

#[test]
fn publishers_that_write_themselves_hold_up_neither_a_request_nor_a_close() {
    let (url, sockets) = deaf_server();
    let client = options(&url).connect().unwrap();
    let publish = |client: Client| move || while client.publish(&SUBJECT, [0; 1000]).wait().is_ok() {};
    let publishers: Vec<_> = (0..3).map(|_| thread::spawn(publish(client.clone()))).collect();
    // Long enough that nothing leaves any more, and too short to fill the buffer where the machine is slow: either way
    // they are at it.
    thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    let late = client
        .request(&SUBJECT, "?")
        .timeout(Duration::from_millis(100))
        .wait();
    assert!(matches!(late, Err(RequestError::TimedOut { .. })), "{late:?}");
    assert_eq!(client.close().wait(), ClosedReason::Requested);
    assert!(
        began.elapsed() < Duration::from_millis(2000),
        "{:?}",
        began.elapsed()
    );
    for publisher in publishers {
        publisher.join().unwrap();
    }
    drop(sockets);
}
