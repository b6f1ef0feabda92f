//! Waiting on the thread of the application.

use std::pin::Pin;
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
/// on this one.
pub(crate) fn wait_through<T>(wire: &Wire, mut future: Pin<&mut impl Future<Output = T>>) -> T {
    let first = || blocking::poll_once(|cx| future.as_mut().poll(cx));
    match wire.write_through(first) {
        Poll::Ready(answer) => answer,
        Poll::Pending => wait(future),
    }
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
