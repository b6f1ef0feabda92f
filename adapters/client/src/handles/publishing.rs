//! A publish that waits for room, and an answer, which is one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::{PublishSeq, State};
use nats_proto::{Headers, IntoSubject};

use crate::core::locked::Locked;
use crate::error::publish::PublishError;
use crate::error::respond::RespondError;
use crate::handles::handle::Handle;
use crate::handles::outgoing::Outgoing;
use crate::handles::room::Room;

/// From so many queued bytes on a publisher lets the driver run first, so that on one thread what is published
/// leaves while the publisher goes on, rather than when the buffer is full.
const YIELD_AT: usize = 128 << 10;

/// A publish that is being put together. Await it: it is accepted at once if there is room in the send buffer, and
/// waits for room otherwise. [`now`](Self::now) does not wait.
///
/// # Cancel safety
/// It is accepted at its last poll: one that is dropped before it was done has not been published.
#[derive(Debug)]
#[must_use = "a publish does nothing unless it is awaited"]
pub struct Publishing<'a> {
    outgoing: Outgoing<'a>,
    room: Room<'a>,
}

impl<'a> Publishing<'a> {
    pub(crate) fn new(handle: &'a Arc<Handle>, outgoing: Outgoing<'a>, timeout: Option<Duration>) -> Self {
        Self {
            outgoing,
            room: Room::new(handle, timeout),
        }
    }

    /// Where replies are to go.
    pub fn reply_to(mut self, reply: impl IntoSubject<'a>) -> Self {
        self.outgoing = self.outgoing.reply_to(reply);
        self
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.outgoing = self.outgoing.headers(headers);
        self
    }

    /// How long to wait for room. Default: [`ConnectOptions::publish_timeout`](crate::ConnectOptions::publish_timeout),
    /// and as long as it takes if that is not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.room.timeout = Some(timeout);
        self
    }

    /// Publishes at once or not at all.
    ///
    /// # Errors
    /// See [`PublishError`]. [`PublishError::BufferFull`] is the one that waiting helps against.
    pub fn now(self) -> Result<PublishSeq, PublishError> {
        let publish = self.outgoing.publish()?;
        let shared = &self.room.handle.shared;
        shared
            .call(|locked| locked.connection.publish(publish))
            .map_err(|error| PublishError::refused(error, self.outgoing.excerpt()))
    }

    fn attempt(&mut self, locked: &mut Locked, cx: &Context<'_>) -> Poll<Result<PublishSeq, PublishError>> {
        self.room.stop(locked);
        let publish = self.outgoing.publish()?;
        match locked.connection.publish(publish) {
            Ok(seq) => Poll::Ready(Ok(seq)),
            Err(machine::PublishError::BufferFull { .. }) => {
                let now = self.room.handle.shared.now();
                self.room.wait(locked, now, cx).map(|()| Err(self.timed_out()))
            }
            Err(error) => Poll::Ready(Err(PublishError::refused(error, self.outgoing.excerpt()))),
        }
    }

    #[cold]
    fn timed_out(&self) -> PublishError {
        PublishError::TimedOut {
            subject: self.outgoing.excerpt(),
            after: self.room.timeout.unwrap_or_default(),
        }
    }
}

impl Future for Publishing<'_> {
    type Output = Result<PublishSeq, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let handle = this.room.handle;
        let outcome = handle.shared.call(|locked| {
            if locked.connection.queued() >= YIELD_AT
                && locked.yielded != locked.blocks
                && locked.connection.state() == State::Connected
            {
                locked.yielded = locked.blocks;
                return None;
            }
            Some(this.attempt(locked, cx))
        });
        outcome.unwrap_or_else(|| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })
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

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.publishing {
            None => Poll::Ready(Err(RespondError::NoReplySubject)),
            Some(publishing) => Pin::new(publishing).poll(cx).map_err(RespondError::from),
        }
    }
}
