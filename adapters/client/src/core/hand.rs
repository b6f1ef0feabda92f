//! What a holder has taken out of its mailbox and has not given on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nats_conn_sm::Mailbox;
use nats_proto::Message;

/// How small a part of what a mailbox may hold is taken at once at most.
const PART: usize = 64;

/// Messages that the holder of a subscription took out of the mailbox together, under one lock, and gives on one after the
/// other without any.
///
/// They still count as pending, but towards no limit: for that, they are too few. They were read together, so that they
/// pin no more memory than the one that was given on first.
#[derive(Debug, Default)]
pub(crate) struct Hand(Option<Box<Held>>);

#[derive(Debug)]
struct Held {
    messages: VecDeque<Message>,
    left: Arc<Left>,
}

/// How many messages are left in a hand, for those who look at it from outside. Only its holder changes it.
#[derive(Debug, Default)]
pub(crate) struct Left(AtomicUsize);

impl Left {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Hand {
    /// The next message, if there is one in it.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Message> {
        let held = self.0.as_mut()?;
        let message = held.messages.pop_front()?;
        held.left.0.store(held.messages.len(), Ordering::Relaxed);
        Some(message)
    }

    /// How many bytes of frames are in it.
    pub(crate) fn bytes(&self) -> usize {
        let messages = self.0.iter().flat_map(|held| &held.messages);
        messages.map(Message::wire_len).sum()
    }

    /// Takes the next message of a mailbox out of it, and those after it that were read together with it.
    pub(crate) fn fill(&mut self, mailbox: &mut Mailbox, left: &Arc<Left>) -> Option<Message> {
        let many = most(mailbox);
        if many <= 1 {
            return mailbox.pop();
        }
        let held = self.0.get_or_insert_with(|| {
            Box::new(Held {
                messages: VecDeque::new(),
                left: left.clone(),
            })
        });
        mailbox.pop_many(many, &mut held.messages);
        self.next()
    }
}

/// How many messages may be taken out of a mailbox at once.
fn most(mailbox: &Mailbox) -> usize {
    let (limits, waiting) = (mailbox.limits(), mailbox.len());
    // As large as they are on average.
    let size = mailbox.bytes() / waiting.max(1);
    let few = limits.messages.min(limits.bytes / size.max(1)) / PART;
    few.min(mailbox.oldest())
}

#[cfg(test)]
mod tests {
    use nats_conn_sm::MailboxLimits;

    use super::*;
    use crate::core::mail::tests::messages;

    #[test]
    fn a_hand_takes_what_was_read_together_and_a_small_part_of_what_may_wait() {
        let frame = messages(1)[0].wire_len();
        for (limits, taken) in [
            (MailboxLimits::default(), 30),
            (MailboxLimits::new(PART * 20, 1 << 20), 20),
            (MailboxLimits::new(1 << 20, PART * 20 * frame), 20),
            // Who allows few messages to wait is served one by one.
            (MailboxLimits::new(PART, 1 << 20), 1),
            (MailboxLimits::new(100, 1 << 20), 1),
            (MailboxLimits::new(1 << 20, PART * frame), 1),
        ] {
            let (mut mailbox, mut hand) = (Mailbox::new(limits), Hand::default());
            let left = Arc::<Left>::default();
            mailbox.append(1, &mut messages(30));
            mailbox.append(2, &mut messages(30));
            let before = mailbox.len();
            assert!(hand.fill(&mut mailbox, &left).is_some());
            assert_eq!(before - mailbox.len(), taken, "{limits:?}");
            assert_eq!(left.count(), taken - 1);
            assert_eq!(hand.bytes(), (taken - 1) * frame);
            for rest in (0..taken - 1).rev() {
                assert!(hand.next().is_some());
                assert_eq!(left.count(), rest);
            }
            assert!(hand.next().is_none());
        }
    }

    #[test]
    fn the_memory_of_a_mailbox_that_was_large_does_not_come_into_the_hand() {
        let limits = MailboxLimits::new(1 << 20, 1 << 30);
        let (mut mailbox, mut hand) = (Mailbox::new(limits), Hand::default());
        let left = Arc::<Left>::default();
        for batch in 0..10 {
            mailbox.append(batch, &mut messages(1000));
        }
        let slots = |hand: &Hand| hand.0.as_ref().map_or(0, |held| held.messages.capacity());
        while hand.next().or_else(|| hand.fill(&mut mailbox, &left)).is_some() {
            assert!(slots(&hand) < 4000, "{}", slots(&hand));
        }
        assert!(mailbox.is_empty());
    }
}
