//! What a thread of a connection sleeps on.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Instant;

use nats_conn_client::driver::lock;

/// Wakes the one thread that sleeps on it, also if it is rung before that.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    pub(crate) fn ring(&self) {
        *lock(&self.rung) = true;
        self.changed.notify_one();
    }

    /// Sleeps until it is rung, or until this moment.
    pub(crate) fn sleep(&self, until: Option<Instant>) {
        let rung = lock(&self.rung);
        let mut rung = match until {
            None => self.changed.wait_while(rung, |rung| !*rung),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout_while(rung, left, |rung| !*rung);
                waited.map(|(rung, _)| rung).map_err(|error| {
                    let (rung, _) = error.into_inner();
                    PoisonError::new(rung)
                })
            }
        }
        .unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
