//! A publish that waits for room, and an answer, which is one.

use std::pin::pin;
use std::time::Duration;

use nats_conn_client::{Headers, IntoSubject, PublishError, PublishSeq, RespondError};

use crate::waiting::wait;

/// A publish that is being put together. [`wait`](Self::wait) publishes, and waits for room in the send buffer if there is
/// none; [`now`](Self::now) does not wait.
#[derive(Debug)]
#[must_use = "a publish does nothing until `wait` or `now` is called"]
pub struct Publishing<'a> {
    inner: nats_conn_client::Publishing<'a>,
}

impl<'a> Publishing<'a> {
    pub(crate) fn new(inner: nats_conn_client::Publishing<'a>) -> Self {
        Self { inner }
    }

    /// Where replies are to go.
    pub fn reply_to(self, reply: impl IntoSubject<'a>) -> Self {
        Self::new(self.inner.reply_to(reply))
    }

    /// With these headers.
    pub fn headers(self, headers: &'a Headers) -> Self {
        Self::new(self.inner.headers(headers))
    }

    /// How long to wait for room. Default: [`ConnectOptions::publish_timeout`](crate::ConnectOptions::publish_timeout),
    /// and as long as it takes if that is not set.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self::new(self.inner.timeout(timeout))
    }

    /// Publishes, and waits for room if there is none.
    ///
    /// # Errors
    /// It was refused, or there was no room in time: see [`PublishError`]. Nothing was queued then.
    pub fn wait(self) -> Result<PublishSeq, PublishError> {
        wait(pin!(self.inner))
    }

    /// Publishes at once or not at all.
    ///
    /// # Errors
    /// See [`PublishError`]. [`PublishError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<PublishSeq, PublishError> {
        self.inner.now()
    }
}

/// The answer to a request, which is being put together: a [`Publishing`] to the reply subject of a message.
#[derive(Debug)]
#[must_use = "an answer is not sent until `wait` or `now` is called"]
pub struct Responding<'a> {
    inner: nats_conn_client::Responding<'a>,
}

impl<'a> Responding<'a> {
    pub(crate) fn new(inner: nats_conn_client::Responding<'a>) -> Self {
        Self { inner }
    }

    /// With these headers.
    pub fn headers(self, headers: &'a Headers) -> Self {
        Self::new(self.inner.headers(headers))
    }

    /// How long to wait for room. Default: as that of a [`Publishing`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self::new(self.inner.timeout(timeout))
    }

    /// Answers, and waits for room if there is none.
    ///
    /// # Errors
    /// See [`RespondError`].
    pub fn wait(self) -> Result<PublishSeq, RespondError> {
        wait(pin!(self.inner))
    }

    /// Answers at once or not at all.
    ///
    /// # Errors
    /// See [`RespondError`].
    pub fn now(self) -> Result<PublishSeq, RespondError> {
        self.inner.now()
    }
}
