//! What handles and driver share: the machine, and who waits for what.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nats_conn_sm::{
    Action, ClosedReason, Connection, EndReason, Event, FlushError, FlushId, LinkEnd, LinkId, MailboxLimits,
    ReceiveBuf, RequestError, RequestId, SendBuf, State, SubscribeError, Timestamp,
};
use nats_proto::{Message, QueueGroup, Sid, SubjectFilter};

use crate::delivery::{Answer, Delivered, Delivery};
use crate::events::{ClientEvent, Hub};
use crate::lock::{lock, remember};
use crate::mail::Mail;
use crate::oneshot::Oneshot;
use crate::replies::RepliesSlot;

/// The connection as its handles and its driver share it.
///
/// **Locks.** One mutex holds the machine and the tables of who waits for what. Nothing waits under it, no system
/// call is made under it, and no waker is woken under it. Each mailbox has a small lock of its own. Locks are
/// taken in one order: the machine, then the delivery of what it said, then one mailbox.
///
/// **Drivers** call [`drive`](Self::drive) with everything they have to tell and to ask; handles call
/// [`with`](Self::with), which wakes the driver if it sleeps. A driver that is about to sleep leaves its waker
/// with [`Turn::sleep`]: whatever is called from then on wakes it.
#[derive(Debug)]
pub struct Shared {
    epoch: Instant,
    core: Mutex<Core>,
    /// Taken while the lock of the core is still held, so that two threads deliver in the order of the machine.
    delivery: Mutex<Delivery>,
    hub: Hub,
    settings: SharedSettings,
}

/// What [`Shared`] has to know of the options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedSettings {
    pub(crate) mailbox: MailboxLimits,
    pub(crate) patience: Duration,
    pub(crate) event_capacity: usize,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) connection: Connection,
    pub(crate) routes: Routes,
    pub(crate) waiting: WaitingPublishers,
    /// Whom to wake when there is something to do for the driver. Present only while it sleeps or is about to.
    driver: Option<Waker>,
    /// Subscriptions that ended while their holders had not taken everything; a drain waits for them.
    pub(crate) unconsumed: Vec<Arc<Mail>>,
    /// `finish_drain` was called: it is called once.
    consumed: bool,
    /// Blocks taken by the driver: publishers yield to it once for each.
    pub(crate) blocks: u64,
    /// The number of blocks taken when a publisher last yielded.
    pub(crate) yielded: u64,
    closed: Option<ClosedReason>,
    /// The driver has ended: nothing happens any more.
    finished: bool,
    /// Who waits for the end.
    watchers: Vec<Waker>,
}

/// Where to bring what the machine says.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    pub(crate) mail: HashMap<Sid, MailRoute, Numbers>,
    pub(crate) requests: HashMap<RequestId, RequestRoute, Numbers>,
    pub(crate) flushes: HashMap<FlushId, FlushRoute, Numbers>,
}

#[derive(Debug)]
pub(crate) struct MailRoute {
    pub(crate) mail: Arc<Mail>,
    /// Where the messages for it are gathered in the batch with this number.
    pub(crate) group: (u64, usize),
}

#[derive(Debug)]
pub(crate) enum RequestRoute {
    One(Arc<Oneshot<Result<Message, RequestError>>>),
    Many(Arc<RepliesSlot>),
}

#[derive(Debug)]
pub(crate) enum FlushRoute {
    Flush(Arc<Oneshot<Result<(), FlushError>>>),
    RoundTrip(Arc<Oneshot<Result<Duration, FlushError>>>),
}

