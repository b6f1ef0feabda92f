//! The fate of each publish: from accepted to confirmed, unconfirmed or dropped.

use alloc::collections::VecDeque;
use core::ops::RangeInclusive;

use nats_proto::TransmitBuf;
use smallvec::SmallVec;

use crate::block::Tag;
use crate::ids::PublishSeq;
use crate::statistics::PublishFates;

/// Numbers of publishes, as ranges in ascending order.
///
/// ```
/// let none = nats_conn_sm::SeqRanges::default();
/// assert_eq!(none.count(), 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqRanges(SmallVec<[(PublishSeq, PublishSeq); 1]>);

impl SeqRanges {
    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .map(|&(first, last)| span(first, last))
            .fold(0, u64::saturating_add)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = RangeInclusive<u64>> + '_ {
        self.0.iter().map(|&(first, last)| first.as_u64()..=last.as_u64())
    }

    /// Whether this publish is among them.
    pub fn contains(&self, publish: PublishSeq) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&publish))
    }

    pub(crate) fn runs(&self) -> &[(PublishSeq, PublishSeq)] {
        &self.0
    }

    pub(crate) fn first(&self) -> Option<PublishSeq> {
        self.0.first().map(|&(first, _)| first)
    }

    pub(crate) fn last(&self) -> Option<PublishSeq> {
        self.0.last().map(|&(_, last)| last)
    }

    /// Adds a number above all that are there.
    pub(crate) fn push(&mut self, seq: PublishSeq) {
        self.push_run(seq, seq);
    }

    /// Adds a range above all that are there, joined to the last one where they touch.
    pub(crate) fn push_run(&mut self, first: PublishSeq, last: PublishSeq) {
        match self.0.last_mut() {
            Some((_, end)) if end.next() == first => *end = last,
            _ => self.0.push((first, last)),
        }
    }

    /// Every number, in ascending order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = PublishSeq> + '_ {
        self.iter().flatten().map(PublishSeq::from_u64)
    }
}

fn span(first: PublishSeq, last: PublishSeq) -> u64 {
    last.as_u64().saturating_sub(first.as_u64()).saturating_add(1)
}

/// The ledger: five counters that always add up to what was accepted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    fates: PublishFates,
    /// Written and not final, ascending.
    written: VecDeque<(PublishSeq, PublishSeq)>,
    /// The highest number ever written. Written publishes come before queued ones.
    written_up_to: Option<PublishSeq>,
    /// What at-least-once keeps until it is confirmed, in order.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    confirmed_up_to: Option<PublishSeq>,
}

/// A block that was handed out and may have to be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) block: TransmitBuf<Tag>,
    pub(crate) publishes: SeqRanges,
    bytes: usize,
}

impl Delivery {
    pub(crate) fn accept(&mut self) -> PublishSeq {
        self.fates.accepted = self.fates.accepted.saturating_add(1);
        self.fates.queued = self.fates.queued.saturating_add(1);
        PublishSeq::from_u64(self.fates.accepted)
    }

    /// The number of the publish that was accepted last.
    pub(crate) fn last_accepted(&self) -> PublishSeq {
        PublishSeq::from_u64(self.fates.accepted)
    }

    /// The number that the next publish will have.
    pub(crate) fn next(&self) -> PublishSeq {
        self.last_accepted().next()
    }

    /// These, which were queued, are wholly with a transport.
    pub(crate) fn write(&mut self, publishes: &SeqRanges) {
        for &(first, last) in publishes.runs() {
            self.fates.queued = self.fates.queued.saturating_sub(span(first, last));
            self.fates.written = self.fates.written.saturating_add(span(first, last));
            match self.written.back_mut() {
                Some((_, end)) if end.next() == first => *end = last,
                _ => self.written.push_back((first, last)),
            }
            self.written_up_to = self.written_up_to.max(Some(last));
        }
    }

    /// A PONG tells that everything written up to here was processed.
    pub(crate) fn confirm(&mut self, up_to: PublishSeq) {
        self.confirmed_up_to = self.confirmed_up_to.max(Some(up_to));
        while let Some((first, last)) = self.written.front_mut() {
            if *first > up_to {
                break;
            }
            let end = (*last).min(up_to);
            let count = span(*first, end);
            self.fates.written = self.fates.written.saturating_sub(count);
            self.fates.confirmed = self.fates.confirmed.saturating_add(count);
            if end == *last {
                self.written.pop_front();
            } else {
                *first = end.next();
            }
        }
        while let Some(kept) = self.kept.front() {
            if kept.publishes.last().is_some_and(|last| last > up_to) {
                break;
            }
            self.kept_bytes = self.kept_bytes.saturating_sub(kept.bytes);
            self.kept.pop_front();
        }
    }

