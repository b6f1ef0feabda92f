//! Who waits for the server to confirm what he published or subscribed to.

use std::collections::{BTreeMap, BTreeSet};

use nats_conn_sm::{EndReason, FlushId, PublishSeq, SeqRanges};
use nats_proto::Sid;

use crate::core::delivery::Answer;
use crate::core::loss::{Loss, PublishSlot, SubscriptionSlot};

/// So many subscriptions of one link are remembered as refused without a name; of more it is only told by the event.
const REFUSED: usize = 1024;

/// Publishes and subscriptions of which somebody wants to know that the server has processed them. For all of them
/// together it is asked with one flush at a time.
#[derive(Debug, Default)]
pub(crate) struct Confirmations {
    publishes: BTreeMap<PublishSeq, PublishSlot>,
    subscriptions: BTreeMap<Sid, SubscriptionSlot>,
    /// The flush that is under way, and the last subscription there was when it began.
    asked: Option<(FlushId, u64)>,
    /// The last subscription there was.
    last: u64,
    /// The server has processed all up to this one on the present link.
    heard: u64,
    /// What the present link has refused without a name.
    refused: BTreeSet<Sid>,
    /// What the server said when it refused a subscription, while its handle lives.
    words: BTreeMap<Sid, Box<str>>,
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

    /// There is a new subscription.
    pub(crate) fn subscribed(&mut self, sid: Sid) {
        self.last = sid.get();
    }

    /// Somebody waits for this one, which lives. The answer if it is known already.
    pub(crate) fn add_subscription(
        &mut self,
        sid: Sid,
        slot: SubscriptionSlot,
    ) -> Option<Result<(), EndReason>> {
        if self.refused.contains(&sid) {
            return Some(Err(EndReason::Refused));
        }
        if sid.get() <= self.heard {
            return Some(Ok(()));
        }
        self.subscriptions.insert(sid, slot);
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.publishes.is_empty() && self.subscriptions.is_empty()
    }
}

/// The words of the server.
impl Confirmations {
    /// It refused this one, whose handle lives.
    pub(crate) fn refused_with(&mut self, sid: Sid, words: Box<str>) {
        self.words.insert(sid, words);
    }

    pub(crate) fn refusal(&self, sid: Sid) -> Option<&str> {
        self.words.get(&sid).map(|words| &**words)
    }

    /// The handle is gone.
    pub(crate) fn forget_subscription(&mut self, sid: Sid) {
        self.words.remove(&sid);
    }
}

/// Asking.
impl Confirmations {
    /// Whether the server is to be asked now: somebody waits, and no answer is under way.
    pub(crate) fn wants_flush(&self) -> bool {
        self.asked.is_none() && !self.is_empty()
    }

    pub(crate) fn flush_begun(&mut self, flush: FlushId) {
        self.asked = Some((flush, self.last));
    }

