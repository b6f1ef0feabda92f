//! Numbers of publishes as ranges.

use core::ops::RangeInclusive;

use smallvec::SmallVec;

use crate::ids::PublishSeq;

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
        let place = self.0.partition_point(|&(_, last)| last < publish);
        self.0.get(place).is_some_and(|&(first, _)| first <= publish)
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
            Some((_, end)) if first.follows(*end) => *end = last,
            _ => self.0.push((first, last)),
        }
    }

    /// Every number, in ascending order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = PublishSeq> + '_ {
        self.iter().flatten().map(PublishSeq::from_u64)
    }
}

/// How many numbers there are from `first` to `last`.
pub(crate) fn span(first: PublishSeq, last: PublishSeq) -> u64 {
    last.as_u64().saturating_sub(first.as_u64()).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_are_one() {
        let mut joined = SeqRanges::default();
        for (first, last) in [(1, 2), (3, 3), (5, 6)] {
            joined.push_run(PublishSeq::from_u64(first), PublishSeq::from_u64(last));
        }
        assert_eq!(joined.iter().collect::<alloc::vec::Vec<_>>(), [1..=3, 5..=6]);
        assert_eq!(joined.count(), 5);
        assert!(joined.contains(PublishSeq::from_u64(3)) && !joined.contains(PublishSeq::from_u64(4)));
    }
}
