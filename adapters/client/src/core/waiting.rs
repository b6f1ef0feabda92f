//! Who waits for something that one day is there for all of them, or for a moment.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::task::Waker;

use nats_conn_sm::Timestamp;

/// Those who wait for the same thing: room in the send buffer, the end, or a moment of their own. There may be very many:
/// to come and to leave costs each of them the logarithm of how many there are.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// In the order in which they came.
    waiting: BTreeMap<Ticket, Waiter>,
    /// Those of them who have a deadline, the first of all in front.
    deadlines: BTreeSet<(Timestamp, Ticket)>,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    deadline: Option<Timestamp>,
    waker: Waker,
}

/// Names one who waits. None is ever given twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl Ord for Ticket {
    fn cmp(&self, other: &Self) -> Ordering {
        #[cfg(test)]
        tests::COMPARED.set(tests::COMPARED.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Ticket {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ticket {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ticket {}

impl Waiting {
    /// Waits on: the ticket is for [`remove`](Self::remove).
    pub(crate) fn add(&mut self, deadline: Option<Timestamp>, waker: &Waker) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        let waker = waker.clone();
        self.waiting.insert(ticket, Waiter { deadline, waker });
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, ticket));
        }
        ticket
    }

    /// Waits on, perhaps with another deadline or waker than before; anew where it was woken since.
    pub(crate) fn renew(
        &mut self,
        ticket: Option<Ticket>,
        deadline: Option<Timestamp>,
        waker: &Waker,
    ) -> Ticket {
        let Some(ticket) = ticket else {
            return self.add(deadline, waker);
        };
        match self.waiting.get_mut(&ticket) {
            Some(waiter) if waiter.deadline == deadline => {
                // Nothing is cloned where it would wake the same.
                waiter.waker.clone_from(waker);
                ticket
            }
            _ => {
                self.remove(ticket);
                self.add(deadline, waker)
            }
        }
    }

    /// Whether somebody waits who would be woken by this waker, too.
    pub(crate) fn includes(&self, waker: &Waker) -> bool {
        self.waiting
            .values()
            .any(|waiting| waiting.waker.will_wake(waker))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) {
        if let Some(waiter) = self.waiting.remove(&ticket)
            && let Some(deadline) = waiter.deadline
        {
            self.deadlines.remove(&(deadline, ticket));
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    pub(crate) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        self.deadlines.clear();
        let woken = std::mem::take(&mut self.waiting);
        wakers.extend(woken.into_values().map(|waiting| waiting.waker));
    }

    pub(crate) fn expire(&mut self, now: Timestamp, wakers: &mut Vec<Waker>) {
        while let Some((deadline, ticket)) = self.deadlines.first().copied()
            && deadline <= now
        {
            self.deadlines.pop_first();
            wakers.extend(self.waiting.remove(&ticket).map(|waiting| waiting.waker));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::task::Wake;
    use std::time::Duration;

    use super::*;

    thread_local! {
        /// How many tickets were compared with others on this thread: what it costs to find one.
        pub(super) static COMPARED: Cell<u64> = const { Cell::new(0) };
    }

    struct Somebody;

    impl Wake for Somebody {
        fn wake(self: Arc<Self>) {}
    }

    fn after(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    /// What it costs that so many come, are polled again, and leave in the order in which they came.
    fn cost(waiters: usize) -> u64 {
        let before = COMPARED.get();
        let mut waiting = Waiting::default();
        let deadline = Some(after(1));
        let mut tickets: Vec<_> = (0..waiters)
            .map(|_| waiting.add(deadline, Waker::noop()))
            .collect();
        for ticket in &mut tickets {
            *ticket = waiting.renew(Some(*ticket), deadline, Waker::noop());
            assert_eq!(waiting.next_deadline(), deadline);
        }
        for ticket in tickets {
            waiting.remove(ticket);
        }
        assert_eq!((waiting.len(), waiting.next_deadline()), (0, None));
        COMPARED.get() - before
    }

    #[test]
    fn a_hundred_thousand_cost_what_ten_thousand_cost_ten_times_over() {
        let (fewer, more) = (cost(10_000), cost(100_000));
        // The logarithm of how many there are has grown by a quarter.
        assert!(more <= fewer * 10 * 3 / 2, "{fewer} comparisons, and then {more}");
    }

    #[test]
    fn who_is_polled_again_with_the_same_waker_and_deadline_keeps_its_place_and_nothing_is_cloned() {
        let somebody = Arc::new(Somebody);
        let waker = Waker::from(somebody.clone());
        let mut waiting = Waiting::default();
        let ticket = waiting.add(Some(after(5)), &waker);
        let held = Arc::strong_count(&somebody);
        assert_eq!(waiting.renew(Some(ticket), Some(after(5)), &waker), ticket);
        assert_eq!((waiting.len(), Arc::strong_count(&somebody)), (1, held));
        let other = Waker::from(Arc::new(Somebody));
        assert_eq!(waiting.renew(Some(ticket), Some(after(5)), &other), ticket);
        assert!(waiting.includes(&other) && !waiting.includes(&waker));
        let moved = waiting.renew(Some(ticket), Some(after(3)), &other);
        assert_ne!(moved, ticket);
        assert_eq!((waiting.len(), waiting.next_deadline()), (1, Some(after(3))));
    }

    #[test]
    fn those_are_woken_whose_deadline_has_come_and_who_was_woken_waits_anew() {
        let mut waiting = Waiting::default();
        let (mut wakers, waker) = (Vec::new(), Waker::noop());
        let late = waiting.add(Some(after(9)), waker);
        let early = waiting.add(Some(after(1)), waker);
        waiting.add(None, waker);
        waiting.expire(after(0), &mut wakers);
        assert_eq!((wakers.len(), waiting.len()), (0, 3));
        waiting.expire(after(1), &mut wakers);
        assert_eq!((wakers.len(), waiting.len()), (1, 2));
        assert_eq!(waiting.next_deadline(), Some(after(9)));
        // It is too late to leave, and to no harm.
        waiting.remove(early);
        assert_ne!(waiting.renew(Some(early), Some(after(4)), waker), early);
        waiting.remove(late);
        assert_eq!(waiting.next_deadline(), Some(after(4)));
        waiting.wake_all(&mut wakers);
        assert_eq!(
            (wakers.len(), waiting.len(), waiting.next_deadline()),
            (3, 0, None)
        );
    }
}
