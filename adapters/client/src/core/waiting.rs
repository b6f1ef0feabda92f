//! Who waits for something that one day is there for all of them.

use std::task::Waker;

use nats_conn_sm::Timestamp;

/// Publishers and requests that wait for room in the send buffer; or those who wait for the end.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    waiting: Vec<Waiter>,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    deadline: Option<Timestamp>,
    waker: Waker,
}

impl Waiting {
    /// Waits on: the id is for [`remove`](Self::remove).
    pub(crate) fn add(&mut self, deadline: Option<Timestamp>, waker: &Waker) -> u64 {
        self.next += 1;
        self.waiting.push(Waiter {
            id: self.next,
            deadline,
            waker: waker.clone(),
        });
        self.next
    }

    /// Whether somebody waits who would be woken by this waker, too.
    pub(crate) fn includes(&self, waker: &Waker) -> bool {
        self.waiting.iter().any(|waiting| waiting.waker.will_wake(waker))
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.waiting.retain(|waiting| waiting.id != id);
    }

    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.waiting.iter().filter_map(|waiting| waiting.deadline).min()
    }

    pub(crate) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waiting.drain(..).map(|waiting| waiting.waker));
    }

    pub(crate) fn expire(&mut self, now: Timestamp, wakers: &mut Vec<Waker>) {
        let due = |waiting: &mut Waiter| waiting.deadline.is_some_and(|deadline| deadline <= now);
        wakers.extend(self.waiting.extract_if(.., due).map(|waiting| waiting.waker));
    }
}
