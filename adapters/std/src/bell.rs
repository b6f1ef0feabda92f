//! What a thread of a connection sleeps on.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Wake;
use std::time::Instant;

use nats_conn_client::driver::lock;

/// Wakes the one thread that sleeps on it, also if it is rung before that.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    /// Somebody sleeps: who rings while nobody does calls nobody, which would be a system call for nothing.
    asleep: bool,
}

impl Bell {
    pub(crate) fn ring(&self) {
        let mut state = lock(&self.state);
        let wakes = !state.rung && state.asleep;
        state.rung = true;
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Sleeps until it is rung, or until this moment. Says whether it was rung.
    pub(crate) fn sleep(&self, until: Option<Instant>) -> bool {
        let mut state = lock(&self.state);
        state.asleep = true;
        let mut state = match until {
            None => self.changed.wait_while(state, |state| !state.rung),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout_while(state, left, |state| !state.rung);
                waited.map(|(state, _)| state).map_err(|error| {
                    let (state, _) = error.into_inner();
                    PoisonError::new(state)
                })
            }
        }
        .unwrap_or_else(PoisonError::into_inner);
        state.asleep = false;
        std::mem::take(&mut state.rung)
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
