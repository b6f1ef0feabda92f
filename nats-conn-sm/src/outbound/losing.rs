//! What is taken back, dropped, queued again or given up.

use alloc::vec::Vec;

use super::flight::Flight;
use super::ledger::Dropped;
use super::queue::Requeue;
use super::{Lost, Outbound, Takes, Withdrawn};
use crate::buffers::SendBuf;
use crate::config::Delivery;
use crate::env::Env;
use crate::event::DropReason;
use crate::frames::{Largest, Tag};
use crate::ids::PublishSeq;
use crate::pings::PingKind;
use crate::ranges::SeqRanges;

impl Outbound {
    /// The last answer about a link: what its driver had not written goes back to the queue, but for requests that are
    /// not `pending`. Without an answer all that was handed out may have been written.
    pub(crate) fn take_back(&mut self, tx: Option<&mut SendBuf>, pending: &[PublishSeq], env: &Env) {
        if let Some(flight) = &mut self.flight {
            flight.forget_hello();
            let back = flight.take_back(tx, pending, env, &mut self.ledger);
            self.queue.requeue(back);
        }
    }

    /// A session is over: what was written is queued again if at least once may `resend` it; the rest is unconfirmed.
    /// `poisoned`: the server ended the link for the largest message.
    pub(crate) fn link_lost(
        &mut self,
        poisoned: bool,
        resend: bool,
        pending: &[PublishSeq],
        env: &Env,
    ) -> Lost {
        let Some(flight) = self.flight.take() else {
            return Lost {
                poison: None,
                unconfirmed: SeqRanges::default(),
                pings: Vec::new(),
            };
        };
        let pings = flight.pings().chain(self.queue.pings());
        let pings = pings.filter(|kind| kind.is_awaited()).collect();
        let largest = flight.unconfirmed().largest().filter(|_| poisoned);
        self.queue.drop_control();
        let (poison, unconfirmed) = if env.config().delivery == Delivery::AtLeastOnce {
            self.return_kept(flight, largest, resend, pending, env)
        } else {
            self.give_up(flight, largest)
        };
        Lost {
            poison,
            unconfirmed,
            pings,
        }
    }

    fn give_up(&mut self, flight: Flight, poison: Option<Largest>) -> (Option<Dropped>, SeqRanges) {
        let mut unconfirmed = flight.into_unconfirmed();
        let poison = poison.filter(|poison| {
            if self.queue.remove(poison.seq(), poison.len()) {
                return true;
            }
            let written = unconfirmed.remove(poison.seq());
            if written {
                self.ledger.requeue(1);
            }
            written
        });
        let poison = poison.map(|poison| self.settle(dropped_poison(poison)));
        let lost = unconfirmed.give_up();
        self.ledger.give_up(lost.count());
        (poison, lost)
    }

    fn return_kept(
        &mut self,
        flight: Flight,
        poison: Option<Largest>,
        resend: bool,
        pending: &[PublishSeq],
        env: &Env,
    ) -> (Option<Dropped>, SeqRanges) {
        let mut unconfirmed = flight.into_unconfirmed();
        let survive = env.config().requests_survive;
        let (mut back, mut lost, mut ended) = (Requeue::default(), SeqRanges::default(), Vec::new());
        let mut is_spared = false;
        for kept in unconfirmed.take_kept() {
            let (block, publishes) = kept.into_parts();
            let frames = block.frames().filter(|frame| frame.tag.is_publish());
            for (seq, frame) in publishes.numbers().zip(frames) {
                if unconfirmed.is_confirmed(seq) {
                    continue;
                }
                let written = unconfirmed.is_written(seq);
                let is_request = frame.tag == Tag::Request;
                if written && (!resend || (is_request && !survive)) {
                    match poison {
                        Some(poison) if poison.seq() == seq && !is_request => is_spared = true,
                        _ => lost.push(seq),
                    }
                } else if is_request && pending.binary_search(&seq).is_err() {
                    if written {
                        lost.push(seq);
                    } else {
                        ended.push(seq);
                    }
                } else {
                    back.push(&block, frame, seq);
                }
            }
        }
        let written = unconfirmed.give_up().count();
        self.ledger.give_up(lost.count());
        self.ledger.requeue(written.saturating_sub(lost.count()));
        // An earlier link may have taken them.
        for seq in ended {
            self.ledger.end_queued(seq);
        }
        self.queue.requeue(back);
        let poison = poison.filter(|poison| self.queue.remove(poison.seq(), poison.len()) || is_spared);
        (poison.map(|poison| self.settle(dropped_poison(poison))), lost)
    }

    /// Another server, or other limits: drops the queued publishes that it would not take.
    pub(crate) fn adapt(&mut self, takes: Takes) -> [Option<(Dropped, DropReason)>; 2] {
        self.takes = Some(takes);
        let max = usize::try_from(takes.max_payload).unwrap_or(usize::MAX);
        let (largest, has_headers) = self.queue.most_demanding();
        let headers = (has_headers && !takes.headers).then(|| {
            let dropped = self.queue.drop_where(|_, has_headers| has_headers);
            (self.settle(dropped), DropReason::HeadersUnsupported)
        });
        let large = (largest > max).then(|| {
            let dropped = self.queue.drop_where(|size, _| size > max);
            (self.settle(dropped), DropReason::TooLarge)
        });
        [headers, large]
    }

    /// Takes the frame of a request back that is not to be sent any more.
    pub(crate) fn withdraw(&mut self, seq: PublishSeq, len: usize) -> Withdrawn {
        let queued = self.queue.remove(seq, len);
        if queued {
            self.ledger.end_queued(seq);
        }
        Withdrawn {
            queued,
            may_be_written: !queued || self.ledger.was_written(seq),
        }
    }

    /// Drops everything that is queued.
    pub(crate) fn clear(&mut self) -> Dropped {
        let dropped = self.queue.clear();
        self.settle(dropped)
    }

    /// Flushes are settled otherwise: what their PINGs were for, queued before in flight.
    pub(crate) fn forget_flushes(&mut self) -> Vec<PingKind> {
        let mut pings: Vec<PingKind> = self.queue.pings().collect();
        self.queue.forget_flushes();
        if let Some(flight) = &mut self.flight {
            pings.extend(flight.pings());
            flight.forget_flushes();
        }
        pings
    }

    pub(super) fn settle(&mut self, dropped: Dropped) -> Dropped {
        self.ledger.drop_queued(dropped.publishes().count());
        dropped
    }
}

/// Nobody noted whether it is that of a request: it may be.
fn dropped_poison(poison: Largest) -> Dropped {
    let mut dropped = Dropped::default();
    dropped.push(poison.seq(), poison.len(), Tag::Request);
    dropped
}
