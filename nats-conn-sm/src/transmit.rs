//! What is handed to the transport, and in which order.

use core::time::Duration;

use nats_proto::{ClientOp, Sid, TransmitBuf};

use crate::block::{BLOCK, Block, Largest, Tag};
use crate::buffers::SendBuf;
use crate::config::Delivery;
use crate::connection::{Connection, Stage};
use crate::delivery::SeqRanges;
use crate::ids::{LinkId, PublishSeq};
use crate::life::Life;
use crate::link::{Handed, Link};
use crate::phase::Phase;
use crate::pings::{Ping, PingKind};
use crate::session::Restore;
use crate::subscriptions::{Purpose, Subscription};
use crate::time::Timestamp;

/// At-least-once asks what the server has processed this long after something was handed out.
const CONFIRM_AFTER: Duration = Duration::from_millis(100);
/// And behind so many bytes.
const CONFIRM_BYTES: usize = 64 * 1024;
/// More PONGs than these wait for the next block.
const PONGS: u32 = 1024;

impl Connection {
    pub(crate) fn next_transmit(&mut self, now: Timestamp, tx: &mut SendBuf) -> bool {
        let Stage::Linked(link) = &self.stage else {
            return false;
        };
        if tx.link() != link.id || !tx.is_empty() || link.ending.is_some() {
            return false;
        }
        // Another empty buffer than the one that was filled says nothing of what became of that.
        if link
            .handed
            .as_ref()
            .is_some_and(|handed| handed.len != tx.block.len())
        {
            return false;
        }
        self.note_written(tx);
        self.closing_is_written(now);
        let Some(block) = self.next_block() else {
            return false;
        };
        self.hand_out(now, block, tx);
        true
    }

    /// Whether there is something to hand out: if so, wake the writer. That a block was written a driver tells by
    /// calling [`poll_transmit`](Self::poll_transmit) again, whatever this says.
    pub fn wants_transmit(&self) -> bool {
        let Stage::Linked(link) = &self.stage else {
            return false;
        };
        if link.ending.is_some() || !link.phase.may_write() {
            return false;
        }
        if link.hello.is_some() || link.has_urgent() {
            return true;
        }
        link.session().is_some_and(|session| {
            matches!(session.restore, Restore::Writing { .. })
                || if session.departure.holds_publishes() {
                    self.outbox.has_control()
                } else {
                    !self.outbox.is_empty()
                }
        })
    }

