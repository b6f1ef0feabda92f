//! What happens to a connection, for everybody who asked.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use nats_conn_sm::Event;
use nats_proto::Sid;

use crate::lock::{lock, remember};
use crate::panics::wake_all;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// What the machine said. Messages, replies, confirmations and the ends of subscriptions are not among it:
    /// they go to the handles that wait for them.
    Connection(Event),
    /// A subscription's mailbox is full: messages for it are dropped, the newest first. Told once until it is
    /// half empty again.
    SlowConsumer {
        /// The subscription.
        subscription: Sid,
        /// How many messages it has lost so far, in all.
        dropped: u64,
    },
    /// The holder of this stream was so slow that events had to be left out here.
    Missed {
        /// How many.
        events: u64,
    },
    /// The task or thread that drives the connection ended before the connection was closed: it panicked, or the
    /// runtime was shut down. `Closed` follows.
    DriverFailed {
        /// Whether it panicked.
        panicked: bool,
    },
}

impl From<Event> for ClientEvent {
    fn from(event: Event) -> Self {
        Self::Connection(event)
    }
}

impl ClientEvent {
    /// Whether this is the last event.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Connection(Event::Closed { .. }))
    }
}

/// A stream of everything that happens from the moment at which it was asked for; the first that is asked for behind
/// `connect` begins where the connection did.
///
/// Every holder gets every event. A holder that falls behind by more than
/// [`ConnectOptions::event_capacity`](crate::ConnectOptions::event_capacity) events misses some, and is told how
/// many and where by [`ClientEvent::Missed`]; `Closed` is never missed. The stream ends behind `Closed`. It does
/// not keep the connection open.
#[derive(Debug)]
pub struct Events {
    slot: Arc<Slot>,
}

/// So many events are kept for the first holder while there is none.
const EARLY: usize = 64;

#[derive(Debug)]
struct Slot {
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

impl Events {
    /// The next event; `None` behind `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the future loses no event: the next call gives it.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<ClientEvent> {
        lock(&self.slot.state).queue.pop_front()
    }

    /// The next event, or word whom to wake when there is one.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        let mut state = lock(&self.slot.state);
        if let Some(event) = state.queue.pop_front() {
            return Poll::Ready(Some(event));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        remember(&mut state.waker, cx.waker());
        Poll::Pending
    }
}

impl Stream for Events {
    type Item = ClientEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.poll_event(cx)
    }
}

/// All streams of events of one connection.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Mutex<HubState>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct HubState {
    slots: Vec<Arc<Slot>>,
    closed: bool,
    /// What `connect` has looked at, and all since, for the first who asks.
    early: Option<Events>,
}

impl Hub {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            capacity: capacity.max(2),
        }
    }

    /// Keeps a stream for the first who asks for one, with what was taken from it.
    pub(crate) fn keep(&self, events: Events, taken: Vec<ClientEvent>) {
        let mut state = lock(&events.slot.state);
        taken
            .into_iter()
            .rev()
            .for_each(|event| state.queue.push_front(event));
        state.capacity = EARLY;
        drop(state);
        lock(&self.state).early = Some(events);
    }

    /// One more holder.
    pub(crate) fn subscribe(&self) -> Events {
        let mut hub = lock(&self.state);
        if let Some(early) = hub.early.take() {
            lock(&early.slot.state).capacity = self.capacity;
            return early;
        }
        let state = SlotState {
            capacity: self.capacity,
            queue: VecDeque::new(),
            closed: hub.closed,
            waker: None,
        };
        let slot = Arc::new(Slot {
            state: Mutex::new(state),
        });
        if !hub.closed {
            hub.slots.push(slot.clone());
        }
        Events { slot }
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

impl Slot {
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
    use nats_conn_sm::ClosedReason;

    use super::*;

    fn slow(dropped: u64) -> ClientEvent {
        ClientEvent::SlowConsumer {
            subscription: Sid::new(1),
            dropped,
        }
    }

    fn closed() -> ClientEvent {
        Event::Closed {
            reason: ClosedReason::Requested,
        }
        .into()
    }

    fn all(events: &mut Events) -> Vec<ClientEvent> {
        std::iter::from_fn(|| events.try_next()).collect()
    }

    #[test]
    fn every_holder_gets_all_events_from_when_it_asked() {
        let hub = Hub::new(8);
        let mut early = hub.subscribe();
        hub.emit_now(slow(1));
        let mut late = hub.subscribe();
        hub.emit_now(slow(2));
        assert_eq!(all(&mut early), [slow(1), slow(2)]);
        assert_eq!(all(&mut late), [slow(2)]);
    }

    #[test]
    fn a_slow_holder_is_told_how_many_it_missed_and_where_and_never_misses_the_end() {
        let hub = Hub::new(2);
        let mut events = hub.subscribe();
        (1..=5).for_each(|dropped| hub.emit_now(slow(dropped)));
        assert_eq!(
            all(&mut events),
            [slow(1), slow(2), ClientEvent::Missed { events: 3 }]
        );
        (6..=9).for_each(|dropped| hub.emit_now(slow(dropped)));
        hub.emit_now(closed());
        assert_eq!(
            all(&mut events),
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
        let mut events = hub.subscribe();
        hub.emit_now(closed());
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(events.poll_event(&mut cx), Poll::Ready(Some(closed())));
        assert_eq!(events.poll_event(&mut cx), Poll::Ready(None));
        assert_eq!(hub.subscribe().poll_event(&mut cx), Poll::Ready(None));
    }

    #[test]
    fn the_first_who_asks_gets_what_was_kept_and_the_next_from_then_on() {
        let hub = Hub::new(200);
        let mut first = hub.subscribe();
        hub.emit_now(slow(1));
        let taken = all(&mut first);
        hub.keep(first, taken);
        hub.emit_now(slow(2));
        let mut asked = hub.subscribe();
        let mut later = hub.subscribe();
        hub.emit_now(slow(3));
        assert_eq!(all(&mut asked), [slow(1), slow(2), slow(3)]);
        assert_eq!(all(&mut later), [slow(3)]);
    }

    #[test]
    fn what_is_kept_while_nobody_asks_is_bounded_and_says_so() {
        let hub = Hub::new(200);
        hub.keep(hub.subscribe(), vec![slow(0)]);
        (1..=100).for_each(|dropped| hub.emit_now(slow(dropped)));
        let mut asked = hub.subscribe();
        (101..=200).for_each(|dropped| hub.emit_now(slow(dropped)));
        let told = all(&mut asked);
        assert_eq!(told[..EARLY], (0..EARLY as u64).map(slow).collect::<Vec<_>>());
        assert_eq!(told[EARLY], ClientEvent::Missed { events: 37 });
        assert_eq!(told.len(), EARLY + 1 + 100);
    }
}
