//! A publisher that waits for room is woken by every change that could settle it.

use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use nats_conn_client::{Delivery, PublishError, RequestError, WhenFull};

use crate::scene::*;

static SUBJECT: Subject = Subject::from_static("wait.one");

/// A server that does the handshake and then reads nothing any more.
struct Deaf {
    address: String,
    links: Arc<Mutex<Vec<TcpStream>>>,
    /// Links are accepted, and get no handshake.
    silent: Arc<AtomicBool>,
}

impl Deaf {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let links = Arc::new(Mutex::new(Vec::new()));
        let accepted = links.clone();
        let silent = Arc::new(AtomicBool::new(false));
        let is_silent = silent.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A link that ends in the middle of the handshake is not counted.
                if is_silent.load(Ordering::SeqCst) || shake_hands(&stream).is_ok() {
                    accepted.lock().expect("no panic").push(stream);
                }
            }
        });
        Self {
            address,
            links,
            silent,
        }
    }

    /// There is no session any more once the present one ends: were there another at once, it would be up to chance
    /// whether a waiting publisher still finds none.
    fn fall_silent(&self) {
        self.silent.store(true, Ordering::SeqCst);
    }

    /// Reads the first link to its end: whether these bytes came.
    fn receives(&self, wanted: &[u8]) -> bool {
        let mut link = self.links.lock().expect("no panic").remove(0);
        let mut bytes = Vec::new();
        // What is cut off by an abort counts as far as it came.
        let _ = link.read_to_end(&mut bytes);
        bytes.windows(wanted.len()).any(|window| window == wanted)
    }

    /// All links are gone.
    fn cut(&self) {
        self.links.lock().expect("no panic").clear();
    }
}

fn shake_hands(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"INFO {\"max_payload\":1073741824}\r\n")?;
    let mut lines = BufReader::with_capacity(1, stream).lines();
    while lines.next().transpose()?.is_some_and(|line| line != "PING") {}
    stream.write_all(b"PONG\r\n")
}

/// What may settle it.
#[derive(Clone, Copy, Debug)]
enum Change {
    LinkLost,
    ForcedReconnect,
    NewPool,
    Drain,
    Close,
    TimeIsUp,
}

use Change::{Close, Drain, ForcedReconnect, LinkLost, NewPool, TimeIsUp};

/// How it is settled; not at all if it keeps waiting.
fn expected(when_full: WhenFull, change: Change) -> Option<&'static str> {
    match change {
        LinkLost | ForcedReconnect if when_full == WhenFull::Off => Some("not_connected"),
        // What is queued stays for the next link, and the wait for room continues.
        LinkLost | ForcedReconnect => None,
        // The link stays.
        NewPool => None,
        // No handler is running, so that it reaches its last stage at once.
        Drain => Some("draining"),
        Close => Some("closed"),
        TimeIsUp => Some("timed_out"),
    }
}

fn code(failure: &PublishError) -> &'static str {
    match failure {
        PublishError::NotConnected => "not_connected",
        PublishError::Closed => "closed",
        PublishError::Draining => "draining",
        PublishError::TimedOut { .. } => "timed_out",
        _ => "another",
    }
}

