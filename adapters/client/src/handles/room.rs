//! Waiting for room in the send buffer: the same for everything that is published.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::Timestamp;

use crate::core::locked::Locked;
use crate::core::waiting::Ticket;
use crate::handles::handle::Handle;

/// Somebody who waits for room in the send buffer, for so long at most.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    pub(crate) handle: &'a Arc<Handle>,
    /// How long to wait. Without one: as long as it takes.
    pub(crate) timeout: Option<Duration>,
    deadline: Option<Timestamp>,
    waiting: Option<Ticket>,
}

impl<'a> Room<'a> {
    #[inline]
    pub(crate) fn new(handle: &'a Arc<Handle>, timeout: Option<Duration>) -> Self {
        Self {
            handle,
            timeout,
            deadline: None,
            waiting: None,
        }
    }

    /// How much is left of a timeout that is counted from the first time that this is asked.
    pub(crate) fn left(&mut self, now: Timestamp, timeout: Duration) -> Duration {
        self.deadline.get_or_insert(now + timeout).since(now)
    }

    /// There is no room now: waits for some. Ready when it is too late.
    #[cold]
    pub(crate) fn wait(&mut self, locked: &mut Locked, now: Timestamp, cx: &Context<'_>) -> Poll<()> {
        if let Some(timeout) = self.timeout
            && self.left(now, timeout).is_zero()
        {
            return Poll::Ready(());
        }
        let deadline = self.deadline;
        self.waiting = Some(locked.room.add(deadline, cx.waker()));
        Poll::Pending
    }

    /// Does not wait any more: another attempt is made.
    #[inline]
    pub(crate) fn stop(&mut self, locked: &mut Locked) {
        if let Some(ticket) = self.waiting.take() {
            locked.room.remove(ticket);
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.waiting.take() {
            self.handle
                .shared
                .call_quietly(|locked| locked.room.remove(ticket));
        }
    }
}
