//! What monitoring asks a client.

use nats_conn_client::{Metrics, NextAttempt};

use crate::client::Client;

/// For monitoring.
impl Client {
    /// The attempt to connect that comes next, or is under way: see
    /// [`nats_conn_client::Client::next_attempt`].
    pub fn next_attempt(&self) -> Option<NextAttempt> {
        self.wrapped().next_attempt()
    }

    /// All numbers of the connection under the names that Prometheus collects them by; it prints as the page that answers
    /// a scrape: see [`nats_conn_client::Client::metrics`].
    pub fn metrics(&self) -> Metrics {
        self.wrapped().metrics()
    }
}
