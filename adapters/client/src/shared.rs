//! What handles and driver share: the machine, and who waits for what.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use nats_conn_sm::{
    Action, ClosedReason, Connection, FlushError, FlushId, LinkEnd, LinkId, MailboxLimits, ReceiveBuf,
    RequestError, RequestId, SendBuf, SubscribeError, Timestamp,
};
use nats_proto::{Message, QueueGroup, Sid, SubjectFilter};

use crate::addresses::Addresses;
use crate::closed::Closed;
use crate::delivery::{Delivered, Delivery};
use crate::draining::{DrainPatience, Draining};
use crate::events::{ClientEvent, Hub};
use crate::lock::lock;
use crate::mail::Mail;
use crate::oneshot::Oneshot;
use crate::panics::{caught, wake_all};
use crate::recording::RecordingWriter;
use crate::replies::RepliesSlot;
use crate::turn::Turn;
use crate::waiting::Waiting;

/// The connection as its handles and its driver share it.
///
/// **Locks.** One mutex holds the machine and the tables of who waits for what. Nothing waits under it, no system
/// call is made under it, and no waker is woken under it. Each mailbox has a small lock of its own. Locks are
/// taken in one order: the delivery of what the machine says, which only drivers take; the machine; one mailbox.
///
/// **Drivers** call [`drive`](Self::drive) with everything they have to tell and to ask; handles call
/// [`with`](Self::with), which wakes the driver if it sleeps. A driver that is about to sleep leaves its waker
/// with [`Turn::sleep`]: whatever is called from then on wakes it.
#[derive(Debug)]
pub struct Shared {
    epoch: Instant,
    core: Mutex<Core>,
    /// Taken before the core, and kept until all is delivered, so that two threads deliver in the order of the
    /// machine while nobody else waits for them.
    delivery: Mutex<Delivery>,
    hub: Hub,
    settings: SharedSettings,
    recording: Option<RecordingWriter>,
    /// A drain has begun: those who take messages note when.
    draining: AtomicBool,
}

/// What [`Shared`] has to know of the options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedSettings {
    pub(crate) mailbox: MailboxLimits,
    pub(crate) patience: Duration,
    pub(crate) drain: DrainPatience,
    pub(crate) event_capacity: usize,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) connection: Connection,
    pub(crate) routes: Routes,
    pub(crate) waiting: Waiting,
    /// Which addresses did not work.
    pub(crate) addresses: Addresses,
    /// Whom to wake when there is something to do for the driver. Present only while it sleeps or is about to.
    pub(crate) driver: Option<Waker>,
    /// What a drain of the connection waits for.
    pub(crate) draining: Draining,
    /// Blocks taken by the driver: publishers yield to it once for each.
    pub(crate) blocks: u64,
    /// The number of blocks taken when a publisher last yielded.
    pub(crate) yielded: u64,
    pub(crate) closed: Option<ClosedReason>,
    /// The driver has ended: nothing happens any more.
    finished: bool,
    /// Who waits for the end.
    pub(crate) watchers: Waiting,
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
    pub(crate) fn new(
        connection: Connection,
        epoch: Instant,
        settings: SharedSettings,
        recording: Option<RecordingWriter>,
    ) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            core: Mutex::new(Core {
                connection,
                routes: Routes::default(),
                waiting: Waiting::default(),
                addresses: Addresses::default(),
                driver: None,
                draining: Draining::new(settings.drain),
                blocks: 0,
                yielded: u64::MAX,
                closed: None,
                finished: false,
                watchers: Waiting::default(),
            }),
            delivery: Mutex::new(Delivery::new(settings.patience)),
            hub: Hub::new(settings.event_capacity),
            settings,
            recording,
            draining: AtomicBool::new(false),
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

    /// Looks at the machine, which shows nothing of which its events were not delivered yet.
    pub fn look<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        let core = lock(&self.core);
        if !core.connection.has_events() {
            return look(&core.connection);
        }
        drop(core);
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

    /// One turn of a driver: all that it has to tell the machine and to ask of it, under one lock. Afterwards what
    /// the machine said is delivered, and wakers are woken when no lock is held any more.
    pub fn drive<R>(&self, turn: impl FnOnce(&mut Turn<'_>) -> R) -> (R, Delivered) {
        let now = Instant::now();
        let mut delivery = lock(&self.delivery);
        let mut core = lock(&self.core);
        delivery.begin();
        let mut whole = Turn::new(self, &mut core, &mut delivery, now);
        whole.housekeeping();
        let answer = turn(&mut whole);
        if let Some(recording) = &self.recording
            && let Some(bytes) = core.connection.poll_recording()
        {
            recording.push(bytes);
        }
        let mut wakers = Vec::new();
        // While the machine is locked: nobody can look at what came of the turn before its events are there.
        let mut delivered = delivery.deliver_events(&self.hub, &mut wakers);
        drop(core);
        // Before anybody is woken: who is woken by an event finds it in the file.
        if let Some(recording) = &self.recording {
            recording.write();
        }
        delivery.deliver(&self.hub, &mut wakers, &mut delivered);
        drop(delivery);
        wake_all(wakers);
        (answer, delivered)
    }

    /// Wakes the driver if it sleeps: something changed that it should look at.
    pub fn wake_driver(&self) {
        let waker = lock(&self.core).driver.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The driver has ended, in good order or not. If the connection is not closed it is now: whoever waits is
    /// told, and [`ClientEvent::DriverFailed`] says so before `Closed`.
    ///
    /// Drivers call this last, from a guard that also runs when they panic or are dropped.
    pub fn finish(&self, panicked: bool) {
        // Whatever panics from here on, the machine or whoever is woken: this may be the end of a panic already, and one
        // within another ends the process.
        if lock(&self.core).closed.is_none() {
            let _ = caught(|| self.hub.emit_now(ClientEvent::DriverFailed { panicked }));
            let aborted = caught(|| self.abort_without_driver());
            if aborted.is_err() || lock(&self.core).closed.is_none() {
                let _ = caught(|| self.drive(|turn| turn.close_everything(ClosedReason::DriverFailed)));
            }
        }
        let mut watchers = Vec::new();
        {
            let mut core = lock(&self.core);
            core.finished = true;
            core.watchers.wake_all(&mut watchers);
            core.draining.awaiting().wake_all(&mut watchers);
        }
        let _ = caught(|| wake_all(watchers));
    }

    /// Why the connection closed, if it did.
    pub fn closed(&self) -> Option<ClosedReason> {
        lock(&self.core).closed.clone()
    }

    /// Waits until the connection is closed and its driver has ended.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting.
    pub fn when_closed(self: &Arc<Self>) -> Closed {
        Closed::new(self)
    }

    /// The same, for whoever drains: a drain waits no more than 1 s for a subscription that was last polled by the task,
    /// or the thread, that polls this.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting: the drain goes on.
    pub fn when_drained(self: &Arc<Self>) -> Closed {
        Closed::of_drain(self)
    }

    /// A drain has begun.
    pub(crate) fn drains(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The time, while a drain is under way.
    pub(crate) fn drain_time(&self) -> Option<Instant> {
        self.draining.load(Ordering::Relaxed).then(Instant::now)
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
            (answer, core.driver.take())
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
            let mail = Mail::new(sid, self.settings.mailbox);
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
            turn.connection().driver_failed(now);
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
    /// Why the connection closed, once its driver has ended, too.
    pub(crate) fn ended(&self) -> Option<ClosedReason> {
        self.closed.clone().filter(|_| self.finished)
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
