//! How far several publishers or subscriptions are.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// One publish of so many is timed, so that the clock costs next to nothing. No power of two, with which buffers would beat.
pub(super) const TIMED: u64 = 61;

/// After so many seconds without a message the rest is taken for lost. A busy machine leaves a process alone for one of them.
pub(super) const SILENCE: u32 = 3;

/// How far each is. Each has a line of the cache of its own, so that nobody waits for another one's writing.
pub(super) struct Progress {
    each: Vec<Counter>,
    /// How far the last was when the first was done.
    at_first_done: OnceLock<f64>,
}

#[derive(Default)]
#[repr(align(64))]
struct Counter(AtomicU64);

impl Progress {
    pub(super) fn new(several: u64) -> Self {
        Self {
            each: (0..several).map(|_| Counter::default()).collect(),
            at_first_done: OnceLock::new(),
        }
    }

    /// One has got so far.
    pub(super) fn reached(&self, which: u64, count: u64) {
        if let Some(counter) = usize::try_from(which).ok().and_then(|which| self.each.get(which)) {
            counter.0.store(count, Ordering::Relaxed);
        }
    }

    /// One is done.
    pub(super) fn done(&self) {
        self.at_first_done.get_or_init(|| {
            let counts = || self.each.iter().map(|counter| counter.0.load(Ordering::Relaxed));
            let (last, first) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
            last as f64 / first.max(1) as f64
        });
    }

    /// All together.
    pub(super) fn sum(&self) -> u64 {
        self.each
            .iter()
            .map(|counter| counter.0.load(Ordering::Relaxed))
            .sum()
    }

    /// How far the last was when the first was done, where there are several.
    pub(super) fn fairness(&self) -> Option<f64> {
        if self.each.len() < 2 {
            return None;
        }
        self.at_first_done.get().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fairness_is_how_far_the_last_was_when_the_first_was_done() {
        let progress = Progress::new(3);
        progress.reached(0, 100);
        progress.reached(1, 50);
        progress.reached(2, 25);
        assert_eq!(progress.fairness(), None);
        progress.done();
        progress.reached(2, 100);
        progress.done();
        assert_eq!(progress.fairness(), Some(0.25));
        assert_eq!(progress.sum(), 250);
    }

    #[test]
    fn one_alone_is_neither_fair_nor_unfair() {
        let progress = Progress::new(1);
        progress.reached(0, 1);
        progress.done();
        assert_eq!(progress.fairness(), None);
    }
}
