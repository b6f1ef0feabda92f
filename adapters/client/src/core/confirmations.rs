//! Who waits for the server to confirm what he published or subscribed to.

use std::collections::{BTreeMap, BTreeSet};

use nats_conn_sm::{EndReason, FlushId, PublishSeq, SeqRanges};
use nats_proto::Sid;

use crate::core::delivery::Answer;
use crate::core::loss::{Loss, PublishSlot, SubscriptionSlot};
use crate::core::sid_runs::SidRuns;

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
    /// What lives and the present link has neither confirmed nor refused.
    open: SidRuns,
    /// What lives and the present link has refused without a name.
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
        self.open.push(sid);
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
        self.open.remove(sid);
        self.refused.remove(&sid);
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
            self.open.remove_up_to(last);
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
        self.open.remove(sid);
        self.refused.remove(&sid);
        if let Some(slot) = self.subscriptions.remove(&sid) {
            let heard = (reason == EndReason::MaxReached).then_some(()).ok_or(reason);
            answers.push(Answer::Subscribed(slot, heard));
        }
    }

    /// The server has refused a SUB and does not say which: what exceeds a limit comes last, so that it is the last one
    /// that lives and was neither confirmed nor refused. One that came since then is refused, too, and has an error of its
    /// own to come.
    pub(crate) fn last_refused(&mut self, answers: &mut Vec<Answer>) -> Option<Sid> {
        let sid = self.open.pop_last()?;
        self.refused.insert(sid);
        if let Some(slot) = self.subscriptions.remove(&sid) {
            answers.push(Answer::Subscribed(slot, Err(EndReason::Refused)));
        }
        Some(sid)
    }

    /// The link is lost: the next one has heard of nothing. What lives is asked for again there, so that it is not
    /// refused any more.
    pub(crate) fn link_lost(&mut self, living: impl Iterator<Item = Sid>) {
        self.heard = 0;
        self.refused.clear();
        self.open = living.collect();
        let open = &self.open;
        self.words.retain(|sid, _| !open.contains(*sid));
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

    fn refused(confirmations: &mut Confirmations) -> Option<u64> {
        confirmations.last_refused(&mut Vec::new()).map(Sid::get)
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
        confirmations.forget_subscription(Sid::new(7));
        assert_eq!(refused(&mut confirmations), Some(6));
        assert_eq!(refused(&mut confirmations), Some(5));
        (8..=9).for_each(|sid| confirmations.subscribed(Sid::new(sid)));
        confirmations.subscription_ended(Sid::new(9), EndReason::Unsubscribed, &mut Vec::new());
        assert_eq!(refused(&mut confirmations), Some(8));
        assert_eq!(refused(&mut confirmations), Some(4));
        assert_eq!(refused(&mut confirmations), None, "the others are confirmed");
        confirmations.link_lost((1..=8).map(Sid::new));
        assert_eq!(
            refused(&mut confirmations),
            Some(8),
            "of the next link nothing is known"
        );
    }

    #[test]
    fn a_subscription_whose_answer_is_known_does_not_wait_for_it() {
        let mut confirmations = subscribed(2);
        assert_eq!(refused(&mut confirmations), Some(2));
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
        assert_eq!(add(&mut confirmations, 2), Some(Err(EndReason::Refused)), "still");
        assert!(!confirmations.wants_flush(), "nobody waits");
    }

    #[test]
    fn a_subscription_that_the_server_refuses_is_never_confirmed_however_many_it_has_refused_before() {
        let mut confirmations = Confirmations::default();
        for number in 1..=5000 {
            let sid = Sid::new(number);
            confirmations.subscribed(sid);
            assert_eq!(confirmations.add_subscription(sid, Oneshot::new()), None);
            let (flush, mut answers) = (FlushId::from_u64(number), Vec::new());
            confirmations.flush_begun(flush);
            // The error comes before the PONG.
            assert_eq!(confirmations.last_refused(&mut answers), Some(sid));
            confirmations.flushed(flush, true, &mut answers);
            let [Answer::Subscribed(_, heard)] = &answers[..] else {
                panic!("{answers:?}")
            };
            assert_eq!(*heard, Err(EndReason::Refused), "{sid}");
        }
    }

    #[test]
    fn of_what_does_not_live_any_more_nothing_is_remembered() {
        let mut confirmations = subscribed(3000);
        (0..2000).for_each(|_| assert!(refused(&mut confirmations).is_some()));
        for sid in (1..=3000).map(Sid::new) {
            confirmations.refused_with(sid, "maximum subscriptions exceeded".into());
            if sid.get() % 2 == 0 {
                confirmations.subscription_ended(sid, EndReason::Unsubscribed, &mut Vec::new());
            }
            confirmations.forget_subscription(sid);
        }
        assert!(confirmations.open.is_empty() && confirmations.refused.is_empty());
        assert!(confirmations.words.is_empty());
    }

    #[test]
    fn the_words_about_what_lives_are_those_of_the_present_link() {
        let mut confirmations = subscribed(2);
        let words = "maximum subscriptions exceeded";
        (1..=2).for_each(|sid| confirmations.refused_with(Sid::new(sid), words.into()));
        // The first has ended, and its handle still says why.
        confirmations.link_lost([Sid::new(2)].into_iter());
        assert_eq!(confirmations.refusal(Sid::new(1)), Some(words));
        assert_eq!(confirmations.refusal(Sid::new(2)), None);
    }
    #[test]
    fn at_the_end_everybody_who_waits_is_answered() {
        let mut confirmations = subscribed(1);
        assert_eq!(confirmations.add_subscription(Sid::new(1), Oneshot::new()), None);
        (1..=2).for_each(|seq| confirmations.add_publish(PublishSeq::from_u64(seq), Oneshot::new()));
        let mut answers = Vec::new();
        confirmations.close(1, &mut answers);
        let [
            Answer::Fate(_, first),
            Answer::Fate(_, second),
            Answer::Subscribed(_, heard),
        ] = &answers[..]
        else {
            panic!("{answers:?}")
        };
        assert_eq!((first, second), (&Ok(()), &Err(Loss::Unconfirmed)));
        assert_eq!(*heard, Err(EndReason::Closed));
        assert!(confirmations.is_empty());
    }
}
