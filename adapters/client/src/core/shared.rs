//! What handles and driver share: the machine, and who waits for what.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use nats_conn_sm::{
    Action, ClosedReason, Connection, LinkEnd, LinkId, ReceiveBuf, RequestId, SendBuf, SubscribeError,
    Timestamp,
};
use nats_proto::{Message, QueueGroup, SubjectFilter};

use crate::core::clock::{Clock, DrainClock, Moment};
use crate::core::delivery::{Delivered, Delivery};
use crate::core::draining::DrainPatience;
use crate::core::event::ClientEvent;
use crate::core::hand::Hand;
use crate::core::hub::Hub;
use crate::core::lock::{lock, remember};
use crate::core::locked::Locked;
use crate::core::mail::{Mail, Taken, Terms};
use crate::core::panics::{caught, wake_all, wake_each};
use crate::core::recording::RecordingWriter;
#[cfg(feature = "tracing")]
use crate::core::trace::Trace;
use crate::core::turn::Turn;

/// The connection as its handles and its driver share it.
///
/// **Locks.** One mutex holds the machine and the tables of who waits for what. Nothing waits under it, no system
/// call is made under it, and no waker is woken under it. Each mailbox has a small lock of its own. Locks are
/// taken in one order: the delivery of what the machine says, which only drivers take; the machine; one mailbox.
///
/// **Drivers** call [`drive`](Self::drive) with everything they have to report and to ask; what handles call wakes the
/// driver if it sleeps. A driver that is about to sleep leaves its waker with [`Turn::sleep`]: whatever is called from
/// then on wakes it.
#[derive(Debug)]
pub struct Shared {
    clock: Clock,
    drain_clock: DrainClock,
    locked: Mutex<Locked>,
    /// Taken before the machine, and kept until all is delivered, so that two threads deliver in the order of the
    /// machine while nobody else waits for them.
    delivery: Mutex<Delivery>,
    hub: Hub,
    settings: SharedSettings,
    recording: Option<RecordingWriter>,
    #[cfg(feature = "tracing")]
    trace: Trace,
}

/// What [`Shared`] has to know of the options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedSettings {
    pub(crate) mailbox: Terms,
    pub(crate) drain: DrainPatience,
    pub(crate) event_capacity: usize,
}

/// What is left for a driver that has written.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Written {
    /// There is another block to write.
    pub more: bool,
    /// Something waits for a turn.
    pub turn: bool,
    /// When to have the next turn if nothing happens before. Not asked while there is [`more`](Self::more).
    pub deadline: Option<Instant>,
}

impl Written {
    /// A turn is due, whatever is left.
    pub(crate) fn turn() -> Self {
        Self {
            turn: true,
            ..Self::default()
        }
    }
}

impl Shared {
    pub(crate) fn new(
        connection: Connection,
        epoch: Instant,
        settings: SharedSettings,
        recording: Option<RecordingWriter>,
        name: Option<&str>,
    ) -> Arc<Self> {
        let hub = Hub::new(settings.event_capacity);
        #[cfg(not(feature = "tracing"))]
        let _ = name;
        Arc::new(Self {
            #[cfg(feature = "tracing")]
            trace: Trace::new(&hub, name),
            clock: Clock::new(epoch),
            drain_clock: DrainClock::default(),
            locked: Mutex::new(Locked::new(connection, settings.drain)),
            delivery: Mutex::new(Delivery::new(settings.mailbox)),
            hub,
            settings,
            recording,
        })
    }

    /// Publishers wait for the driver where they are far ahead of it: for a driver that needs no thread of its own to be
    /// waited for.
    pub(crate) fn pace_publishers(&self) {
        lock(&self.locked).pace.begin();
    }

    /// The present moment, as the machine counts it.
    pub fn now(&self) -> Timestamp {
        self.clock.timestamp(Instant::now())
    }

    pub(crate) fn moment(&self) -> Moment {
        self.clock.moment(Instant::now())
    }

