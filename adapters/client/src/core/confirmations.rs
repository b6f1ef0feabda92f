//! Who waits for the server to confirm what he published or subscribed to.

use std::collections::BTreeMap;

use nats_conn_sm::{EndReason, FlushId, PublishSeq, SeqRanges};
use nats_proto::Sid;

use crate::core::delivery::Answer;
use crate::core::loss::{Loss, PublishSlot, SubscriptionSlot};

/// Publishes and subscriptions of which somebody wants to know that the server has processed them. For all of them
/// together it is asked with one flush at a time.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    publishes: BTreeMap<PublishSeq, PublishSlot>,
    subscriptions: BTreeMap<Sid, Subscribing>,
    /// The flush that is under way.
    asked: Option<FlushId>,
    /// How often the server was asked.
    rounds: u64,
}

#[derive(Debug)]
struct Subscribing {
    slot: SubscriptionSlot,
    /// How often the server had been asked when this came: those flushes say nothing of it.
    since: u64,
}

/// Who waits.
impl Confirmations {
    pub(crate) fn add_publish(&mut self, seq: PublishSeq, slot: PublishSlot) {
        self.publishes.insert(seq, slot);
    }

    /// Nobody waits for this one any more.
    pub(crate) fn forget_publish(&mut self, seq: PublishSeq) {
        self.publishes.remove(&seq);
    }

    pub(crate) fn add_subscription(&mut self, sid: Sid, slot: SubscriptionSlot) {
        let since = self.rounds;
        self.subscriptions.insert(sid, Subscribing { slot, since });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.publishes.is_empty() && self.subscriptions.is_empty()
    }
}

/// Asking.
impl Confirmations {
    /// Whether the server is to be asked now: somebody waits, and no answer is under way.
    pub(crate) fn wants_flush(&self) -> bool {
        self.asked.is_none() && !self.is_empty()
    }

    pub(crate) fn flush_begun(&mut self, flush: FlushId) {
        self.asked = Some(flush);
        self.rounds += 1;
    }

    /// This flush has ended. Whether it was the one that asked for those who wait here. Of publishes the machine knows
    /// whatever confirmed them.
    pub(crate) fn flushed(&mut self, flush: FlushId, confirmed: bool, answers: &mut Vec<Answer>) -> bool {
        if self.asked != Some(flush) {
            return false;
        }
        self.asked = None;
        if confirmed {
            let rounds = self.rounds;
            self.subscriptions.retain(|_, waiting| {
                let heard = waiting.since < rounds;
                if heard {
                    answers.push(Answer::Subscribed(waiting.slot.clone(), Ok(())));
                }
                !heard
            });
        }
        true
    }
}

/// Fates.
impl Confirmations {
    /// Every fate up to this number is final, and all that are not good were reported before.
    pub(crate) fn settled(&mut self, up_to: u64, answers: &mut Vec<Answer>) {
        while let Some(first) = self.publishes.first_entry()
            && first.key().as_u64() <= up_to
        {
            answers.push(Answer::Fate(first.remove(), Ok(())));
        }
    }

    /// These publishes are lost.
    pub(crate) fn lost(&mut self, publishes: &SeqRanges, loss: Loss, answers: &mut Vec<Answer>) {
        if self.publishes.is_empty() {
            return;
        }
        for range in publishes.iter() {
            let (first, last) = (
                PublishSeq::from_u64(*range.start()),
                PublishSeq::from_u64(*range.end()),
            );
            let lost: Vec<PublishSeq> = self.publishes.range(first..=last).map(|(seq, _)| *seq).collect();
            let slots = lost.iter().filter_map(|seq| self.publishes.remove(seq));
            answers.extend(slots.map(|slot| Answer::Fate(slot, Err(loss))));
        }
    }

    /// No message follows. Where as many came as were asked for, the server has processed the SUB.
    pub(crate) fn subscription_ended(&mut self, sid: Sid, reason: EndReason, answers: &mut Vec<Answer>) {
        if let Some(waiting) = self.subscriptions.remove(&sid) {
            let heard = (reason == EndReason::MaxReached).then_some(()).ok_or(reason);
            answers.push(Answer::Subscribed(waiting.slot, heard));
        }
    }

    /// The server has refused a SUB and does not say which: the last one of those that are waited for.
    pub(crate) fn last_refused(&mut self, answers: &mut Vec<Answer>) -> Option<Sid> {
        let (sid, waiting) = self.subscriptions.pop_last()?;
        answers.push(Answer::Subscribed(waiting.slot, Err(EndReason::Refused)));
        Some(sid)
    }

    /// The end of the connection: what is not known to be settled by now never will be.
    pub(crate) fn close(&mut self, settled: u64, answers: &mut Vec<Answer>) {
        self.settled(settled, answers);
        let open = std::mem::take(&mut self.publishes);
        answers.extend(
            open.into_values()
                .map(|slot| Answer::Fate(slot, Err(Loss::Unconfirmed))),
        );
        let unheard = std::mem::take(&mut self.subscriptions);
        answers.extend(
            unheard
                .into_values()
                .map(|waiting| Answer::Subscribed(waiting.slot, Err(EndReason::Closed))),
        );
    }
}
