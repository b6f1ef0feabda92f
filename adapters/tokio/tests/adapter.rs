//! What an adapter owes its connection: custom streams, local addresses, a visible end, and room for a burst.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nats_conn_tests::tcp_server::TcpCluster;
use nats_conn_tokio::{
    ClientEvent, ConnectError, ConnectOptions, ConnectionEvent, EndReason, StartError, Stream, Subject,
    Subscription, Tokio, dial_all,
};
use tokio::time::timeout;

const SUBJECT: Subject = Subject::from_static("adapter.tick");
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_custom_stream_is_used_at_every_attempt() {
    let cluster = TcpCluster::start(1).unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let adapter = Tokio::with_connector(move |target| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let stream = tokio::net::TcpStream::connect((target.server.host(), target.server.port())).await?;
            let (near, mut far) = tokio::io::duplex(1000);
            tokio::spawn(async move {
                let mut stream = stream;
                let _ = tokio::io::copy_bidirectional(&mut far, &mut stream).await;
            });
            Ok(Stream::new(near))
        }
    });
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .adapter(adapter);
    let client = options.connect().await.unwrap();
    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    let payload = vec![b'x'; 100_000];
    client.publish(&SUBJECT, &payload[..]).await.unwrap();
    assert_eq!(subscription.next().await.unwrap().payload(), payload);
    client.force_reconnect().unwrap();
    client.publish(&SUBJECT, "again").await.unwrap();
    assert_eq!(
        timeout(SOON, subscription.next())
            .await
            .unwrap()
            .unwrap()
            .payload(),
        b"again"
    );
    assert_eq!(made.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_connector_may_dial_as_the_adapter_does() {
    let cluster = TcpCluster::start(1).unwrap();
    let (refuses, answers) = ("127.0.0.1:1".parse().unwrap(), cluster.server(0).address());
    let connector = Tokio::with_connector(|target| async move {
        let dialled = dial_all(&target, tokio::net::TcpStream::connect, tokio::time::sleep).await;
        dialled.map(Stream::new).map_err(std::io::Error::other)
    });
    let options = ConnectOptions::from_url("nats://several.test").unwrap();
    let options = options.resolver(move |_, _| async move { Ok(vec![refuses, answers]) });
    let client = options.adapter(connector).connect().await.unwrap();
    client.flush().await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn a_local_address_is_dialled_from() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    let options = ConnectOptions::from_url(&url)
        .unwrap()
        .local_address("127.0.0.2:0".parse().unwrap());
    let (_client, _events) = options.start().unwrap();
    let accepted = tokio::task::spawn_blocking(move || listener.accept().unwrap().1);
    assert_eq!(
        timeout(SOON, accepted).await.unwrap().unwrap().ip().to_string(),
        "127.0.0.2"
    );
}

#[test]
fn without_a_runtime_there_is_an_error() {
    let options = ConnectOptions::from_url("nats://127.0.0.1:1").unwrap();
    assert!(matches!(options.start(), Err(StartError::NoDriver { .. })));
}

#[tokio::test]
async fn a_url_list_falls_through_to_the_server_that_answers() {
    let cluster = TcpCluster::start(1).unwrap();
    let urls = format!("nats://127.0.0.1:1,{}", cluster.urls());
    let client = ConnectOptions::from_url(&urls)
        .unwrap()
        .randomize(false)
        .connect()
        .await
        .unwrap();
    assert!(client.servers()[0].failures == 1);
    let failed: Result<_, ConnectError> = nats_conn_tokio::connect("nats://127.0.0.1:1,127.0.0.1:2").await;
    let line = failed.unwrap_err().to_string();
    assert!(
        line.contains("127.0.0.1:1") && line.contains("127.0.0.1:2") && !line.contains('\n'),
        "{line}"
    );
}

/// A server that sends so many messages of 128 bytes as fast as it can, as soon as there is a subscription.
fn blasting_server(messages: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
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

async fn count(mut subscription: Subscription, messages: usize) {
    for _ in 0..messages {
        timeout(SOON, subscription.next()).await.unwrap().unwrap();
    }
    assert_eq!(subscription.dropped(), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_blast_reaches_a_subscriber_on_the_same_thread_without_loss() {
    let client = nats_conn_tokio::connect(&blasting_server(200_000)).await.unwrap();
    count(client.subscribe(&SUBJECT).unwrap(), 200_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blast_reaches_a_subscriber_on_another_thread_without_loss() {
    let client = nats_conn_tokio::connect(&blasting_server(200_000)).await.unwrap();
    count(client.subscribe(&SUBJECT).unwrap(), 200_000).await;
}

#[tokio::test(flavor = "current_thread")]
async fn a_subscriber_that_takes_nothing_loses_its_own_messages_and_not_the_connection() {
    let client = nats_conn_tokio::connect(&blasting_server(200_000)).await.unwrap();
    let idle = client.subscribe(&SUBJECT).unwrap();
    let settled = async {
        while idle.pending() as u64 + idle.dropped() < 200_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, settled).await.unwrap();
    assert_eq!((idle.pending(), idle.dropped()), (65_536, 200_000 - 65_536));
}

#[test]
fn a_runtime_that_goes_away_closes_visibly() {
    let cluster = TcpCluster::start(1).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (client, mut events) = runtime.block_on(async {
        let (client, mut events) = ConnectOptions::from_url(&cluster.urls())
            .unwrap()
            .start()
            .unwrap();
        while !matches!(
            events.next().await,
            Some(ClientEvent::Connection(ConnectionEvent::Connected(_)))
        ) {}
        (client, events)
    });
    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    drop(runtime);
    let reported: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
    assert!(
        reported.contains(&ClientEvent::DriverFailed { panicked: false }),
        "{reported:?}"
    );
    assert!(reported.last().unwrap().is_closed());
    assert_eq!(subscription.try_next(), None);
    assert_eq!(subscription.ended(), Some(EndReason::Closed));
    assert!(client.publish(&SUBJECT, "x").now().is_err());
}