    /// This flush has ended. Whether it was the one that asked for those who wait here. Of publishes the machine knows
    /// whatever confirmed them.
    pub(crate) fn flushed(&mut self, flush: FlushId, confirmed: bool, answers: &mut Vec<Answer>) -> bool {
        let Some((_, last)) = self.asked.take_if(|(asked, _)| *asked == flush) else {
            return false;
        };
        if confirmed {
            self.heard = last;
            while let Some(first) = self.subscriptions.first_entry()
                && first.key().get() <= last
            {
                answers.push(Answer::Subscribed(first.remove(), Ok(())));
            }
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
        if let Some(slot) = self.subscriptions.remove(&sid) {
            let heard = (reason == EndReason::MaxReached).then_some(()).ok_or(reason);
            answers.push(Answer::Subscribed(slot, heard));
        }
    }

    /// The server has refused a SUB and does not say which: what exceeds a limit comes last, so that it is the last one
    /// that lives and was neither confirmed nor refused. One that came since then is refused, too, and has an error of its
    /// own to come.
    pub(crate) fn last_refused(
        &mut self,
        lives: impl Fn(Sid) -> bool,
        answers: &mut Vec<Answer>,
    ) -> Option<Sid> {
        if self.refused.len() >= REFUSED {
            return None;
        }
        // What does not live any more is skipped for as long.
        let latest = (self.heard + 1..=self.last).rev().take(2 * REFUSED).map(Sid::new);
        let sid = latest
            .into_iter()
            .find(|sid| !self.refused.contains(sid) && lives(*sid))?;
        self.refused.insert(sid);
        if let Some(slot) = self.subscriptions.remove(&sid) {
            answers.push(Answer::Subscribed(slot, Err(EndReason::Refused)));
        }
        Some(sid)
    }

    /// The link is lost: the next one has heard of nothing.
    pub(crate) fn link_lost(&mut self) {
        self.heard = 0;
        self.refused.clear();
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
                .map(|slot| Answer::Subscribed(slot, Err(EndReason::Closed))),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::oneshot::Oneshot;

    fn subscribed(last: u64) -> Confirmations {
        let mut confirmations = Confirmations::default();
        (1..=last).for_each(|sid| confirmations.subscribed(Sid::new(sid)));
        confirmations
    }

    fn refused(confirmations: &mut Confirmations, gone: &[u64]) -> Option<u64> {
        let lives = |sid: Sid| !gone.contains(&sid.get());
        confirmations.last_refused(lives, &mut Vec::new()).map(Sid::get)
    }

    fn flush(confirmations: &mut Confirmations, number: u64, confirmed: bool) -> usize {
        let (flush, mut answers) = (FlushId::from_u64(number), Vec::new());
        confirmations.flush_begun(flush);
        assert!(!confirmations.flushed(FlushId::from_u64(number + 1), true, &mut answers));
        assert!(confirmations.flushed(flush, confirmed, &mut answers));
        answers.len()
    }

    #[test]
    fn what_is_refused_without_a_name_is_the_last_that_lives_and_is_neither_confirmed_nor_refused() {
        let mut confirmations = subscribed(3);
        assert_eq!(flush(&mut confirmations, 1, true), 0);
        (4..=7).for_each(|sid| confirmations.subscribed(Sid::new(sid)));
        assert_eq!(refused(&mut confirmations, &[7]), Some(6));
        assert_eq!(refused(&mut confirmations, &[7]), Some(5));
        confirmations.subscribed(Sid::new(8));
        assert_eq!(refused(&mut confirmations, &[7]), Some(8));
        assert_eq!(refused(&mut confirmations, &[7]), Some(4));
        assert_eq!(
            refused(&mut confirmations, &[7]),
            None,
            "the others are confirmed"
        );
        confirmations.link_lost();
        assert_eq!(
            refused(&mut confirmations, &[7]),
            Some(8),
            "of the next link nothing is known"
        );
    }

    #[test]
    fn a_subscription_whose_answer_is_known_does_not_wait_for_it() {
        let mut confirmations = subscribed(2);
        assert_eq!(refused(&mut confirmations, &[]), Some(2));
        let add = |confirmations: &mut Confirmations, sid| {
            confirmations.add_subscription(Sid::new(sid), Oneshot::new())
        };
        assert_eq!(add(&mut confirmations, 2), Some(Err(EndReason::Refused)));
        assert_eq!(add(&mut confirmations, 1), None);
        assert_eq!(
            flush(&mut confirmations, 1, false),
            0,
            "this link says nothing of it"
        );
        assert!(confirmations.wants_flush());
        assert_eq!(flush(&mut confirmations, 2, true), 1);
        assert_eq!(add(&mut confirmations, 1), Some(Ok(())));
        assert!(!confirmations.wants_flush(), "nobody waits");
    }

    #[test]
    fn of_so_many_subscriptions_that_are_refused_without_a_name_only_some_are_remembered() {
        let mut confirmations = subscribed(1_000_000);
        let refused = (0..2 * REFUSED).filter_map(|_| refused(&mut confirmations, &[]));
        assert_eq!(refused.count(), REFUSED);
        assert_eq!(confirmations.refused.len(), REFUSED);
    }
}
