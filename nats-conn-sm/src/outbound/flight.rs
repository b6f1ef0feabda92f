//! Everything that was handed to one link, and what goes ahead of its next block. It dies with the link.

mod canonical;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{ClientOp, Sid, TransmitBuf};

use super::ledger::Ledger;
use super::queue::Requeue;
use super::unconfirmed::Unconfirmed;
use crate::buffers::SendBuf;
use crate::config::Delivery;
use crate::env::Env;
use crate::frames::{Block, Gate, Largest, Tag, frame_len, message_size};
use crate::ids::{LinkId, PublishSeq};
use crate::pings::{Ping, PingKind};
use crate::ranges::SeqRanges;
use crate::time::Timestamp;

/// At least once asks what the server has processed this long after something was handed out.
const CONFIRM_AFTER: Duration = Duration::from_millis(100);
/// And after so many bytes.
const CONFIRM_BYTES: usize = 64 * 1024;
/// More PONGs than these wait for the next block.
const PONGS: u32 = 1024;

/// The state of a link as far as it was written to.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    link: LinkId,
    /// CONNECT and PING, until they are handed out.
    hello: Option<TransmitBuf<Tag>>,
    hand: Option<Hand>,
    /// PINGs that were handed out and are not answered, in order.
    unanswered: VecDeque<(Ping, Timestamp)>,
    /// PONGs that we owe.
    pongs_due: u32,
    /// How many blocks were handed out.
    blocks: u32,
    /// PINGs that go ahead of the next block.
    urgent: Vec<PingKind>,
    /// The highest numbers that were handed out.
    handed_publish: PublishSeq,
    handed_sub: Sid,
    unconfirmed: Unconfirmed,
    cadence: Cadence,
}

/// The block that a driver is writing.
#[derive(Clone, Debug)]
struct Hand {
    publishes: SeqRanges,
    publish_bytes: usize,
    len: usize,
    largest: Option<Largest>,
    serial: u32,
    /// CONNECT lies in it: its memory is not kept.
    is_hello: bool,
    /// A PONG has proven these, up to this number, to be written.
    proven: PublishSeq,
}

/// When the server is asked what it has processed, without anybody asking for that.
#[derive(Clone, Copy, Debug, Default)]
struct Cadence {
    /// Bytes of publishes handed out since the last PING.
    bytes: usize,
    due: Option<Timestamp>,
    /// A PING of this kind is on its way.
    outstanding: bool,
}

/// A PONG, matched with its PING.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub(crate) struct Pong {
    ping: Ping,
    handed_out: Timestamp,
}

impl Pong {
    pub(crate) fn kind(self) -> PingKind {
        self.ping.kind()
    }

    /// The server has processed every SUB up to this sid.
    pub(crate) fn subs(self) -> Sid {
        self.ping.subs()
    }

    /// From the handing out of the PING to now.
    pub(crate) fn round_trip(self, now: Timestamp) -> Duration {
        now.since(self.handed_out)
    }
}

impl Hand {
    /// Its publishes above those that are proven, up to `up_to`.
    fn unproven(&self, up_to: Option<PublishSeq>) -> SeqRanges {
        let mut ranges = SeqRanges::default();
        for &(first, last) in self.publishes.runs() {
            let first = first.max(self.proven.next());
            let last = up_to.map_or(last, |up_to| last.min(up_to));
            if first <= last {
                ranges.push_run(first, last);
            }
        }
        ranges
    }
}

impl Flight {
    pub(super) fn new(link: LinkId) -> Self {
        Self {
            link,
            hello: None,
            hand: None,
            unanswered: VecDeque::new(),
            pongs_due: 0,
            blocks: 0,
            urgent: Vec::new(),
            handed_publish: PublishSeq::from_u64(0),
            handed_sub: Sid::new(0),
            unconfirmed: Unconfirmed::new(),
            cadence: Cadence::default(),
        }
    }

    pub(super) fn unconfirmed(&self) -> &Unconfirmed {
        &self.unconfirmed
    }

    pub(super) fn into_unconfirmed(self) -> Unconfirmed {
        self.unconfirmed
    }
}

/// What goes ahead.
impl Flight {
    pub(super) fn set_hello(&mut self, hello: TransmitBuf<Tag>) {
        self.hello = Some(hello);
    }

