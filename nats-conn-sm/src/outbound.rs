//! Every frame that is to be written, and the fate of every publish.

mod accepting;
mod flight;
mod ledger;
mod looking;
mod losing;
mod queue;
mod unconfirmed;

use alloc::vec::Vec;

use nats_proto::{ClientOp, Sid, TransmitBuf};

pub(crate) use self::accepting::publish_frame;
pub(crate) use self::flight::Pong;
pub(crate) use self::ledger::Dropped;

use self::flight::Flight;
use self::ledger::Ledger;
use self::queue::Queue;
use crate::buffers::SendBuf;
use crate::canonical::Form;
use crate::config::Delivery;
use crate::env::Env;
use crate::frames::{Block, Gate, Tag};
use crate::ids::{FlushId, LinkId, RoundTripId};
use crate::pings::{Ping, PingKind};
use crate::ranges::SeqRanges;

/// What is to be written, in three parts: what no link has taken, what one has, and the counters of both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outbound {
    queue: Queue,
    /// There is one while there is a link.
    flight: Option<Flight>,
    ledger: Ledger,
    /// What the last server takes; without one anything goes.
    takes: Option<Takes>,
    /// A publish was refused for want of room since there was room again.
    refused: bool,
    flushes: u64,
}

/// What a server takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    /// The most bytes of headers and payload together.
    pub max_payload: u64,
    /// Whether it knows headers.
    pub headers: bool,
}

impl Takes {
    /// Whether it takes a message with so many bytes of headers and payload.
    #[inline]
    fn suits(self, message: usize, has_headers: bool) -> bool {
        message as u64 <= self.max_payload && (self.headers || !has_headers)
    }
}

/// Whether a publish has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Room {
    Fits,
    /// Once so many bytes of older publishes are dropped.
    Drop(usize),
    Full,
}

/// A frame that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct Withdrawn {
    /// It was in the queue.
    pub queued: bool,
    /// A server may have it, from this link or an earlier one.
    pub may_be_written: bool,
}

/// What the end of a session leaves.
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Lost {
    /// The message for which the server ended the link.
    pub poison: Option<Dropped>,
    /// What was written and is neither confirmed nor queued again.
    pub unconfirmed: SeqRanges,
    /// What the PINGs were for whose PONGs will not come, in flight before queued.
    pub pings: Vec<PingKind>,
}

/// Queueing what is no publish.
impl Outbound {
    /// Queues a SUB or UNSUB.
    pub(crate) fn queue(&mut self, op: ClientOp<'_>) {
        self.queue.push_control(op);
    }

    /// Queues a PING after everything that is queued; no SUB so far has a higher sid than `subs`.
    pub(crate) fn ping(&mut self, kind: PingKind, subs: Sid) {
        let covers = self.ledger.last_accepted();
        self.queue.push_ping(Ping::new(kind, covers, subs));
    }

    /// Queues the PING of a flush.
    pub(crate) fn flush(&mut self, subs: Sid) -> FlushId {
        let id = FlushId::from_u64(self.next_number());
        self.ping(PingKind::Flush(id), subs);
        id
    }

    /// Queues the PING of a measurement.
    pub(crate) fn round_trip(&mut self, subs: Sid) -> RoundTripId {
        let id = RoundTripId::from_u64(self.next_number());
        self.ping(PingKind::RoundTrip(id), subs);
        id
    }

    fn next_number(&mut self) -> u64 {
        self.flushes = self.flushes.saturating_add(1);
        self.flushes
    }
}

/// The life of a link.
impl Outbound {
    /// An attempt begins.
    pub(crate) fn begin(&mut self, link: LinkId) {
        self.flight = Some(Flight::new(link));
    }

    /// CONNECT and PING are to leave first.
    pub(crate) fn hello(&mut self, hello: TransmitBuf<Tag>) {
        if let Some(flight) = &mut self.flight {
            flight.set_hello(hello);
        }
    }