    /// An empty buffer came back: the transport took all of the block.
    fn note_written(&mut self, tx: &mut SendBuf) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let Some(handed) = link.handed.take() else { return };
        let written = handed.unproven(None);
        note_largest(link, &written, handed.largest);
        self.counters.out_bytes = self.counters.out_bytes.saturating_add(handed.len as u64);
        self.counters.out_messages = self.counters.out_messages.saturating_add(written.count());
        self.delivery.write(&written);
        let block = core::mem::take(&mut tx.block);
        if !handed.is_hello {
            self.outbox.recycle(block);
        }
        self.told_writable();
    }

    fn next_block(&mut self) -> Option<Block> {
        let Stage::Linked(link) = &mut self.stage else {
            return None;
        };
        if !link.phase.may_write() {
            return None;
        }
        if let Some(hello) = link.hello.take() {
            let mut block = Block::from_bytes(hello);
            block.pings.push(Self::hello_pings());
            return Some(block);
        }
        if link.has_urgent() {
            return Some(self.urgent_block());
        }
        let session = link.session()?;
        if matches!(session.restore, Restore::Writing { .. }) {
            return Some(self.restore_block());
        }
        if session.departure.holds_publishes() {
            return self.outbox.take_control();
        }
        let handed = session.confirm.bytes;
        let next = self.outbox.next_publish_bytes();
        if handed > 0 && handed.saturating_add(next) > CONFIRM_BYTES {
            let Stage::Linked(link) = &mut self.stage else {
                return None;
            };
            link.urgent.push(PingKind::Volume);
            if let Some(session) = link.session_mut() {
                session.confirm.bytes = 0;
            }
            return Some(self.urgent_block());
        }
        self.outbox.take()
    }

    /// PONGs and PINGs that go in front of everything else.
    fn urgent_block(&mut self) -> Block {
        let mut block = Block::from_bytes(self.outbox.buffer());
        let Stage::Linked(link) = &mut self.stage else {
            return block;
        };
        let up_to = link.handed_up_to;
        let pongs = link.pongs_due.min(PONGS);
        for _ in 0..pongs {
            push(&mut block.bytes, ClientOp::Pong);
        }
        link.pongs_due = link.pongs_due.saturating_sub(pongs);
        if let Phase::Ready(session) = &mut link.phase {
            if session.liveness.wants_ping() {
                session.liveness.ping_handed_out();
                link.urgent.push(PingKind::KeepAlive);
            }
            for kind in link.urgent.drain(..) {
                push(&mut block.bytes, ClientOp::Ping);
                block.pings.push(Ping {
                    kind,
                    covers: up_to.publish,
                    subs: up_to.sub,
                });
            }
        }
        block
    }

    /// The next piece of the interest that earlier links had, and a PING behind the last.
    fn restore_block(&mut self) -> Block {
        let mut block = Block::from_bytes(self.outbox.buffer());
        let inbox_only = self.life.is_draining();
        let Stage::Linked(link) = &mut self.stage else {
            return block;
        };
        let (id, handed) = (link.id, link.handed_up_to.publish);
        let Some(session) = link.session_mut() else {
            return block;
        };
        let Restore::Writing {
            mut after,
            last,
            mut restored,
            refused,
        } = session.restore
        else {
            return block;
        };
        while let Some(sid) = self.subscriptions.next_to_restore(after, last, inbox_only) {
            let Some(subscription) = self.subscriptions.get_mut(sid) else {
                break;
            };
            if !write_interest(&mut block, sid, subscription, id) {
                session.restore = Restore::Writing {
                    after,
                    last,
                    restored,
                    refused,
                };
                return block;
            }
            restored = restored.saturating_add(u64::from(subscription.purpose != Purpose::Inbox));
            after = sid;
        }
        push(&mut block.bytes, ClientOp::Ping);
        block.pings.push(Ping {
            kind: PingKind::Restore,
            covers: handed,
            subs: last,
        });
        session.restore = Restore::Awaiting {
            last,
            restored,
            refused,
        };
        block
    }

    fn hand_out(&mut self, now: Timestamp, mut block: Block, tx: &mut SendBuf) {
        let at_least_once = self.config.delivery == Delivery::AtLeastOnce;
        let confirm_after = self.confirm_after();
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let last = block.publishes.last();
        link.handed_up_to.publish = last.map_or(link.handed_up_to.publish, |last| {
            last.max(link.handed_up_to.publish)
        });
        link.handed_up_to.sub = block
            .last_sub
            .map_or(link.handed_up_to.sub, |sid| sid.max(link.handed_up_to.sub));
        if at_least_once && last.is_some() {
            ask_about(link, &block, now);
        } else if let (Some(_), Some(after), Some(session)) = (last, confirm_after, link.session_mut()) {
            session.confirm.ask_at(now + after);
        }
        for &ping in &block.pings {
            link.unanswered.push(ping, now);
        }
        let is_hello = block.pings.iter().any(|ping| ping.kind == PingKind::Handshake);
        link.handed = Some(Handed {
            publishes: block.publishes.clone(),
            publish_bytes: block.publish_bytes,
            len: block.bytes.len(),
            largest: block.largest,
            is_hello,
            proven: None,
        });
        if at_least_once && last.is_some() {
            self.delivery
                .keep(block.bytes.share(), block.publishes, block.publish_bytes);
        }
        tx.block = block.bytes;
        if at_least_once && last.is_some() && self.refused {
            // Somebody waits for the room that its confirmation makes.
            self.ask_confirmation();
        }
    }

    /// Bytes of publishes that are held: queued, handed out, and kept for sending again.
    pub(crate) fn held_bytes(&self) -> usize {
        let handed = match self.config.delivery {
            // What is handed out is also kept.
            Delivery::AtLeastOnce => 0,
            Delivery::AtMostOnce => self
                .present_link()
                .and_then(|link| link.handed.as_ref())
                .map_or(0, |handed| handed.publish_bytes),
        };
        self.outbox
            .publish_bytes()
            .saturating_add(handed)
            .saturating_add(self.delivery.kept_bytes())
    }

    /// The lowest number that is queued or handed out.
    pub(crate) fn first_unwritten(&self) -> Option<PublishSeq> {
        let handed = self
            .present_link()
            .and_then(|link| link.handed.as_ref())
            .and_then(|handed| handed.unproven(None).first());
        handed
            .or_else(|| self.delivery.first_kept_unwritten())
            .or_else(|| self.outbox.first_publish())
    }

    /// Whether this publish is queued or handed out.
    pub(crate) fn is_queued(&self, seq: PublishSeq) -> bool {
        let handed = self.present_link().and_then(|link| link.handed.as_ref());
        handed.is_some_and(|handed| handed.unproven(None).contains(seq))
            || self
                .delivery
                .first_kept_unwritten()
                .is_some_and(|first| seq >= first && self.delivery.is_kept(seq))
            || self.outbox.contains(seq)
    }

    /// How long after something was handed out the server is asked about it, if it is.
    fn confirm_after(&self) -> Option<Duration> {
        match self.config.delivery {
            Delivery::AtLeastOnce => Some(CONFIRM_AFTER),
            Delivery::AtMostOnce => self.config.confirm_after.filter(|after| !after.is_zero()),
        }
    }

    /// Whether something that was handed out on this link is not confirmed: written, or in the driver's hand.
    pub(crate) fn awaits_confirmation(&self) -> bool {
        let handed = self.present_link().and_then(|link| link.handed.as_ref());
        self.delivery.has_written() || handed.is_some_and(|handed| !handed.unproven(None).is_empty())
    }

    /// Asks what the server has processed.
    pub(crate) fn ask_confirmation(&mut self) {
        let pending = self.awaits_confirmation();
        let Some(link) = self.up() else { return };
        let Some(session) = link.session_mut() else { return };
        session.confirm.due = None;
        if pending && !session.confirm.outstanding {
            session.confirm.outstanding = true;
            session.confirm.bytes = 0;
            link.urgent.push(PingKind::Confirm);
        }
    }

    /// The PONG of [`ask_confirmation`](Self::ask_confirmation).
    pub(crate) fn confirmed(&mut self, now: Timestamp) {
        // What a driver is still writing counts, too: while one PING was outstanding it was given no moment of its own.
        let next = self.confirm_after().filter(|_| self.awaits_confirmation());
        if let Some(session) = self.up().and_then(Link::session_mut) {
            session.confirm.outstanding = false;
            session.confirm.due = next.map(|after| now + after);
        }
        if next.is_some() && self.refused && self.delivery.kept_bytes() > 0 {
            // Somebody still waits for room, and what has been written since that PING may make it.
            self.ask_confirmation();
        }
    }

    /// While closing: once nothing is left to write, the link goes.
    pub(crate) fn closing_is_written(&mut self, now: Timestamp) {
        let Life::Closing(_) = self.life else { return };
        let Stage::Linked(link) = &self.stage else { return };
        if link.is_up() && link.handed.is_none() && self.outbox.is_empty() {
            self.leave_closed(now, false);
        }
    }
}

