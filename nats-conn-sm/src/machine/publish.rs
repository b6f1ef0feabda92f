//! Publishing, flushing, and measuring the round trip.

use nats_proto::{PublishFrame, Reply};

use super::Machine;
use crate::error::{FlushError, PublishError};
use crate::event::DropReason;
use crate::frames::Tag;
use crate::ids::{FlushId, PublishSeq, RoundTripId};
use crate::outbound::{Room, publish_frame};
use crate::publish::Publish;

impl Machine {
    /// The application publishes.
    #[inline]
    pub(crate) fn publish(&mut self, publish: &Publish<'_>) -> Result<PublishSeq, PublishError> {
        self.life.accepts_publishes()?;
        let frame = publish_frame(publish, publish.reply.map(Reply::Subject));
        self.make_room(&frame)?;
        let seq = self.outbound.push(&frame, Tag::Publish);
        // Requests that made room may have been the last that a drain waited for.
        self.drain_step();
        Ok(seq)
    }

    /// Checks a publish, and makes room for it, by dropping older ones where the settings allow that.
    #[inline]
    pub(super) fn make_room(&mut self, frame: &PublishFrame<'_>) -> Result<(), PublishError> {
        let link = &self.link;
        let is_up = || link.as_ref().is_some_and(|link| link.is_up());
        self.outbound.check(frame, is_up, &self.env)?;
        match self.outbound.room(frame.encoded_len(), &self.env) {
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