    /// The link has ended before they were handed out.
    pub(crate) fn forget_hello(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.forget_hello();
        }
    }

    pub(crate) fn owe_pong(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.owe_pong();
        }
    }

    /// A PING goes ahead of the next block.
    pub(crate) fn urgent(&mut self, kind: PingKind) {
        if let Some(flight) = &mut self.flight {
            flight.push_urgent(kind);
        }
    }

    /// Asks what the server has processed, if something waits for it and that was not asked already.
    pub(crate) fn ask_confirmation(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.ask_confirmation();
        }
    }

    /// The attempt failed: nothing but CONNECT was written.
    pub(crate) fn abandon(&mut self) {
        self.flight = None;
    }
}

/// Handing out.
impl Outbound {
    /// The transport took all of the block. Whether it was the one that was handed out.
    pub(crate) fn written(&mut self, tx: &mut SendBuf) -> bool {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.is_hand(tx)) else {
            return false;
        };
        if let Some(spare) = flight.written(tx, &mut self.ledger) {
            self.queue.recycle(spare);
        }
        true
    }

    /// CONNECT, PONGs and PINGs that go ahead of everything else.
    pub(crate) fn front(&mut self, gate: Gate, keep_alive: bool) -> Option<Block> {
        let queue = &mut self.queue;
        self.flight.as_mut()?.front(gate, keep_alive, || queue.buffer())
    }

    /// A block to fill.
    pub(crate) fn blank(&mut self) -> Block {
        Block::from_bytes(self.queue.buffer())
    }

    /// Ends the restored interest with its PING.
    pub(crate) fn end_restore(&self, block: &mut Block, last: Sid) {
        if let Some(flight) = &self.flight {
            flight.push_ping(block, PingKind::Restore, last);
        }
    }

    /// The next block of what is queued.
    pub(crate) fn next(&mut self, gate: Gate) -> Option<Block> {
        match gate {
            Gate::Shut | Gate::Hello => None,
            Gate::Control => self.queue.take_control(),
            Gate::All => {
                let flight = self.flight.as_mut()?;
                if flight.is_due_by_volume(self.queue.next_publish_bytes()) {
                    flight.ask_by_volume();
                    return self.front(gate, false);
                }
                self.queue.take()
            }
        }
    }

    /// Gives a block to the driver.
    pub(crate) fn hand_out(&mut self, block: Block, tx: &mut SendBuf, env: &Env) {
        let Some(flight) = &mut self.flight else { return };
        let has_publishes = !block.publishes().is_empty();
        flight.hand_out(block, tx, env);
        if self.refused && has_publishes && env.config().delivery == Delivery::AtLeastOnce {
            // Somebody waits for the room that its confirmation makes.
            flight.ask_confirmation();
        }
    }

    /// Whether there is something to hand out, restored interest aside.
    pub(crate) fn wants(&self, gate: Gate, keep_alive: bool) -> bool {
        let front = |flight: &Flight| flight.has_front(gate, keep_alive);
        self.flight.as_ref().is_some_and(front)
            || match gate {
                Gate::Shut | Gate::Hello => false,
                Gate::Control => self.queue.has_control(),
                Gate::All => !self.queue.is_empty(),
            }
    }
}

/// PONGs.
impl Outbound {
    pub(crate) fn pong(&mut self) -> Option<Pong> {
        self.flight.as_mut()?.pong()
    }

    /// Everything written before the PING was processed.
    pub(crate) fn proven(&mut self, pong: Pong) {
        if let Some(flight) = &mut self.flight {
            flight.proven(pong, &mut self.ledger);
        }
    }

    /// The PONG of [`ask_confirmation`](Self::ask_confirmation).
    pub(crate) fn confirmation_came(&mut self, env: &Env) {
        let Some(flight) = &mut self.flight else { return };
        let is_more_awaited = flight.confirmation_came(env);
        if is_more_awaited && self.refused && flight.unconfirmed().kept_bytes() > 0 {
            // Somebody still waits for room, and what has been written since that PING may make it.
            flight.ask_confirmation();
        }
    }
}

/// For exploration.
impl Outbound {
    pub(crate) fn canonical(&self, form: &mut Form) {
        let Self {
            queue,
            flight,
            ledger,
            takes,
            refused,
            // It counts on.
            flushes: _,
        } = self;
        queue.canonical(form);
        form.option(flight.as_ref(), |form, flight| flight.canonical(form));
        ledger.canonical(form);
        form.option(*takes, |form, Takes { max_payload, headers }| {
            form.number(max_payload);
            form.flag(headers);
        });
        form.flag(*refused);
    }
}
