//! Waiting on the thread of the application.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use nats_conn_client::driver::{Listening, blocking};

use crate::reading::PATIENCE;
use crate::wire::Wire;

/// Waits on this thread, for as long as it takes.
pub(crate) fn wait<T>(future: Pin<&mut impl Future<Output = T>>) -> T {
    match blocking::wait(None, future) {
        Some(answer) => answer,
        None => unreachable!("a wait without a deadline ends with an answer"),
    }
}

/// The same for something whose first poll makes a call: if the thread that writes sleeps, what comes of that is written
/// on this one; and if nobody reads, this one reads the answer.
pub(crate) fn wait_through<T>(wire: &Wire, mut future: Pin<&mut impl Future<Output = T>>) -> T {
    let _counted = Counted::new(&wire.waiting);
    let first = || blocking::poll_once(|cx| future.as_mut().poll(cx));
    let (answer, link) = wire.write_to_read(first);
    if let Poll::Ready(answer) = answer {
        return answer;
    }
    if let Some(link) = link
        && let Some(mut reading) = link.reading.take_up()
    {
        while reading.read() {
            if let Poll::Ready(answer) = blocking::poll_once(|cx| future.as_mut().poll(cx)) {
                reading.finish();
                return answer;
            }
        }
    }
    wait(future)
}

/// Waits on this thread for a message, until the deadline: then `None`. While nobody else reads, this thread does, which
/// spares the one that reads: a message passes from hand to hand only where several threads wait.
///
/// **No message is missed.** Before this thread sleeps it has asked for the right to read, each time after it was called:
/// whoever had it was told, and goes on, or lays it down later and sees then that this thread listens.
pub(crate) fn wait_for_message<T>(
    wire: &Wire,
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let answer = blocking::wait_for(deadline, |cx| {
        let first = poll(cx);
        if first.is_ready() {
            return first;
        }
        wire.listening.begin();
        // It may have come before it was known that this thread listens.
        let mut answer = poll(cx);
        if answer.is_pending() {
            answer = read_messages(wire, deadline, || poll(cx));
        }
        if answer.is_ready() {
            Listening::end();
        }
        answer
    });
    if answer.is_none() {
        Listening::end();
    }
    answer
}

/// Reads on this thread, if nobody else does, until a message is there, or for as long as anything comes. Then the thread
/// that reads goes on.
fn read_messages<T>(wire: &Wire, deadline: Option<Instant>, mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
    let Some(link) = wire.link() else {
        return Poll::Pending;
    };
    // A read is not ended by a deadline, and may take a little longer than it should.
    let has_time = || deadline.is_none_or(|deadline| Instant::now() + 2 * PATIENCE < deadline);
    if !has_time() {
        link.reading.go_on();
        return Poll::Pending;
    }
    let Some(mut reading) = link.reading.take_up() else {
        return Poll::Pending;
    };
    while has_time() && reading.read() {
        let answer = poll();
        if answer.is_ready() {
            Listening::end();
            reading.finish();
            return answer;
        }
        wire.listening.begin();
    }
    Poll::Pending
}

/// Makes a publish, which takes effect at its first poll unless somebody is to write first: then this thread does,
/// if it can.
#[inline]
pub(crate) fn wait_to_publish<T>(wire: &Wire, mut publish: Pin<&mut impl Future<Output = T>>) -> T {
    match blocking::poll_once(|cx| publish.as_mut().poll(cx)) {
        Poll::Ready(answer) => answer,
        Poll::Pending => {
            wire.lend_a_hand();
            wait(publish)
        }
    }
}

/// One more while it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
