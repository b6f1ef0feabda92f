//! A publish that waits for room, and an answer, which is one.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use nats_conn_client::{Headers, IntoSubject, PublishError, PublishSeq, RespondError};

use crate::confirmed_publish::ConfirmedPublish;
use crate::holders::Holders;
use crate::waiting::wait_to_publish;
use crate::wire::Wire;

/// A publish that is being put together. [`wait`](Self::wait) publishes, and waits for room in the send buffer if there is
/// none; [`now`](Self::now) does not wait.
#[must_use = "a publish does nothing until `wait` or `now` is called"]
pub struct Publishing<'a> {
    inner: nats_conn_client::Publishing<'a>,
    wire: &'a Wire,
    holders: &'a Holders,
}

impl<'a> Publishing<'a> {
    pub(crate) fn new(wire: &'a Wire, holders: &'a Holders, inner: nats_conn_client::Publishing<'a>) -> Self {
        Self { inner, wire, holders }
    }

    /// Where replies are to go.
    pub fn reply_to(mut self, reply: impl IntoSubject<'a>) -> Self {
        self.inner = self.inner.reply_to(reply);
        self
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.inner = self.inner.headers(headers);
        self
    }

    /// How long to wait for room. Default: [`ConnectOptions::publish_timeout`](crate::ConnectOptions::publish_timeout),
    /// and as long as it takes if that is not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.inner = self.inner.timeout(timeout);
        self
    }

    /// The same, and waits until the server has processed it: [`wait`](ConfirmedPublish::wait) gives the number of the
    /// publish once it is confirmed, and else a [`ConfirmError`](crate::ConfirmError), so that `?` goes on only where the
    /// server has it.
    ///
    /// ```no_run
    /// # fn example(client: nats_conn_std::Client) -> Result<(), nats_conn_std::Error> {
    /// client.publish("orders.eu", "42").confirmed().wait()?;
    /// # Ok(()) }
    /// ```
    ///
    /// It takes one round trip: the server is asked at once, and once for all that wait at the same time. Without a link it
    /// takes until there is one. Where the link is lost meanwhile, [`AtMostOnce`](crate::Delivery::AtMostOnce) ends
    /// [`Unconfirmed`](crate::ConfirmError::Unconfirmed) if it had been written, and stays queued otherwise;
    /// [`AtLeastOnce`](crate::Delivery::AtLeastOnce) sends it again and goes on waiting.
    ///
    /// Confirmed means that the server has processed it: not that it was permitted, which is told by the event
    /// [`PermissionDenied`](crate::ConnectionEvent::PermissionDenied) alone, nor that somebody received it.
    ///
    /// # Cancel safety
    /// Dropped before [`wait`](ConfirmedPublish::wait) or [`now`](ConfirmedPublish::now), nothing is published.
    pub fn confirmed(self) -> ConfirmedPublish<'a> {
        ConfirmedPublish::new(self.wire, self.holders, self.inner.confirmed())
    }

    /// Publishes, and waits for room if there is none.
    ///
    /// # Errors
    /// It was refused, or there was no room in time: see [`PublishError`]. Nothing was queued then.
    pub fn wait(self) -> Result<PublishSeq, PublishError> {
        wait_to_publish(self.wire, pin!(self.inner))
    }

    /// Publishes at once or not at all.
    ///
    /// # Errors
    /// See [`PublishError`]. [`PublishError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<PublishSeq, PublishError> {
        self.inner.now()
    }
}

impl fmt::Debug for Publishing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// The answer to a request, which is being put together: a [`Publishing`] to the reply subject of a message.
#[must_use = "an answer is not sent until `wait` or `now` is called"]
pub struct Responding<'a> {
    inner: nats_conn_client::Responding<'a>,
    wire: &'a Wire,
}

impl<'a> Responding<'a> {
    pub(crate) fn new(wire: &'a Wire, inner: nats_conn_client::Responding<'a>) -> Self {
        Self { inner, wire }
    }

    /// With these headers.
    pub fn headers(self, headers: &'a Headers) -> Self {
        Self::new(self.wire, self.inner.headers(headers))
    }

    /// How long to wait for room. Default: as that of a [`Publishing`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self::new(self.wire, self.inner.timeout(timeout))
    }

    /// Answers, and waits for room if there is none.
    ///
    /// # Errors
    /// See [`RespondError`].
    pub fn wait(self) -> Result<PublishSeq, RespondError> {
        wait_to_publish(self.wire, pin!(self.inner))
    }

    /// Answers at once or not at all.
    ///
    /// # Errors
    /// See [`RespondError`].
    pub fn now(self) -> Result<PublishSeq, RespondError> {
        self.inner.now()
    }
}

impl fmt::Debug for Responding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