    pub(super) fn forget_hello(&mut self) {
        self.hello = None;
    }

    pub(super) fn owe_pong(&mut self) {
        self.pongs_due = self.pongs_due.saturating_add(1);
    }

    pub(super) fn push_urgent(&mut self, kind: PingKind) {
        self.urgent.push(kind);
    }

    /// Whether [`front`](Self::front) has something.
    pub(super) fn has_front(&self, gate: Gate, keep_alive: bool) -> bool {
        match gate {
            Gate::Shut => false,
            Gate::Hello => self.hello.is_some() || self.pongs_due > 0,
            Gate::Control | Gate::All => {
                self.hello.is_some() || self.pongs_due > 0 || keep_alive || !self.urgent.is_empty()
            }
        }
    }

    /// CONNECT; or the PONGs and PINGs that go ahead of everything else, written into `fresh`.
    pub(super) fn front(
        &mut self,
        gate: Gate,
        keep_alive: bool,
        fresh: impl FnOnce() -> TransmitBuf<Tag>,
    ) -> Option<Block> {
        if !self.has_front(gate, keep_alive) {
            return None;
        }
        if let Some(hello) = self.hello.take() {
            let mut block = Block::from_bytes(hello);
            let (none, nothing) = (PublishSeq::from_u64(0), Sid::new(0));
            block.note_hello(Ping::new(PingKind::Handshake, none, nothing));
            return Some(block);
        }
        let mut block = Block::from_bytes(fresh());
        let pongs = self.pongs_due.min(PONGS);
        for _ in 0..pongs {
            block.push_control(ClientOp::Pong);
        }
        self.pongs_due = self.pongs_due.saturating_sub(pongs);
        if gate == Gate::Hello {
            return Some(block);
        }
        if keep_alive {
            self.urgent.push(PingKind::KeepAlive);
        }
        let (publish, sub) = (self.handed_publish, self.handed_sub);
        for kind in self.urgent.drain(..) {
            block.push_ping(Ping::new(kind, publish, sub));
        }
        Some(block)
    }

    /// Appends a PING that everything up to here lies before, and SUBs up to `subs`.
    pub(super) fn push_ping(&self, block: &mut Block, kind: PingKind, subs: Sid) {
        block.push_ping(Ping::new(kind, self.handed_publish, subs));
    }
}

/// Handing out.
impl Flight {
    /// Whether this is the buffer of the block that was handed out last.
    pub(super) fn is_hand(&self, tx: &SendBuf) -> bool {
        self.hand
            .as_ref()
            .is_some_and(|hand| hand.len == tx.block().len())
    }

    pub(super) fn has_hand(&self) -> bool {
        self.hand.is_some()
    }

    /// Bytes of publishes in the driver's hand.
    #[inline]
    pub(super) fn hand_bytes(&self) -> usize {
        self.hand.as_ref().map_or(0, |hand| hand.publish_bytes)
    }

    /// The transport took all of the block. Its memory, where that may be used again.
    pub(super) fn written(&mut self, tx: &mut SendBuf, ledger: &mut Ledger) -> Option<TransmitBuf<Tag>> {
        let hand = self.hand.take()?;
        let written = hand.unproven(None);
        self.note_largest(&written, hand.largest);
        ledger.count_bytes(hand.len);
        ledger.write(&written);
        self.unconfirmed.write(&written);
        let block = tx.take();
        (!hand.is_hello).then_some(block)
    }

    /// Gives a block to the driver.
    pub(super) fn hand_out(&mut self, block: Block, tx: &mut SendBuf, env: &Env) {
        let keeps = env.config().delivery == Delivery::AtLeastOnce && !block.publishes().is_empty();
        self.handed_publish = self
            .handed_publish
            .max(block.publishes().last().unwrap_or(self.handed_publish));
        self.handed_sub = self.handed_sub.max(block.last_sub().unwrap_or(self.handed_sub));
        if !block.publishes().is_empty() {
            self.plan_confirmation(block.publish_bytes(), env);
        }
        for &ping in block.pings() {
            self.unanswered.push_back((ping, env.now()));
        }
        let is_hello = block
            .pings()
            .iter()
            .any(|ping| ping.kind() == PingKind::Handshake);
        let (publish_bytes, len, largest) = (block.publish_bytes(), block.len(), block.largest());
        let (mut bytes, publishes) = block.into_parts();
        // Buffers with the number of a block so long ago that it comes again are gone.
        self.blocks = self.blocks.checked_add(1).unwrap_or(1);
        self.hand = Some(Hand {
            publishes: publishes.clone(),
            publish_bytes,
            len,
            largest,
            serial: self.blocks,
            is_hello,
            proven: PublishSeq::from_u64(0),
        });
        if keeps {
            self.unconfirmed.keep(bytes.share(), publishes, publish_bytes);
        }
        tx.fill(bytes, self.blocks);
    }

