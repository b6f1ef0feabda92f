//! The replies to one request that wants several.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use nats_conn_sm::{RepliesEnd, RequestId};
use nats_proto::{Excerpt, Message};

use crate::core::reply_slot::ReplySlot;
use crate::error::next::NextError;
use crate::error::request::RequestError;
use crate::handles::alarm::next_within;
use crate::handles::handle::Handle;

/// The replies to a request for several, as a stream that ends when the request is done:
/// [`ended`](Self::ended) says why. Dropping it cancels the request.
#[derive(Debug)]
#[must_use = "dropping it cancels the request"]
pub struct Replies {
    request: RequestId,
    subject: Excerpt,
    slot: Arc<ReplySlot>,
    handle: Arc<Handle>,
}

impl Replies {
    pub(crate) fn new(
        request: RequestId,
        subject: Excerpt,
        slot: Arc<ReplySlot>,
        handle: Arc<Handle>,
    ) -> Self {
        Self {
            request,
            subject,
            slot,
            handle,
        }
    }

    /// The next reply; `None` when no reply follows.
    ///
    /// # Cancel safety
    /// Dropping the future loses no reply: the next call gives it. Dropping the `Replies` cancels the request.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.poll_reply(cx)).await
    }

    /// The next reply, for so long at most, counted from the first poll.
    ///
    /// # Cancel safety
    /// As [`next`](Self::next): no reply is lost.
    ///
    /// # Errors
    /// None came in time, or none follows.
    pub async fn next_timeout(&mut self, timeout: Duration) -> Result<Message, NextError> {
        next_within(&self.handle, timeout, |cx| self.slot.poll(cx)).await
    }

    /// The next reply if it has arrived already.
    pub fn try_next(&mut self) -> Option<Message> {
        self.slot.try_next()
    }

    /// The next reply, if there is one; else the waker is kept until there is.
    pub fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.slot.poll(cx)
    }

    /// What ended the request, once it has ended: replies that came before may still be waiting.
    pub fn ended(&self) -> Option<Result<RepliesEnd, RequestError>> {
        let ended = self.slot.ended()?;
        Some(ended.map_err(|error| RequestError::failed(error, self.subject)))
    }

    /// How many replies were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.slot.dropped()
    }
}

impl Stream for Replies {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_reply(cx)
    }
}

impl Drop for Replies {
    fn drop(&mut self) {
        if self.slot.ended().is_none() {
            self.handle.shared.cancel_request(self.request);
        }
    }
}
