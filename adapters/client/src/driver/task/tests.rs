//! The driver over a scripted stream.

use std::collections::VecDeque;
use std::future::IntoFuture;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::thread;

use bytes::BytesMut;
use nats_conn_sm::{ConnectionEvent, DisconnectReason, MailboxLimits};
use nats_proto::Subject;

use super::*;
use crate::core::mail::Terms;
use crate::core::mail::tests::{mail_for, messages};
use crate::driver::blocking;
use crate::driver::target::Target;
use crate::{Client, ClientEvent, ConnectOptions, Events, StartError};

mod fairness;
mod leaving;

/// What reading brings.
enum Read {
    Bytes(&'static str),
    /// Nothing, until this has been written or could not be written.
    After(&'static str),
    /// Nothing for now: the system will wake us in a moment.
    Later,
    /// The answer to the request that was written, after whoever drives was held up for a while.
    AnswerHeldUp(Duration),
    Reset,
}

/// A stream.
struct Scripted {
    reads: VecDeque<Read>,
    /// A publish cannot be written on it.
    fails: bool,
    written: Vec<u8>,
    reader: Option<Waker>,
    writing: Arc<Writing>,
}

/// What tests see and do of writing.
#[derive(Default)]
struct Writing {
    /// How often something was written.
    times: AtomicUsize,
    /// Nothing can be written at present.
    stuck: AtomicBool,
}

impl Writing {
    fn times(&self) -> usize {
        self.times.load(Ordering::SeqCst)
    }
}

impl Io for Scripted {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self.reads.pop_front() {
            Some(Read::Bytes(text)) => {
                buffer.extend_from_slice(text.as_bytes());
                Poll::Ready(Ok(text.len()))
            }
            Some(Read::After(word)) if contains(&self.written, word) => self.poll_read(cx, buffer),
            Some(Read::Later) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Read::AnswerHeldUp(time)) => {
                thread::sleep(time);
                let text = String::from_utf8_lossy(&self.written);
                let reply = text.split("PUB a ").nth(1).unwrap().split(' ').next().unwrap();
                let answer = format!("MSG {reply} 1 2\r\nhi\r\n");
                buffer.extend_from_slice(answer.as_bytes());
                Poll::Ready(Ok(answer.len()))
            }
            Some(Read::Reset) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            waiting => {
                self.reads.extend(waiting);
                self.reads.rotate_right(usize::from(!self.reads.is_empty()));
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_write(&mut self, _: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.writing.stuck.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        self.writing.times.fetch_add(1, Ordering::SeqCst);
        let before = self.written.len();
        for piece in pieces {
            self.written.extend_from_slice(piece);
        }
        self.reader.take().into_iter().for_each(Waker::wake);
        if self.fails && contains(&self.written, "PUB ") {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(self.written.len() - before))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_half_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn contains(written: &[u8], word: &str) -> bool {
    written
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}

/// A runtime of one thread, with one stream.
struct OneThread(Mutex<Option<Scripted>>);

impl Runtime for OneThread {
    type Io = Scripted;
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn spawn(&self, driver: impl Future<Output = ()> + Send + 'static) -> Result<(), StartError> {
        thread::spawn(move || blocking::wait(None, pin!(driver)));
        Ok(())
    }

    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        Box::pin(std::future::poll_fn(move |cx| {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            thread::spawn(move || {
                thread::sleep(left);
                waker.wake();
            });
            Poll::Pending
        }))
    }

    fn dial(&self, _: Target) -> impl Future<Output = Result<Scripted, LinkEnd>> + Send + 'static {
        let stream = self.0.lock().unwrap().take();
        async move { stream.ok_or(LinkEnd::Eof) }
    }

    fn upgrade(
        &self,
        io: Scripted,
        _: Target,
    ) -> impl Future<Output = Result<Scripted, LinkEnd>> + Send + 'static {
        std::future::ready(Ok(io))
    }
}

/// A connection over a stream whose reading brings this after the handshake and the first publish.
fn connection(fails: bool, reads: impl IntoIterator<Item = Read>) -> (Client, Events) {
    options(fails, reads).start().unwrap()
}

fn options(fails: bool, reads: impl IntoIterator<Item = Read>) -> ConnectOptions<OneThread> {
    let handshake = [
        Read::Bytes("INFO {\"max_payload\":100000}\r\n"),
        Read::After("PING\r\n"),
        Read::Bytes("PONG\r\n"),
        Read::After("PUB "),
    ];
    let stream = Scripted {
        reads: handshake.into_iter().chain(reads).collect(),
        fails,
        written: Vec::new(),
        reader: None,
        writing: Arc::default(),
    };
    let servers = vec!["nats://localhost".parse().unwrap()];
    ConnectOptions::with_adapter(servers, OneThread(Mutex::new(Some(stream))))
}

/// Notes that it was called.
#[derive(Default)]
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Called {
    /// Whether it was since this was asked last.
    fn again(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}

/// Polls a driver until it sleeps: until it is pending and has called nobody. What it calls when it is to wake.
fn run_until_asleep(driver: &mut Driver<OneThread>) -> Arc<Called> {
    let called = Arc::<Called>::default();
    let waker = called.clone().into();
    let mut awake = true;
    while awake {
        let done = Pin::new(&mut *driver).poll(&mut Context::from_waker(&waker));
        awake = done.is_pending() && called.again();
    }
    called
}

/// A driver that sleeps in a session, its client, and what is known of writing.
fn asleep_in_a_session() -> (Driver<OneThread>, Arc<Called>, Client, Arc<Writing>) {
    let prepared = options(false, []).prepare().unwrap();
    let adapter = prepared.adapter;
    let stream = adapter
        .0
        .lock()
        .unwrap()
        .as_ref()
        .map(|stream| stream.writing.clone());
    let mut driver = Driver::new(prepared.parts, Arc::new(adapter));
    let called = run_until_asleep(&mut driver);
    (driver, called, prepared.client, stream.unwrap())
}

/// Publishes something on a stream that fails then, and says why the link ended.
fn end_of_link(reads: impl IntoIterator<Item = Read>) -> DisconnectReason {
    let (client, mut events) = connection(true, reads);
    let subject = Subject::from_static("a");
    let mut next = || blocking::wait(None, pin!(events.next())).flatten().unwrap();
    loop {
        match next() {
            ClientEvent::Connection(ConnectionEvent::Connected(_)) => {
                client.publish(&subject, "x").now().unwrap();
            }
            ClientEvent::Connection(ConnectionEvent::Disconnected { reason, .. }) => return *reason,
            _ => {}
        }
    }
}

#[test]
fn what_the_server_said_before_writing_failed_is_read_when_the_system_tells_it() {
    let said = "-ERR 'User Authentication Expired'\r\n";
    for later in 0..3 {
        let pauses = (0..later).map(|_| Read::Later);
        let reason = end_of_link(pauses.chain([Read::Bytes(said), Read::Reset]));
        assert_eq!(reason.code(), "server_error", "after {later} pauses: {reason}");
    }
}

#[test]
fn the_failure_to_write_is_the_reason_where_nothing_was_said() {
    for reads in [vec![Read::Reset], vec![Read::Later, Read::Reset], vec![]] {
        let reason = end_of_link(reads);
        assert!(
            matches!(&reason, DisconnectReason::Io(end) if end.code() == "broken_pipe"),
            "{reason:?}"
        );
    }
}

#[test]
fn a_reply_that_was_read_counts_also_where_its_driver_was_held_up_beyond_the_deadline() {
    let held_up = Duration::from_millis(400);
    let (client, mut events) = connection(false, [Read::AnswerHeldUp(held_up)]);
    let mut next = || blocking::wait(None, pin!(events.next())).flatten().unwrap();
    while !matches!(next(), ClientEvent::Connection(ConnectionEvent::Connected(_))) {}
    let subject = Subject::from_static("a");
    let request = client.request(&subject, "?").timeout(held_up / 2);
    let reply = blocking::wait(None, pin!(request.into_future())).unwrap();
    assert_eq!(reply.unwrap().payload(), b"hi");
}

#[test]
fn a_driver_that_held_reading_up_does_not_sleep_when_that_is_over() {
    let second = Duration::from_secs(1);
    let mail = mail_for(10, second);
    assert!(mail.fill(1, &mut messages(8), Terms::default(), None).crowded);

    let options = ConnectOptions::with_adapter(
        vec!["nats://localhost".parse().unwrap()],
        OneThread(Mutex::new(None)),
    );
    let prepared = options.prepare().unwrap();
    let mut driver = Driver::new(prepared.parts, Arc::new(prepared.adapter));
    let began = Instant::now();
    assert_eq!(driver.next_wakeup(None, began), None, "nothing is waited for");
    driver
        .backpressure
        .note(Delivered::crowding(mail), began, Waker::noop());
    let next = driver.next_wakeup(None, began).unwrap();
    assert!(next > began, "the consumer has time");
    // It has taken nothing by then.
    assert_eq!(driver.next_wakeup(None, next), Some(next));
    assert_eq!(driver.next_wakeup(None, next), None);
}

#[test]
fn a_driver_does_not_sleep_before_it_has_asked_the_stream_again_whatever_was_left_of_the_last_read() {
    for messages in EVENTS_A_TURN - 1..=EVENTS_A_TURN + 1 {
        let read = "MSG a 1 1\r\nx\r\n".repeat(messages) + "MSG a 1 ";
        let reads = [Read::Bytes(read.leak()), Read::Bytes("1\r\nx\r\n")];
        let prepared = options(false, reads).prepare().unwrap();
        let mut driver = Driver::new(prepared.parts, Arc::new(prepared.adapter));
        let _ = run_until_asleep(&mut driver);
        let subject = Subject::from_static("a");
        let mut subscription = prepared.client.subscribe(&subject).unwrap();
        prepared.client.publish(&subject, "x").now().unwrap();
        let _ = run_until_asleep(&mut driver);
        let taken = std::iter::from_fn(|| subscription.try_next()).count();
        assert_eq!(taken, messages + 1);
    }
}

#[test]
fn what_is_published_in_one_go_leaves_in_one_write_and_what_is_published_alone_leaves_at_once() {
    let (mut driver, mut called, client, writing) = asleep_in_a_session();
    for publishes in [1, 2, 100] {
        let before = writing.times();
        for _ in 0..publishes {
            client.publish("a", "x").now().unwrap();
        }
        assert!(called.again(), "nothing else wakes it");
        called = run_until_asleep(&mut driver);
        assert_eq!(writing.times() - before, 1, "{publishes} publishes");
    }
}

#[test]
fn a_driver_that_writes_is_not_woken_for_a_publish_and_finds_it_but_for_anything_else() {
    let (mut driver, _, client, writing) = asleep_in_a_session();
    writing.stuck.store(true, Ordering::SeqCst);
    client.publish("a", "x").now().unwrap();
    let called = run_until_asleep(&mut driver);
    client.publish("a", "y").now().unwrap();
    assert!(!called.again(), "it comes back by itself");
    let subscription = client.subscribe("a").unwrap();
    assert!(called.again(), "something may be due for it");
    let before = writing.times();
    writing.stuck.store(false, Ordering::SeqCst);
    let called = run_until_asleep(&mut driver);
    assert_eq!(writing.times() - before, 2, "what came later is one block");
    client.publish("a", "z").now().unwrap();
    assert!(called.again(), "now it sleeps");
    drop(subscription);
}

#[test]
fn a_publisher_lets_the_driver_run_once_a_block_is_almost_full_and_that_leaves_in_one_write() {
    let (mut driver, _, client, writing) = asleep_in_a_session();
    let payload = [b'x'; 1000];
    let mut cx = Context::from_waker(Waker::noop());
    let mut accepted = 0;
    for _ in 0..3 {
        let mut publish = client.publish("a", &payload[..]);
        while Pin::new(&mut publish).poll(&mut cx).is_ready() {
            accepted += 1;
            publish = client.publish("a", &payload[..]);
        }
        let before = writing.times();
        let _ = run_until_asleep(&mut driver);
        assert_eq!(writing.times() - before, 1, "after {accepted}");
        assert!(
            Pin::new(&mut publish).poll(&mut cx).is_ready(),
            "after that it goes on"
        );
        accepted += 1;
    }
    assert!((150..200).contains(&accepted), "{accepted}");
}

#[test]
fn what_falls_due_for_a_block_is_seen_by_a_driver_that_does_not_sleep_after_it() {
    let (mut driver, _called, client, _writing) = asleep_in_a_session();
    client.publish("a", "x").now().expect("room");
    let (shared, tx) = (driver.shared.clone(), &mut driver.tx);
    let (taken, _) = shared.drive(|turn| turn.transmit(tx));
    assert!(taken, "it has the publish");
    // By default the server is asked a second after it.
    let (mut later, wait) = (shared.moment(), Duration::from_secs(2));
    (later.instant, later.time) = (later.instant + wait, later.time + wait);
    let (due, _) = shared.drive_at(later, |turn| turn.timeouts());
    assert!(due);
}
