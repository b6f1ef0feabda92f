//! The end of a link: who ended it, what its driver had not written, and what follows.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::action::Action;
use crate::block::{Largest, Tag, frame_len, message_size};
use crate::buffers::SendBuf;
use crate::config::Delivery;
use crate::connection::{Connection, Stage};
use crate::delivery::SeqRanges;
use crate::error::{ConnectError, DisconnectReason, FlushError, LinkEnd, Phase as PublicPhase};
use crate::event::{ClosedReason, DropReason, EndReason, Event, WaitReason};
use crate::ids::LinkId;
use crate::life::Life;
use crate::link::{Cause, Ending, Handed, Link};
use crate::outbox::{Dropped, Requeue};
use crate::pings::PingKind;
use crate::subscriptions::Purpose;
use crate::time::Timestamp;
use crate::transmit::note_largest;

/// How long a driver's last answer about a link is awaited.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The beginning of the end.
impl Connection {
    /// Gives up the present link.
    pub(crate) fn give_up(&mut self, now: Timestamp, cause: Cause, abort: bool) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        if link.ending.is_some() {
            return;
        }
        let id = link.id;
        // A link that no driver has heard of needs no farewell, and gets no answer.
        let unheard = self.unheard(id);
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let answer_by = unheard.is_none().then(|| now + ANSWER_WITHIN);
        link.ending = Some(Ending {
            cause,
            at: now,
            answer_by,
        });
        link.hello = None;
        match unheard {
            Some(place) => drop(self.actions.remove(place)),
            None => {
                // Questions about this link have become idle.
                self.actions.retain(|action| !matches!(action, Action::UpgradeTls { link, .. } | Action::Authenticate { link, .. } if *link == id));
                self.actions.push_back(Action::Disconnect { link: id, abort });
            }
        }
    }

    /// Where the action lies that asks for this link, if no driver has taken it.
    fn unheard(&self, id: LinkId) -> Option<usize> {
        self.actions
            .iter()
            .position(|action| matches!(action, Action::Connect { link, .. } if *link == id))
    }

    fn is_unheard(&self, id: LinkId) -> bool {
        self.unheard(id).is_some()
    }

    /// The one last answer.
    pub(crate) fn link_closed(&mut self, now: Timestamp, id: LinkId, end: LinkEnd, unsent: &mut SendBuf) {
        // What its driver was to be asked has become idle, also where nobody waits for the answer any more.
        self.actions.retain(|action| !matches!(action, Action::UpgradeTls { link, .. } | Action::Authenticate { link, .. } | Action::Disconnect { link, .. } if *link == id));
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        if link.id != id
            || link
                .ending
                .as_ref()
                .is_some_and(|ending| ending.answer_by.is_none())
        {
            return;
        }
        match &mut link.ending {
            Some(ending) => ending.answer_by = None,
            None => {
                link.ending = Some(Ending {
                    cause: Cause::Link(end),
                    at: now,
                    answer_by: None,
                })
            }
        }
        link.hello = None;
        self.settle_handed(Some(unsent));
    }

    /// No answer came in time: all that was handed out may have been written.
    pub(crate) fn answer_is_overdue(&mut self) {
        if let Some(ending) = self.ending_mut() {
            ending.answer_by = None;
        }
        self.settle_handed(None);
    }

    /// Tells written frames from those that go back to the queue.
    fn settle_handed(&mut self, unsent: Option<&mut SendBuf>) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let Some(handed) = link.handed.take() else { return };
        let id = link.id;
        let known = unsent.filter(|tx| tx.link() == id && tx.block.len() == handed.len && !tx.is_uncertain());
        let Some(tx) = known else {
            let written = handed.unproven(None);
            note_largest(link, &written, handed.largest);
            self.counters.out_messages = self.counters.out_messages.saturating_add(written.count());
            return self.delivery.write(&written);
        };
        let sent = tx.block.sent();
        self.counters.out_bytes = self.counters.out_bytes.saturating_add(sent as u64);
        self.settle_frames(&handed, &tx.block, sent);
        tx.block = nats_proto::TransmitBuf::new();
    }

    fn settle_frames(&mut self, handed: &Handed, block: &nats_proto::TransmitBuf<Tag>, sent: usize) {
        let at_least_once = self.config.delivery == Delivery::AtLeastOnce;
        let (mut written, mut back, mut ended) = (SeqRanges::default(), Requeue::default(), 0_u64);
        let mut largest: Option<Largest> = None;
        let asked = self.requests.numbers();
        let frames = block.frames().filter(|frame| frame.tag.is_publish());
        for (seq, frame) in handed.publishes.numbers().zip(frames) {
            if handed.proven.is_some_and(|proven| seq <= proven) {
                continue;
            }
            if frame.start < sent {
                let (message, _) = message_size(block.frame_head(frame));
                Largest::note(&mut largest, seq, frame_len(frame), message);
            }
            if frame.end <= sent {
                written.push(seq);
                continue;
            }
            if at_least_once {
                // All of the block is kept, and goes back to the queue with the rest.
                continue;
            }
            if frame.tag == Tag::Request && asked.binary_search(&seq).is_err() {
                ended = ended.saturating_add(1);
            } else {
                back.push(block, frame, seq);
            }
        }
        self.counters.out_messages = self.counters.out_messages.saturating_add(written.count());
        self.delivery.write(&written);
        self.delivery.drop_queued(ended);
        self.outbox.requeue(back);
        // Of this block the server has seen no more than what was sent.
        if let Stage::Linked(link) = &mut self.stage
            && let (Some(session), Some(last), Some(largest)) =
                (link.session_mut(), handed.publishes.last(), largest)
        {
            session.note_largest(last, largest);
        }
    }

    fn ending_mut(&mut self) -> Option<&mut Ending> {
        match &mut self.stage {
            Stage::Linked(link) => link.ending.as_mut(),
            _ => None,
        }
    }
}