    /// Of these publishes the largest, if it is among those that are not confirmed yet, may be with the server.
    fn note_largest(&mut self, written: &SeqRanges, largest: Option<Largest>) {
        if let (Some(last), Some(largest)) = (written.last(), largest)
            && written.contains(largest.seq())
        {
            self.unconfirmed.note_largest(last, largest);
        }
    }
}

/// PONGs and confirmation.
impl Flight {
    /// A PONG: the PING that it answers.
    pub(super) fn pong(&mut self) -> Option<Pong> {
        let (ping, handed_out) = self.unanswered.pop_front()?;
        Some(Pong { ping, handed_out })
    }

    /// Everything written before this PING was processed.
    pub(super) fn proven(&mut self, pong: Pong, ledger: &mut Ledger) {
        let covers = pong.ping.covers();
        if let Some(hand) = &mut self.hand {
            let written = hand.unproven(Some(covers));
            if !written.is_empty() {
                ledger.write(&written);
                self.unconfirmed.write(&written);
                hand.proven = covers;
            }
        }
        // What the driver's last answer gave back goes to the next link, whatever this server claims.
        let first_given_back = self
            .hand
            .is_none()
            .then(|| self.unconfirmed.first_kept_unwritten());
        let covers = first_given_back
            .flatten()
            .map_or(covers, |first| covers.min(first.previous()));
        ledger.confirm(self.unconfirmed.confirm(covers));
        if !self.awaits_confirmation() {
            self.cadence.due = None;
        }
    }

    pub(super) fn pings_out(&self) -> usize {
        self.unanswered.len()
    }

    /// What the unanswered PINGs are for.
    pub(super) fn pings(&self) -> impl Iterator<Item = PingKind> + '_ {
        self.unanswered.iter().map(|(ping, _)| ping.kind())
    }

    /// The flushes of its PINGs are settled otherwise.
    pub(super) fn forget_flushes(&mut self) {
        self.unanswered
            .iter_mut()
            .for_each(|(ping, _)| ping.forget_flush());
    }

    /// When to ask for confirmation.
    pub(super) fn confirm_at(&self) -> Option<Timestamp> {
        self.cadence.due
    }

    /// Asks what the server has processed, if something waits for it and that was not asked already.
    pub(super) fn ask_confirmation(&mut self) {
        self.cadence.due = None;
        if self.awaits_confirmation() && !self.cadence.outstanding {
            self.cadence.outstanding = true;
            self.cadence.bytes = 0;
            self.urgent.push(PingKind::Confirm);
        }
    }

    /// Whether something that was handed out is not confirmed: written, or in the driver's hand.
    fn awaits_confirmation(&self) -> bool {
        let in_hand = |hand: &Hand| !hand.unproven(None).is_empty();
        self.unconfirmed.has_written() || self.hand.as_ref().is_some_and(in_hand)
    }

    /// The answer to that. Whether more is to be confirmed: while one PING was outstanding that was given no moment of
    /// its own.
    pub(super) fn confirmation_came(&mut self, env: &Env) -> bool {
        let next = confirm_after(env).filter(|_| self.awaits_confirmation());
        self.cadence.outstanding = false;
        self.cadence.due = next.map(|after| env.now() + after);
        next.is_some()
    }

    /// Whether so much was handed out that a PING goes ahead of another `next` bytes.
    pub(super) fn is_due_by_volume(&self, next: usize) -> bool {
        self.cadence.bytes > 0 && self.cadence.bytes.saturating_add(next) > CONFIRM_BYTES
    }

    /// Asks for confirmation because so much was handed out.
    pub(super) fn ask_by_volume(&mut self) {
        self.cadence.bytes = 0;
        self.urgent.push(PingKind::Volume);
    }

    /// So many bytes of publishes are being handed out: the server is asked about them after a while, unless a PONG comes
    /// before; with at least once also after every 64 KiB.
    fn plan_confirmation(&mut self, bytes: usize, env: &Env) {
        if env.config().delivery == Delivery::AtLeastOnce {
            self.cadence.bytes = self.cadence.bytes.saturating_add(bytes);
            if self.cadence.bytes >= CONFIRM_BYTES {
                // A block that is as large as that, or one larger frame, has no room for it.
                return self.ask_by_volume();
            }
        }
        if !self.cadence.outstanding && self.cadence.due.is_none() {
            self.cadence.due = confirm_after(env).map(|after| env.now() + after);
        }
    }
}

