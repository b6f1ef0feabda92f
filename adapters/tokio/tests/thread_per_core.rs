//! A runtime with a thread per core: streams, dials and timers stay on their thread, and a driver carries the connection
//! there. This is the whole of such a driver, for a runtime whose streams are polled.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_client::driver::{DriverParts, Prepared, Shared, Target, dial_all, io_error};
use nats_conn_client::machine::{Action, LinkEnd, LinkId, ReceiveBuf, SendBuf};
use nats_conn_client::{ClientEvent, ClosedReason, ConnectOptions, ConnectionEvent, Subject};
use nats_conn_tests::tcp_server::TcpCluster;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Sleep, sleep, sleep_until};

/// What belongs to one core, and is counted without atomics.
#[derive(Default)]
struct Core {
    dials: Cell<usize>,
    streams: Cell<usize>,
}

/// A stream of this core: it cannot be sent to another.
struct LocalStream {
    tcp: TcpStream,
    core: Rc<Core>,
}

impl LocalStream {
    async fn connect(address: SocketAddr, core: Rc<Core>) -> io::Result<Self> {
        core.dials.set(core.dials.get() + 1);
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        core.streams.set(core.streams.get() + 1);
        Ok(Self { tcp, core })
    }
}

impl Drop for LocalStream {
    fn drop(&mut self) {
        self.core.streams.set(self.core.streams.get() - 1);
    }
}

/// A timer of this core.
struct LocalSleep(
    Pin<Box<Sleep>>,
    #[expect(dead_code, reason = "it keeps the timer here")] Rc<Core>,
);

impl Future for LocalSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

type Dialling = Pin<Box<dyn Future<Output = Result<LocalStream, LinkEnd>>>>;

enum Link {
    Down,
    Dialling(LinkId, Dialling),
    Up(LinkId, LocalStream),
}

/// Calls `finish` however the driver ends.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.finish(std::thread::panicking());
    }
}

