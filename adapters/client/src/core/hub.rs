//! Who hears what a connection says of itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::core::event::ClientEvent;
use crate::core::lock::{lock, remember};
use crate::core::panics::wake_all;

/// So many events are kept for the first holder while there is none.
const EARLY: usize = 64;

/// Where the events for one holder wait.
#[derive(Debug)]
pub(crate) struct EventSlot {
    state: Mutex<SlotState>,
}

#[derive(Debug)]
struct SlotState {
    capacity: usize,
    queue: VecDeque<ClientEvent>,
    /// Nothing follows what is in the queue.
    closed: bool,
    waker: Option<Waker>,
}

/// All streams of events of one connection.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<HubState>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct HubState {
    slots: Vec<Arc<EventSlot>>,
    closed: bool,
    /// What `connect` has looked at, and all since, for the first who asks.
    early: Option<Arc<EventSlot>>,
}

impl Hub {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity: capacity.max(2),
        }
    }

    /// Keeps a stream for the first who asks for one, with what was taken from it.
    pub(crate) fn keep(&self, slot: Arc<EventSlot>, taken: Vec<ClientEvent>) {
        let mut state = lock(&slot.state);
        taken
            .into_iter()
            .rev()
            .for_each(|event| state.queue.push_front(event));
        state.capacity = EARLY;
        drop(state);
        lock(&self.state).early = Some(slot);
    }

    /// One more holder.
    pub(crate) fn subscribe(&self) -> Arc<EventSlot> {
        let mut hub = lock(&self.state);
        if let Some(early) = hub.early.take() {
            lock(&early.state).capacity = self.capacity;
            return early;
        }
        let state = SlotState {
            capacity: self.capacity,
            queue: VecDeque::new(),
            closed: hub.closed,
            waker: None,
        };
        let slot = Arc::new(EventSlot {
            state: Mutex::new(state),
        });
        if !hub.closed {
            hub.slots.push(slot.clone());
        }
        slot
    }

    pub(crate) fn emit(&self, events: impl Iterator<Item = ClientEvent>, wakers: &mut Vec<Waker>) {
        let mut hub = lock(&self.state);
        // A slot that nobody else holds belongs to a stream that was dropped.
        hub.slots.retain(|slot| Arc::strong_count(slot) > 1);
        for event in events {
            hub.closed |= event.is_closed();
            for slot in &hub.slots {
                slot.push(&event);
            }
        }
        for slot in &hub.slots {
            wakers.extend(lock(&slot.state).waker.take());
        }
        if hub.closed {
            hub.slots.clear();
        }
    }

    /// The same from outside a turn.
    pub(crate) fn emit_now(&self, event: ClientEvent) {
        let mut wakers = Vec::new();
        self.emit(std::iter::once(event), &mut wakers);
        wake_all(wakers);
    }
}

impl EventSlot {
    /// The next event; `None` after `Closed`.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        let mut state = lock(&self.state);
        if let Some(event) = state.queue.pop_front() {
            return Poll::Ready(Some(event));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        remember(&mut state.waker, cx.waker());
        Poll::Pending
    }

    /// Whether [`try_next`](Self::try_next) has one.
    #[cfg(feature = "tracing")]
    pub(crate) fn has_some(&self) -> bool {
        !lock(&self.state).queue.is_empty()
    }

    pub(crate) fn try_next(&self) -> Option<ClientEvent> {
        lock(&self.state).queue.pop_front()
    }

    fn push(&self, event: &ClientEvent) {
        let mut state = lock(&self.state);
        state.closed |= event.is_closed();
        if state.queue.len() >= state.capacity && !event.is_closed() {
            if let Some(ClientEvent::Missed { events }) = state.queue.back_mut() {
                *events += 1;
            } else {
                state.queue.push_back(ClientEvent::Missed { events: 1 });
            }
            return;
        }
        state.queue.push_back(event.clone());
    }
}

#[cfg(test)]
mod tests {
    use nats_conn_sm::{ClosedReason, ConnectionEvent};
    use nats_proto::Sid;

    use super::*;

    fn slow(dropped: u64) -> ClientEvent {
        ClientEvent::SlowConsumer {
            subscription: Sid::new(1),
            dropped,
        }
    }

    fn closed() -> ClientEvent {
        ConnectionEvent::Closed {
            reason: ClosedReason::Requested,
        }
        .into()
    }

    fn all(events: &EventSlot) -> Vec<ClientEvent> {
        std::iter::from_fn(|| events.try_next()).collect()
    }

    #[test]
    fn every_holder_gets_all_events_from_when_it_asked() {
        let hub = Hub::new(8);
        let early = hub.subscribe();
        hub.emit_now(slow(1));
        let late = hub.subscribe();
        hub.emit_now(slow(2));
        assert_eq!(all(&early), [slow(1), slow(2)]);
        assert_eq!(all(&late), [slow(2)]);
    }

    #[test]
    fn a_slow_holder_is_told_how_many_it_missed_and_where_and_never_misses_the_end() {
        let hub = Hub::new(2);
        let events = hub.subscribe();
        (1..=5).for_each(|dropped| hub.emit_now(slow(dropped)));
        assert_eq!(
            all(&events),
            [slow(1), slow(2), ClientEvent::Missed { events: 3 }]
        );
        (6..=9).for_each(|dropped| hub.emit_now(slow(dropped)));
        hub.emit_now(closed());
        assert_eq!(
            all(&events),
            [slow(6), slow(7), ClientEvent::Missed { events: 2 }, closed()]
        );
    }

    #[test]
    fn a_dropped_holder_is_forgotten() {
        let hub = Hub::new(2);
        drop(hub.subscribe());
        hub.emit_now(slow(1));
        assert!(lock(&hub.state).slots.is_empty());
    }

    #[test]
    fn the_stream_ends_behind_closed_and_one_asked_for_later_ends_at_once() {
        let hub = Hub::new(2);
        let events = hub.subscribe();
        hub.emit_now(closed());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(events.poll(&mut cx), Poll::Ready(Some(closed())));
        assert_eq!(events.poll(&mut cx), Poll::Ready(None));
        assert_eq!(hub.subscribe().poll(&mut cx), Poll::Ready(None));
    }

    #[test]
    fn the_first_who_asks_gets_what_was_kept_and_the_next_from_then_on() {
        let hub = Hub::new(200);
        let first = hub.subscribe();
        hub.emit_now(slow(1));
        let taken = all(&first);
        hub.keep(first, taken);
        hub.emit_now(slow(2));
        let asked = hub.subscribe();
        let later = hub.subscribe();
        hub.emit_now(slow(3));
        assert_eq!(all(&asked), [slow(1), slow(2), slow(3)]);
        assert_eq!(all(&later), [slow(3)]);
    }

    #[test]
    fn what_is_kept_while_nobody_asks_is_bounded_and_says_so() {
        let hub = Hub::new(200);
        hub.keep(hub.subscribe(), vec![slow(0)]);
        (1..=100).for_each(|dropped| hub.emit_now(slow(dropped)));
        let asked = hub.subscribe();
        (101..=200).for_each(|dropped| hub.emit_now(slow(dropped)));
        let all_of_it = all(&asked);
        assert_eq!(
            all_of_it[..EARLY],
            (0..EARLY as u64).map(slow).collect::<Vec<_>>()
        );
        assert_eq!(all_of_it[EARLY], ClientEvent::Missed { events: 37 });
        assert_eq!(all_of_it.len(), EARLY + 1 + 100);
    }
}
