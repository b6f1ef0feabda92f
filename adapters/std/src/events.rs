//! What happens to a connection, one after the other.

use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{ClientEvent, NextError};

use crate::next::next;

/// Everything that happens from the moment at which it was asked for: an iterator that waits, and ends after `Closed`.
///
/// Every holder gets every event. A holder that falls behind by more than
/// [`event_capacity`](nats_conn_client::ConnectOptions::event_capacity) events misses some, and learns how many and
/// where from [`ClientEvent::Missed`]; `Closed` is never missed. It does not keep the connection open.
#[derive(Debug)]
#[must_use = "the events from its beginning on are lost with it"]
pub struct Events {
    inner: nats_conn_client::Events,
}

impl Events {
    pub(crate) fn new(inner: nats_conn_client::Events) -> Self {
        Self { inner }
    }

    /// Waits for the next event, for so long at most.
    ///
    /// # Errors
    /// None came in time, or none follows.
    pub fn next_timeout(&mut self, timeout: Duration) -> Result<ClientEvent, NextError> {
        let deadline = Instant::now().checked_add(timeout);
        next(blocking::wait_for(deadline, |cx| self.inner.poll_event(cx)))
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<ClientEvent> {
        self.inner.try_next()
    }

    /// The same as a stream, for an executor.
    pub fn into_inner(self) -> nats_conn_client::Events {
        self.inner
    }
}

impl Iterator for Events {
    type Item = ClientEvent;

    /// Waits for the next event; `None` after `Closed`.
    fn next(&mut self) -> Option<ClientEvent> {
        blocking::wait_for(None, |cx| self.inner.poll_event(cx)).flatten()
    }
}