/// Writes SUB, and UNSUB with what is left of a maximum. Whether there was room.
fn write_interest(block: &mut Block, sid: Sid, subscription: &mut Subscription, link: LinkId) -> bool {
    let subscribe = subscription.subscribe(sid);
    let len = block.bytes.len().saturating_add(subscribe.encoded_len());
    // Room for an UNSUB and a PING is kept.
    if !block.bytes.is_empty() && len > BLOCK.saturating_sub(64) {
        return false;
    }
    push(&mut block.bytes, subscribe);
    subscription.begin_on(link);
    if let Some(rest) = subscription.unsubscribe_rest(sid) {
        push(&mut block.bytes, rest);
    }
    block.last_sub = Some(sid);
    true
}

/// These publishes of a block, the largest among them if it is not confirmed yet, may be with the server.
pub(crate) fn note_largest(link: &mut Link, written: &SeqRanges, largest: Option<Largest>) {
    if let (Some(session), Some(last), Some(largest)) = (link.session_mut(), written.last(), largest)
        && written.contains(largest.seq)
    {
        session.note_largest(last, largest);
    }
}

/// At-least-once is handing this block out: a PING behind every 64 KiB, else one after a while.
fn ask_about(link: &mut Link, block: &Block, now: Timestamp) {
    let Some(session) = link.session_mut() else { return };
    session.confirm.bytes = session.confirm.bytes.saturating_add(block.publish_bytes);
    if session.confirm.bytes < CONFIRM_BYTES {
        session.confirm.ask_at(now + CONFIRM_AFTER);
        return;
    }
    // A block that is as large as that, or one larger frame, has no room for it.
    session.confirm.bytes = 0;
    link.urgent.push(PingKind::Volume);
}

/// Writes a control frame; none of these has a limit that it could break.
fn push(bytes: &mut TransmitBuf<Tag>, op: ClientOp<'_>) {
    if op.encode_within(usize::MAX, bytes).is_ok() {
        bytes.end_frame(Tag::Control);
    }
}
