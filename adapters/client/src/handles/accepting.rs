//! A publish on its way into the send buffer.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nats_conn_sm as machine;
use nats_conn_sm::PublishSeq;
use nats_proto::InvalidSubject;

use crate::core::locked::{Locked, Pause};
use crate::error::publish::PublishError;
use crate::handles::handle::Handle;
use crate::handles::outgoing::{Outgoing, weight};
use crate::handles::room::Room;

/// What is published, and the room that it waits for. Where it is accepted, `accepted` is called before anything can
/// happen to it.
#[derive(Debug)]
pub(crate) struct Accepting<'a> {
    pub(crate) outgoing: Outgoing<'a>,
    pub(crate) room: Room<'a>,
}

/// Why nothing was published yet.
enum NotYet {
    /// The driver comes first, which is waited for.
    Paced,
    /// Others run first.
    Yields,
    /// Room is waited for, or has been for too long.
    Waits(Poll<()>),
    Refused(machine::PublishError),
    Invalid(InvalidSubject),
}

impl<'a> Accepting<'a> {
    #[inline]
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
        let published = self.room.handle.shared.call_to_publish(|locked| {
            let seq = locked.connection.publish(publish)?;
            accepted(locked, seq);
            Ok(seq)
        });
        published.map_err(|error| self.refused(error))
    }

    /// Publishes, or waits for room.
    #[inline]
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        accepted: impl FnOnce(&mut Locked, PublishSeq),
    ) -> Poll<Result<PublishSeq, PublishError>> {
        let Self { outgoing, room } = self;
        let handle = room.handle;
        let published = handle.shared.call_to_publish(|locked| {
            let publish = outgoing.publish().map_err(NotYet::Invalid)?;
            let weight = weight(&publish);
            if room.stands() || locked.pace.pauses() {
                others_first(room, locked, weight, cx)?;
            }
            match locked.connection.publish(publish) {
                Ok(seq) => {
                    locked.pace.published(weight);
                    accepted(locked, seq);
                    Ok(seq)
                }
                Err(machine::PublishError::BufferFull { .. }) => {
                    let now = handle.shared.now();
                    Err(NotYet::Waits(room.wait(locked, now, cx)))
                }
                Err(error) => Err(NotYet::Refused(error)),
            }
        });
        match published {
            Ok(seq) => Poll::Ready(Ok(seq)),
            Err(not_yet) => self.not_yet(not_yet, cx),
        }
    }

    #[cold]
    fn not_yet(&self, why: NotYet, cx: &Context<'_>) -> Poll<Result<PublishSeq, PublishError>> {
        match why {
            NotYet::Paced => Poll::Pending,
            NotYet::Yields => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            NotYet::Waits(waits) => {
                // The moment when it is too late may be the first for which the driver has to wake.
                self.room.handle.shared.wake_driver();
                waits.map(|()| Err(self.timed_out()))
            }
            NotYet::Refused(error) => Poll::Ready(Err(self.refused(error))),
            NotYet::Invalid(error) => Poll::Ready(Err(error.into())),
        }
    }

    #[cold]
    fn refused(&self, error: machine::PublishError) -> PublishError {
        PublishError::refused(error, self.outgoing.excerpt())
    }

    #[cold]
    fn timed_out(&self) -> PublishError {
        PublishError::TimedOut {
            subject: self.outgoing.excerpt(),
            after: self.room.timeout.unwrap_or_default(),
        }
    }
}

/// Whether others come first, or nobody any more, so that an attempt is made.
#[cold]
fn others_first(
    room: &mut Room<'_>,
    locked: &mut Locked,
    weight: usize,
    cx: &Context<'_>,
) -> Result<(), NotYet> {
    if room.gives_way(locked) {
        return Err(NotYet::Yields);
    }
    match locked.pause(room.timeout) {
        None => {}
        Some(Pause::Yields) => return Err(NotYet::Yields),
        Some(Pause::Waits) => {
            room.pace(locked, weight, cx);
            return Err(NotYet::Paced);
        }
    }
    room.stop(locked);
    Ok(())
}
