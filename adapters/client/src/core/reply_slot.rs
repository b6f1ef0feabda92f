//! Where the replies to one request for several wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use nats_conn_sm::{Mailbox, MailboxLimits, RepliesEnd, RequestError};
use nats_proto::Message;

use crate::core::lock::{lock, remember};

/// Where the replies wait.
#[derive(Debug)]
pub(crate) struct ReplySlot {
    state: Mutex<SlotState>,
}

#[derive(Debug)]
struct SlotState {
    mailbox: Mailbox,
    ended: Option<Result<RepliesEnd, RequestError>>,
    waker: Option<Waker>,
}

impl ReplySlot {
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

    #[must_use = "who waits is to be woken"]
    pub(crate) fn push(&self, message: Message) -> Option<Waker> {
        let mut state = lock(&self.state);
        // Replies are few and may wait long: each is kept without the block it was read into.
        state.mailbox.append(0, &mut VecDeque::from([message.detach()]));
        state.waker.take()
    }

    #[must_use = "who waits is to be woken"]
    pub(crate) fn end(&self, result: Result<RepliesEnd, RequestError>) -> Option<Waker> {
        let mut state = lock(&self.state);
        state.ended = Some(result);
        state.waker.take()
    }

    /// The next reply; `None` when no reply follows.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let mut state = lock(&self.state);
        if let Some(reply) = state.mailbox.pop() {
            return Poll::Ready(Some(reply));
        }
        if state.ended.is_some() {
            return Poll::Ready(None);
        }
        remember(&mut state.waker, cx.waker());
        Poll::Pending
    }

    /// The next reply if there is one already.
    pub(crate) fn try_next(&self) -> Option<Message> {
        lock(&self.state).mailbox.pop()
    }

    pub(crate) fn ended(&self) -> Option<Result<RepliesEnd, RequestError>> {
        lock(&self.state).ended
    }

    pub(crate) fn dropped(&self) -> u64 {
        lock(&self.state).mailbox.dropped()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mail::tests::messages;

    #[test]
    fn replies_that_are_there_are_taken_without_waiting() {
        let slot = ReplySlot::new(MailboxLimits::new(10, 1 << 20));
        assert!(slot.try_next().is_none());
        for reply in messages(2) {
            assert!(slot.push(reply).is_none(), "nobody waits");
        }
        assert!(slot.try_next().is_some() && slot.try_next().is_some());
        assert!(slot.try_next().is_none());
        assert_eq!(slot.dropped(), 0);
    }
}