/// How long after something was handed out the server is asked about it, if it is.
fn confirm_after(env: &Env) -> Option<Duration> {
    match env.config().delivery {
        Delivery::AtLeastOnce => Some(CONFIRM_AFTER),
        Delivery::AtMostOnce => env.config().confirm_after.filter(|after| !after.is_zero()),
    }
}

/// The end of the link.
impl Flight {
    /// Settles the block in the driver's hand by what the driver reports about it; without its answer all of it may have
    /// been written. Returns the frames that go back to the queue, but for those of requests that are not `pending`.
    pub(super) fn take_back(
        &mut self,
        tx: Option<&mut SendBuf>,
        pending: &[PublishSeq],
        env: &Env,
        ledger: &mut Ledger,
    ) -> Requeue {
        let Some(hand) = self.hand.take() else {
            return Requeue::default();
        };
        let known =
            tx.filter(|tx| tx.link() == self.link && tx.serial() == hand.serial && !tx.is_uncertain());
        let Some(tx) = known else {
            let written = hand.unproven(None);
            self.note_largest(&written, hand.largest);
            ledger.write(&written);
            self.unconfirmed.write(&written);
            return Requeue::default();
        };
        let sent = tx.block().sent();
        ledger.count_bytes(sent);
        let block = tx.take();
        let keeps = env.config().delivery == Delivery::AtLeastOnce;
        self.take_back_frames(&hand, &block, sent, keeps, pending, ledger)
    }

    fn take_back_frames(
        &mut self,
        hand: &Hand,
        block: &TransmitBuf<Tag>,
        sent: usize,
        keeps: bool,
        pending: &[PublishSeq],
        ledger: &mut Ledger,
    ) -> Requeue {
        let (mut written, mut back, mut ended) = (SeqRanges::default(), Requeue::default(), 0_u64);
        let mut largest: Option<Largest> = None;
        let frames = block.frames().filter(|frame| frame.tag.is_publish());
        for (seq, frame) in hand.publishes.numbers().zip(frames) {
            if seq <= hand.proven {
                continue;
            }
            if frame.start < sent {
                let (message, _) = message_size(block.frame_head(frame));
                Largest::note(&mut largest, seq, frame_len(frame), message);
            }
            if frame.end <= sent {
                written.push(seq);
            } else if keeps {
                // All of the block is kept, and goes back to the queue with the rest.
            } else if frame.tag == Tag::Request && pending.binary_search(&seq).is_err() {
                ended = ended.saturating_add(1);
            } else {
                back.push(block, frame, seq);
            }
        }
        ledger.write(&written);
        self.unconfirmed.write(&written);
        ledger.drop_queued(ended);
        // Of this block the server has seen no more than what was sent.
        if let (Some(last), Some(largest)) = (hand.publishes.last(), largest) {
            self.unconfirmed.note_largest(last, largest);
        }
        back
    }

    /// The lowest number that is in the driver's hand, or kept and not written.
    pub(super) fn first_unwritten(&self) -> Option<PublishSeq> {
        let hand = self.hand.as_ref().and_then(|hand| hand.unproven(None).first());
        hand.or_else(|| self.unconfirmed.first_kept_unwritten())
    }

    /// Whether this publish is in the driver's hand, or kept and not written.
    pub(super) fn is_unwritten(&self, seq: PublishSeq) -> bool {
        let in_hand = |hand: &Hand| hand.unproven(None).contains(seq);
        self.hand.as_ref().is_some_and(in_hand) || self.unconfirmed.is_kept_unwritten(seq)
    }
}