scenarios! {
    /// Ten buffers full: were each of them to wait for the confirmation that comes by itself, they would take 900 ms and
    /// more, whatever the machine. A busy one may be slow, so that it has several tries.
    // behaviour: 6.5
    async fn at_least_once_a_small_buffer_is_emptied_as_fast_as_the_server_confirms(adapter) {
        const MESSAGES: usize = 100;
        let cluster = Model::start(1);
        let mut times = Vec::new();
        while times.iter().all(|time| *time > Duration::from_millis(450)) {
            assert!(times.len() < 10, "{times:?}");
            let options = options(&cluster.urls()).delivery(Delivery::AtLeastOnce).send_buffer(10_000);
            let client = soon(adapter.connect(options)).await.expect("it is there");
            let mut subscription = client.subscribe(&SUBJECT).expect("open");
            soon(client.flush()).await.expect("a session");
            let begun = Instant::now();
            for _ in 0..MESSAGES {
                soon(client.publish(&SUBJECT, &[b'x'; 900][..])).await.expect("it waits for room");
            }
            for _ in 0..MESSAGES {
                message(&mut subscription).await;
            }
            times.push(begun.elapsed());
            soon(client.close()).await;
        }
    }

    // behaviour: 7.3, 11.2
    async fn a_request_that_is_still_queued_when_the_connection_closes_is_not_sent(adapter) {
        let deaf = Deaf::start();
        let (client, mut watch) = adapter.start(options(&deaf.address).close_timeout(LIMIT).send_buffer(64 << 20));
        watch.until("connected").await;
        soon(client.publish(&SUBJECT, vec![b'x'; 32 << 20])).await.expect("room");
        soon(client.publish("wait.last", "y")).await.expect("nothing is queued");
        let asking = adapter.spawn({
            let client = client.clone();
            async move { client.request("wait.ask", "?").await.map(drop) }
        });
        until(|| client.statistics().requests == 1).await;
        let closing = client.close();
        let failure = soon(asking).await.expect_err("nobody answers");
        assert_eq!(failure, RequestError::Closed { written: true });
        assert!(!elsewhere(move || deaf.receives(b"PUB wait.ask")).await);
        assert_eq!(soon(closing).await, ClosedReason::Requested);
    }

    // behaviour: 7.5
    async fn a_refused_inbox_is_not_tried_again_with_every_request(adapter, version) {
        let user = User::with_password("ann", "p").deny_subscribe(&["_INBOX.>"]);
        let server = real_server(version, ServerConfig::new().user(user));
        let (client, mut watch) = adapter.start(options(&server.client_url_with("ann:p")));
        watch.until("connected").await;
        for _ in 0..50 {
            let failure = soon(client.request(&SUBJECT, "?").into_future()).await.expect_err("it is refused");
            assert_eq!(failure, RequestError::Refused { subject: named(&SUBJECT) });
        }
        soon(client.close()).await;
        watch.until("closed").await;
        let tries = watch.count("permission_denied");
        assert!((1..=3).contains(&tries), "{tries} in a moment");
    }

    // behaviour: 6.6
    async fn a_publisher_that_waits_for_room_is_settled_by_each_change_that_settles_it_and_by_no_other(adapter) {
        for when_full in [WhenFull::Error, WhenFull::Off] {
            for change in [LinkLost, ForcedReconnect, NewPool, Drain, Close, TimeIsUp] {
                let deaf = Deaf::start();
                let options = options(&deaf.address).send_buffer(1000).when_full(when_full);
                let (client, mut watch) = adapter.start(options);
                watch.until("connected").await;
                // It is more than the sockets hold, and accepted because nothing else is held.
                soon(client.publish(&SUBJECT, vec![b'x'; 32 << 20])).await.expect("nothing is queued");
                let limit = if matches!(change, TimeIsUp) { Duration::from_millis(50) } else { LIMIT * 2 };
                // A separate task: were it polled here, the timeout of the test would poll it again in place of its waker.
                let waits = Arc::new(AtomicBool::new(false));
                let publishing = adapter.spawn({
                    let (client, waits) = (client.clone(), waits.clone());
                    async move {
                        let mut publishing = pin!(client.publish(&SUBJECT, "y").timeout(limit));
                        poll_fn(|cx| {
                            // It may let the driver run first, once.
                            for _ in 0..3 {
                                if let Poll::Ready(outcome) = publishing.as_mut().poll(cx) {
                                    return Poll::Ready(outcome);
                                }
                            }
                            waits.store(true, Ordering::SeqCst);
                            Poll::Pending
                        })
                        .await
                    }
                });
                until(|| waits.load(Ordering::SeqCst)).await;
                deaf.fall_silent();
                match change {
                    LinkLost => deaf.cut(),
                    ForcedReconnect => client.force_reconnect().expect("open"),
                    NewPool => client.set_servers(client.servers().iter().map(|server| server.server.url().clone()).collect::<Vec<_>>()).expect("open"),
                    Drain => drop(client.drain()),
                    Close => drop(client.close()),
                    TimeIsUp => {}
                }
                let cell = format!("{when_full:?}, {change:?}");
                match expected(when_full, change) {
                    Some(wanted) => {
                        let failure = soon(publishing).await.expect_err(&cell);
                        assert_eq!(code(&failure), wanted, "{cell}");
                    }
                    None => {
                        assert!(within(Duration::from_millis(50), publishing).await.is_none(), "{cell}");
                    }
                }
                drop(client.close());
                deaf.cut();
                watch.until("closed").await;
            }
        }
    }
}
