//! Threads: how many there are while a connection is up, and that none is left.
#![cfg(target_os = "linux")]

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nats_conn_std::{ConnectError, ConnectOptions, Std, Stream, SubjectFilter};
use nats_conn_tests::tcp_server::TcpCluster;

const SOON: Duration = Duration::from_secs(10);

/// Threads are those of the whole process: one test at a time counts them.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The names of all threads of connections in this process.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let mut ours: Vec<_> = names
        .map(|name| name.trim().to_owned())
        .filter(|name| name.starts_with("nats-conn"))
        .collect();
    ours.sort();
    ours
}

fn there_will_be(expected: &[&str]) {
    let deadline = Instant::now() + SOON;
    while threads() != expected {
        assert!(Instant::now() < deadline, "{:?}, not {expected:?}", threads());
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn there_are_two_while_a_connection_is_up_and_none_when_it_is_closed() {
    let _alone = alone();
    let cluster = TcpCluster::start(2).unwrap();
    let client = nats_conn_std::connect(&cluster.urls()).unwrap();
    there_will_be(&["nats-conn read", "nats-conn write"]);
    client.flush().wait().unwrap();
    client.force_reconnect().unwrap();
    let mut events = client.events();
    while client.flush().wait().is_err() {
        events.next_timeout(SOON).unwrap();
    }
    there_will_be(&["nats-conn read", "nats-conn write"]);
    client.close().wait();
    there_will_be(&[]);
}

#[test]
fn there_are_none_when_the_last_handle_was_dropped() {
    let _alone = alone();
    let cluster = TcpCluster::start(1).unwrap();
    let client = nats_conn_std::connect(&cluster.urls()).unwrap();
    let subscription = client.subscribe(SubjectFilter::from_static("threads.>")).unwrap();
    drop(client);
    there_will_be(&["nats-conn read", "nats-conn write"]);
    drop(subscription);
    there_will_be(&[]);
}

#[test]
fn there_is_one_while_the_link_is_down() {
    let _alone = alone();
    let cluster = TcpCluster::start(1).unwrap();
    let client = nats_conn_std::connect(&cluster.urls()).unwrap();
    let mut events = client.events();
    cluster.server(0).crash();
    events.find(|event| format!("{event:?}").contains("BackoffWait"));
    there_will_be(&["nats-conn write"]);
    drop(client);
    there_will_be(&[]);
}

#[test]
fn a_dial_that_hangs_ends_with_its_attempt() {
    let _alone = alone();
    let (listener, _full) = blackhole();
    let url = listener.local_addr().unwrap().to_string();
    let options = ConnectOptions::from_url(&url)
        .unwrap()
        .connect_timeout(Duration::from_millis(300));
    let began = Instant::now();
    let failure = options.connect().unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let ConnectError::Unreachable { failures } = failure else {
        panic!("{failure:?}");
    };
    assert_eq!(failures[0].phase.code(), "dial");
    there_will_be(&[]);
}

/// A listener whose queue is full: who dials it hears nothing.
fn blackhole() -> (TcpListener, Vec<socket2::Socket>) {
    use socket2::{Domain, Socket, Type};

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let anywhere: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&anywhere.into()).unwrap();
    socket.listen(0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap().into();
    let mut queued = Vec::new();
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if socket
            .connect_timeout(&address, Duration::from_millis(200))
            .is_err()
        {
            return (listener, queued);
        }
        queued.push(socket);
        assert!(queued.len() < 100, "the queue does not fill");
    }
}

#[test]
fn a_connector_that_hangs_is_left_to_itself() {
    let _alone = alone();
    let cluster = TcpCluster::start(1).unwrap();
    let address = cluster.server(0).address();
    let (release, hanging) = channel::<()>();
    let hanging = Mutex::new(Some(hanging));
    let adapter = Std::with_connector(move |_| {
        // The first attempt hangs until it is released, and connects only then.
        let first = hanging.lock().unwrap().take();
        if let Some(hanging) = first {
            let _ = hanging.recv();
        }
        Ok(Stream::new(std::net::TcpStream::connect(address)?))
    });
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .adapter(adapter)
        .retry_initial(true)
        .connect_timeout(Duration::from_millis(100));
    let (client, mut events) = options.start().unwrap();
    let second = events.find(|event| format!("{event:?}").starts_with("Connection(Connected"));
    assert!(second.is_some(), "an attempt after the one that hangs succeeds");
    there_will_be(&["nats-conn help", "nats-conn read", "nats-conn write"]);
    drop(release);
    there_will_be(&["nats-conn read", "nats-conn write"]);
    client.flush().wait().unwrap();
    let deadline = Instant::now() + SOON;
    while cluster.logs().len() < 2 || cluster.server(0).connections() > 1 {
        assert!(Instant::now() < deadline, "the late one is dropped");
        std::thread::sleep(Duration::from_millis(1));
    }
    client.close().wait();
    there_will_be(&[]);
}

#[test]
fn credentials_that_never_come_fail_the_attempt_and_leave_nothing() {
    let _alone = alone();
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .connect_timeout(Duration::from_millis(100))
        .credentials_callback(|_| std::future::pending());
    let ConnectError::Unreachable { failures } = options.connect().unwrap_err() else {
        panic!("it cannot work");
    };
    assert_eq!(failures[0].phase.code(), "auth");
    there_will_be(&[]);
}