impl Shared {
    pub(crate) fn new(connection: Connection, epoch: Instant, settings: SharedSettings) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            core: Mutex::new(Core {
                connection,
                routes: Routes::default(),
                waiting: WaitingPublishers::default(),
                driver: None,
                consumed: false,
                unconsumed: Vec::new(),
                blocks: 0,
                yielded: u64::MAX,
                closed: None,
                finished: false,
                watchers: Vec::new(),
            }),
            delivery: Mutex::new(Delivery::default()),
            hub: Hub::new(settings.event_capacity),
            settings,
        })
    }

    /// The present moment, as the machine counts it.
    pub fn now(&self) -> Timestamp {
        self.timestamp(Instant::now())
    }

    /// This moment, as the machine counts it.
    pub fn timestamp(&self, instant: Instant) -> Timestamp {
        let nanos = instant.saturating_duration_since(self.epoch).as_nanos();
        Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When a moment of the machine is, as the clock counts it.
    pub fn instant(&self, timestamp: Timestamp) -> Instant {
        let since = Duration::from_nanos(timestamp.as_nanos());
        // A deadline too far away for the clock is as good as none.
        self.epoch
            .checked_add(since)
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30))
    }

    /// Calls the machine for the application, and wakes the driver if it sleeps.
    pub fn with<R>(&self, call: impl FnOnce(&mut Connection, Timestamp) -> R) -> R {
        let now = self.now();
        self.call(|core| call(&mut core.connection, now))
    }

    /// Looks at the machine.
    pub fn look<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&lock(&self.core).connection)
    }

    /// One turn of a driver: all that it has to tell the machine and to ask of it, under one lock. Afterwards what
    /// the machine said is delivered, and wakers are woken when no lock is held any more.
    pub fn drive<R>(&self, turn: impl FnOnce(&mut Turn<'_>) -> R) -> (R, Delivered) {
        let now = Instant::now();
        let mut core = lock(&self.core);
        let mut delivery = lock(&self.delivery);
        delivery.begin();
        let mut whole = Turn {
            shared: self,
            core: &mut core,
            delivery: &mut delivery,
            now,
        };
        whole.housekeeping();
        let answer = turn(&mut whole);
        drop(core);
        let mut wakers = Vec::new();
        let delivered = delivery.deliver(&self.hub, &mut wakers);
        drop(delivery);
        wakers.into_iter().for_each(Waker::wake);
        (answer, delivered)
    }

    /// Wakes the driver if it sleeps: something changed that it should look at.
    pub fn wake_driver(&self) {
        let waker = lock(&self.core).take_driver();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The driver has ended, in good order or not. If the connection is not closed it is now: whoever waits is
    /// told, and [`ClientEvent::DriverFailed`] says so before `Closed`.
    ///
    /// Drivers call this last, from a guard that also runs when they panic or are dropped.
    pub fn finish(&self, panicked: bool) {
        if lock(&self.core).closed.is_none() {
            self.hub.emit_now(ClientEvent::DriverFailed { panicked });
            // What panicked may have been the machine itself.
            let aborted =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.abort_without_driver()));
            if aborted.is_err() || lock(&self.core).closed.is_none() {
                let _ = self.drive(|turn| turn.close_everything(ClosedReason::Requested));
            }
        }
        let watchers = {
            let mut core = lock(&self.core);
            core.finished = true;
            std::mem::take(&mut core.watchers)
        };
        watchers.into_iter().for_each(Waker::wake);
    }

    /// Why the connection closed, if it did.
    pub fn closed(&self) -> Option<ClosedReason> {
        lock(&self.core).closed.clone()
    }

    /// Waits until the connection is closed and its driver has ended.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<ClosedReason> {
        let mut core = lock(&self.core);
        if let Some(reason) = &core.closed
            && core.finished
        {
            return Poll::Ready(reason.clone());
        }
        if !core.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
            core.watchers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    pub(crate) fn mailbox_limits(&self) -> MailboxLimits {
        self.settings.mailbox
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Calls the machine and the tables for the application, and wakes the driver if it sleeps.
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Core) -> R) -> R {
        let (answer, waker) = {
            let mut core = lock(&self.core);
            let answer = call(&mut core);
            (answer, core.take_driver())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        answer
    }

    /// The same, without waking the driver: nothing has changed for it.
    pub(crate) fn call_quietly<R>(&self, call: impl FnOnce(&mut Core) -> R) -> R {
        call(&mut lock(&self.core))
    }

    pub(crate) fn subscribe(
        &self,
        filter: SubjectFilter,
        queue: Option<QueueGroup>,
    ) -> Result<Arc<Mail>, SubscribeError> {
        let now = self.now();
        self.call(|core| {
            let sid = core.connection.subscribe(now, filter, queue)?;
            let mail = Mail::new(sid, self.settings.mailbox, self.settings.patience);
            core.routes.mail.insert(
                sid,
                MailRoute {
                    mail: mail.clone(),
                    group: (0, 0),
                },
            );
            Ok(mail)
        })
    }

    fn abort_without_driver(&self) {
        let mut nothing_read = ReceiveBuf::new(LinkId::from_u64(0));
        let _ = self.drive(|turn| {
            let now = turn.now();
            turn.connection().abort(now);
            for _ in 0..4 {
                while turn.events(&mut nothing_read, usize::MAX) {}
                while let Some(action) = turn.connection().poll_action() {
                    if let Action::Disconnect { link, .. } = action {
                        let mut nothing_left = SendBuf::new(link);
                        turn.connection().handle_link_closed(
                            now,
                            link,
                            LinkEnd::Requested,
                            &mut nothing_left,
                        );
                    }
                }
            }
        });
    }
}

