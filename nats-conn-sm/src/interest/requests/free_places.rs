//! Places of a table that are empty.

use alloc::vec::Vec;

/// The empty places of a table, the lowest of them at hand.
#[derive(Clone, Debug, Default)]
pub(super) struct FreePlaces {
    /// A bit for each place.
    words: Vec<u64>,
    count: u32,
    /// The first word that has a bit, if there is one.
    lowest: u32,
}

impl FreePlaces {
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.words.capacity()
    }

    /// The lowest.
    #[inline]
    pub(super) fn first(&self) -> Option<usize> {
        if self.count == 0 {
            return None;
        }
        let lowest = self.lowest as usize;
        let word = *self.words.get(lowest)?;
        Some(
            lowest
                .wrapping_mul(64)
                .wrapping_add(word.trailing_zeros() as usize),
        )
    }

    /// This one is empty.
    #[inline]
    pub(super) fn insert(&mut self, place: usize) {
        let (word, bit) = (place / 64, 1 << (place % 64));
        if word >= self.words.len() {
            self.words.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.words.get_mut(word).filter(|bits| **bits & bit == 0) {
            *bits |= bit;
            // Places have 24 bits.
            let word = word as u32;
            if self.count == 0 || word < self.lowest {
                self.lowest = word;
            }
            self.count = self.count.saturating_add(1);
        }
    }

    /// This one is taken, or is no place any more.
    #[inline]
    pub(super) fn remove(&mut self, place: usize) {
        let (word, bit) = (place / 64, 1 << (place % 64));
        let Some(bits) = self.words.get_mut(word).filter(|bits| **bits & bit != 0) else {
            return;
        };
        *bits &= !bit;
        self.count = self.count.saturating_sub(1);
        // Where none is left, nothing has to be looked for.
        if *bits == 0 && word == self.lowest as usize && self.count > 0 {
            let rest = self.words.get(word..).unwrap_or_default();
            let next = rest.iter().position(|bits| *bits != 0).unwrap_or_default();
            self.lowest = word.saturating_add(next) as u32;
        }
    }

    /// Gives back the memory for places from `len` on, none of which is in it.
    pub(super) fn shrink(&mut self, len: usize) {
        self.words.truncate(len.div_ceil(64));
        self.words.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_lowest_is_known_whatever_comes_and_goes() {
        let mut rng = Rng::new([3; 32]);
        let (mut free, mut set) = (FreePlaces::default(), BTreeSet::new());
        for round in 0..20_000_u64 {
            let place = usize::try_from(rng.up_to(1000)).unwrap();
            // Sometimes many are free, sometimes few.
            if rng.up_to(10) > round / 500 % 10 {
                free.insert(place);
                set.insert(place);
            } else {
                let gone = free.first().filter(|_| round % 2 == 0).unwrap_or(place);
                free.remove(gone);
                set.remove(&gone);
            }
            assert_eq!(free.first(), set.first().copied());
            assert_eq!(free.count as usize, set.len());
        }
        for place in 100..=1000 {
            free.remove(place);
            set.remove(&place);
        }
        free.shrink(100);
        assert_eq!((free.first(), free.capacity()), (set.first().copied(), 2));
    }
}
