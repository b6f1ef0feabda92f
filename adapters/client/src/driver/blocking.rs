//! Waiting on a thread, for adapters without an executor; and what must not wait on a thread that polls.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::core::oneshot::Oneshot;
use crate::driver::parked::Parked;

/// Waits on this thread until the future is done, or until the deadline: then `None`, and the future can be waited
/// for again.
pub fn wait<T>(deadline: Option<Instant>, mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    wait_for(deadline, |cx| future.as_mut().poll(cx))
}

/// The same for anything that is polled, such as
/// [`Subscription::poll_message`](crate::Subscription::poll_message).
pub fn wait_for<T>(
    deadline: Option<Instant>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    Parked::here(|parked, waker| {
        let mut cx = Context::from_waker(waker);
        loop {
            if let Poll::Ready(answer) = poll(&mut cx) {
                return Some(answer);
            }
            if !parked.park(deadline) {
                return None;
            }
        }
    })
}

/// Does something that takes its time on a thread of its own. Nobody waits for that thread, not even a runtime that is
/// dropped.
///
/// # Cancel safety
/// Dropping it before its first poll does nothing at all; later the work goes on, and what comes of it is lost.
///
/// # Errors
/// No thread could be started, or it panicked.
pub async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let answer = Oneshot::new();
    let promise = answer.clone();
    let thread = std::thread::Builder::new().name("nats-conn help".into());
    thread.spawn(move || {
        let outcome = catch_unwind(AssertUnwindSafe(work));
        let outcome = outcome.map_err(|_| io::Error::other("a thread of the connection panicked"));
        if let Some(waker) = promise.put(outcome) {
            waker.wake();
        }
    })?;
    std::future::poll_fn(|cx| answer.poll(cx)).await
}

/// Polls once, on behalf of this thread.
pub fn poll_once<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    Parked::here(|_, waker| poll(&mut Context::from_waker(waker)))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};
    use std::pin::pin;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_future_that_is_done_is_not_waited_for() {
        assert_eq!(wait(None, pin!(ready(7))), Some(7));
    }

    #[test]
    fn a_thread_is_known_by_its_waker() {
        let waker = || poll_once(|cx| Poll::Ready(cx.waker().clone()));
        let (Poll::Ready(first), Poll::Ready(second)) = (waker(), waker()) else {
            panic!("it is ready");
        };
        assert!(first.will_wake(&second));
        let waited = wait_for(None, |cx| Poll::Ready(cx.waker().will_wake(&first)));
        assert_eq!(waited, Some(true));
        let elsewhere = std::thread::spawn(move || poll_once(|cx| Poll::Ready(cx.waker().will_wake(&first))));
        assert_eq!(elsewhere.join().expect("it ran"), Poll::Ready(false));
    }

    #[test]
    fn a_waker_ends_the_wait() {
        let mut polls = 0;
        let woken = poll_fn(move |cx: &mut Context<'_>| {
            polls += 1;
            if polls == 3 {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            std::thread::spawn(move || waker.wake());
            Poll::Pending
        });
        assert_eq!(wait(None, pin!(woken)), Some(()));
    }

    #[test]
    fn what_is_done_elsewhere_comes_back_also_as_a_panic() {
        assert_eq!(wait(None, pin!(elsewhere(|| 7))).unwrap().unwrap(), 7);
        assert!(
            wait(None, pin!(elsewhere(|| panic!("on purpose"))))
                .unwrap()
                .is_err()
        );
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let deadline = Instant::now() + Duration::from_millis(5);
        assert_eq!(wait(Some(deadline), pin!(pending::<()>())), None);
        assert!(Instant::now() >= deadline);
    }
}
