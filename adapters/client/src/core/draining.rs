//! What a drain of the connection waits for: those who have messages of it in their hands or mailboxes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nats_conn_sm::ClosedReason;

use crate::core::mail::{Holder, Left, Mail};
use crate::core::waiting::Waiting;

/// How long a mailbox is waited for whose last holder is the one who awaits the drain: what it holds it can work on
/// only where it does both at once.
const SAME_TASK: Duration = Duration::from_secs(1);

/// How long a drain waits for one mailbox.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DrainPatience {
    /// For whoever has taken a message and has not come back.
    pub(crate) hand: Duration,
    /// For whoever has taken none and does not look.
    pub(crate) unread: Duration,
}

/// A drain, as far as mailboxes are concerned.
#[derive(Debug)]
pub(crate) struct Draining {
    patience: DrainPatience,
    began: Option<Instant>,
    /// That all is consumed was reported to the machine, once.
    finished: bool,
    /// Subscriptions that ended while their holders had not taken everything, or had something in their hands.
    mails: Vec<Arc<Mail>>,
    /// Those who await the end of the drain.
    awaiting: Waiting,
    /// When to look again at the latest.
    next: Option<Instant>,
}

impl Draining {
    pub(crate) fn new(patience: DrainPatience) -> Self {
        Self {
            patience,
            began: None,
            finished: false,
            mails: Vec::new(),
            awaiting: Waiting::default(),
            next: None,
        }
    }