/// The end itself, once its bytes are parsed and its answer has come.
impl Connection {
    /// The link is gone for good.
    pub(crate) fn finish_link(&mut self, now: Timestamp) {
        let Stage::Linked(link) = &self.stage else { return };
        if link.session().is_none() {
            return self.fail_ended_attempt(now, None);
        }
        let Stage::Linked(link) = core::mem::replace(&mut self.stage, Stage::Ended) else {
            return;
        };
        let Some(ending) = link.ending.clone() else { return };
        let reason = match &ending.cause {
            Cause::Link(end) => link.reason_of(end),
            Cause::Decided(reason) => reason.clone(),
            Cause::Told => DisconnectReason::Eof,
        };
        self.pool.lose(link.server.id());
        let flushes = self.flushes_of(&link);
        let poison = poison_of(&link);
        let closing = self.life.is_ending();
        // What was written is sent again where there is a next link.
        let forced = matches!(reason, DisconnectReason::Forced);
        let again =
            self.config.delivery == Delivery::AtLeastOnce && !closing && (self.config.reconnect || forced);
        let unconfirmed = self.return_publishes(poison, again);
        if closing {
            self.drop_queue();
        }
        self.tell(Event::Disconnected {
            server: link.server.clone(),
            link: link.id,
            reason: Box::new(reason.clone()),
            unconfirmed,
            queued: self.delivery.queued(),
        });
        for kind in flushes {
            self.flush_failed(
                kind,
                if closing {
                    FlushError::Closed
                } else {
                    FlushError::Disconnected
                },
            );
        }
        self.requests_lost_link(now);
        for sid in self
            .subscriptions
            .sids(|subscription| subscription.purpose == Purpose::Drain)
        {
            self.subscriptions.remove(sid);
            self.tell(Event::SubscriptionEnded {
                subscription: sid,
                reason: EndReason::Drained,
            });
        }
        self.told_writable();
        self.after_session(now, &link, &ending, &reason);
    }