impl Core {
    fn take_driver(&mut self) -> Option<Waker> {
        self.driver.take()
    }
}

/// A driver's turn: the machine, locked, and the routing of what it says.
#[derive(Debug)]
pub struct Turn<'a> {
    shared: &'a Shared,
    core: &'a mut Core,
    delivery: &'a mut Delivery,
    now: Instant,
}

impl Turn<'_> {
    /// The moment at which the turn began.
    pub fn now(&self) -> Timestamp {
        self.shared.timestamp(self.now)
    }

    /// The machine. Its events are to be taken with [`events`](Self::events), its bytes with
    /// [`transmit`](Self::transmit).
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.core.connection
    }

    /// Tells the machine the time if it waits for that.
    pub fn timeouts(&mut self) {
        let now = self.now();
        if self
            .core
            .connection
            .poll_timeout()
            .is_some_and(|deadline| deadline <= now)
        {
            self.core.connection.handle_timeout(now);
        }
        self.core.waiting.expire(now, self.delivery.wakers());
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
        let first = machine.into_iter().chain(waiting).min()?;
        Some(self.shared.instant(first))
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
    fn housekeeping(&mut self) {
        let now = self.now();
        let core = &mut *self.core;
        if core.connection.state() != State::Draining || !core.routes.mail.is_empty() {
            return;
        }
        core.unconsumed.retain(|mail| !mail.is_consumed());
        if core.unconsumed.is_empty() && !core.consumed {
            core.consumed = true;
            core.connection.finish_drain(now);
            core.waiting.wake_all(self.delivery.wakers());
        }
    }

    fn route(&mut self, event: Event) {
        let core = &mut *self.core;
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
                    core.note_unconsumed(route.mail);
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
            Event::Closed { reason } => self.close_everything(reason),
            Event::Draining => {
                core.waiting.wake_all(self.delivery.wakers());
                self.delivery.events.push(Event::Draining.into());
            }
            other => self.delivery.events.push(other.into()),
        }
    }

    /// The end: whoever still waits for something is told. The machine has ended everything by itself; what is
    /// left here is left only where the machine could not.
    fn close_everything(&mut self, reason: ClosedReason) {
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

impl Core {
    /// Remembers that a drain has to wait until this is consumed.
    fn note_unconsumed(&mut self, mail: Arc<Mail>) {
        if self.unconsumed.len() == self.unconsumed.capacity() {
            self.unconsumed.retain(|mail| !mail.is_consumed());
        }
        self.unconsumed.push(mail);
    }
}

/// Publishers that wait for room in the send buffer.
#[derive(Debug, Default)]
pub(crate) struct WaitingPublishers {
    waiting: Vec<WaitingPublisher>,
    next: u64,
}

#[derive(Debug)]
struct WaitingPublisher {
    id: u64,
    deadline: Option<Timestamp>,
    waker: Waker,
}

impl WaitingPublishers {
    /// Waits on: the id is for [`remove`](Self::remove).
    pub(crate) fn add(&mut self, deadline: Option<Timestamp>, waker: &Waker) -> u64 {
        self.next += 1;
        self.waiting.push(WaitingPublisher {
            id: self.next,
            deadline,
            waker: waker.clone(),
        });
        self.next
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.waiting.retain(|waiting| waiting.id != id);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.waiting.iter().filter_map(|waiting| waiting.deadline).min()
    }

    fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waiting.drain(..).map(|waiting| waiting.waker));
    }

    fn expire(&mut self, now: Timestamp, wakers: &mut Vec<Waker>) {
        let due = |waiting: &mut WaitingPublisher| waiting.deadline.is_some_and(|deadline| deadline <= now);
        wakers.extend(self.waiting.extract_if(.., due).map(|waiting| waiting.waker));
    }
}

/// Hashes the numbers that the machine counts up: one multiplication (Fibonacci hashing) is enough for them.
#[derive(Debug, Default)]
pub(crate) struct NumberHasher(u64);

pub(crate) type Numbers = BuildHasherDefault<NumberHasher>;

impl Hasher for NumberHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
