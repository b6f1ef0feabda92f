//! A publish that waits for room, and an answer, which is one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::PublishSeq;
use nats_proto::{Headers, IntoSubject};

use crate::error::publish::PublishError;
use crate::error::respond::RespondError;
use crate::handles::accepting::Accepting;
use crate::handles::confirmed_publish::ConfirmedPublish;
use crate::handles::handle::Handle;
use crate::handles::outgoing::Outgoing;

/// A publish that is being put together. Await it: it is accepted at once if there is room in the send buffer, and
/// waits for room otherwise. [`now`](Self::now) does not wait.
///
/// # Cancel safety
/// It is accepted at its last poll: one that is dropped before it was done has not been published.
#[derive(Debug)]
#[must_use = "a publish does nothing unless it is awaited"]
pub struct Publishing<'a> {
    accepting: Accepting<'a>,
    /// The timeout was set here.
    timeout_set: bool,
    done: bool,
}

impl<'a> Publishing<'a> {
    #[inline]
    pub(crate) fn new(handle: &'a Arc<Handle>, outgoing: Outgoing<'a>, timeout: Option<Duration>) -> Self {
        Self {
            accepting: Accepting::new(handle, outgoing, timeout),
            timeout_set: false,
            done: false,
        }
    }

    /// Where replies are to go.
    pub fn reply_to(mut self, reply: impl IntoSubject<'a>) -> Self {
        self.accepting.outgoing = self.accepting.outgoing.reply_to(reply);
        self
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.accepting.outgoing = self.accepting.outgoing.headers(headers);
        self
    }

    /// How long to wait for room. Default: [`ConnectOptions::publish_timeout`](crate::ConnectOptions::publish_timeout),
    /// and as long as it takes if that is not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.accepting.room.timeout = Some(timeout);
        self.timeout_set = true;
        self
    }

    /// The same, and waits until the server has processed it. What is awaited gives the number of the publish once it is
    /// confirmed, and else a [`ConfirmError`](crate::ConfirmError), so that `?` goes on only where the server has it.
    ///
    /// ```no_run
    /// # async fn example(client: nats_conn_client::Client) -> Result<(), nats_conn_client::Error> {
    /// client.publish("orders.eu", "42").confirmed().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// It takes one round trip: the server is asked at once, and once for all that wait at the same time. Without a link it
    /// takes until there is one. Where the link is lost meanwhile, [`AtMostOnce`](nats_conn_sm::Delivery::AtMostOnce) ends
    /// [`Unconfirmed`](crate::ConfirmError::Unconfirmed) if it had been written, and stays queued otherwise;
    /// [`AtLeastOnce`](nats_conn_sm::Delivery::AtLeastOnce) sends it again and goes on waiting.
    ///
    /// Confirmed means that the server has processed it: not that it was permitted, which is told by the event
    /// [`PermissionDenied`](nats_conn_sm::ConnectionEvent::PermissionDenied) alone, nor that somebody received it.
    ///
    /// # Cancel safety
    /// Dropped while it waits for room, nothing was published. Dropped later, only the waiting ends: the message stays
    /// published.
    ///
    /// # Errors
    /// It was not accepted, or not confirmed: see [`ConfirmError`](crate::ConfirmError).
    pub fn confirmed(self) -> ConfirmedPublish<'a> {
        let timeout = self.accepting.room.timeout.filter(|_| self.timeout_set);
        ConfirmedPublish::new(self.accepting, timeout)
    }

    /// Publishes at once or not at all.
    ///
    /// # Errors
    /// See [`PublishError`]. [`PublishError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<PublishSeq, PublishError> {
        self.accepting.now(|_, _| {})
    }
}

impl Future for Publishing<'_> {
    type Output = Result<PublishSeq, PublishError>;

    /// Polled again after its end it does nothing, and says that the connection is closed.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(Err(PublishError::Closed));
        }
        let accepted = this.accepting.poll(cx, |_, _| {});
        this.done = accepted.is_ready();
        accepted
    }
}

/// The answer to a request, which is being put together: a [`Publishing`] to the reply subject of a message.
///
/// # Cancel safety
/// It is accepted at its last poll: one that is dropped before it was done has not been published.
#[derive(Debug)]
#[must_use = "an answer is not sent unless it is awaited"]
pub struct Responding<'a> {
    /// None if there is nowhere to answer to.
    publishing: Option<Publishing<'a>>,
}

impl<'a> Responding<'a> {
    pub(crate) fn new(publishing: Option<Publishing<'a>>) -> Self {
        Self { publishing }
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.publishing = self.publishing.map(|publishing| publishing.headers(headers));
        self
    }

    /// How long to wait for room. Default: as that of a [`Publishing`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.publishing = self.publishing.map(|publishing| publishing.timeout(timeout));
        self
    }

    /// Answers at once or not at all.
    ///
    /// # Errors
    /// See [`RespondError`].
    pub fn now(self) -> Result<PublishSeq, RespondError> {
        let publishing = self.publishing.ok_or(RespondError::NoReplySubject)?;
        Ok(publishing.now()?)
    }
}

impl Future for Responding<'_> {
    type Output = Result<PublishSeq, RespondError>;

    /// Polled again after its end it does nothing, and says that the connection is closed, or again that there is nowhere
    /// to answer to.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.publishing {
            None => Poll::Ready(Err(RespondError::NoReplySubject)),
            Some(publishing) => Pin::new(publishing).poll(cx).map_err(RespondError::from),
        }
    }
}
