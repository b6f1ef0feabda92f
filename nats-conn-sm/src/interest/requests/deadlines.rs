//! Moments to come, the earliest on top.

use alloc::collections::{BinaryHeap, VecDeque};
use core::cmp::Reverse;

use crate::ids::RequestId;
use crate::time::Timestamp;

/// When a request has waited long enough.
pub(super) type Deadline = (Timestamp, RequestId);

/// Deadlines. Requests mostly wait equally long, so that each deadline is later than all before it: these stand in a row. Only
/// one that is earlier than the last of the row needs a heap.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    /// In ascending order.
    row: VecDeque<Deadline>,
    others: BinaryHeap<Reverse<Deadline>>,
}

impl Deadlines {
    pub(super) fn len(&self) -> usize {
        self.row.len().saturating_add(self.others.len())
    }

    pub(super) fn capacity(&self) -> usize {
        self.row.capacity().saturating_add(self.others.capacity())
    }

    #[inline]
    pub(super) fn push(&mut self, deadline: Deadline) {
        match self.row.back() {
            Some(last) if *last > deadline => self.others.push(Reverse(deadline)),
            _ => self.row.push_back(deadline),
        }
    }

    /// The earliest.
    #[inline]
    pub(super) fn peek(&self) -> Option<Deadline> {
        let first = self.row.front().copied();
        match self.others.peek() {
            None => first,
            Some(&Reverse(other)) => Some(first.map_or(other, |first| first.min(other))),
        }
    }

    /// Removes the earliest.
    #[inline]
    pub(super) fn pop(&mut self) {
        let first = self.row.front();
        let is_other = |other: &Reverse<Deadline>| first.is_none_or(|first| other.0 < *first);
        if self.others.peek().is_some_and(is_other) {
            self.others.pop();
        } else {
            self.row.pop_front();
        }
    }

    pub(super) fn retain(&mut self, holds: impl Fn(Deadline) -> bool) {
        self.row.retain(|&deadline| holds(deadline));
        self.others.retain(|&Reverse(deadline)| holds(deadline));
    }

    /// Gives back memory beyond that of twice as many as there are.
    pub(super) fn shrink(&mut self) {
        self.row.shrink_to(self.row.len().saturating_mul(2));
        self.others.shrink_to(self.others.len().saturating_mul(2));
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_earliest_comes_first_in_whatever_order_they_were_given() {
        for jitter in [0, 1, 5, 1000] {
            let mut rng = Rng::new([7; 32]);
            let (mut deadlines, mut set) = (Deadlines::default(), BTreeSet::new());
            for number in 0..3000 {
                let moment = Timestamp::from_millis(number + rng.up_to(jitter));
                let deadline = (moment, RequestId::from_u64(number));
                deadlines.push(deadline);
                set.insert(deadline);
                for _ in 0..rng.up_to(2) {
                    assert_eq!(deadlines.peek(), set.pop_first());
                    deadlines.pop();
                }
                assert_eq!(deadlines.len(), set.len());
                if number % 500 == 0 {
                    let holds = |(_, id): Deadline| id.as_u64() % 3 == 0;
                    deadlines.retain(holds);
                    set.retain(|&deadline| holds(deadline));
                }
            }
            deadlines.shrink();
            assert!(deadlines.capacity() <= 2 * set.len() + 16);
            while let Some(first) = set.pop_first() {
                assert_eq!(deadlines.peek(), Some(first));
                deadlines.pop();
            }
            assert_eq!(deadlines.peek(), None);
        }
    }
}