    fn after_session(&mut self, now: Timestamp, link: &Link, ending: &Ending, reason: &DisconnectReason) {
        if let Life::Closing(closing) = &self.life {
            let reason = closing.reason.clone();
            return self.end(now, reason);
        }
        if self.is_drained_without_link() {
            return self.end_drained(now);
        }
        let forced = matches!(reason, DisconnectReason::Forced);
        if !self.config.reconnect && !forced {
            return self.end(now, ClosedReason::NoReconnect);
        }
        let lived = link
            .session()
            .map_or(Duration::ZERO, |session| ending.at.since(session.since));
        let moved = forced || matches!(reason, DisconnectReason::LameDuck);
        self.pool.start_round();
        if moved || lived >= self.config.min_stable {
            self.rounds = 0;
            return self.go_on(now);
        }
        self.rounds = self.rounds.saturating_add(1);
        self.wait(now, WaitReason::Flapping { rounds: self.rounds });
    }

    /// The link of an attempt is gone: tells why, unless that was told, and goes on.
    pub(crate) fn fail_ended_attempt(&mut self, now: Timestamp, known: Option<(PublicPhase, ConnectError)>) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let phase = link.phase.public();
        let silent_since_tls = link.encrypted && !link.heard_encrypted;
        let Some(ending) = &mut link.ending else { return };
        let told = match core::mem::replace(&mut ending.cause, Cause::Told) {
            Cause::Link(end) => Some(known.unwrap_or_else(|| failure_of(phase, silent_since_tls, end))),
            Cause::Decided(_) | Cause::Told => None,
        };
        if let Some((phase, error)) = told {
            self.tell_failure(now, phase, error);
        }
        self.stage = Stage::Ended;
        if self.life.is_ending() {
            return;
        }
        if self.is_drained_without_link() {
            return self.end_drained(now);
        }
        self.go_on(now);
    }

    /// Puts back into the queue what was not written, or is to be sent `again`. The rest is unconfirmed.
    fn return_publishes(&mut self, poison: Option<Largest>, again: bool) -> SeqRanges {
        self.outbox.drop_control();
        if self.config.delivery == Delivery::AtLeastOnce {
            return self.return_kept(poison, again);
        }
        self.drop_poison(poison);
        self.delivery.give_up_written()
    }

    fn return_kept(&mut self, poison: Option<Largest>, again: bool) -> SeqRanges {
        let (mut back, mut lost, mut ended) = (Requeue::default(), SeqRanges::default(), Vec::new());
        let (asked, mut spared) = (self.requests.numbers(), false);
        for kept in self.delivery.take_kept() {
            let frames = kept.block.frames().filter(|frame| frame.tag.is_publish());
            for (seq, frame) in kept.publishes.numbers().zip(frames) {
                if self.delivery.is_confirmed(seq) {
                    continue;
                }
                let written = self.delivery.is_written(seq);
                let is_request = frame.tag == Tag::Request;
                if written && (!again || (is_request && !self.config.requests_survive)) {
                    match poison {
                        Some(poison) if poison.seq == seq && !is_request => spared = true,
                        _ => lost.push(seq),
                    }
                    continue;
                }
                if is_request && asked.binary_search(&seq).is_err() {
                    if written {
                        lost.push(seq);
                    } else {
                        ended.push(seq);
                    }
                    continue;
                }
                back.push(&kept.block, frame, seq);
            }
        }
        self.delivery.requeue_written(&lost);
        // An earlier link may have taken them.
        ended.into_iter().for_each(|seq| self.delivery.end_queued(seq));
        self.outbox.requeue(back);
        if let Some(poison) = poison
            && (self.outbox.remove(poison.seq, poison.len) || spared)
        {
            self.tell_poison(poison);
        }
        lost
    }

    /// Drops the message for which the server ended the link, so that it does not end the next one.
    fn drop_poison(&mut self, poison: Option<Largest>) {
        let Some(poison) = poison else { return };
        if self.outbox.remove(poison.seq, poison.len) || self.delivery.take_back(poison.seq) {
            self.tell_poison(poison);
        }
    }

    fn tell_poison(&mut self, poison: Largest) {
        let mut dropped = Dropped::default();
        // Nobody noted whether it is that of a request: it may be.
        dropped.push(poison.seq, poison.len, Tag::Request);
        self.tell_dropped(dropped, DropReason::TooLarge);
    }

    /// The flushes and measurements whose PONG will not come.
    fn flushes_of(&self, link: &Link) -> alloc::vec::Vec<PingKind> {
        link.unanswered
            .kinds()
            .chain(self.outbox.pings())
            .filter(|kind| matches!(kind, PingKind::Flush(_) | PingKind::RoundTrip(_)))
            .collect()
    }

    pub(crate) fn flush_failed(&mut self, kind: PingKind, error: FlushError) {
        match kind {
            PingKind::Flush(flush) => self.tell(Event::Flushed {
                flush,
                result: Err(error),
            }),
            PingKind::RoundTrip(flush) => self.tell(Event::RoundTrip {
                flush,
                result: Err(error),
            }),
            _ => {}
        }
    }

    pub(crate) fn leave_by_force(&mut self, now: Timestamp) {
        self.rounds = 0;
        match &self.stage {
            Stage::Waiting { .. } | Stage::Choosing { .. } => self.go_on_now(now),
            Stage::Linked(link) if link.ending.is_none() && link.session().is_some() => {
                self.give_up(now, Cause::Decided(DisconnectReason::Forced), true);
            }
            Stage::Linked(link) if link.ending.is_none() => {
                let (id, server) = (link.id, link.server.id());
                // Asked twice before the driver looked: the attempt of the first call is the one.
                if !self.is_unheard(id) {
                    self.pool.lose(server);
                    self.pool.start_round();
                    self.give_up(now, Cause::Told, true);
                }
            }
            // The attempt has failed already, and is being left: the next one waits for nothing.
            Stage::Linked(link) if link.session().is_none() => self.pool.start_round(),
            Stage::Linked(_) | Stage::Ended => self.hasten(),
        }
    }

    /// A wait is cut short: its server is dialled now.
    fn go_on_now(&mut self, now: Timestamp) {
        if matches!(self.stage, Stage::Waiting { .. }) {
            self.wait_is_over(now);
        } else {
            self.go_on(now);
        }
    }

    /// The link is on its way out already: the next attempt is not to wait for having been so short.
    fn hasten(&mut self) {
        let up = self.present_link().is_some_and(|link| link.session().is_some());
        if let Some(ending) = self.ending_mut().filter(|_| up)
            && matches!(
                ending.cause,
                Cause::Link(_) | Cause::Decided(DisconnectReason::Stale | DisconnectReason::Protocol(_))
            )
        {
            ending.cause = Cause::Decided(DisconnectReason::Forced);
        }
    }
}

