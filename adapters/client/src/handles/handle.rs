//! What keeps a connection open.

use std::sync::Arc;

use nats_conn_sm::State;

use crate::core::shared::Shared;
use crate::handles::inboxes::Inboxes;

/// Clients, subscriptions and pending requests hold one of these together; the last one dropped closes.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) inboxes: Inboxes,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.with(|connection, now| {
            // A drain comes to its end by itself, within its own deadline.
            if connection.state() != State::Draining {
                connection.close(now);
            }
        });
    }
}
