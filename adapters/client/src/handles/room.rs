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
    row: Row,
}

/// Where somebody stands who waits.
#[derive(Clone, Copy, Debug)]
enum Row {
    Nowhere,
    /// With those who wait for room.
    Room(Ticket),
    /// With those who are ahead of the driver.
    Pace {
        place: Place,
        /// It was woken there, and has let others go first.
        gave_way: bool,
    },
}

impl<'a> Room<'a> {
    #[inline]
    pub(crate) fn new(handle: &'a Arc<Handle>, timeout: Option<Duration>) -> Self {
        Self {
            handle,
            timeout,
            deadline: None,
            row: Row::Nowhere,
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
        self.stop(locked);
        self.row = Row::Room(locked.room.add(deadline, cx.waker()));
        Poll::Pending
    }

    /// There may be room, but the driver is to come first: waits for that, or waits on.
    #[cold]
    pub(crate) fn pace(&mut self, locked: &mut Locked, bytes: usize, cx: &Context<'_>) {
        let before = match self.row {
            Row::Pace { place, .. } => Some(place),
            Row::Room(_) | Row::Nowhere => {
                self.stop(locked);
                None
            }
        };
        self.row = Row::Pace {
            place: locked.pace.wait(before, bytes, cx.waker()),
            gave_way: false,
        };
    }

    /// Whether it has waited, and stands somewhere still.
    #[inline]
    pub(crate) fn stands(&self) -> bool {
        !matches!(self.row, Row::Nowhere)
    }

    /// Whether others go first that were woken together with this one.
    pub(crate) fn gives_way(&mut self, locked: &Locked) -> bool {
        let Row::Pace { place, gave_way } = &mut self.row else {
            return false;
        };
        !std::mem::replace(gave_way, true) && locked.pace.gives_way(*place)
    }

    /// Does not wait any more: another attempt is made.
    pub(crate) fn stop(&mut self, locked: &mut Locked) {
        match std::mem::replace(&mut self.row, Row::Nowhere) {
            Row::Nowhere => {}
            Row::Room(ticket) => locked.room.remove(ticket),
            Row::Pace { place, .. } => locked.pace.leave(place),
        }
    }
}

impl Drop for Room<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.stands() {
            let handle = self.handle;
            handle.shared.call_quietly(|locked| self.stop(locked));
        }
    }
}