    /// A drain is under way, since now at the latest.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.began.get_or_insert(now);
    }

    /// Remembers that a drain has to wait until this is consumed.
    pub(crate) fn note(&mut self, mail: Arc<Mail>) {
        if self.mails.len() == self.mails.capacity() {
            self.mails.retain(|mail| !mail.is_consumed());
        }
        self.mails.push(mail);
    }

    /// Those who await the end of the drain.
    pub(crate) fn awaiting(&mut self) -> &mut Waiting {
        &mut self.awaiting
    }

    /// Whether nobody is waited for any more, asked once all subscriptions have ended. The answer comes once, with how many
    /// messages are left unread.
    pub(crate) fn finish(&mut self, now: Instant) -> Option<u64> {
        if self.finished {
            return None;
        }
        let (mut unread, mut waits, mut next) = (0, false, None::<Instant>);
        let mut mails = std::mem::take(&mut self.mails);
        mails.retain(|mail| {
            let left = mail.left(now, |holder| self.until(holder, now));
            match left {
                Left::Nothing => {}
                Left::Unread(messages) => unread += messages,
                Left::Waits(until) => {
                    waits = true;
                    next = next.into_iter().chain(until).min();
                }
            }
            left != Left::Nothing
        });
        self.mails = mails;
        self.next = next;
        self.finished = !waits;
        self.finished.then_some(unread)
    }

    /// Until when this holder is waited for.
    fn until(&self, holder: &Holder, now: Instant) -> Option<Instant> {
        let began = self.began.unwrap_or(now);
        let since = holder.seen.map_or(began, |seen| seen.max(began));
        let patience = if holder.in_hand {
            self.patience.hand
        } else {
            self.patience.unread
        };
        let same = holder
            .poller
            .as_ref()
            .is_some_and(|poller| self.awaiting.includes(poller));
        since.checked_add(if same { patience.min(SAME_TASK) } else { patience })
    }

    /// When to look again at the latest.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.next.filter(|_| !self.finished)
    }

    /// The reason with what is unread in it, where the connection closed before anybody was given up.
    pub(crate) fn reason(&self, reason: ClosedReason) -> ClosedReason {
        match reason {
            ClosedReason::Drained { complete, unread } if !self.finished => ClosedReason::Drained {
                complete,
                unread: unread + self.mails.iter().map(|mail| mail.pending() as u64).sum::<u64>(),
            },
            reason => reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use bytes::BytesMut;
    use nats_proto::{Decoder, ServerOp, Sid};

    use super::*;
    use crate::ConnectOptions;
    use crate::core::mail::Terms;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn task() -> Waker {
        Waker::from(Arc::new(Task))
    }

    /// A drain with the default patience.
    fn draining(began: Instant) -> Draining {
        let prepared = ConnectOptions::<()>::default().prepare().expect("usable");
        let patience = prepared
            .client
            .shared()
            .call_quietly(|core| core.draining.patience);
        let mut draining = Draining::new(patience);
        draining.begin(began);
        draining
    }

    /// A mailbox with so many messages.
    fn mail(messages: usize) -> Arc<Mail> {
        let mail = Mail::new(Sid::new(1));
        let mut wire = BytesMut::from("MSG a 1 1\r\nx\r\n".repeat(messages).as_str());
        let mut decoder = Decoder::default();
        let ops = std::iter::from_fn(|| decoder.decode(&mut wire).expect("messages"));
        let mut messages = ops
            .filter_map(|op| match op {
                ServerOp::Message(message) => Some(message),
                _ => None,
            })
            .collect();
        assert!(!mail.fill(1, &mut messages, Terms::default(), None).crowded);
        mail
    }

    #[test]
    fn a_holder_is_waited_for_by_what_it_holds_by_when_it_was_seen_and_by_who_it_is() {
        let began = Instant::now();
        let mut draining = draining(began);
        let (drainer, other) = (task(), task());
        draining.awaiting().add(None, &drainer);
        let before = Some(began - SECOND);
        let later = Some(began + 3 * SECOND);
        for (in_hand, poller, seen, seconds) in [
            (true, Some(&other), None, 10),
            (true, None, None, 10),
            (true, Some(&other), before, 10),
            (true, Some(&other), later, 13),
            (false, Some(&other), None, 5),
            (false, None, None, 5),
            (false, None, later, 8),
            (true, Some(&drainer), None, 1),
            (true, Some(&drainer), later, 4),
            (false, Some(&drainer), None, 1),
        ] {
            let holder = Holder {
                in_hand,
                poller: poller.cloned(),
                seen,
            };
            let until = draining.until(&holder, began).expect("a moment");
            assert_eq!(until - began, seconds * SECOND, "{holder:?}");
        }
    }

    #[test]
    fn patience_shorter_than_that_with_the_same_task_holds_for_it_too_and_an_endless_one_has_no_end() {
        let began = Instant::now();
        let mut draining = draining(began);
        let drainer = task();
        draining.awaiting().add(None, &drainer);
        draining.patience.hand = SECOND / 2;
        let mut holder = Holder {
            in_hand: true,
            poller: Some(drainer),
            seen: None,
        };
        assert_eq!(draining.until(&holder, began), Some(began + SECOND / 2));
        draining.patience.unread = Duration::MAX;
        (holder.in_hand, holder.poller) = (false, None);
        assert_eq!(draining.until(&holder, began), None);
    }

    #[test]
    fn a_drain_is_over_when_the_last_holder_is_given_up_and_says_once_what_is_unread() {
        let began = Instant::now();
        let mut draining = draining(began);
        let gone = mail(7);
        assert!(gone.abandon().is_none());
        for mail in [mail(2), mail(3), gone, mail(0)] {
            draining.note(mail);
        }
        assert_eq!(draining.finish(began), None);
        assert_eq!(draining.next_look(), Some(began + 5 * SECOND));
        let almost = began + 5 * SECOND - Duration::from_nanos(1);
        assert_eq!(draining.finish(almost), None);
        let closed = draining.reason(ClosedReason::Drained {
            complete: false,
            unread: 0,
        });
        let unread = ClosedReason::Drained {
            complete: false,
            unread: 5,
        };
        assert_eq!(closed, unread, "a connection that closes before");
        assert_eq!(draining.finish(began + 5 * SECOND), Some(5));
        assert_eq!(
            (draining.finish(began + 6 * SECOND), draining.next_look()),
            (None, None)
        );
    }

    #[test]
    fn of_many_subscriptions_that_end_those_are_remembered_whose_holders_have_not_read_everything() {
        let mut draining = draining(Instant::now());
        let unread: Vec<_> = (0..10).map(|_| mail(1)).collect();
        for mail in &unread {
            draining.note(mail.clone());
            (0..100).for_each(|_| draining.note(self::mail(0)));
        }
        assert!(draining.mails.len() <= 64, "{}", draining.mails.len());
        for mail in unread {
            assert!(draining.mails.iter().any(|kept| Arc::ptr_eq(kept, &mail)));
        }
    }
}
