//! What all handles of one connection hold together, and what is done when the last of them is dropped.

use std::cell::Cell;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use nats_conn_client::State;
use nats_conn_client::driver::{Closed, Shared};

use crate::lock::lock;

/// Held by every handle, after the handle it wraps. The last one dropped waits until the connection is closed, so that
/// what was published is handed over before the program goes on, and perhaps ends.
///
/// Where handles for an executor are left the connection goes on, and nothing is waited for.
#[derive(Clone)]
pub(crate) struct Holders(#[expect(dead_code, reason = "its end is what counts")] Arc<Last>);

struct Last {
    shared: Arc<Shared>,
    /// How long the closing may take.
    patience: Duration,
}

impl Holders {
    pub(crate) fn new(shared: Arc<Shared>, patience: Duration) -> Self {
        Self(Arc::new(Last { shared, patience }))
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        let closes = self
            .shared
            .look(|machine| machine.is_closing() || machine.state() == State::Draining);
        if closes && !Ours::is_here(&self.shared) {
            wait(self.patience, pin!(Closed::new(&self.shared)));
        }
    }
}

/// Waits on this thread, which may be about to end, or may wait for something else and look for its waker afterwards: so
/// this one is of its own.
fn wait<T>(patience: Duration, mut future: Pin<&mut impl Future<Output = T>>) {
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(alarm.clone());
    let mut cx = Context::from_waker(&waker);
    let deadline = Instant::now().checked_add(patience);
    while future.as_mut().poll(&mut cx).is_pending() {
        let left = deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return;
        }
        alarm.wait(left);
    }
}

#[derive(Default)]
struct Alarm {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Alarm {
    fn wait(&self, timeout: Duration) {
        let rung = lock(&self.rung);
        let waited = self.changed.wait_timeout_while(rung, timeout, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *lock(&self.rung) = true;
        self.changed.notify_one();
    }
}

impl fmt::Debug for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holders")
    }
}

thread_local! {
    /// The connection that this thread belongs to.
    static HERE: Cell<Option<Ours>> = const { Cell::new(None) };
}

/// A connection, as its threads know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ours(usize);

impl Ours {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::as_ptr(shared).addr())
    }

    /// From now on this thread is one of the connection: it must not wait for the connection's end.
    pub(crate) fn enter(self) {
        HERE.set(Some(self));
    }

    fn is_here(shared: &Arc<Shared>) -> bool {
        HERE.get() == Some(Self::new(shared))
    }
}
