//! Waiting for room in the send buffer: the same for everything that is published.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm::Timestamp;

use crate::core::locked::Locked;
use crate::core::pace::Place;
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
    /// Among those who are ahead of the driver.
    place: Option<Place>,
    /// It was woken there, and has let others go first.
    gave_way: bool,
}

impl<'a> Room<'a> {
    #[inline]
    pub(crate) fn new(handle: &'a Arc<Handle>, timeout: Option<Duration>) -> Self {
        Self {
            handle,
            timeout,
            deadline: None,
            waiting: None,
            place: None,
            gave_way: false,
        }
    }

    /// How much is left of a timeout that is counted from the first time that this is asked.
    pub(crate) fn left(&mut self, now: Timestamp, timeout: Duration) -> Duration {
        self.due(now, timeout).since(now)
    }

    /// When that is over.
    pub(crate) fn due(&mut self, now: Timestamp, timeout: Duration) -> Timestamp {
        *self.deadline.get_or_insert(now + timeout)
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

    /// There may be room, but the driver is to come first: waits for that, or waits on.
    #[cold]
    pub(crate) fn pace(&mut self, locked: &mut Locked, bytes: usize, cx: &Context<'_>) {
        self.place = Some(locked.pace.wait(self.place, bytes, cx.waker()));
        self.gave_way = false;
    }

    /// Whether others go first that were woken together with this one.
    #[inline]
    pub(crate) fn gives_way(&mut self, locked: &Locked) -> bool {
        let Some(place) = self.place else { return false };
        !std::mem::replace(&mut self.gave_way, true) && locked.pace.gives_way(place)
    }

    /// Does not wait any more: another attempt is made.
    #[inline]
    pub(crate) fn stop(&mut self, locked: &mut Locked) {
        if let Some(ticket) = self.waiting.take() {
            locked.room.remove(ticket);
        }
        if let Some(place) = self.place.take() {
            locked.pace.leave(place);
        }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.waiting.is_some() || self.place.is_some() {
            let handle = self.handle;
            handle.shared.call_quietly(|locked| self.stop(locked));
        }
    }
}
