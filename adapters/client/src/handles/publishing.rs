//! A publish that waits for room.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::{Publish, PublishSeq, State, Timestamp};
use nats_proto::{Excerpt, Headers, Subject};

use crate::core::locked::Locked;
use crate::error::publish::PublishError;
use crate::handles::handle::Handle;

/// From so many queued bytes on a publisher lets the driver run first, so that on one thread what is published
/// leaves while the publisher goes on, rather than when the buffer is full.
const YIELD_AT: usize = 128 << 10;

/// A publish that is being put together. Await it: it is accepted at once if there is room in the send buffer, and
/// waits for room otherwise.
///
/// It is accepted at its last poll: one that is dropped before it was done has not been published.
#[derive(Debug)]
#[must_use = "a publish does nothing unless it is awaited"]
pub struct Publishing<'a> {
    handle: &'a Arc<Handle>,
    publish: Publish<'a>,
    timeout: Option<Duration>,
    deadline: Option<Timestamp>,
    waiting: Option<u64>,
}

impl<'a> Publishing<'a> {
    pub(crate) fn new(handle: &'a Arc<Handle>, publish: Publish<'a>, timeout: Option<Duration>) -> Self {
        Self {
            handle,
            publish,
            timeout,
            deadline: None,
            waiting: None,
        }
    }

    /// Where replies are to go.
    pub fn reply_to(mut self, reply: &'a Subject) -> Self {
        self.publish.reply = Some(reply);
        self
    }

    /// With these headers.
    pub fn headers(mut self, headers: &'a Headers) -> Self {
        self.publish.headers = Some(headers);
        self
    }

    /// How long to wait for room. Default: [`ConnectOptions::publish_timeout`](crate::ConnectOptions::publish_timeout),
    /// and as long as it takes if that is not set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn attempt(&mut self, locked: &mut Locked, cx: &Context<'_>) -> Poll<Result<PublishSeq, PublishError>> {
        if let Some(id) = self.waiting.take() {
            locked.waiting.remove(id);
        }
        match locked.connection.publish(self.publish.clone()) {
            Err(machine::PublishError::BufferFull { .. }) => {}
            accepted => {
                return Poll::Ready(accepted.map_err(|error| {
                    PublishError::refused(error, Excerpt::new(self.publish.subject.as_str()))
                }));
            }
        }
        let now = self.handle.shared.now();
        if let Some(timeout) = self.timeout {
            let deadline = *self.deadline.get_or_insert(now + timeout);
            if deadline <= now {
                return Poll::Ready(Err(PublishError::TimedOut {
                    subject: Excerpt::new(self.publish.subject.as_str()),
                    after: timeout,
                }));
            }
        }
        self.waiting = Some(locked.waiting.add(self.deadline, cx.waker()));
        Poll::Pending
    }
}

impl Future for Publishing<'_> {
    type Output = Result<PublishSeq, PublishError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let shared = &this.handle.shared;
        let outcome = shared.call(|locked| {
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

impl Drop for Publishing<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.waiting.take() {
            self.handle
                .shared
                .call_quietly(|locked| locked.waiting.remove(id));
        }
    }
}
