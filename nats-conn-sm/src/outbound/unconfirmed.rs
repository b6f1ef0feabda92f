//! What one link has taken and its server has not confirmed.

use alloc::collections::VecDeque;

use nats_proto::TransmitBuf;

use crate::canonical::Form;
use crate::frames::{Largest, Tag, write_frame};
use crate::ids::PublishSeq;
use crate::ranges::{SeqRanges, span};

/// Publishes that are with a transport, and copies of those that may have to be sent again.
#[derive(Clone, Debug)]
pub(super) struct Unconfirmed {
    /// Wholly with the transport, ascending.
    written: VecDeque<(PublishSeq, PublishSeq)>,
    /// Blocks that at least once keeps until they are confirmed, in order.
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// The server has processed everything up to this number; 0 is nobody's.
    confirmed_up_to: PublishSeq,
    /// The last publish of blocks that may be with the server, and their largest messages, ever smaller: a block that
    /// is followed by one with a larger message is not needed.
    largest: VecDeque<(PublishSeq, Largest)>,
}

/// A block that was handed out and may have to be sent again.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    block: TransmitBuf<Tag>,
    publishes: SeqRanges,
    bytes: usize,
}

impl Kept {
    pub(super) fn into_parts(self) -> (TransmitBuf<Tag>, SeqRanges) {
        (self.block, self.publishes)
    }
}

/// What was written.
impl Unconfirmed {
    pub(super) fn new() -> Self {
        Self {
            written: VecDeque::new(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            confirmed_up_to: PublishSeq::from_u64(0),
            largest: VecDeque::new(),
        }
    }

    pub(super) fn write(&mut self, publishes: &SeqRanges) {
        for &(first, last) in publishes.runs() {
            match self.written.back_mut() {
                Some((_, end)) if end.next() == first => *end = last,
                _ => self.written.push_back((first, last)),
            }
        }
    }

    /// A PONG shows that everything written up to here was processed. How many publishes that confirms.
    pub(super) fn confirm(&mut self, up_to: PublishSeq) -> u64 {
        self.confirmed_up_to = self.confirmed_up_to.max(up_to);
        while self.largest.front().is_some_and(|&(last, _)| last <= up_to) {
            self.largest.pop_front();
        }
        let mut confirmed = 0_u64;
        while let Some((first, last)) = self.written.front_mut() {
            if *first > up_to {
                break;
            }
            let end = (*last).min(up_to);
            confirmed = confirmed.saturating_add(span(*first, end));
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
        confirmed
    }

    /// The link is gone: what was written and not confirmed never will be.
    pub(super) fn give_up(&mut self) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        for (first, last) in self.written.drain(..) {
            ranges.push_run(first, last);
        }
        ranges
    }

    /// Takes one publish out of those that were written. Whether it was there.
    pub(super) fn remove(&mut self, seq: PublishSeq) -> bool {
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
        true
    }

    pub(super) fn is_written(&self, seq: PublishSeq) -> bool {
        let place = self.written.partition_point(|&(_, last)| last < seq);
        self.written.get(place).is_some_and(|&(first, _)| first <= seq)
    }

    pub(super) fn has_written(&self) -> bool {
        !self.written.is_empty()
    }

    pub(super) fn first_written(&self) -> Option<PublishSeq> {
        self.written.front().map(|&(first, _)| first)
    }

    /// Whether a PONG proved this one, or one after it.
    pub(super) fn is_confirmed(&self, seq: PublishSeq) -> bool {
        seq <= self.confirmed_up_to
    }
}

/// What is kept.
impl Unconfirmed {
    pub(super) fn keep(&mut self, block: TransmitBuf<Tag>, publishes: SeqRanges, bytes: usize) {
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        self.kept.push_back(Kept {
            block,
            publishes,
            bytes,
        });
    }

    pub(super) fn take_kept(&mut self) -> VecDeque<Kept> {
        self.kept_bytes = 0;
        core::mem::take(&mut self.kept)
    }

    #[inline]
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// The lowest number that is kept and was not written.
    pub(super) fn first_kept_unwritten(&self) -> Option<PublishSeq> {
        let written = self.written.back().map(|&(_, last)| last);
        let floor = written.map_or(self.confirmed_up_to, |last| last.max(self.confirmed_up_to));
        let runs = self.kept.iter().flat_map(|kept| kept.publishes.runs());
        runs.filter(|&&(_, last)| last > floor)
            .map(|&(first, _)| first.max(floor.next()))
            .next()
    }

