//! Entries in the order of their sids, which only ever rise.

use alloc::vec::Vec;

use nats_proto::Sid;

/// So many holes are nothing to care about.
const FEW: usize = 16;

/// A row of entries. One that is removed leaves a hole, until there are more holes than entries.
#[derive(Clone, Debug)]
pub(super) struct Table<T> {
    /// In ascending order.
    row: Vec<(Sid, Option<T>)>,
    /// How many are no holes.
    live: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            row: Vec::new(),
            live: 0,
        }
    }
}

impl<T> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Enters what has a higher sid than all that were entered before.
    pub(super) fn push(&mut self, sid: Sid, entry: T) {
        let len = self.row.len();
        if len == self.row.capacity() {
            // By half, not to twice the size: an entry that idles costs little more than itself.
            self.row.reserve_exact((len / 2).max(4));
        }
        self.row.push((sid, Some(entry)));
        self.live = self.live.saturating_add(1);
    }

    #[inline]
    pub(super) fn get(&self, sid: Sid) -> Option<&T> {
        let place = self.place(sid)?;
        self.row.get(place)?.1.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, sid: Sid) -> Option<&mut T> {
        let place = self.place(sid)?;
        self.row.get_mut(place)?.1.as_mut()
    }

    pub(super) fn remove(&mut self, sid: Sid) -> Option<T> {
        let place = self.place(sid)?;
        let gone = self.row.get_mut(place)?.1.take()?;
        self.live = self.live.saturating_sub(1);
        self.sweep();
        Some(gone)
    }

    /// All, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Sid, &T)> {
        self.from(0)
    }

    /// Those with higher sids than this one, in order.
    pub(super) fn after(&self, sid: Sid) -> impl Iterator<Item = (Sid, &T)> {
        self.from(self.count_up_to(sid))
    }

    fn from(&self, place: usize) -> impl Iterator<Item = (Sid, &T)> {
        let rest = self.row.get(place..).unwrap_or_default();
        rest.iter()
            .filter_map(|(sid, entry)| entry.as_ref().map(|entry| (*sid, entry)))
    }

    #[inline]
    fn place(&self, sid: Sid) -> Option<usize> {
        let place = self.count_up_to(sid).checked_sub(1)?;
        (self.row.get(place)?.0 == sid).then_some(place)
    }

    /// How many entries of the row, holes included, have this sid or a lower one.
    #[inline]
    fn count_up_to(&self, sid: Sid) -> usize {
        let Some((first, _)) = self.row.first() else {
            return 0;
        };
        let Some(above) = sid.get().checked_sub(first.get()) else {
            return 0;
        };
        // At most so many, as no two have the same; and mostly just as many, because few sids are missing in between.
        let most = usize::try_from(above)
            .unwrap_or(usize::MAX)
            .saturating_add(1)
            .min(self.row.len());
        match self.row.get(most.wrapping_sub(1)) {
            Some((last, _)) if *last <= sid => most,
            _ => self.search(sid, most),
        }
    }

    #[cold]
    fn search(&self, sid: Sid, most: usize) -> usize {
        let row = self.row.get(..most).unwrap_or_default();
        row.partition_point(|(known, _)| *known <= sid)
    }

    /// Closes the holes if they are many.
    fn sweep(&mut self) {
        if self.row.len() <= self.live.saturating_mul(2).saturating_add(FEW) {
            return;
        }
        self.row.retain(|(_, entry)| entry.is_some());
        if self.row.capacity() > self.live.saturating_add(FEW).saturating_mul(4) {
            self.row.shrink_to(self.live.saturating_mul(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;
    use crate::rng::Rng;

    fn sid(number: u64) -> Sid {
        Sid::new(number)
    }

    #[test]
    fn it_holds_what_a_map_would_hold() {
        for seed in 0..20 {
            let mut rng = Rng::new([seed; 32]);
            let (mut table, mut map, mut last) = (Table::default(), BTreeMap::new(), 0);
            for _ in 0..2000 {
                last += 1 + rng.up_to(2) / 2 * rng.up_to(50);
                table.push(sid(last), last);
                map.insert(sid(last), last);
                // Some seeds keep few, some many.
                for _ in 0..rng.up_to(u64::from(seed) / 8 + 1) {
                    let odd = sid(rng.up_to(last + 1));
                    assert_eq!(table.remove(odd), map.remove(&odd));
                }
                let odd = sid(rng.up_to(last + 1));
                assert_eq!(table.get(odd), map.get(&odd));
                assert_eq!(table.get_mut(odd), map.get_mut(&odd));
                assert_eq!(table.len(), map.len());
                assert!(
                    table.after(odd).take(5).eq(map
                        .range((core::ops::Bound::Excluded(odd), core::ops::Bound::Unbounded))
                        .map(|(sid, entry)| (*sid, entry))
                        .take(5))
                );
            }
            assert!(table.iter().eq(map.iter().map(|(sid, entry)| (*sid, entry))));
        }
    }

    #[test]
    fn one_that_stays_does_not_keep_the_places_of_those_that_went() {
        let mut table = Table::default();
        table.push(sid(1), ());
        for number in 2..1_000_000 {
            table.push(sid(number), ());
            assert!(table.remove(sid(number)).is_some());
        }
        assert!(table.row.capacity() <= 64, "{}", table.row.capacity());
        for number in 1_000_000..1_010_000 {
            table.push(sid(number), ());
        }
        assert!(table.row.capacity() <= 15_100, "{}", table.row.capacity());
        for number in 1_000_000..1_010_000 {
            table.remove(sid(number));
        }
        assert!(table.row.capacity() <= 128, "{}", table.row.capacity());
        assert!(table.get(sid(1)).is_some() && table.len() == 1);
    }
}
