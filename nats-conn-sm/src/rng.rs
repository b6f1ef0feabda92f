//! Randomness drawn from the seed that the caller gave: shuffles, jitter, inbox tokens.

use alloc::string::String;
use core::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::canonical::Form;

/// A generator that is determined by its seed. It is a cryptographic one: whoever sees the inboxes of a connection, and
/// how long it waits, cannot work out the inboxes to come.
#[derive(Clone)]
pub(crate) struct Rng {
    seed: [u8; 32],
    /// How many words of its stream were drawn. The generator itself has room for several blocks ahead, which a
    /// connection that draws rarely does not need.
    drawn: u64,
}

impl Rng {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    fn next_u64(&mut self) -> u64 {
        let mut generator = ChaCha20Rng::from_seed(self.seed);
        generator.set_word_pos(u128::from(self.drawn));
        let number = generator.next_u64();
        // Two words a number: nobody draws as many as this cannot count.
        self.drawn = u64::try_from(generator.get_word_pos()).unwrap_or(u64::MAX);
        number
    }

    /// A number in `0..=most`, each as likely as any other.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        let Some(count) = most.checked_add(1) else {
            return self.next_u64();
        };
        // Lemire's method without the rejection: the bias is below 2^-64 * count, far below what a jitter shows.
        let product = u128::from(self.next_u64()).saturating_mul(u128::from(count));
        u64::try_from(product >> 64).unwrap_or(most)
    }

    /// A time in `0..=most`.
    pub(crate) fn duration(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.up_to(u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.up_to(last as u64) as usize;
            items.swap(last, other);
        }
    }

    /// 22 letters and digits: 130 bits, so that no two inboxes meet.
    pub(crate) fn token(&mut self) -> String {
        const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        (0..22)
            .filter_map(|_| ALPHABET.get(self.up_to(61) as usize))
            .map(|&byte| char::from(byte))
            .collect()
    }
}

impl Rng {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self { seed, drawn } = self;
        form.whole(seed);
        form.number(*drawn);
    }
}

impl core::fmt::Debug for Rng {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Rng")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let mut one = Rng::new([7; 32]);
        let mut other = Rng::new([7; 32]);
        assert_eq!(one.token(), other.token());
        assert_ne!(one.token(), Rng::new([8; 32]).token());
    }

    #[test]
    fn numbers_stay_within_their_bound_and_reach_both_ends() {
        let mut rng = Rng::new([1; 32]);
        let drawn: alloc::vec::Vec<u64> = (0..1000).map(|_| rng.up_to(3)).collect();
        assert!(drawn.iter().all(|&number| number <= 3));
        assert!((0..=3).all(|number| drawn.contains(&number)));
        assert_eq!(rng.up_to(0), 0);
        rng.up_to(u64::MAX);
    }

    #[test]
    fn small_seeds_give_numbers_from_the_whole_range() {
        let first = |seed: u8| {
            let mut bytes = [0; 32];
            bytes[0] = seed;
            Rng::new(bytes).up_to(1_000_000)
        };
        assert!((0..20).any(|seed| first(seed) > 900_000) && (0..20).any(|seed| first(seed) < 100_000));
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: alloc::vec::Vec<u32> = (0..50).collect();
        Rng::new([3; 32]).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<alloc::vec::Vec<u32>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<alloc::vec::Vec<u32>>());
    }
}
