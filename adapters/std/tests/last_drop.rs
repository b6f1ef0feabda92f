//! The last handle that is dropped hands over what is queued.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::pin::pin;
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{Client, ConnectOptions, ConnectionEvent, State, Subject, SubjectFilter, blocking};
use nats_conn_tests::tcp_server::TcpCluster;

static SUBJECT: Subject = Subject::from_static("last.drop");
const SOON: Duration = Duration::from_secs(20);
/// How long something takes that waits for nothing, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Where the server of a process is that publishes, drops its client and ends.
const SERVER: &str = "NATS_CONN_LAST_DROP";
const ROUNDS: usize = 20;
const MESSAGES: usize = 100;

fn connected(cluster: &TcpCluster) -> Client {
    nats_conn_std::connect(&cluster.urls()).unwrap()
}

fn there_will_be(cluster: &TcpCluster, messages: usize) {
    let deadline = Instant::now() + SOON;
    let arrived = || -> usize { cluster.logs().iter().map(|log| log.publishes().count()).sum() };
    while arrived() < messages {
        assert!(Instant::now() < deadline, "{} of {messages}", arrived());
        thread::sleep(Duration::from_millis(1));
    }
}

fn took(call: impl FnOnce()) -> Duration {
    let began = Instant::now();
    call();
    began.elapsed()
}

/// What a program does that publishes and returns from `main`.
fn publish_and_leave(url: &str) -> ! {
    let client = nats_conn_std::connect(url).unwrap();
    for _ in 0..MESSAGES {
        client.publish(&SUBJECT, "x").wait().unwrap();
    }
    drop(client);
    std::process::exit(0)
}

#[test]
fn a_program_that_publishes_and_ends_loses_nothing() {
    if let Ok(url) = std::env::var(SERVER) {
        publish_and_leave(&url);
    }
    let cluster = TcpCluster::start(1).unwrap();
    for _ in 0..ROUNDS {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--exact", "a_program_that_publishes_and_ends_loses_nothing"]);
        assert!(program.env(SERVER, cluster.urls()).status().unwrap().success());
    }
    there_will_be(&cluster, ROUNDS * MESSAGES);
    assert_eq!(cluster.violations(), []);
}

#[test]
fn it_is_whichever_handle_is_dropped_last() {
    let cluster = TcpCluster::start(1).unwrap();
    type MakeHandle = fn(&Client) -> Box<dyn Send>;
    let handles: [MakeHandle; 4] = [
        |client| Box::new(client.clone()),
        |client| Box::new(client.subscribe(SubjectFilter::from_static("last.>")).unwrap()),
        |client| {
            let _nobody = client.subscribe(SubjectFilter::from_static("nobody")).unwrap();
            let silent = Subject::from_static("nobody");
            Box::new(client.request(&silent, "?").timeout(SOON).now().unwrap())
        },
        |client| {
            let silent = Subject::from_static("nobody");
            let many = nats_conn_std::RequestMany::new(SOON);
            Box::new(client.request(&silent, "?").many(many).now().unwrap())
        },
    ];
    for handle in handles {
        let client = connected(&cluster);
        let (kept, closed) = (handle(&client), client.closed());
        assert!(took(|| drop(client)) < AT_ONCE);
        assert_eq!(closed.wait_timeout(Duration::ZERO), None, "it is kept open");
        drop(kept);
        assert!(
            closed.wait_timeout(Duration::ZERO).is_some(),
            "closed when the drop returns"
        );
    }
}

#[test]
fn a_drain_that_nobody_waits_for_is_waited_for_by_the_last_drop() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    client.publish(&SUBJECT, "x").wait().unwrap();
    let closing = client.drain();
    drop(client);
    assert!(closing.wait_timeout(Duration::ZERO).is_some());
    there_will_be(&cluster, 1);
}

#[test]
fn a_thread_that_keeps_a_client_for_itself_hands_over_at_its_end() {
    thread_local! {
        static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
    }
    let cluster = TcpCluster::start(1).unwrap();
    let client = connected(&cluster);
    let closed = client.closed();
    let keeping = thread::spawn(move || {
        client.publish(&SUBJECT, "x").wait().unwrap();
        CLIENT.set(Some(client));
    });
    keeping.join().unwrap();
    assert!(closed.wait_timeout(SOON).is_some());
    there_will_be(&cluster, 1);
}

#[test]
fn a_wait_for_something_else_on_the_same_thread_continues() {
    let cluster = TcpCluster::start(1).unwrap();
    let (first, second) = (connected(&cluster), connected(&cluster));
    let waited = blocking::wait(
        Some(Instant::now() + SOON),
        pin!(async {
            let mut flush = pin!(second.inner().flush());
            let begun = poll_fn(|cx| Poll::Ready(flush.as_mut().poll(cx).is_pending())).await;
            // Its answer comes meanwhile.
            drop(first);
            thread::sleep(Duration::from_millis(50));
            (begun, flush.await)
        }),
    );
    assert_eq!(waited.map(|(_, flushed)| flushed), Some(Ok(())));
}

/// A server that does the handshake, reads no more, and does not close.
fn deaf_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"INFO {\"max_payload\":1048576}\r\n").unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while line != "PING\r\n" {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        stream.write_all(b"PONG\r\n").unwrap();
        thread::sleep(SOON * 10);
    });
    url
}

#[test]
fn it_waits_for_the_close_timeout_at_most() {
    let patience = Duration::from_millis(300);
    let options = ConnectOptions::from_url(&deaf_server()).unwrap();
    let client = options.close_timeout(patience).connect().unwrap();
    let payload = vec![b'x'; 1 << 20];
    while client
        .publish(&SUBJECT, &payload[..])
        .timeout(Duration::from_millis(100))
        .wait()
        .is_ok()
    {}
    let took = took(|| drop(client));
    assert!(took >= patience && took < patience + AT_ONCE, "{took:?}");
}

#[test]
fn without_a_link_there_is_nothing_to_wait_for() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let client = options.close_timeout(SOON).connect().unwrap();
    cluster.server(0).crash();
    let deadline = Instant::now() + SOON;
    while client.state() != State::Reconnecting {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(1));
    }
    client.publish(&SUBJECT, "x").wait().unwrap();
    assert!(took(|| drop(client)) < AT_ONCE);
}

#[test]
fn handles_for_an_executor_continue_and_are_not_waited_for() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let client = options.close_timeout(SOON).connect().unwrap();
    let clone = client.clone();
    let inner = client.into_inner();
    assert!(took(|| drop(clone)) < AT_ONCE);
    assert_eq!(inner.state(), State::Connected);
}

#[test]
fn a_thread_of_the_connection_does_not_wait_for_itself() {
    let cluster = TcpCluster::start(1).unwrap();
    let kept = Arc::new(Mutex::new(None::<Client>));
    let (tell, reported) = channel();
    let take = kept.clone();
    // It is called on the thread that writes, at every attempt.
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .close_timeout(SOON)
        .server_selector(move |choice| {
            if let Some(client) = take.lock().unwrap().take() {
                tell.send(took(|| drop(client))).unwrap();
            }
            (choice.default, Duration::ZERO)
        });
    let (client, mut events) = options.start().unwrap();
    events.find(|event| {
        matches!(
            event,
            nats_conn_std::ClientEvent::Connection(ConnectionEvent::Connected(_))
        )
    });
    *kept.lock().unwrap() = Some(client);
    cluster.server(0).crash();
    let took = reported.recv_timeout(SOON).unwrap();
    assert!(took < AT_ONCE, "{took:?}");
    assert!(events.last().unwrap().is_closed());
}