struct Driver {
    parts: DriverParts,
    core: Rc<Core>,
    link: Link,
    rx: ReceiveBuf,
    tx: SendBuf,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Driver {
    /// Carries the connection until it is closed.
    async fn run(parts: DriverParts, core: Rc<Core>) {
        let _guard = Guard(parts.shared.clone());
        let nowhere = LinkId::from_u64(0);
        let mut driver = Self {
            parts,
            core,
            link: Link::Down,
            rx: ReceiveBuf::new(nowhere),
            tx: SendBuf::new(nowhere),
            timer: None,
        };
        poll_fn(|cx| driver.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (connected, ended) = self.poll_link(cx);
            let mut busy = connected.is_some() || ended.is_some();
            let writable = matches!(self.link, Link::Up(..)) || connected.is_some();
            let (rx, tx) = (&mut self.rx, &mut self.tx);
            let ((actions, closed, deadline, more), delivered) = self.parts.shared.drive(|turn| {
                if let Some(link) = connected {
                    turn.connected(link);
                }
                let mut more = turn.events(rx, 1024);
                if let Some((link, end)) = ended {
                    turn.link_closed(link, end, tx);
                }
                more |= turn.timeouts();
                more |= turn.events(rx, 1024);
                let mut actions = Vec::new();
                while let Some(action) = turn.action() {
                    if let Action::Disconnect { link, .. } = action {
                        turn.link_closed(link, LinkEnd::Requested, tx);
                    }
                    actions.push(action);
                }
                if writable && tx.is_empty() {
                    more |= turn.transmit(tx);
                }
                turn.sleep(cx.waker());
                (actions, turn.is_closed(), turn.deadline(), more)
            });
            busy |= more || delivered.again || !actions.is_empty();
            for action in actions {
                self.act(action);
            }
            if closed {
                return Poll::Ready(());
            }
            self.timer = deadline.map(|deadline| Box::pin(sleep_until(deadline.into())));
            let due = self
                .timer
                .as_mut()
                .is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
            if !busy && !due {
                return Poll::Pending;
            }
        }
    }

    /// Dials, writes and reads. What came of it: a link that is connected, or one that has ended.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> (Option<LinkId>, Option<(LinkId, LinkEnd)>) {
        match &mut self.link {
            Link::Down => (None, None),
            Link::Dialling(id, dialling) => {
                let id = *id;
                match dialling.as_mut().poll(cx) {
                    Poll::Pending => (None, None),
                    Poll::Ready(Ok(stream)) => {
                        self.link = Link::Up(id, stream);
                        (Some(id), None)
                    }
                    Poll::Ready(Err(end)) => {
                        self.link = Link::Down;
                        (None, Some((id, end)))
                    }
                }
            }
            Link::Up(id, stream) => {
                let id = *id;
                let end = match poll_stream(stream, &mut self.rx, &mut self.tx, cx) {
                    Ok(None) => return (None, None),
                    Ok(Some(0)) => LinkEnd::Eof,
                    Ok(Some(_)) => {
                        // There may be more, and only a stream that had nothing wakes us.
                        cx.waker().wake_by_ref();
                        return (None, None);
                    }
                    Err(error) => io_error(&error),
                };
                self.link = Link::Down;
                (None, Some((id, end)))
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Connect { link, server } => {
                (self.rx, self.tx) = (ReceiveBuf::new(link), SendBuf::new(link));
                let target = Target::new(server, link, self.parts.setup.clone(), self.parts.shared.clone());
                let core = self.core.clone();
                self.link = Link::Dialling(
                    link,
                    Box::pin(async move {
                        let dial = |address| LocalStream::connect(address, core.clone());
                        let pause = |pause| LocalSleep(Box::pin(sleep(pause)), core.clone());
                        dial_all(&target, dial, pause).await
                    }),
                );
            }
            Action::Disconnect { .. } => self.link = Link::Down,
            other => unreachable!("not with these options: {other:?}"),
        }
    }
}

/// Writes what there is, and reads once: so many bytes, or nothing yet.
fn poll_stream(
    stream: &mut LocalStream,
    rx: &mut ReceiveBuf,
    tx: &mut SendBuf,
    cx: &mut Context<'_>,
) -> io::Result<Option<usize>> {
    use bytes::Buf;

    while !tx.is_empty() {
        match Pin::new(&mut stream.tcp).poll_write(cx, tx.chunk())? {
            Poll::Ready(written) => tx.advance(written),
            Poll::Pending => break,
        }
    }
    let buffer = rx.buffer_mut();
    buffer.reserve(8 << 10);
    match pin!(stream.tcp.read_buf(buffer)).poll(cx)? {
        Poll::Ready(read) => Ok(Some(read)),
        Poll::Pending => Ok(None),
    }
}

#[tokio::test]
async fn streams_that_cannot_be_sent_are_dialled_and_carry_a_connection() {
    let cluster = TcpCluster::start(1).unwrap();
    let core = Rc::new(Core::default());
    let (refuses, answers) = ("127.0.0.1:1".parse().unwrap(), cluster.server(0).address());
    let options = ConnectOptions::<()>::from_url("nats://name.test")
        .unwrap()
        .resolver(move |_, _| async move { Ok(vec![refuses, answers]) });
    let Prepared { client, parts, .. } = options.prepare().unwrap();
    let local = LocalSet::new();
    let driver = local.spawn_local(Driver::run(parts, core.clone()));
    local
        .run_until(async {
            let subject = Subject::from_static("a.b");
            let mut subscription = client.subscribe(&subject).unwrap();
            client.publish(&subject, "here").await.unwrap();
            assert_eq!(subscription.next().await.unwrap().payload(), b"here");
            assert_eq!(
                (core.dials.get(), core.streams.get()),
                (2, 1),
                "the first address refuses"
            );

            // Another link, by the address that works.
            client.force_reconnect().unwrap();
            client.publish(&subject, "again").await.unwrap();
            assert_eq!(subscription.next().await.unwrap().payload(), b"again");
            assert_eq!((core.dials.get(), core.streams.get()), (3, 1));

            assert_eq!(client.close().await, ClosedReason::Requested);
            driver.await.unwrap();
            assert_eq!(core.streams.get(), 0);
        })
        .await;
    assert_eq!(cluster.violations(), []);
}

#[tokio::test]
async fn a_driver_that_is_dropped_ends_its_connection_visibly() {
    let cluster = TcpCluster::start(1).unwrap();
    let options = ConnectOptions::<()>::from_url(&cluster.urls()).unwrap();
    let Prepared {
        client,
        events,
        parts,
        ..
    } = options.prepare().unwrap();
    let local = LocalSet::new();
    local.spawn_local(Driver::run(parts, Rc::default()));
    local
        .run_until(async {
            let mut events = events;
            while !matches!(
                events.next().await,
                Some(ClientEvent::Connection(ConnectionEvent::Connected(_)))
            ) {}
        })
        .await;
    drop(local);
    let closed = tokio::time::timeout(Duration::from_secs(20), client.closed());
    assert_eq!(closed.await.unwrap(), ClosedReason::DriverFailed);
}
