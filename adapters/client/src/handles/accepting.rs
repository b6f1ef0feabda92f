//! A publish on its way into the send buffer.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::{PublishSeq, State};

use crate::core::locked::Locked;
use crate::error::publish::PublishError;
use crate::handles::handle::Handle;
use crate::handles::outgoing::Outgoing;
use crate::handles::room::Room;

/// From so many queued bytes on a publisher lets the driver run first, so that on one thread what is published
/// leaves while the publisher goes on, rather than when the buffer is full.
const YIELD_AT: usize = 128 << 10;

/// What is published, and the room that it waits for. Where it is accepted, `accepted` is called before anything can
/// happen to it.
#[derive(Debug)]
pub(crate) struct Accepting<'a> {
    pub(crate) outgoing: Outgoing<'a>,
    pub(crate) room: Room<'a>,
}

impl<'a> Accepting<'a> {
    pub(crate) fn new(handle: &'a Arc<Handle>, outgoing: Outgoing<'a>, timeout: Option<Duration>) -> Self {
        Self {
            outgoing,
            room: Room::new(handle, timeout),
        }
    }

    /// Publishes at once or not at all.
    #[inline]
    pub(crate) fn now(
        &self,
        accepted: impl FnOnce(&mut Locked, PublishSeq),
    ) -> Result<PublishSeq, PublishError> {
        let publish = self.outgoing.publish()?;
        let shared = &self.room.handle.shared;
        shared
            .call(|locked| {
                let seq = locked.connection.publish(publish)?;
                accepted(locked, seq);
                Ok(seq)
            })
            .map_err(|error| PublishError::refused(error, self.outgoing.excerpt()))
    }

    /// Publishes, or waits for room.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        accepted: impl FnOnce(&mut Locked, PublishSeq),
    ) -> Poll<Result<PublishSeq, PublishError>> {
        let handle = self.room.handle;
        let outcome = handle.shared.call(|locked| {
            if locked.connection.queued() >= YIELD_AT
                && locked.yielded != locked.blocks
                && locked.connection.state() == State::Connected
            {
                locked.yielded = locked.blocks;
                return None;
            }
            Some(self.attempt(locked, cx, accepted))
        });
        outcome.unwrap_or_else(|| {
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    #[inline]
    fn attempt(
        &mut self,
        locked: &mut Locked,
        cx: &Context<'_>,
        accepted: impl FnOnce(&mut Locked, PublishSeq),
    ) -> Poll<Result<PublishSeq, PublishError>> {
        self.room.stop(locked);
        let publish = self.outgoing.publish()?;
        match locked.connection.publish(publish) {
            Ok(seq) => {
                accepted(locked, seq);
                Poll::Ready(Ok(seq))
            }
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
