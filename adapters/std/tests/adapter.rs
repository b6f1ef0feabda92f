//! What an adapter owes its connection: custom streams, local addresses, a visible end, and room for a burst.

mod pipe;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{
    ClientEvent, ClosedReason, ConnectOptions, ConnectionEvent, Std, Stream, Subject, Subscription,
};
use nats_conn_tests::tcp_server::TcpCluster;

static SUBJECT: Subject = Subject::from_static("adapter.tick");
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_custom_stream_is_used_at_every_attempt() {
    let cluster = TcpCluster::start(1).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let adapter = Std::with_connector(move |target| {
        counter.fetch_add(1, Ordering::Relaxed);
        let stream = TcpStream::connect((target.server.host(), target.server.port()))?;
        Ok(Stream::new(pipe::in_front_of(stream)))
    });
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .adapter(adapter);
    let client = options.connect().unwrap();
    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    let payload = vec![b'x'; 100_000];
    client.publish(&SUBJECT, &payload[..]).wait().unwrap();
    assert_eq!(subscription.next_timeout(SOON).unwrap().payload(), payload);
    client.force_reconnect().unwrap();
    client.publish(&SUBJECT, "again").wait().unwrap();
    assert_eq!(subscription.next_timeout(SOON).unwrap().payload(), b"again");
    assert_eq!(made.load(Ordering::Relaxed), 2);
    assert_eq!(client.close().wait(), ClosedReason::Requested);
    assert_eq!(cluster.violations(), []);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_a_stream() {
    use std::os::unix::net::UnixStream;

    let adapter = Std::with_connector(|_| {
        let (near, mut far) = UnixStream::pair()?;
        thread::spawn(move || {
            far.write_all(b"INFO {\"max_payload\":1048576}\r\n").unwrap();
            let mut sent = Vec::new();
            while !sent.ends_with(b"PING\r\n") {
                let mut buffer = [0; 1024];
                let read = far.read(&mut buffer).unwrap();
                sent.extend_from_slice(&buffer[..read]);
            }
            far.write_all(b"PONG\r\n").unwrap();
            let _ = far.read_to_end(&mut sent);
        });
        Ok(Stream::new(near))
    });
    let options = ConnectOptions::from_url("nats://anywhere")
        .unwrap()
        .adapter(adapter);
    assert_eq!(options.connect().unwrap().close().wait(), ClosedReason::Requested);
}

#[test]
fn a_local_address_is_dialled_from() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    let options = ConnectOptions::from_url(&url)
        .unwrap()
        .local_address("127.0.0.2:0".parse().unwrap());
    let (_client, _events) = options.start().unwrap();
    let (_stream, from) = listener.accept().unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.2");
}

/// The waker of an executor that is broken.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("on purpose")
    }
}

#[test]
fn a_panicking_driver_closes_visibly() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap();
    let (client, mut events) = options.start().unwrap();
    while !matches!(
        events.next(),
        Some(ClientEvent::Connection(ConnectionEvent::Connected(_)))
    ) {}
    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    let mut others = client.inner().events();
    let broken = Waker::from(Arc::new(Broken));
    assert!(others.poll_event(&mut Context::from_waker(&broken)).is_pending());
    client.force_reconnect().unwrap();
    let reported: Vec<_> = events.by_ref().collect();
    let reason = ClosedReason::DriverFailed;
    let end = [
        ClientEvent::DriverFailed { panicked: true },
        ConnectionEvent::Closed { reason }.into(),
    ];
    assert!(reported.ends_with(&end), "{reported:?}");
    assert_eq!(subscription.next(), None);
    assert!(client.publish(&SUBJECT, "x").wait().is_err());
    assert!(client.flush().wait().is_err());
    assert_eq!(client.close().wait(), ClosedReason::DriverFailed);
}

#[test]
fn a_url_list_falls_through_to_the_server_that_answers() {
    let cluster = TcpCluster::start(1).unwrap();
    let urls = format!("nats://127.0.0.1:1,{}", cluster.urls());
    let options = ConnectOptions::from_url(&urls).unwrap().randomize(false);
    let client = options.connect().unwrap();
    assert_eq!(client.servers()[0].failures, 1);
    let line = nats_conn_std::connect("nats://127.0.0.1:1,127.0.0.1:2")
        .unwrap_err()
        .to_string();
    assert!(
        line.contains("127.0.0.1:1") && line.contains("127.0.0.1:2") && !line.contains('\n'),
        "{line}"
    );
}

/// A server that sends so many messages of 128 bytes as fast as it can, as soon as there is a subscription.
fn blasting_server(messages: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"INFO {\"max_payload\":1048576}\r\n").unwrap();
        let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
        let sent = |seen: &[u8], word: &[u8]| seen.windows(word.len()).any(|window| window == word);
        let mut greeted = false;
        while !sent(&seen, b"SUB adapter.tick 1\r\n") {
            let count = stream.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..count]);
            if !greeted && sent(&seen, b"PING\r\n") {
                stream.write_all(b"PONG\r\n").unwrap();
                greeted = true;
            }
        }
        let mut hundred = Vec::new();
        for _ in 0..100 {
            write!(hundred, "MSG adapter.tick 1 128\r\n{:128}\r\n", "").unwrap();
        }
        for _ in 0..messages / 100 {
            stream.write_all(&hundred).unwrap();
        }
        let _ = stream.read(&mut buffer);
    });
    url
}

fn count(mut subscription: Subscription, messages: usize) {
    for _ in 0..messages {
        subscription.next_timeout(SOON).unwrap();
    }
    assert_eq!(subscription.dropped(), 0);
}

#[test]
fn a_blast_reaches_a_subscriber_without_loss() {
    let client = nats_conn_std::connect(&blasting_server(200_000)).unwrap();
    count(client.subscribe(&SUBJECT).unwrap(), 200_000);
}

#[test]
fn a_subscriber_that_takes_nothing_loses_its_own_messages_and_not_the_connection() {
    let client = nats_conn_std::connect(&blasting_server(200_000)).unwrap();
    let mut events = client.events();
    let idle = client.subscribe(&SUBJECT).unwrap();
    let slow = events.find(|event| matches!(event, ClientEvent::SlowConsumer { .. }));
    assert!(slow.is_some());
    let deadline = Instant::now() + SOON;
    while idle.pending() as u64 + idle.dropped() < 200_000 {
        assert!(
            Instant::now() < deadline,
            "{} and {}",
            idle.pending(),
            idle.dropped()
        );
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((idle.pending(), idle.dropped()), (65_536, 200_000 - 65_536));
}

#[test]
fn threads_of_the_application_share_a_client() {
    let cluster = TcpCluster::start(1).unwrap();
    let client = nats_conn_std::connect(&cluster.urls()).unwrap();
    let requests = client.subscribe(&SUBJECT).unwrap();
    let service = client.clone();
    let serving = thread::spawn(move || {
        for request in requests {
            service.respond(&request, request.payload()).wait().unwrap();
        }
    });
    let (done, all_done) = channel();
    for asker in 0..8 {
        let (client, done) = (client.clone(), done.clone());
        thread::spawn(move || {
            for number in 0..100 {
                let question = format!("{asker} {number}");
                let reply = client.request(&SUBJECT, question.as_str()).wait().unwrap();
                assert_eq!(reply.payload(), question.as_bytes());
            }
            done.send(()).unwrap();
        });
    }
    drop(done);
    assert_eq!(all_done.iter().count(), 8);
    client.close().wait();
    serving.join().unwrap();
    assert_eq!(cluster.violations(), []);
}
