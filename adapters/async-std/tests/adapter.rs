//! What an adapter owes its connection: custom streams, local addresses, and a visible end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_io::Async;
use async_std::future::timeout;
use async_std::task::{block_on, spawn_blocking};
use nats_conn_async_std::{
    AsyncStd, ClientEvent, ClosedReason, ConnectOptions, ConnectionEvent, Stream, Subject,
};
use nats_conn_tests::tcp_server::TcpCluster;

const SUBJECT: Subject = Subject::from_static("adapter.tick");
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_custom_stream_is_used_at_every_attempt() {
    let cluster = TcpCluster::start(1).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let adapter = AsyncStd::with_connector(move |target| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let address = ([127, 0, 0, 1], target.server.port());
            Ok(Stream::new(Async::<TcpStream>::connect(address).await?))
        }
    });
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .adapter(adapter);
    block_on(async {
        let client = options.connect().await.unwrap();
        let mut subscription = client.subscribe(&SUBJECT).unwrap();
        let payload = vec![b'x'; 100_000];
        client.publish(&SUBJECT, &payload[..]).await.unwrap();
        assert_eq!(subscription.next().await.unwrap().payload(), payload);
        client.force_reconnect().unwrap();
        client.publish(&SUBJECT, "again").await.unwrap();
        let again = timeout(SOON, subscription.next()).await.unwrap();
        assert_eq!(again.unwrap().payload(), b"again");
    });
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

/// A peer over one socket: greets, waits for the end, and says whether it came in good order.
fn greet_to_the_end(mut stream: impl Read + Write) -> std::io::Result<usize> {
    stream.write_all(b"INFO {\"max_payload\":1048576}\r\n")?;
    let mut sent = Vec::new();
    while !sent.ends_with(b"PING\r\n") {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer)?;
        sent.extend_from_slice(&buffer[..read]);
    }
    stream.write_all(b"PONG\r\n")?;
    stream.read_to_end(&mut sent)
}

/// How long the quickest of some closes over such streams takes.
fn quickest_close(connect: impl Fn() -> (Stream, JoinHandle<std::io::Result<usize>>)) -> Duration {
    let closes = (0..10).map(|_| {
        let (stream, peer) = connect();
        let stream = Mutex::new(Some(stream));
        let adapter = AsyncStd::with_connector(move |_| {
            let stream = stream.lock().unwrap().take();
            async move { stream.ok_or_else(|| std::io::ErrorKind::NotConnected.into()) }
        });
        let options = ConnectOptions::from_url("nats://anywhere")
            .unwrap()
            .adapter(adapter);
        let client = block_on(options.connect()).unwrap();
        let began = Instant::now();
        block_on(client.close());
        let took = began.elapsed();
        peer.join().unwrap().unwrap();
        took
    });
    closes.min().unwrap()
}

#[test]
fn the_peer_reads_the_end_of_a_tcp_stream_of_async_std() {
    let took = quickest_close(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let kept = near.try_clone().unwrap();
        let stream = Stream::new(async_std::net::TcpStream::from(near));
        assert!(kept.nodelay().unwrap());
        (stream, thread::spawn(move || greet_to_the_end(far)))
    });
    assert!(took < Duration::from_millis(50), "{took:?}");
}

#[cfg(unix)]
#[test]
fn the_peer_reads_the_end_of_a_unix_socket_of_async_std() {
    let took = quickest_close(|| {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let stream = Stream::new(async_std::os::unix::net::UnixStream::from(near));
        (stream, thread::spawn(move || greet_to_the_end(far)))
    });
    assert!(took < Duration::from_millis(50), "{took:?}");
}

#[test]
fn a_local_address_is_dialled_from() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    let options = ConnectOptions::from_url(&url)
        .unwrap()
        .local_address("127.0.0.2:0".parse().unwrap());
    let (_client, _events) = options.start().unwrap();
    let accepted = spawn_blocking(move || listener.accept().unwrap().1);
    let address = block_on(timeout(SOON, accepted)).unwrap();
    assert_eq!(address.ip().to_string(), "127.0.0.2");
}

#[test]
fn a_port_where_nobody_listens_is_reported_as_such() {
    let failed = block_on(nats_conn_async_std::connect("nats://127.0.0.1:1,127.0.0.1:2"));
    let line = failed.unwrap_err().to_string();
    assert!(
        line.contains("127.0.0.1:1") && line.contains("127.0.0.1:2"),
        "{line}"
    );
    assert!(line.contains("refused") && !line.contains('\n'), "{line}");
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
    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    block_on(async {
        let connected =
            |event: &ClientEvent| matches!(event, ClientEvent::Connection(ConnectionEvent::Connected(_)));
        while !connected(&timeout(SOON, events.next()).await.unwrap().unwrap()) {}
        let mut others = client.events();
        let broken = Waker::from(Arc::new(Broken));
        assert!(others.poll_event(&mut Context::from_waker(&broken)).is_pending());
        client.force_reconnect().unwrap();
        let mut reported = Vec::new();
        while let Some(event) = timeout(SOON, events.next()).await.unwrap() {
            reported.push(event);
        }
        let end = [
            ClientEvent::DriverFailed { panicked: true },
            ConnectionEvent::Closed {
                reason: ClosedReason::DriverFailed,
            }
            .into(),
        ];
        assert!(reported.ends_with(&end), "{reported:?}");
        assert_eq!(subscription.next().await, None);
        assert!(client.publish(&SUBJECT, "x").await.is_err());
        assert_eq!(client.closed().await, ClosedReason::DriverFailed);
    });
}