/// The largest unconfirmed message, if the server ended the link because it does not take one.
fn poison_of(link: &Link) -> Option<Largest> {
    let violated = link
        .last_error
        .as_ref()
        .is_some_and(|error| *error.kind() == nats_proto::ServerErrorKind::MaximumPayloadViolation);
    link.session()?.largest().filter(|_| violated)
}

/// What an attempt is said to have failed of when its driver ended it.
fn failure_of(phase: PublicPhase, silent_since_tls: bool, end: LinkEnd) -> (PublicPhase, ConnectError) {
    match end {
        LinkEnd::Eof | LinkEnd::Io { .. } if silent_since_tls => {
            (PublicPhase::Tls, ConnectError::ClosedAfterTls)
        }
        LinkEnd::Eof if phase == PublicPhase::Tls => (
            phase,
            ConnectError::Tls {
                detail: "the peer closed the connection".into(),
            },
        ),
        LinkEnd::Io { detail, .. } if phase == PublicPhase::Tls => (phase, ConnectError::Tls { detail }),
        LinkEnd::Resolve { .. } => (PublicPhase::Resolve, ConnectError::Link(end)),
        LinkEnd::Dial { .. } => (PublicPhase::Dial, ConnectError::Link(end)),
        LinkEnd::Tls { detail } => (PublicPhase::Tls, ConnectError::Tls { detail }),
        end => (phase, ConnectError::Link(end)),
    }
}
