//! The end of a connection, to come.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nats_conn_client::ClosedReason;
use nats_conn_client::driver::{Shared, blocking};

/// The end of a connection, to come: what there is to be waited for has begun already. It does not keep the connection
/// open.
#[derive(Clone, Debug)]
#[must_use = "wait for it to learn when and why the connection closed; to begin without waiting there are `begin_close` and `begin_drain`"]
pub struct Closing {
    shared: Arc<Shared>,
    /// Whoever waits for it drains the connection.
    drains: bool,
}

impl Closing {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            drains: false,
        }
    }

    pub(crate) fn of_drain(shared: &Arc<Shared>) -> Self {
        Self {
            drains: true,
            ..Self::new(shared)
        }
    }

    /// Waits until the connection is closed.
    pub fn wait(&self) -> ClosedReason {
        let closed = blocking::wait(None, pin!(self.end()));
        closed.unwrap_or(ClosedReason::Requested)
    }

    /// The same, for so long at most; `None` if the connection is not closed then.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<ClosedReason> {
        let deadline = Instant::now().checked_add(timeout);
        blocking::wait(deadline, pin!(self.end()))
    }

    fn end(&self) -> nats_conn_client::Closing {
        if self.drains {
            nats_conn_client::Closing::of_drain(&self.shared)
        } else {
            nats_conn_client::Closing::new(&self.shared)
        }
    }
}
