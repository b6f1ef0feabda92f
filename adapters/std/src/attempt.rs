//! An attempt, as the thread that works for it sees it.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use nats_conn_client::driver::{blocking, lock};

/// Held by who wants the attempt; dropped, the attempt is given up.
pub(crate) struct Wanted(Arc<Mutex<State>>);

/// Whether the attempt is still wanted. Waiting for it ends when it is not.
pub(crate) struct Attempt(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    given_up: bool,
    waker: Option<Waker>,
}

impl Attempt {
    pub(crate) fn new() -> (Wanted, Self) {
        let state = Arc::<Mutex<State>>::default();
        (Wanted(state.clone()), Self(state))
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !lock(&self.0).given_up
    }

    /// Waits on this thread; `None` if the deadline came first or the attempt was given up.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        self.wait_for(deadline, |cx| future.as_mut().poll(cx))
    }

    /// The same for anything that is polled.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Option<Instant>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Option<T> {
        let waited = blocking::wait_for(deadline, |cx| {
            {
                let mut state = lock(&self.0);
                if state.given_up {
                    return Poll::Ready(None);
                }
                state.waker = Some(cx.waker().clone());
            }
            poll(cx).map(Some)
        });
        waited.flatten()
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.given_up = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
