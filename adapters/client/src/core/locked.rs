//! What the one mutex of a connection holds.

use std::task::Waker;

use nats_conn_sm::{ClosedReason, Connection, SendBuf, State, Timestamp};

use crate::core::addresses::Addresses;
use crate::core::confirmations::Confirmations;
use crate::core::draining::{DrainPatience, Draining};
use crate::core::routes::Routes;
use crate::core::waiting::Waiting;

/// After so many bytes a publisher lets the driver run first, so that on one thread what is published leaves while the
/// publisher goes on, rather than when the buffer is full. It is a little less than a block of the machine, so that the
/// driver finds one block that is almost full, and no second one that is almost empty.
const YIELD_AFTER: usize = 60 << 10;

/// The machine, and the tables of who waits for what.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) connection: Connection,
    pub(crate) routes: Routes,
    /// Who waits for room in the send buffer.
    pub(crate) room: Waiting,
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
    /// About how many bytes were published since the driver last came for a block, or since a publisher last let it run.
    published: usize,
    /// Before this moment nothing was due when the driver last asked.
    quiet_until: Timestamp,
    pub(crate) closed: Option<ClosedReason>,
    /// The driver has ended: nothing happens any more.
    pub(crate) finished: bool,
    /// Who waits for the end.
    pub(crate) watchers: Waiting,
}

impl Locked {
    pub(crate) fn new(connection: Connection, drain: DrainPatience) -> Self {
        Self {
            connection,
            routes: Routes::default(),
            room: Waiting::default(),
            alarms: Waiting::default(),
            confirmations: Confirmations::default(),
            words: None,
            addresses: Addresses::default(),
            driver: None,
            draining: Draining::new(drain),
            in_hand: false,
            published: 0,
            quiet_until: Timestamp::ZERO,
            closed: None,
            finished: false,
            watchers: Waiting::default(),
        }
    }

    /// Whether whoever wants to publish so many bytes lets the driver run first. It counts them if not.
    #[inline]
    pub(crate) fn lets_driver_run(&mut self, bytes: usize) -> bool {
        if self.published >= YIELD_AFTER {
            self.published = 0;
            if self.connection.state() == State::Connected {
                return true;
            }
        }
        self.published = self.published.saturating_add(bytes);
        false
    }

    /// Whom to wake for a publish that was accepted: the driver if it sleeps, unless it comes back anyway.
    #[inline]
    pub(crate) fn wakes_for_publish(&mut self) -> Option<Waker> {
        if self.in_hand && !self.connection.has_events() {
            return None;
        }
        self.driver.take()
    }

    /// Reports a block that was written, and takes the next one.
    pub(crate) fn transmit(&mut self, now: Timestamp, tx: &mut SendBuf) -> bool {
        self.ask(now);
        if !tx.is_empty() {
            return false;
        }
        if self.in_hand {
            self.connection.handle_written(now, tx);
        }
        self.in_hand = self.connection.wants_transmit() && self.connection.poll_transmit(now, tx);
        self.published = 0;
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
        let first = machine.into_iter().chain(room).chain(alarm).min();
        self.quiet_until = first.unwrap_or(Timestamp::MAX);
        first
    }

    /// Something was called that may be due at once: a request that has no time is not to be written first.
    pub(crate) fn called(&mut self) {
        self.quiet_until = Timestamp::ZERO;
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
