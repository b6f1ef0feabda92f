//! What a home owes its connection: streams of one's own, local addresses, and a visible end.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_io::Async;
use async_std::future::timeout;
use async_std::task::{block_on, spawn_blocking};
use nats_conn_async_std::{AsyncStd, ClientEvent, ClosedReason, ConnectOptions, Event, Stream, Subject};
use nats_conn_tests::tcp_server::TcpCluster;

const SUBJECT: Subject = Subject::from_static("home.tick");
const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_stream_of_ones_own_is_used_at_every_attempt() {
    let cluster = TcpCluster::start(1).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let home = AsyncStd::with_connector(move |target| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let address = ([127, 0, 0, 1], target.server.port());
            Ok(Stream::new(Async::<TcpStream>::connect(address).await?))
        }
    });
    let options = ConnectOptions::from_url(&cluster.urls()).unwrap().adapter(home);
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
fn a_port_where_nobody_listens_is_told_as_such() {
    let failed = block_on(nats_conn_async_std::connect("nats://127.0.0.1:1,127.0.0.1:2"));
    let line = failed.unwrap_err().to_string();
    assert!(
        line.contains("127.0.0.1:1") && line.contains("127.0.0.1:2"),
        "{line}"
    );
    assert!(line.contains("refused") && !line.contains('\n'), "{line}");
}

#[test]
fn a_panicking_driver_closes_visibly() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .server_selector(|_| panic!("on purpose"));
    let (client, mut events) = options.start().unwrap();
    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    block_on(async {
        let mut told = Vec::new();
        while let Some(event) = timeout(SOON, events.next()).await.unwrap() {
            told.push(event);
        }
        let end = [
            ClientEvent::DriverFailed { panicked: true },
            Event::Closed {
                reason: ClosedReason::Requested,
            }
            .into(),
        ];
        assert!(told.ends_with(&end), "{told:?}");
        assert_eq!(subscription.next().await, None);
        assert!(client.publish(&SUBJECT, "x").await.is_err());
        assert_eq!(client.closed().await, ClosedReason::Requested);
    });
}
