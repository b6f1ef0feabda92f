//! Publishing, flushing, and measuring the round trip.

use nats_proto::Reply;

use super::Machine;
use crate::error::{FlushError, PublishError};
use crate::event::DropReason;
use crate::frames::{Shape, Tag};
use crate::ids::{FlushId, PublishSeq, RoundTripId};
use crate::outbound::{Room, publish_op};
use crate::publish::Publish;

impl Machine {
    /// The application publishes.
    #[inline]
    pub(crate) fn publish(&mut self, publish: Publish<'_>) -> Result<PublishSeq, PublishError> {
        self.life.accepts_publishes()?;
        let up = self.session_link().is_some();
        let reply = publish.reply.map(Reply::Subject);
        let publish = publish_op(publish, reply);
        let shape = self.outbound.measure(&publish, Tag::Publish, up, &self.env)?;
        self.make_room(shape)?;
        let seq = self.outbound.push(shape, publish, &self.env)?;
        // Requests that made room may have been the last that a drain waited for.
        self.drain_step();
        Ok(seq)
    }

    /// Makes room for a publish that was measured, by dropping older ones where the settings allow it.
    #[inline]
    pub(super) fn make_room(&mut self, shape: Shape) -> Result<(), PublishError> {
        match self.outbound.room(shape, &self.env) {
            Room::Fits => Ok(()),
            Room::Drop(bytes) => {
                let dropped = self.outbound.drop_oldest(bytes);
                self.report_dropped(dropped, DropReason::Overflow);
                Ok(())
            }
            Room::Full => Err(PublishError::BufferFull {
                limit: self.env.config().send_buffer,
            }),
        }
    }

    /// The application asks whether the server has processed what was published so far.
    pub(crate) fn flush(&mut self) -> Result<FlushId, FlushError> {
        self.require_session()?;
        Ok(self.outbound.flush(self.interest.last_sid()))
    }

    /// The application asks how long a round trip takes.
    pub(crate) fn round_trip(&mut self) -> Result<RoundTripId, FlushError> {
        self.require_session()?;
        Ok(self.outbound.round_trip(self.interest.last_sid()))
    }

    fn require_session(&self) -> Result<(), FlushError> {
        if self.life.is_ending() {
            Err(FlushError::Closed)
        } else if self.session_link().is_some() {
            Ok(())
        } else {
            Err(FlushError::Disconnected)
        }
    }
}
