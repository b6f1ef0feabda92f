//! What all handles of one connection hold together, and what is done when the last of them is dropped.

use std::cell::Cell;
use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use nats_conn_client::State;

use crate::bell::Bell;
use nats_conn_client::Closing;
use nats_conn_client::driver::Shared;

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
            wait(self.patience, pin!(Closing::new(&self.shared)));
        }
    }
}

/// Waits on this thread, which may be about to end, or may wait for something else and look for its waker afterwards: so
/// this one is of its own.
fn wait<T>(patience: Duration, mut future: Pin<&mut impl Future<Output = T>>) {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let mut cx = Context::from_waker(&waker);
    let deadline = Instant::now().checked_add(patience);
    while future.as_mut().poll(&mut cx).is_pending() {
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return;
        }
        bell.sleep(deadline);
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
