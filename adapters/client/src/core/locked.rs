//! What the one mutex of a connection holds.

use std::task::Waker;
use std::time::Duration;

use nats_conn_sm::{ClosedReason, Connection, SendBuf, State, Timestamp};

use crate::core::addresses::Addresses;
use crate::core::confirmations::Confirmations;
use crate::core::draining::{DrainPatience, Draining};
use crate::core::pace::{PATIENCE, Pace};
use crate::core::routes::Routes;
use crate::core::waiting::Waiting;

/// The machine, and the tables of who waits for what.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) connection: Connection,
    pub(crate) routes: Routes,
    /// Who waits for room in the send buffer.
    pub(crate) room: Waiting,
    /// How far publishers are ahead of the driver, and who waits for it.
    pub(crate) pace: Pace,
    /// Who waits for a moment, and is not to be woken before.
    pub(crate) alarms: Waiting,
    pub(crate) confirmations: Confirmations,
    /// What the server said last of something that it does not permit.
    pub(crate) words: Option<Box<str>>,
    /// Which addresses did not work.
    pub(crate) addresses: Addresses,
    /// Whom to wake when there is something to do for the driver. Present only while it sleeps or is about to.
    pub(crate) driver: Option<Waker>,
    /// What a drain of the connection waits for.
    pub(crate) draining: Draining,
    /// A driver has a block in its hands. It comes back for the next one by itself: nobody wakes it for a publish.
    in_hand: bool,
    /// Before this moment nothing was due when the driver last asked.
    quiet_until: Timestamp,
    pub(crate) closed: Option<ClosedReason>,
    /// The driver has ended: nothing happens any more.
    pub(crate) finished: bool,
    /// Who waits for the end.
    pub(crate) watchers: Waiting,
}

/// What a publisher does first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pause {
    /// It waits until the driver has come.
    Waits,
    /// It lets others run.
    Yields,
}

impl Locked {
    pub(crate) fn new(connection: Connection, drain: DrainPatience) -> Self {
        Self {
            connection,
            routes: Routes::default(),
            room: Waiting::default(),
            pace: Pace::default(),
            alarms: Waiting::default(),
            confirmations: Confirmations::default(),
            words: None,
            addresses: Addresses::default(),
            driver: None,
            draining: Draining::new(drain),
            in_hand: false,
            quiet_until: Timestamp::ZERO,
            closed: None,
            finished: false,
            watchers: Waiting::default(),
        }
    }

    /// Whether whoever wants to publish waits for the driver, or lets others run. Without a session it does neither: nobody
    /// writes.
    pub(crate) fn pause(&mut self, timeout: Option<Duration>) -> Option<Pause> {
        if !self.pace.pauses() || self.connection.state() != State::Connected {
            return None;
        }
        // Who has little time does not spend it on a driver: perhaps there is room.
        if self.pace.is_ahead() && timeout.is_none_or(|timeout| timeout > PATIENCE) {
            return Some(Pause::Waits);
        }
        self.pace.ends_turn().then_some(Pause::Yields)
    }

    /// Whoever waits to publish looks again.
    pub(crate) fn wake_publishers(&mut self, wakers: &mut Vec<Waker>) {
        self.room.wake_all(wakers);
        self.pace.wake_all(wakers);
    }

    /// Whom to wake for a publish that was accepted: the driver if it sleeps, unless it comes back anyway.
    #[inline]
    pub(crate) fn wakes_for_publish(&mut self) -> Option<Waker> {
        if self.in_hand && !self.connection.has_events() {
            return None;
        }
        self.driver.take()
    }

    /// Reports a block that was written, and takes the next one. Whom to wake of those who waited for that comes into
    /// `wakers`.
    pub(crate) fn transmit(&mut self, now: Timestamp, tx: &mut SendBuf, wakers: &mut Vec<Waker>) -> bool {
        self.ask(now);
        if !tx.is_empty() {
            return false;
        }
        if self.in_hand {
            self.connection.handle_written(now, tx);
        }
        self.in_hand = self.connection.wants_transmit() && self.connection.poll_transmit(now, tx);
        self.pace.driver_came(now, self.in_hand, wakers);
        if self.in_hand {
            // What is handed out is asked about in time, also by a driver that always finds more and does not sleep.
            self.quiet_until = Timestamp::ZERO;
        }
        self.in_hand
    }

    /// Asks the server for everything that is waited for together, unless it was asked and has not answered.
    pub(crate) fn ask(&mut self, now: Timestamp) {
        if !self.confirmations.wants_flush() {
            return;
        }
        // Without a session it would be refused, and recorded.
        if matches!(self.connection.state(), State::Connected | State::Draining)
            && let Ok(flush) = self.connection.flush(now)
        {
            self.confirmations.flush_begun(flush);
        }
    }

    /// When something is due next.
    pub(crate) fn next_deadline(&mut self) -> Option<Timestamp> {
        let machine = self.connection.poll_timeout();
        let room = self.room.next_deadline();
        let alarm = self.alarms.next_deadline();
        let pace = self.pace.deadline().filter(|_| self.in_hand);
        let first = machine.into_iter().chain(room).chain(alarm).chain(pace).min();
        self.quiet_until = first.unwrap_or(Timestamp::MAX);
        first
    }

    /// Wakes those whose moment has come.
    pub(crate) fn expire(&mut self, now: Timestamp, wakers: &mut Vec<Waker>) {
        self.room.expire(now, wakers);
        self.alarms.expire(now, wakers);
        if self.in_hand {
            self.pace.expire(now, wakers);
        }
    }

    /// Something was called that may be due from this moment on: a request that has no time is not to be written first.
    pub(crate) fn called(&mut self, due: Timestamp) {
        self.quiet_until = self.quiet_until.min(due);
    }

    /// Whether something may be due.
    pub(crate) fn may_be_due(&self, now: Timestamp) -> bool {
        self.quiet_until <= now
    }

    /// Why the connection closed, once its driver has ended, too.
    pub(crate) fn ended(&self) -> Option<ClosedReason> {
        self.closed.clone().filter(|_| self.finished)
    }
}
