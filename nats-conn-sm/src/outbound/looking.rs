//! What can be asked of the frames to be written and of the fates of publishes.

use super::flight::Flight;
use super::{Outbound, Takes};
use crate::ids::PublishSeq;
use crate::statistics::{Fate, PublishFates};
use crate::time::Timestamp;

impl Outbound {
    pub(crate) fn takes(&self) -> Option<Takes> {
        self.takes
    }

    /// Bytes that wait to be handed out.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queue.bytes()
    }

    /// How many publishes are queued or handed out.
    pub(crate) fn queued(&self) -> u64 {
        self.ledger.queued()
    }

    pub(crate) fn has_publishes(&self) -> bool {
        self.queue.has_publishes()
    }

    /// Whether a block is in the driver's hand.
    pub(crate) fn is_writing(&self) -> bool {
        self.flight.as_ref().is_some_and(Flight::has_hand)
    }

    /// Whether nothing is left to write.
    pub(crate) fn is_written_out(&self) -> bool {
        !self.is_writing() && self.queue.is_empty()
    }

    /// When to ask for confirmation.
    pub(crate) fn confirm_at(&self) -> Option<Timestamp> {
        self.flight.as_ref()?.confirm_at()
    }

    /// The highest number that a transport ever took.
    pub(crate) fn written_up_to(&self) -> Option<PublishSeq> {
        self.ledger.written_up_to()
    }

    pub(crate) fn pings_out(&self) -> u64 {
        self.flight.as_ref().map_or(0, Flight::pings_out) as u64
    }

    /// Messages and bytes that transports took.
    pub(crate) fn sent(&self) -> (u64, u64) {
        self.ledger.sent()
    }

    /// How many publishes were lost so far.
    pub(crate) fn mark(&self) -> u64 {
        self.ledger.lost()
    }

    /// Whether everything is confirmed, and nothing was lost since `mark`.
    pub(crate) fn nothing_lost_since(&self, mark: u64) -> bool {
        let has_written = |flight: &Flight| flight.unconfirmed().has_written();
        self.ledger.queued() == 0
            && !self.flight.as_ref().is_some_and(has_written)
            && self.ledger.lost() == mark
    }

    /// What became of the publishes that were accepted.
    pub(crate) fn fates(&self) -> PublishFates {
        let written = self
            .flight
            .as_ref()
            .and_then(|flight| flight.unconfirmed().first_written());
        let first_open = match (written, self.first_unwritten()) {
            (Some(written), Some(unwritten)) => Some(written.min(unwritten)),
            (written, unwritten) => written.or(unwritten),
        };
        self.ledger.fates(first_open)
    }

    /// What became of one publish; none if no publish has this number.
    pub(crate) fn fate(&self, seq: PublishSeq) -> Option<Fate> {
        if seq == PublishSeq::from_u64(0) || seq > self.ledger.last_accepted() {
            return None;
        }
        let written = |flight: &Flight| flight.unconfirmed().is_written(seq);
        if self.flight.as_ref().is_some_and(written) {
            return Some(Fate::Written);
        }
        let unwritten = |flight: &Flight| flight.is_unwritten(seq);
        let is_queued = self.first_unwritten().is_some_and(|first| seq >= first)
            && (self.flight.as_ref().is_some_and(unwritten) || self.queue.contains(seq));
        Some(if is_queued { Fate::Queued } else { Fate::Settled })
    }

    /// The lowest number that is queued or handed out.
    fn first_unwritten(&self) -> Option<PublishSeq> {
        let flight = self.flight.as_ref().and_then(Flight::first_unwritten);
        flight.or_else(|| self.queue.first_publish())
    }
}