    /// The link is gone: what was written and not confirmed never will be.
    pub(crate) fn give_up_written(&mut self) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        for (first, last) in self.written.drain(..) {
            ranges.push_run(first, last);
        }
        self.fates.written = 0;
        self.fates.unconfirmed = self.fates.unconfirmed.saturating_add(ranges.count());
        ranges
    }

    /// The link is gone: what was written and not confirmed goes back to the queue, but for `lost`.
    pub(crate) fn requeue_written(&mut self, lost: &SeqRanges) {
        let back = self.fates.written.saturating_sub(lost.count());
        self.fates.written = 0;
        self.fates.queued = self.fates.queued.saturating_add(back);
        self.fates.unconfirmed = self.fates.unconfirmed.saturating_add(lost.count());
        self.written.clear();
    }

    /// One that is queued will not be sent again, or not at all.
    pub(crate) fn end_queued(&mut self, seq: PublishSeq) {
        if self.was_written(seq) {
            self.fates.queued = self.fates.queued.saturating_sub(1);
            self.fates.unconfirmed = self.fates.unconfirmed.saturating_add(1);
        } else {
            self.drop_queued(1);
        }
    }

    /// So many that were queued never will be sent.
    pub(crate) fn drop_queued(&mut self, count: u64) {
        self.fates.queued = self.fates.queued.saturating_sub(count);
        self.fates.dropped = self.fates.dropped.saturating_add(count);
    }

    pub(crate) fn keep(&mut self, block: TransmitBuf<Tag>, publishes: SeqRanges, bytes: usize) {
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        self.kept.push_back(Kept {
            block,
            publishes,
            bytes,
        });
    }

    pub(crate) fn take_kept(&mut self) -> VecDeque<Kept> {
        self.kept_bytes = 0;
        core::mem::take(&mut self.kept)
    }

    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Whether this publish is written and not final.
    pub(crate) fn is_written(&self, seq: PublishSeq) -> bool {
        self.written
            .iter()
            .any(|&(first, last)| (first..=last).contains(&seq))
    }

    /// The lowest number that is kept and was not written on this link.
    pub(crate) fn first_kept_unwritten(&self) -> Option<PublishSeq> {
        let written = self.written.back().map(|&(_, last)| last);
        let floor = self
            .confirmed_up_to
            .max(written)
            .unwrap_or(PublishSeq::from_u64(0));
        let runs = self.kept.iter().flat_map(|kept| kept.publishes.runs());
        runs.filter(|&&(_, last)| last > floor)
            .map(|&(first, _)| first.max(floor.next()))
            .next()
    }

    pub(crate) fn is_kept(&self, seq: PublishSeq) -> bool {
        self.kept.iter().any(|kept| kept.publishes.contains(seq))
    }

    /// Takes a publish that was written back among those that are queued. Whether it was written.
    pub(crate) fn take_back(&mut self, seq: PublishSeq) -> bool {
        let Some(place) = self
            .written
            .iter()
            .position(|&(first, last)| (first..=last).contains(&seq))
        else {
            return false;
        };
        let Some((first, last)) = self.written.remove(place) else {
            return false;
        };
        if seq < last {
            self.written.insert(place, (seq.next(), last));
        }
        if first < seq {
            self.written.insert(place, (first, seq.previous()));
        }
        self.fates.written = self.fates.written.saturating_sub(1);
        self.fates.queued = self.fates.queued.saturating_add(1);
        true
    }

    /// Whether a PONG told of this one, or of one behind it.
    pub(crate) fn is_confirmed(&self, seq: PublishSeq) -> bool {
        self.confirmed_up_to.is_some_and(|last| seq <= last)
    }

    pub(crate) fn has_written(&self) -> bool {
        !self.written.is_empty()
    }

    /// Whether this publish was ever wholly with a transport.
    pub(crate) fn was_written(&self, seq: PublishSeq) -> bool {
        self.written_up_to.is_some_and(|last| seq <= last)
    }

    pub(crate) fn queued(&self) -> u64 {
        self.fates.queued
    }

    /// The publishes that did not reach a server for certain.
    pub(crate) fn lost(&self) -> u64 {
        self.fates.unconfirmed.saturating_add(self.fates.dropped)
    }

    /// The counters; `first_queued` is the lowest number that is queued or handed out.
    pub(crate) fn fates(&self, first_queued: Option<PublishSeq>) -> PublishFates {
        let first_written = self.written.front().map(|&(first, _)| first);
        let first_open = match (first_written, first_queued) {
            (Some(written), Some(queued)) => Some(written.min(queued)),
            (written, queued) => written.or(queued),
        };
        let settled = first_open.map_or(self.fates.accepted, |open| open.previous().as_u64());
        PublishFates {
            settled,
            ..self.fates
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seq(number: u64) -> PublishSeq {
        PublishSeq::from_u64(number)
    }

    fn ranges(runs: &[(u64, u64)]) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        runs.iter()
            .for_each(|&(first, last)| ranges.push_run(seq(first), seq(last)));
        ranges
    }

    fn sum(fates: PublishFates) -> u64 {
        fates.queued + fates.written + fates.confirmed + fates.unconfirmed + fates.dropped
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let joined = ranges(&[(1, 2), (3, 3), (5, 6)]);
        assert_eq!(joined.iter().collect::<alloc::vec::Vec<_>>(), [1..=3, 5..=6]);
        assert_eq!(joined.count(), 5);
        assert!(joined.contains(seq(3)) && !joined.contains(seq(4)));
    }

    #[test]
    fn the_counters_add_up_at_every_step() {
        let mut delivery = Delivery::default();
        for _ in 0..10 {
            delivery.accept();
        }
        delivery.write(&ranges(&[(1, 3), (5, 7)]));
        assert_eq!(sum(delivery.fates(Some(seq(4)))), 10);
        delivery.confirm(seq(5));
        let fates = delivery.fates(Some(seq(8)));
        assert_eq!((fates.confirmed, fates.written, fates.settled), (4, 2, 5));
        let lost = delivery.give_up_written();
        assert_eq!(lost, ranges(&[(6, 7)]));
        delivery.drop_queued(4);
        let fates = delivery.fates(None);
        assert_eq!((sum(fates), fates.settled), (10, 10));
    }
}
