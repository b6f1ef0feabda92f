//! One turn of a driver: what it may do with the machine while it holds the lock.

use std::task::Waker;
use std::time::{Duration, Instant};

use nats_conn_sm::{
    Action, AttemptId, AuthError, ClosedReason, Connection, ConnectionEvent, Credentials, EndReason, Event,
    FlushError, LinkEnd, LinkId, ReceiveBuf, RequestError, SendBuf, ServerId, State, Timestamp,
};
use nats_proto::{Message, ServerErrorKind, Sid};

use crate::core::clock::{Clock, DrainClock, Moment};
use crate::core::delivery::{Answer, Delivery};
use crate::core::lock::remember;
use crate::core::locked::Locked;
use crate::core::loss::Loss;
use crate::core::routes::RequestRoute;

/// A driver's turn: the machine, locked, and the routing of what it says.
///
/// A turn reports what has happened ([`connected`](Self::connected), [`link_closed`](Self::link_closed), ...), routes the
/// [`events`](Self::events), takes every [`action`](Self::action), and asks for bytes with [`transmit`](Self::transmit)
/// where there is a link that can be written to. After it the driver does what was asked for, and sleeps until the
/// [`deadline`](Self::deadline) or until the waker of [`sleep`](Self::sleep) calls.
#[derive(Debug)]
pub struct Turn<'a> {
    clock: Clock,
    drain_clock: &'a DrainClock,
    locked: &'a mut Locked,
    delivery: &'a mut Delivery,
    now: Moment,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(
        clock: Clock,
        drain_clock: &'a DrainClock,
        locked: &'a mut Locked,
        delivery: &'a mut Delivery,
        now: Moment,
    ) -> Self {
        Self {
            clock,
            drain_clock,
            locked,
            delivery,
            now,
        }
    }

    /// The moment at which the turn began.
    pub fn now(&self) -> Timestamp {
        self.now.time
    }

    /// The link is connected: [`Action::Connect`] was done.
    pub fn connected(&mut self, link: LinkId) {
        let now = self.now();
        self.locked.connection.handle_connected(now, link);
    }

    /// The TLS handshake is done: [`Action::UpgradeTls`] was. So many bytes that arrived before it were not parsed; see
    /// [`Connection::handle_tls`].
    pub fn tls_done(&mut self, link: LinkId, unparsed: usize) {
        let now = self.now();
        self.locked.connection.handle_tls(now, link, unparsed);
    }

    /// The link has ended, or the attempt at one: by itself, or because [`Action::Disconnect`] asked for it. Everything
    /// that was read is to be routed first, with [`events`](Self::events). What was not written goes back.
    pub fn link_closed(&mut self, link: LinkId, end: LinkEnd, unsent: &mut SendBuf) {
        let now = self.now();
        self.locked.connection.handle_link_closed(now, link, end, unsent);
    }

    /// The answer to [`Action::Authenticate`].
    pub fn credentials(&mut self, link: LinkId, answer: Result<Credentials, AuthError>) {
        let now = self.now();
        self.locked.connection.handle_credentials(now, link, answer);
    }

    /// The answer to [`Action::ChooseServer`].
    pub fn server_choice(&mut self, attempt: AttemptId, server: ServerId, delay: Duration) {
        let now = self.now();
        self.locked
            .connection
            .handle_server_choice(now, attempt, server, delay);
    }

    /// The next thing to do. To be taken after the [`events`](Self::events), which may bring some.
    #[must_use = "an action that is not done is waited for"]
    pub fn action(&mut self) -> Option<Action> {
        self.locked.connection.poll_action()
    }

    /// Reports the time to the machine if it waits for that, and says whether it did: then there may be more events.
    /// What was read before counts only if its [`events`](Self::events) were taken.
    #[must_use = "there may be more events then"]
    pub fn timeouts(&mut self) -> bool {
        let now = self.now();
        if !self.locked.may_be_due(now) {
            return false;
        }
        let deadline = self.locked.connection.poll_timeout();
        let due = deadline.is_some_and(|deadline| deadline <= now);
        if due {
            self.locked.connection.handle_timeout(now);
        }
        self.locked.expire(now, self.delivery.wakers());
        due
    }

    /// Parses what was read and routes what comes of it, `most` events at most. Says whether there may be more.
    #[must_use = "there may be more events, for which nobody calls"]
    pub fn events(&mut self, rx: &mut ReceiveBuf, most: usize) -> bool {
        let now = self.now();
        for _ in 0..most {
            match self.locked.connection.poll_event(now, rx) {
                Some(Event::Message {
                    subscription,
                    message,
                }) => self.message(subscription, message),
                Some(event) => self.route(event),
                None => {
                    self.confirm();
                    return false;
                }
            }
        }
        true
    }

    #[inline]
    fn message(&mut self, subscription: Sid, message: Message) {
        if let Some(messages) = self.delivery.latest(subscription) {
            messages.push_back(message);
        } else if let Some(mail) = self.locked.routes.mail.get(&subscription) {
            self.delivery.message(mail, message);
        }
    }

    /// Whether there are events though nothing was read: for a turn of a driver that has nothing to report.
    pub(crate) fn has_events(&self) -> bool {
        self.locked.connection.has_events()
    }

    /// How many bytes the next read should have room for.
    pub fn read_hint(&self) -> usize {
        self.locked.connection.read_hint()
    }

    /// The machine, to be looked at.
    pub(crate) fn connection(&self) -> &Connection {
        &self.locked.connection
    }

    /// Gives up: nobody drives this connection any more.
    pub(crate) fn driver_failed(&mut self) {
        let now = self.now();
        self.locked.connection.driver_failed(now);
    }

    /// Routes the events that wait already, without parsing anything.
    pub(crate) fn waiting_events(&mut self) {
        while let Some(event) = self.locked.connection.take_event() {
            self.route(event);
        }
    }

    /// Asks for the next bytes to write, and says whether there are some. If `tx` is empty, the transport has taken all
    /// that was in it, and nothing of that waits to be flushed. See [`Connection::handle_written`] and
    /// [`Connection::poll_transmit`].
    ///
    /// As long as there are some, what is published wakes nobody: the driver comes back when they are written, here or with
    /// [`Shared::written`](crate::driver::Shared::written), and finds it then.
    #[must_use = "what is handed out has to be written"]
    pub fn transmit(&mut self, tx: &mut SendBuf) -> bool {
        let now = self.now();
        self.locked.transmit(now, tx, self.delivery.wakers())
    }

    /// Whether there are bytes to write.
    pub fn wants_transmit(&self) -> bool {
        self.locked.connection.wants_transmit()
    }

    /// Whether somebody waits for something that comes of reading: an answer, room, or the next link. Messages of
    /// subscriptions do not count: whoever has a subscription waits for them or does not.
    pub fn is_awaited(&self) -> bool {
        let locked = &*self.locked;
        !(locked.routes.are_answered()
            && locked.confirmations.is_empty()
            && locked.room.is_empty()
            && locked.connection.state() == State::Connected)
    }

    /// Whether there are subscriptions.
    pub fn has_subscriptions(&self) -> bool {
        !self.locked.routes.mail.is_empty()
    }

    /// When to have the next turn if nothing happens before.
    pub fn deadline(&mut self) -> Option<Instant> {
        let first = self.locked.next_deadline();
        let first = first.and_then(|first| self.clock.instant(first));
        first.into_iter().chain(self.locked.draining.next_look()).min()
    }

    /// Whom to wake when the application calls something. To be called in every turn after which the driver may
    /// sleep; what is called while it is still busy wakes it, too. A turn that is followed by another, or by
    /// [`Shared::written`](crate::driver::Shared::written), can do without it.
    pub fn sleep(&mut self, waker: &Waker) {
        remember(&mut self.locked.driver, waker);
    }

    /// Whether `Closed` was emitted: nothing follows.
    pub fn is_closed(&self) -> bool {
        self.locked.closed.is_some()
    }

    /// What a turn begins with: a drain goes on when everything delivered was consumed.
    pub(crate) fn housekeeping(&mut self) {
        let now = self.now();
        let locked = &mut *self.locked;
        if locked.connection.state() != State::Draining {
            return;
        }
        self.drain_clock.start();
        self.delivery.drains(self.now.instant);
        locked.draining.begin(self.now.instant);
        if !locked.routes.mail.is_empty() {
            return;
        }
        if let Some(unread) = locked.draining.finish(self.now.instant) {
            locked.connection.finish_drain(now, unread);
            locked.wake_publishers(self.delivery.wakers());
        }
    }

    /// Answers those who wait for a confirmation that has come, and asks the server for what is still to come. All
    /// events were taken: whatever was lost has been reported.
    fn confirm(&mut self) {
        let locked = &mut *self.locked;
        if locked.confirmations.is_empty() {
            return;
        }
        let settled = locked.connection.publish_fates().settled;
        locked.confirmations.settled(settled, &mut self.delivery.answers);
        locked.ask(self.now.time);
    }

    /// What an event means for those who wait for a confirmation.
    fn note_losses(&mut self, event: &ConnectionEvent) {
        let (locked, answers) = (&mut *self.locked, &mut self.delivery.answers);
        match event {
            ConnectionEvent::Disconnected { unconfirmed, .. } => {
                locked.confirmations.lost(unconfirmed, Loss::Unconfirmed, answers);
                let living = locked.routes.mail.keys().copied();
                locked.confirmations.link_lost(living);
            }
            ConnectionEvent::PublishDropped {
                publishes, reason, ..
            } => {
                locked
                    .confirmations
                    .lost(publishes, Loss::Dropped(*reason), answers);
            }
            ConnectionEvent::ServerError { error } => {
                locked.words = None;
                if *error.kind() == ServerErrorKind::MaximumSubscriptionsExceeded {
                    if let Some(sid) = locked.confirmations.last_refused(answers) {
                        locked.confirmations.refused_with(sid, error.text().into());
                    }
                } else if error.permission().is_some() {
                    locked.words = Some(error.text().into());
                }
            }
            // It comes right after its error.
            ConnectionEvent::PermissionDenied { subscription, .. } => {
                let words = locked.words.take();
                let held = subscription.filter(|sid| locked.routes.mail.contains_key(sid));
                if let (Some(sid), Some(words)) = (held, words) {
                    locked.confirmations.refused_with(sid, words);
                }
            }
            _ => {}
        }
    }

    fn route(&mut self, event: Event) {
        if let Event::Connection(event) = &event {
            self.locked.addresses.event(event);
            self.note_losses(event);
        }
        let locked = &mut *self.locked;
        match event {
            Event::Message {
                subscription,
                message,
            } => self.message(subscription, message),
            Event::SubscriptionEnded { subscription, reason } => {
                let answers = &mut self.delivery.answers;
                locked
                    .confirmations
                    .subscription_ended(subscription, reason, answers);
                if let Some(mail) = locked.routes.mail.remove(&subscription) {
                    self.delivery.ends.push((mail.clone(), reason));
                    locked.draining.note(mail);
                }
            }
            Event::Response { request, result } => match locked.routes.requests.remove(&request) {
                Some(RequestRoute::One(slot)) => self.delivery.answers.push(Answer::Response(slot, result)),
                Some(RequestRoute::Many(_)) | None => {}
            },
            Event::Reply { request, message } => {
                if let Some(RequestRoute::Many(slot)) = locked.routes.requests.get(&request) {
                    self.delivery.answers.push(Answer::Reply(slot.clone(), message));
                }
            }
            Event::RepliesEnded { request, result } => match locked.routes.requests.remove(&request) {
                Some(RequestRoute::Many(slot)) => {
                    self.delivery.answers.push(Answer::RepliesEnded(slot, result))
                }
                Some(RequestRoute::One(_)) | None => {}
            },
            Event::Flushed { flush, result } => {
                let answers = &mut self.delivery.answers;
                if locked.confirmations.flushed(flush, result.is_ok(), answers) {
                    return;
                }
                let slot = locked.routes.flushes.remove(&flush);
                let answer = slot.map(|slot| Answer::Flushed(slot, result));
                self.delivery.answers.extend(answer);
            }
            Event::RoundTrip { round_trip, result } => {
                let slot = locked.routes.round_trips.remove(&round_trip);
                let answer = slot.map(|slot| Answer::RoundTrip(slot, result));
                self.delivery.answers.extend(answer);
            }
            Event::Writable => locked.room.wake_all(self.delivery.wakers()),
            Event::Connection(ConnectionEvent::Closed { reason }) => {
                let reason = locked.draining.reason(reason);
                self.close_everything(reason);
            }
            Event::Connection(event) => {
                // Whatever it is, it may settle what a publisher waits for: it is rare, and asking again is cheap.
                locked.wake_publishers(self.delivery.wakers());
                self.delivery.events.push(event.into());
            }
            // Of an event that this version does not know nobody waits for.
            _ => {}
        }
    }

    /// The end: whoever still waits for something is answered. The machine has ended everything by itself; what is
    /// left here is left only where the machine could not.
    pub(crate) fn close_everything(&mut self, reason: ClosedReason) {
        let locked = &mut *self.locked;
        for (_, mail) in locked.routes.mail.drain() {
            self.delivery.ends.push((mail, EndReason::Closed));
        }
        for (_, route) in locked.routes.requests.drain() {
            self.delivery.answers.push(match route {
                RequestRoute::One(slot) => Answer::Response(slot, Err(RequestError::Closed)),
                RequestRoute::Many(slot) => Answer::RepliesEnded(slot, Err(RequestError::Closed)),
            });
        }
        for (_, slot) in locked.routes.flushes.drain() {
            let answer = Answer::Flushed(slot, Err(FlushError::Closed));
            self.delivery.answers.push(answer);
        }
        for (_, slot) in locked.routes.round_trips.drain() {
            let answer = Answer::RoundTrip(slot, Err(FlushError::Closed));
            self.delivery.answers.push(answer);
        }
        // A machine that could not close says nothing of what it had settled.
        let is_closed = locked.connection.state() == State::Closed;
        let settled = if is_closed {
            locked.connection.publish_fates().settled
        } else {
            0
        };
        let answers = &mut self.delivery.answers;
        locked.confirmations.close(settled, answers);
        locked.wake_publishers(self.delivery.wakers());
        locked.alarms.wake_all(self.delivery.wakers());
        locked.closed = Some(reason.clone());
        self.delivery
            .events
            .push(ConnectionEvent::Closed { reason }.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::ConnectOptions;

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn times(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn room_in_the_buffer_and_events_of_the_connection_wake_no_alarm_and_the_end_wakes_all() {
        let prepared = ConnectOptions::<()>::default().prepare().expect("usable");
        let shared = prepared.parts.shared;
        let (room, alarm) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let later = shared.now() + Duration::from_secs(3600);
        let wait = || {
            shared.call_quietly(|locked| {
                locked.room.add(Some(later), &room.clone().into());
            });
        };
        shared.call_quietly(|locked| locked.alarms.add(Some(later), &alarm.clone().into()));
        wait();
        let _ = shared.drive(|turn| turn.route(Event::Writable));
        assert_eq!((room.times(), alarm.times()), (1, 0));
        wait();
        let _ = shared.drive(|turn| turn.route(Event::Connection(ConnectionEvent::Draining)));
        assert_eq!((room.times(), alarm.times()), (2, 0));
        wait();
        shared.finish(false);
        assert_eq!((room.times(), alarm.times()), (3, 1));
    }
}
