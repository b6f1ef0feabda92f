//! What the one mutex of a connection holds.

use std::task::Waker;

use nats_conn_sm::{ClosedReason, Connection};

use crate::core::addresses::Addresses;
use crate::core::confirmations::Confirmations;
use crate::core::draining::{DrainPatience, Draining};
use crate::core::routes::Routes;
use crate::core::waiting::Waiting;

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
    /// Blocks taken by the driver: publishers yield to it once for each.
    pub(crate) blocks: u64,
    /// The number of blocks taken when a publisher last yielded.
    pub(crate) yielded: u64,
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
            blocks: 0,
            yielded: u64::MAX,
            closed: None,
            finished: false,
            watchers: Waiting::default(),
        }
    }

    /// Why the connection closed, once its driver has ended, too.
    pub(crate) fn ended(&self) -> Option<ClosedReason> {
        self.closed.clone().filter(|_| self.finished)
    }
}