    /// Calls the machine for the application, and wakes the driver if it sleeps.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut Connection, Timestamp) -> R) -> R {
        let now = self.now();
        self.call(|locked| call(&mut locked.connection, now))
    }

    /// Looks at the machine, which shows nothing of which its events were not delivered yet.
    pub fn look<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        let locked = lock(&self.locked);
        if !locked.connection.has_events() {
            return look(&locked.connection);
        }
        drop(locked);
        // Something was called since the driver's last turn: what came of it is delivered first.
        let (answer, delivered) = self.drive(|turn| {
            turn.waiting_events();
            look(turn.connection())
        });
        if delivered.again {
            self.wake_driver();
        }
        answer
    }

    /// One turn of a driver: all that it has to report to the machine and to ask of it, under one lock. Afterwards
    /// what the machine emitted is delivered, and wakers are woken, and subscribers of `tracing` called, when no lock of this
    /// is held any more. A lock that the caller holds they may meet: whatever applications call without waiting must do
    /// without it, or only try to take it.
    pub fn drive<R>(&self, turn: impl FnOnce(&mut Turn<'_>) -> R) -> (R, Delivered) {
        self.drive_at(self.moment(), turn)
    }

    /// The same at a time that is known already.
    pub(crate) fn drive_at<R>(&self, now: Moment, turn: impl FnOnce(&mut Turn<'_>) -> R) -> (R, Delivered) {
        let mut delivery = lock(&self.delivery);
        let mut locked = lock(&self.locked);
        delivery.begin();
        let mut whole = Turn::new(self.clock, &self.drain_clock, &mut locked, &mut delivery, now);
        whole.housekeeping();
        let answer = turn(&mut whole);
        if let Some(recording) = &self.recording
            && let Some(bytes) = locked.connection.poll_recording()
        {
            recording.push(bytes);
        }
        let mut wakers = delivery.take_woken();
        // While the machine is locked: nobody can look at what came of the turn before its events are there.
        let mut delivered = delivery.deliver_events(&self.hub, &mut wakers);
        drop(locked);
        // Before anybody is woken: who is woken by an event finds it in the file.
        if let Some(recording) = &self.recording {
            recording.write();
        }
        delivery.deliver(&self.hub, &mut wakers, &mut delivered);
        drop(delivery);
        // Also before anybody is woken, and when nothing is locked here any more.
        #[cfg(feature = "tracing")]
        self.trace.tell();
        if !wakers.is_empty() {
            wake_each(&mut wakers);
            // Unless another turn goes on already.
            if let Ok(mut delivery) = self.delivery.try_lock() {
                delivery.keep_woken(wakers);
            }
        }
        (answer, delivered)
    }

    /// What a driver does between two turns, having written: it reports a block that the transport has taken whole, and
    /// takes the next one. `None` stands for a block that is still being written, or not yet flushed. Whom to wake comes with
    /// it, as with [`Turn::sleep`], for a driver that may sleep now.
    pub fn written(&self, tx: Option<&mut SendBuf>, waker: &Waker) -> Written {
        let mut wakers = Vec::new();
        let written = self.written_at(self.now(), tx, waker, &mut wakers);
        wake_all(wakers);
        written
    }

    /// The same at a time that is known already. Whom to wake comes into `wakers`.
    pub(crate) fn written_at(
        &self,
        now: Timestamp,
        tx: Option<&mut SendBuf>,
        waker: &Waker,
        wakers: &mut Vec<Waker>,
    ) -> Written {
        if self.recording.is_some() {
            // What is recorded is taken in turns.
            return Written::turn();
        }
        let mut locked = lock(&self.locked);
        let more = tx.is_some_and(|tx| locked.transmit(now, tx, wakers));
        if more && !locked.connection.has_events() {
            return Written {
                more,
                ..Written::default()
            };
        }
        remember(&mut locked.driver, waker);
        let first = locked.next_deadline();
        let look = locked.draining.next_look();
        let deadline = first.and_then(|first| self.clock.instant(first));
        Written {
            more,
            turn: first.is_some_and(|first| first <= now),
            deadline: deadline.into_iter().chain(look).min(),
        }
    }

    /// Wakes the driver if it sleeps: something changed that it should look at.
    pub fn wake_driver(&self) {
        let waker = lock(&self.locked).driver.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Relieves a driver that sleeps, for a call of which something may come that is to be written at once: nobody wakes
    /// the driver any more. Whoever has this waker has the next turn, with [`Turn::sleep`], or wakes it. A driver that
    /// is awake, or about to be, is not relieved.
    #[must_use = "the driver sleeps on until it is woken"]
    pub fn relieve_driver(&self) -> Option<Waker> {
        lock(&self.locked).driver.take()
    }

    /// The driver has ended, in good order or not. If the connection is not closed it is now: whoever waits is
    /// answered, and [`ClientEvent::DriverFailed`] says so before `Closed`.
    ///
    /// Drivers call this last, from a guard that also runs when they panic or are dropped.
    pub fn finish(&self, panicked: bool) {
        // Whatever panics from here on, the machine or whoever is woken: this may be the end of a panic already, and one
        // within another ends the process.
        if lock(&self.locked).closed.is_none() {
            let _ = caught(|| self.hub.emit_now(ClientEvent::DriverFailed { panicked }));
            let aborted = caught(|| self.abort_without_driver());
            if aborted.is_err() || lock(&self.locked).closed.is_none() {
                let _ = caught(|| self.drive(|turn| turn.close_everything(ClosedReason::DriverFailed)));
            }
        }
        let mut watchers = Vec::new();
        {
            let mut locked = lock(&self.locked);
            locked.finished = true;
            locked.watchers.wake_all(&mut watchers);
            locked.draining.awaiting().wake_all(&mut watchers);
        }
        let _ = caught(|| wake_all(watchers));
    }

    /// Why the connection closed, if it did.
    pub fn closed(&self) -> Option<ClosedReason> {
        lock(&self.locked).closed.clone()
    }

    /// Takes a message of a mailbox, or what is left of those that were taken with an earlier one, and wakes those who
    /// wait for that.
    #[inline]
    pub(crate) fn poll_take(
        &self,
        mail: &Mail,
        hand: &mut Hand,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Message>> {
        if let Some(message) = self.next_in_hand(hand) {
            return Poll::Ready(Some(message));
        }
        let mut taken = Taken::default();
        let message = mail.poll_take(hand, cx, &self.drain_clock, &mut taken);
        self.taken(taken);
        message
    }

    /// The same, if there is a message.
    pub(crate) fn try_take(&self, mail: &Mail, hand: &mut Hand) -> Option<Message> {
        if let Some(message) = self.next_in_hand(hand) {
            return Some(message);
        }
        let mut taken = Taken::default();
        let message = mail.try_take(hand, &self.drain_clock, &mut taken);
        self.taken(taken);
        message
    }

    /// While the connection is being drained everybody comes to the mailbox, and is seen there.
    #[inline]
    fn next_in_hand(&self, hand: &mut Hand) -> Option<Message> {
        if self.drain_clock.is_running() {
            return None;
        }
        hand.next()
    }

    fn taken(&self, taken: Taken) {
        if taken.drain_waits {
            self.wake_driver();
        }
        if let Some(reader) = taken.reader {
            reader.wake();
        }
    }

    /// Takes a request back. Nothing happens if it is settled already.
    pub(crate) fn cancel_request(&self, request: RequestId) {
        let now = self.now();
        self.call(|locked| {
            if locked.routes.requests.remove(&request).is_some() {
                locked.connection.cancel_request(now, request);
            }
        });
    }

    /// What holds for mailboxes.
    pub(crate) fn mailbox(&self) -> Terms {
        self.settings.mailbox
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Calls the machine and the tables for the application, and wakes the driver if it sleeps.
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Locked) -> R) -> R {
        self.call_until(Timestamp::ZERO, call)
    }

    /// The same for what has nothing due before this moment.
    pub(crate) fn call_until<R>(&self, due: Timestamp, call: impl FnOnce(&mut Locked) -> R) -> R {
        let (answer, waker) = {
            let mut locked = lock(&self.locked);
            let answer = call(&mut locked);
            locked.called(due);
            (answer, locked.driver.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        answer
    }

    /// The same for publishing: a driver that comes back by itself for what is published is not woken.
    #[inline]
    pub(crate) fn call_to_publish<R>(&self, call: impl FnOnce(&mut Locked) -> R) -> R {
        let mut locked = lock(&self.locked);
        let answer = call(&mut locked);
        let waker = locked.wakes_for_publish();
        drop(locked);
        if let Some(waker) = waker {
            waker.wake();
        }
        answer
    }

    /// The same, without waking the driver: nothing has changed for it.
    pub(crate) fn call_quietly<R>(&self, call: impl FnOnce(&mut Locked) -> R) -> R {
        call(&mut lock(&self.locked))
    }

    pub(crate) fn subscribe(
        &self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
    ) -> Result<Arc<Mail>, SubscribeError> {
        let now = self.now();
        self.call(|locked| {
            let sid = locked.connection.subscribe(now, filter, queue)?;
            locked.confirmations.subscribed(sid);
            let mail = Mail::new(sid);
            locked.routes.mail.insert(sid, mail.clone());
            Ok(mail)
        })
    }

    fn abort_without_driver(&self) {
        let mut nothing_read = ReceiveBuf::new(LinkId::from_u64(0));
        let _ = self.drive(|turn| {
            turn.driver_failed();
            for _ in 0..4 {
                while turn.events(&mut nothing_read, usize::MAX) {}
                while let Some(action) = turn.action() {
                    if let Action::Disconnect { link, .. } = action {
                        turn.link_closed(link, LinkEnd::Requested, &mut SendBuf::new(link));
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;
    use crate::ConnectOptions;
    use crate::handles::puppet::Puppet;

    struct Driver;

    impl Wake for Driver {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_driver_that_has_written_has_a_turn_where_everything_is_recorded_and_else_goes_on_without() {
        for (records, turn) in [(true, true), (false, false)] {
            let mut options = ConnectOptions::<()>::default();
            if records {
                options = options.record(std::io::sink());
            }
            let puppet = Puppet::in_a_session(options, "{}");
            let shared = puppet.client.shared();
            let written = shared.written(None, Waker::noop());
            assert_eq!((written.turn, written.more), (turn, false));
        }
    }

    #[test]
    fn a_driver_that_sleeps_is_relieved_once_and_woken_by_nobody_then() {
        let shared = ConnectOptions::<()>::default()
            .prepare()
            .expect("usable")
            .parts
            .shared;
        assert!(shared.relieve_driver().is_none(), "it is awake");
        let waker = Waker::from(Arc::new(Driver));
        let _ = shared.drive(|turn| turn.sleep(&waker));
        let relieved = shared.relieve_driver().expect("it sleeps");
        assert!(relieved.will_wake(&waker));
        assert!(shared.relieve_driver().is_none(), "once");
    }
}
