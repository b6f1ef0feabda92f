//! What all handles of one connection hold together, and what is done when the last of them is dropped.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use nats_conn_client::{Closing, State};

use crate::bell::Bell;
use crate::ours::Ours;
use crate::wire::Wire;

/// Held by every handle, after the handle it wraps. The last one dropped waits until the connection is closed, so that
/// what was published is handed over before the program goes on, and perhaps ends.
///
/// Where handles for an executor are left the connection goes on, and nothing is waited for.
#[derive(Clone)]
pub(crate) struct Holders(Arc<Last>);

struct Last {
    wire: Arc<Wire>,
    /// How long the closing may take.
    patience: Duration,
}

impl Holders {
    pub(crate) fn new(wire: Arc<Wire>, patience: Duration) -> Self {
        Self(Arc::new(Last { wire, patience }))
    }

    /// What the handles share with the threads of the connection.
    pub(crate) fn wire(&self) -> &Wire {
        &self.0.wire
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        let shared = &self.wire.shared;
        let closes = shared.look(|machine| machine.is_closing() || machine.state() == State::Draining);
        if closes && !Ours::is_here(shared) {
            wait(self.patience, pin!(Closing::new(shared)));
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
