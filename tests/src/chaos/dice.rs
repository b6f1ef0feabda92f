//! Numbers from a seed.

use std::time::Duration;

/// A small generator (SplitMix64): the same seed, the same numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The numbers of one of many streams of a seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed);
        let mixed = dice.roll() ^ stream.wrapping_mul(0xd134_2543_de82_ef95);
        Self(mixed)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.roll() % (high.saturating_sub(low) + 1)
    }

    /// The same, small ones as often as large ones: each doubling is as likely as the next.
    pub fn spread(&mut self, low: u64, high: u64) -> u64 {
        let (from, to) = (u64::from(low.max(1).ilog2()), u64::from(high.max(1).ilog2()));
        let magnitude = 1_u64 << self.between(from, to);
        self.between(magnitude, magnitude.saturating_mul(2) - 1)
            .clamp(low, high)
    }

    /// Yes, once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.between(1, times) == 1
    }

    /// So many milliseconds, both included.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_stream_others() {
        let numbers = |seed, stream| {
            let mut dice = Dice::new(seed, stream);
            [dice.roll(), dice.roll(), dice.roll()]
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn numbers_are_within_their_limits_and_reach_them() {
        let mut dice = Dice::new(7, 0);
        let drawn: Vec<u64> = (0..1000).map(|_| dice.between(3, 5)).collect();
        for number in [3, 4, 5] {
            assert!(drawn.contains(&number));
        }
        assert!(drawn.iter().all(|number| (3..=5).contains(number)));
        assert!((0..1000).all(|_| (1..=1000).contains(&dice.spread(1, 1000))));
    }
}
