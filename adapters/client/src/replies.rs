//! The replies to one request that wants several.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use nats_conn_sm::{Mailbox, MailboxLimits, RepliesEnd, RequestError, RequestId};
use nats_proto::Message;

use crate::handle::Handle;
use crate::lock::{lock, remember};

/// The replies to a request for several, as a stream that ends when the request is done:
/// [`ended`](Self::ended) says why. Dropping it cancels the request.
#[derive(Debug)]
pub struct Replies {
    request: RequestId,
    slot: Arc<RepliesSlot>,
    handle: Arc<Handle>,
}

/// Where the replies wait.
#[derive(Debug)]
pub(crate) struct RepliesSlot {
    state: Mutex<SlotState>,
}

#[derive(Debug)]
struct SlotState {
    mailbox: Mailbox,
    ended: Option<Result<RepliesEnd, RequestError>>,
    waker: Option<Waker>,
}

impl RepliesSlot {
    pub(crate) fn new(limits: MailboxLimits) -> Arc<Self> {
        let state = SlotState {
            mailbox: Mailbox::new(limits),
            ended: None,
            waker: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
        })
    }

    pub(crate) fn push(&self, message: Message) -> Option<Waker> {
        let mut state = lock(&self.state);
        // Replies are few and may wait long: each is kept without the block it was read into.
        state.mailbox.append(0, &mut VecDeque::from([message.detach()]));
        state.waker.take()
    }

    pub(crate) fn end(&self, result: Result<RepliesEnd, RequestError>) -> Option<Waker> {
        let mut state = lock(&self.state);
        state.ended = Some(result);
        state.waker.take()
    }
}

impl Replies {
    pub(crate) fn new(request: RequestId, slot: Arc<RepliesSlot>, handle: Arc<Handle>) -> Self {
        Self {
            request,
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

    /// The next reply, or word whom to wake when there is one.
    pub fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = lock(&self.slot.state);
        if let Some(reply) = state.mailbox.pop() {
            return Poll::Ready(Some(reply));
        }
        if state.ended.is_some() {
            return Poll::Ready(None);
        }
        remember(&mut state.waker, cx.waker());
        Poll::Pending
    }

    /// What ended the request, once it has ended: replies that came before may still be waiting.
    pub fn ended(&self) -> Option<Result<RepliesEnd, RequestError>> {
        lock(&self.slot.state).ended
    }

    /// How many replies were dropped because too many were waiting.
    pub fn dropped(&self) -> u64 {
        lock(&self.slot.state).mailbox.dropped()
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
        if self.ended().is_none() {
            crate::request::cancel(&self.handle.shared, self.request);
        }
    }
}
