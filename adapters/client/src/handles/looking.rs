//! What monitoring asks a client.

use nats_conn_sm::{Metrics, NextAttempt};

use crate::handles::client::Client;

/// For monitoring.
impl Client {
    /// The attempt to connect that comes next, or is under way: at which server, which attempt it is, what it waits for
    /// and how long, and how the last one failed. It says at any time what the events
    /// [`BackoffWait`](nats_conn_sm::ConnectionEvent::BackoffWait) and [`Connecting`](nats_conn_sm::ConnectionEvent::Connecting) reported.
    /// None during a session, of which [`servers`](Self::servers) tells who would follow, and when the connection is
    /// closed.
    ///
    /// ```no_run
    /// # fn example(client: &nats_conn_client::Client) {
    /// use nats_conn_client::AttemptStage;
    ///
    /// if let Some(next) = client.next_attempt()
    ///     && let AttemptStage::Waiting { reason, left } = next.stage
    /// {
    ///     println!("{} in {left:?} ({})", next.server, reason.code());
    /// }
    /// # }
    /// ```
    pub fn next_attempt(&self) -> Option<NextAttempt> {
        let now = self.shared().now();
        self.shared().look(|connection| connection.next_attempt(now))
    }

    /// All numbers of the connection under the names that Prometheus collects them by; it prints as the page that answers
    /// a scrape. See [`Metrics`] for labels, and for other exporters.
    ///
    /// ```no_run
    /// # fn example(client: &nats_conn_client::Client) {
    /// print!("{}", client.metrics().label("connection", "orders"));
    /// # }
    /// ```
    pub fn metrics(&self) -> Metrics {
        let now = self.shared().now();
        self.shared().look(|connection| connection.metrics(now))
    }
}
