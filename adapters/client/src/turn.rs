//! One turn of a driver: what it may do with the machine while it holds the lock.

use std::task::Waker;
use std::time::Instant;

use nats_conn_sm::{
    ClosedReason, Connection, EndReason, Event, FlushError, ReceiveBuf, RequestError, SendBuf, State,
    Timestamp,
};

use crate::delivery::{Answer, Delivery};
use crate::lock::remember;
use crate::shared::{Core, FlushRoute, RequestRoute, Shared};

/// A driver's turn: the machine, locked, and the routing of what it says.
#[derive(Debug)]
pub struct Turn<'a> {
    shared: &'a Shared,
    core: &'a mut Core,
    delivery: &'a mut Delivery,
    now: Instant,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        shared: &'a Shared,
        core: &'a mut Core,
        delivery: &'a mut Delivery,
        now: Instant,
    ) -> Self {
        Self {
            shared,
            core,
            delivery,
            now,
        }
    }

    /// The moment at which the turn began.
    pub fn now(&self) -> Timestamp {
        self.shared.timestamp(self.now)
    }

    /// The machine. Its events are to be taken with [`events`](Self::events), its bytes with
    /// [`transmit`](Self::transmit).
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.core.connection
    }

    /// Tells the machine the time if it waits for that, and says whether it did. What was read before counts only if
    /// its [`events`](Self::events) were taken.
    pub fn timeouts(&mut self) -> bool {
        let now = self.now();
        let deadline = self.core.connection.poll_timeout();
        let due = deadline.is_some_and(|deadline| deadline <= now);
        if due {
            self.core.connection.handle_timeout(now);
        }
        self.core.waiting.expire(now, self.delivery.wakers());
        due
    }

    /// Parses what was read and routes what comes of it, `most` events at most. Says whether there may be more.
    pub fn events(&mut self, rx: &mut ReceiveBuf, most: usize) -> bool {
        let now = self.now();
        for _ in 0..most {
            let Some(event) = self.core.connection.poll_event(now, rx) else {
                return false;
            };
            self.route(event);
        }
        true
    }

    /// Routes the events that wait already, without parsing anything.
    pub(crate) fn waiting_events(&mut self) {
        while let Some(event) = self.core.connection.take_event() {
            self.route(event);
        }
    }

    /// Asks for the next bytes to write; see [`Connection::poll_transmit`].
    pub fn transmit(&mut self, tx: &mut SendBuf) -> bool {
        let now = self.now();
        let taken = self.core.connection.poll_transmit(now, tx);
        self.core.blocks += u64::from(taken);
        taken
    }

    /// When to have the next turn if nothing happens before.
    pub fn deadline(&self) -> Option<Instant> {
        let machine = self.core.connection.poll_timeout();
        let waiting = self.core.waiting.next_deadline();
        let first = machine.into_iter().chain(waiting).min();
        let first = first.map(|first| self.shared.instant(first));
        first.into_iter().chain(self.core.draining.next_look()).min()
    }

    /// Whom to wake when the application calls something. To be called in every turn after which the driver may
    /// sleep; what is called while it is still busy wakes it, too.
    pub fn sleep(&mut self, waker: &Waker) {
        remember(&mut self.core.driver, waker);
    }

    /// Whether `Closed` has been told: nothing follows.
    pub fn is_closed(&self) -> bool {
        self.core.closed.is_some()
    }

    /// What a turn begins with: a drain goes on when everything delivered was consumed.
    pub(crate) fn housekeeping(&mut self) {
        let now = self.now();
        let core = &mut *self.core;
        if core.connection.state() != State::Draining {
            return;
        }
        self.shared.drains();
        self.delivery.drains(self.now);
        core.draining.begin(self.now);
        if !core.routes.mail.is_empty() {
            return;
        }
        if let Some(unread) = core.draining.finish(self.now) {
            core.connection.finish_drain(now, unread);
            core.waiting.wake_all(self.delivery.wakers());
        }
    }

    fn route(&mut self, event: Event) {
        let core = &mut *self.core;
        if !matches!(event, Event::Message { .. }) {
            core.addresses.event(&event);
        }
        match event {
            Event::Message {
                subscription,
                message,
            } => {
                if let Some(route) = core.routes.mail.get_mut(&subscription) {
                    self.delivery.message(route, message);
                }
            }
            Event::SubscriptionEnded { subscription, reason } => {
                if let Some(route) = core.routes.mail.remove(&subscription) {
                    self.delivery.ends.push((route.mail.clone(), reason));
                    core.draining.note(route.mail);
                }
            }
            Event::Response { request, result } => match core.routes.requests.remove(&request) {
                Some(RequestRoute::One(slot)) => self.delivery.answers.push(Answer::Response(slot, result)),
                Some(RequestRoute::Many(_)) | None => {}
            },
            Event::Reply { request, message } => {
                if let Some(RequestRoute::Many(slot)) = core.routes.requests.get(&request) {
                    self.delivery.answers.push(Answer::Reply(slot.clone(), message));
                }
            }
            Event::RepliesEnded { request, result } => match core.routes.requests.remove(&request) {
                Some(RequestRoute::Many(slot)) => {
                    self.delivery.answers.push(Answer::RepliesEnded(slot, result))
                }
                Some(RequestRoute::One(_)) | None => {}
            },
            Event::Flushed { flush, result } => match core.routes.flushes.remove(&flush) {
                Some(FlushRoute::Flush(slot)) => self.delivery.answers.push(Answer::Flushed(slot, result)),
                Some(FlushRoute::RoundTrip(_)) | None => {}
            },
            Event::RoundTrip { flush, result } => match core.routes.flushes.remove(&flush) {
                Some(FlushRoute::RoundTrip(slot)) => {
                    self.delivery.answers.push(Answer::RoundTrip(slot, result))
                }
                Some(FlushRoute::Flush(_)) | None => {}
            },
            Event::Writable => core.waiting.wake_all(self.delivery.wakers()),
            Event::Closed { reason } => {
                let reason = core.draining.reason(reason);
                self.close_everything(reason);
            }
            other => {
                // Whatever it is, it may settle what a publisher waits for: it is rare, and asking again is cheap.
                core.waiting.wake_all(self.delivery.wakers());
                self.delivery.events.push(other.into());
            }
        }
    }

    /// The end: whoever still waits for something is told. The machine has ended everything by itself; what is
    /// left here is left only where the machine could not.
    pub(crate) fn close_everything(&mut self, reason: ClosedReason) {
        let core = &mut *self.core;
        for (_, route) in core.routes.mail.drain() {
            self.delivery.ends.push((route.mail, EndReason::Closed));
        }
        for (_, route) in core.routes.requests.drain() {
            self.delivery.answers.push(match route {
                RequestRoute::One(slot) => Answer::Response(slot, Err(RequestError::Closed)),
                RequestRoute::Many(slot) => Answer::RepliesEnded(slot, Err(RequestError::Closed)),
            });
        }
        for (_, route) in core.routes.flushes.drain() {
            self.delivery.answers.push(match route {
                FlushRoute::Flush(slot) => Answer::Flushed(slot, Err(FlushError::Closed)),
                FlushRoute::RoundTrip(slot) => Answer::RoundTrip(slot, Err(FlushError::Closed)),
            });
        }
        core.waiting.wake_all(self.delivery.wakers());
        core.closed = Some(reason.clone());
        self.delivery.events.push(Event::Closed { reason }.into());
    }
}
