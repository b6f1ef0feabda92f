//! How many publishes met which fate.

use crate::canonical::Form;
use crate::frames::Tag;
use crate::ids::PublishSeq;
use crate::ranges::SeqRanges;
use crate::statistics::PublishFates;

/// The counters. Which publishes a link has taken is known to its flight. Whatever was accepted and has met none of these
/// fates is queued.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    accepted: u64,
    written: u64,
    confirmed: u64,
    unconfirmed: u64,
    dropped: u64,
    /// The highest number that a transport ever took.
    written_up_to: Option<PublishSeq>,
    out_messages: u64,
    out_bytes: u64,
}

impl Ledger {
    /// One more is queued.
    #[inline]
    pub(super) fn accept(&mut self) -> PublishSeq {
        self.accepted = self.accepted.saturating_add(1);
        self.last_accepted()
    }

    /// The number of the publish that was accepted last.
    #[inline]
    pub(super) fn last_accepted(&self) -> PublishSeq {
        PublishSeq::from_u64(self.accepted)
    }

    /// These, which were queued, are wholly with a transport.
    pub(super) fn write(&mut self, publishes: &SeqRanges) {
        let count = publishes.count();
        self.written = self.written.saturating_add(count);
        self.out_messages = self.out_messages.saturating_add(count);
        self.written_up_to = self.written_up_to.max(publishes.last());
    }

    /// A transport took so many bytes.
    pub(super) fn count_bytes(&mut self, bytes: usize) {
        self.out_bytes = self.out_bytes.saturating_add(bytes as u64);
    }

    /// So many that were written were processed by the server.
    pub(super) fn confirm(&mut self, count: u64) {
        self.written = self.written.saturating_sub(count);
        self.confirmed = self.confirmed.saturating_add(count);
    }

    /// So many that were written may or may not have been processed.
    pub(super) fn give_up(&mut self, count: u64) {
        self.written = self.written.saturating_sub(count);
        self.unconfirmed = self.unconfirmed.saturating_add(count);
    }

    /// So many that were written are queued again.
    pub(super) fn requeue(&mut self, count: u64) {
        self.written = self.written.saturating_sub(count);
    }

    /// One that is queued will not be sent again, or not at all.
    pub(super) fn end_queued(&mut self, seq: PublishSeq) {
        if self.was_written(seq) {
            self.unconfirmed = self.unconfirmed.saturating_add(1);
        } else {
            self.drop_queued(1);
        }
    }

    /// So many that were queued will never be sent.
    pub(super) fn drop_queued(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(count);
    }

    pub(super) fn written_up_to(&self) -> Option<PublishSeq> {
        self.written_up_to
    }

    /// Whether this publish was ever wholly with a transport.
    pub(super) fn was_written(&self, seq: PublishSeq) -> bool {
        self.written_up_to.is_some_and(|last| seq <= last)
    }

    pub(super) fn queued(&self) -> u64 {
        self.accepted
            .saturating_sub(self.written)
            .saturating_sub(self.confirmed)
            .saturating_sub(self.unconfirmed)
            .saturating_sub(self.dropped)
    }

    /// How many publishes did not reach a server for certain.
    pub(super) fn lost(&self) -> u64 {
        self.unconfirmed.saturating_add(self.dropped)
    }

    /// Messages and bytes that a transport took.
    pub(super) fn sent(&self) -> (u64, u64) {
        (self.out_messages, self.out_bytes)
    }

    /// The counters; `first_open` is the lowest number that is written or queued.
    pub(super) fn fates(&self, first_open: Option<PublishSeq>) -> PublishFates {
        PublishFates {
            accepted: self.accepted,
            queued: self.queued(),
            written: self.written,
            confirmed: self.confirmed,
            unconfirmed: self.unconfirmed,
            dropped: self.dropped,
            settled: first_open.map_or(self.accepted, |open| open.previous().as_u64()),
        }
    }
}

/// For exploration.
impl Ledger {
    pub(super) fn canonical(&self, form: &mut Form) {
        let Self {
            accepted: _,
            written: _,
            confirmed: _,
            unconfirmed: _,
            dropped: _,
            written_up_to,
            out_messages: _,
            out_bytes: _,
        } = self;
        form.number(self.queued());
        form.losses(self.lost());
        // None is as good as a number below all that are mentioned.
        form.publishes_up_to(written_up_to.unwrap_or(PublishSeq::from_u64(0)));
    }
}

/// Publishes that were dropped: they are in the counters already, and have to be reported.
#[derive(Clone, Debug, Default)]
#[must_use]
pub(crate) struct Dropped {
    publishes: SeqRanges,
    bytes: usize,
    has_requests: bool,
}

impl Dropped {
    pub(super) fn push(&mut self, seq: PublishSeq, len: usize, tag: Tag) {
        self.has_requests |= tag == Tag::Request;
        self.publishes.push(seq);
        self.bytes = self.bytes.saturating_add(len);
    }

    pub(crate) fn publishes(&self) -> &SeqRanges {
        &self.publishes
    }

    pub(crate) fn into_publishes(self) -> SeqRanges {
        self.publishes
    }

    /// Bytes of their frames.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there may be requests among them.
    pub(crate) fn has_requests(&self) -> bool {
        self.has_requests
    }
}
