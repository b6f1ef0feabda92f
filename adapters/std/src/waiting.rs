//! Waiting on the thread of the application.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use nats_conn_client::driver::blocking;

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

/// The same for a publish, which takes effect at its first poll unless somebody is to write first: then this thread does,
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
