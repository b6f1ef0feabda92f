//! A publish whose fate is waited for.

use std::fmt;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{ConfirmError, PublishError, PublishSeq};

use crate::holders::Holders;
use crate::waiting::{wait, wait_through};
use crate::wire::Wire;

/// A publish that is being put together, and whose fate is waited for. [`wait`](Self::wait) publishes, waits for room in
/// the send buffer if there is none, and then until the server has confirmed it. [`now`](Self::now) does not wait.
#[must_use = "a publish does nothing until `wait` or `now` is called"]
pub struct ConfirmedPublish<'a> {
    inner: nats_conn_client::ConfirmedPublish<'a>,
    wire: &'a Wire,
    holders: &'a Holders,
}

impl<'a> ConfirmedPublish<'a> {
    pub(crate) fn new(
        wire: &'a Wire,
        holders: &'a Holders,
        inner: nats_conn_client::ConfirmedPublish<'a>,
    ) -> Self {
        Self { inner, wire, holders }
    }

    /// How long to wait, for room and for the confirmation together: the same as
    /// [`Publishing::timeout`](crate::Publishing::timeout) set before. Default: as long as it takes, with
    /// [`ConnectOptions::publish_timeout`](crate::ConnectOptions::publish_timeout) for room alone. When the time is up the
    /// message stays published: see [`ConfirmError::TimedOut`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.timeout(timeout);
        self
    }

    /// Publishes, and waits until the server has processed it.
    ///
    /// # Errors
    /// It was not accepted, or not confirmed: see [`ConfirmError`].
    pub fn wait(self) -> Result<PublishSeq, ConfirmError> {
        wait_through(self.wire, pin!(self.inner))
    }

    /// Publishes at once or not at all, and gives what to wait for: for many publishes at the same time on one thread.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// let mut outcomes = Vec::new();
    /// for order in ["41", "42", "43"] {
    ///     outcomes.push(client.publish("orders.eu", order).confirmed().now()?);
    /// }
    /// for outcome in outcomes {
    ///     outcome.wait()?; // the server was asked once for all of them, or twice
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping what it gives only stops the waiting: the message stays published.
    ///
    /// # Errors
    /// It was not accepted: see [`PublishError`]. [`PublishError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<PublishOutcome, PublishError> {
        Ok(PublishOutcome {
            inner: self.inner.now()?,
            _holders: self.holders.clone(),
        })
    }
}

impl fmt::Debug for ConfirmedPublish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// What becomes of a publish that was accepted, to come. It goes on across reconnects until the fate is final, and keeps
/// the connection open.
///
/// # Cancel safety
/// Dropping it only stops the waiting: the message stays published.
#[derive(Debug)]
#[must_use = "wait for it to learn whether the server has confirmed"]
pub struct PublishOutcome {
    inner: nats_conn_client::PublishOutcome,
    // Dropped after what it waits for the end of.
    _holders: Holders,
}

impl PublishOutcome {
    /// The number of the publish, by which events name it.
    pub fn seq(&self) -> PublishSeq {
        self.inner.seq()
    }

    /// Waits until the server has processed it.
    ///
    /// # Errors
    /// It was not confirmed: see [`ConfirmError`].
    pub fn wait(mut self) -> Result<PublishSeq, ConfirmError> {
        wait(Pin::new(&mut self.inner))
    }

    /// The same for so long at most; `None` if its fate is not known then. It can be waited for again.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<PublishSeq, ConfirmError>> {
        let deadline = Instant::now().checked_add(timeout);
        blocking::wait(deadline, Pin::new(&mut self.inner))
    }
}
