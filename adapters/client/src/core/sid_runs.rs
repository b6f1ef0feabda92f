//! A set of sids, most of which follow one another.

use std::collections::BTreeMap;

use nats_proto::Sid;

/// A set of sids that costs what its runs cost, not its members: a hundred thousand subscriptions that were made one after
/// the other are one run.
#[derive(Debug, Default)]
pub(crate) struct SidRuns {
    /// The first of each run, and its last.
    runs: BTreeMap<u64, u64>,
}

impl SidRuns {
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn contains(&self, sid: Sid) -> bool {
        self.run_of(sid.get()).is_some()
    }

    /// One that is higher than all that are in it.
    pub(crate) fn push(&mut self, sid: Sid) {
        let sid = sid.get();
        if let Some(mut run) = self.runs.last_entry()
            && run.get().checked_add(1) == Some(sid)
        {
            *run.get_mut() = sid;
            return;
        }
        self.runs.insert(sid, sid);
    }

    pub(crate) fn remove(&mut self, sid: Sid) {
        let sid = sid.get();
        let Some((first, last)) = self.run_of(sid) else {
            return;
        };
        if first == sid {
            self.runs.remove(&first);
        } else {
            self.runs.insert(first, sid - 1);
        }
        if sid < last {
            self.runs.insert(sid + 1, last);
        }
    }

    /// Takes the highest out.
    pub(crate) fn pop_last(&mut self) -> Option<Sid> {
        let last = Sid::new(*self.runs.last_key_value()?.1);
        self.remove(last);
        Some(last)
    }

    /// Takes all out up to this one.
    pub(crate) fn remove_up_to(&mut self, sid: u64) {
        while let Some(run) = self.runs.first_entry()
            && *run.key() <= sid
        {
            let (_, last) = run.remove_entry();
            if last > sid {
                self.runs.insert(sid + 1, last);
                return;
            }
        }
    }

    fn run_of(&self, sid: u64) -> Option<(u64, u64)> {
        let (first, last) = self.runs.range(..=sid).next_back()?;
        (*last >= sid).then_some((*first, *last))
    }
}

/// In any order.
impl FromIterator<Sid> for SidRuns {
    fn from_iter<I: IntoIterator<Item = Sid>>(sids: I) -> Self {
        let mut sids: Vec<Sid> = sids.into_iter().collect();
        sids.sort_unstable();
        let mut runs = Self::default();
        sids.into_iter().for_each(|sid| runs.push(sid));
        runs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_holds_what_a_set_would_hold_whatever_comes_and_goes() {
        let (mut runs, mut set) = (SidRuns::default(), BTreeSet::new());
        // A multiplication that goes through all numbers, in an order of its own.
        let numbers = (1..3000_u64).map(|number| number * 1_103_515_245 % 4093);
        for (next, number) in (1..).zip(numbers) {
            if number % 3 > 0 {
                runs.push(Sid::new(next));
                set.insert(next);
            }
            let gone = number % (next + 1);
            match number % 11 {
                0 => assert_eq!(runs.pop_last().map(Sid::get), set.pop_last()),
                1..=6 => {
                    runs.remove(Sid::new(gone));
                    set.remove(&gone);
                }
                7 if number % 7 == 0 => {
                    runs.remove_up_to(gone / 2);
                    set = set.split_off(&(gone / 2 + 1));
                }
                _ => {}
            }
            assert_eq!(runs.contains(Sid::new(gone)), set.contains(&gone));
            assert_eq!(runs.is_empty(), set.is_empty());
        }
        let unordered = set.iter().rev().copied().map(Sid::new);
        assert_eq!(
            unordered.collect::<SidRuns>().runs,
            runs.runs,
            "neighbours are one run"
        );
        let mut held = Vec::new();
        held.extend(std::iter::from_fn(|| runs.pop_last()).map(Sid::get));
        held.reverse();
        assert!(held.len() > 100 && held.iter().eq(set.iter()));
    }

    #[test]
    fn many_that_follow_one_another_are_one_run() {
        let runs: SidRuns = (1..=100_000).map(Sid::new).collect();
        assert_eq!(runs.runs.len(), 1);
    }

    #[test]
    fn what_is_taken_out_up_to_the_middle_of_a_run_leaves_the_rest_of_it() {
        let mut runs: SidRuns = (1..=4).chain(8..=12).map(Sid::new).collect();
        runs.remove_up_to(9);
        let left: Vec<u64> = std::iter::from_fn(|| runs.pop_last()).map(Sid::get).collect();
        assert_eq!(left, [12, 11, 10]);
    }
}
