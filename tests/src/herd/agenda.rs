//! What is due, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is due within it is sorted when its time has come: a heap of everything would be spread over all of the memory.
const SPAN: u64 = 1_000_000;

/// What is due at which time. What is due at the same time comes in its own order.
pub(super) struct Agenda<T> {
    /// The span that has begun, and what is due in it.
    span: usize,
    begun: BinaryHeap<Reverse<(u64, T)>>,
    /// The later ones.
    later: Vec<Vec<(u64, T)>>,
    /// The last span: nothing of what comes after it is kept.
    end: usize,
}

impl<T: Ord> Agenda<T> {
    /// Until that time.
    pub(super) fn new(end: u64) -> Self {
        Self {
            span: 0,
            begun: BinaryHeap::new(),
            later: Vec::new(),
            end: span(end),
        }
    }

    pub(super) fn push(&mut self, at: u64, due: T) {
        let span = span(at);
        if span <= self.span {
            self.begun.push(Reverse((at, due)));
        } else if span <= self.end {
            if self.later.len() <= span {
                self.later.resize_with(span + 1, Vec::new);
            }
            self.later[span].push((at, due));
        }
    }

    /// When the next is due.
    pub(super) fn next_at(&mut self) -> Option<u64> {
        while self.begun.is_empty() && self.span + 1 < self.later.len() {
            self.span += 1;
            let span = std::mem::take(&mut self.later[self.span]);
            self.begun = span.into_iter().map(Reverse).collect();
        }
        self.begun.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        self.next_at()?;
        self.begun.pop().map(|Reverse(due)| due)
    }
}

fn span(at: u64) -> usize {
    usize::try_from(at / SPAN).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_comes_in_order_also_what_is_added_meanwhile() {
        let mut agenda = Agenda::new(10 * SPAN);
        for (number, at) in [5 * SPAN, 3, 3, SPAN - 1, 10 * SPAN, 2 * SPAN, 11 * SPAN]
            .into_iter()
            .enumerate()
        {
            agenda.push(at, number);
        }
        assert_eq!(agenda.pop(), Some((3, 1)));
        agenda.push(2 * SPAN, 9);
        agenda.push(3, 0);
        let rest: Vec<(u64, usize)> = std::iter::from_fn(|| agenda.pop()).collect();
        let expected = [
            (3, 0),
            (3, 2),
            (SPAN - 1, 3),
            (2 * SPAN, 5),
            (2 * SPAN, 9),
            (5 * SPAN, 0),
            (10 * SPAN, 4),
        ];
        assert_eq!(rest, expected, "nothing comes after the end");
        assert_eq!(agenda.next_at(), None);
    }
}