    /// Whether this publish is kept and was not written.
    pub(super) fn is_kept_unwritten(&self, seq: PublishSeq) -> bool {
        self.first_kept_unwritten().is_some_and(|first| seq >= first)
            && self.kept.iter().any(|kept| kept.publishes.contains(seq))
    }
}

/// The largest message.
impl Unconfirmed {
    /// A block up to the publish `last` may be with the server.
    pub(super) fn note_largest(&mut self, last: PublishSeq, largest: Largest) {
        let is_needless = |known: &Largest| known.message() <= largest.message();
        while self.largest.back().is_some_and(|(_, known)| is_needless(known)) {
            self.largest.pop_back();
        }
        self.largest.push_back((last, largest));
    }

    /// The largest message that may be with the server and is not confirmed.
    pub(super) fn largest(&self) -> Option<Largest> {
        self.largest.front().map(|&(_, largest)| largest)
    }
}

/// For exploration.
impl Unconfirmed {
    pub(super) fn canonical(&self, form: &mut Form) {
        let Self {
            written,
            kept,
            // The sum of the blocks' bytes.
            kept_bytes: _,
            confirmed_up_to,
            largest,
        } = self;
        form.publishes(written);
        form.list(kept, |form, kept| kept.canonical(form, *confirmed_up_to));
        form.publishes_up_to(*confirmed_up_to);
        form.list(largest, |form, (last, largest)| {
            form.publishes_up_to(*last);
            largest.canonical(form);
        });
    }
}

impl Kept {
    /// What is confirmed of it is kept with the rest, and never looked at again.
    fn canonical(&self, form: &mut Form, confirmed_up_to: PublishSeq) {
        let Self {
            block,
            publishes,
            bytes,
        } = self;
        let frames = block.frames().filter(|frame| frame.tag.is_publish());
        let live = publishes.numbers().zip(frames);
        form.list(
            live.filter(|(seq, _)| *seq > confirmed_up_to),
            |form, (seq, frame)| {
                form.publish(seq);
                write_frame(form, block, frame);
            },
        );
        form.size(*bytes);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn number(number: u64) -> PublishSeq {
        PublishSeq::from_u64(number)
    }

    fn publishes(first: u64, last: u64) -> SeqRanges {
        let mut publishes = SeqRanges::default();
        publishes.push_run(number(first), number(last));
        publishes
    }

    #[test]
    fn what_is_taken_out_of_a_run_leaves_those_around_it() {
        for (taken, first) in [(1, 2), (2, 1), (3, 1)] {
            let mut unconfirmed = Unconfirmed::new();
            unconfirmed.write(&publishes(1, 3));
            assert!(unconfirmed.remove(number(taken)));
            let left: Vec<u64> = (1..=3)
                .filter(|&seq| unconfirmed.is_written(number(seq)))
                .collect();
            assert_eq!(left.len(), 2, "{left:?}");
            assert_eq!(unconfirmed.first_written(), Some(number(first)));
            assert_eq!(unconfirmed.confirm(number(3)), 2);
        }
    }

    #[test]
    fn the_largest_message_is_that_of_what_is_not_confirmed() {
        let of = |size: usize| {
            let mut largest = None;
            Largest::note(&mut largest, number(1), size, size);
            largest.unwrap()
        };
        let mut unconfirmed = Unconfirmed::new();
        for (last, size) in [(5, 10), (6, 100), (7, 50), (9, 50)] {
            unconfirmed.note_largest(number(last), of(size));
        }
        for (up_to, expected) in [(5, Some(100)), (6, Some(50)), (7, Some(50)), (9, None)] {
            unconfirmed.confirm(number(up_to));
            assert_eq!(
                unconfirmed.largest().map(Largest::message),
                expected,
                "after {up_to}"
            );
        }
    }

    #[test]
    fn of_messages_that_are_equally_large_the_first_counts() {
        let mut largest = None;
        for seq in [1, 2] {
            Largest::note(&mut largest, number(seq), 10, 10);
        }
        assert_eq!(largest.map(Largest::seq), Some(number(1)));
    }

    #[test]
    fn what_is_kept_after_the_last_that_was_written_is_unwritten() {
        let mut unconfirmed = Unconfirmed::new();
        unconfirmed.write(&publishes(1, 3));
        unconfirmed.keep(TransmitBuf::new(), publishes(2, 4), 10);
        let unwritten: Vec<u64> = (1..=6)
            .filter(|&seq| unconfirmed.is_kept_unwritten(number(seq)))
            .collect();
        assert_eq!(unwritten, [4]);
    }
}
