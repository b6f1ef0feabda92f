//! A mailbox, its holder, and those who wait for it.

use bytes::BytesMut;
use nats_proto::{Decoder, ServerOp};

use super::*;

const PATIENCE: Duration = Duration::from_millis(200);
const TICK: Duration = Duration::from_millis(30);

/// A mailbox for so many messages.
pub(crate) fn mail_for(messages: usize, patience: Duration) -> Arc<Mail> {
    let mail = Mail::new(Sid::new(1));
    let limits = MailboxLimits::new(messages, 1 << 20);
    mail.set_limits(Terms { limits, patience });
    mail
}

pub(crate) fn messages(count: usize) -> VecDeque<Message> {
    let mut wire = BytesMut::from("MSG a 1 1\r\nx\r\n".repeat(count).as_str());
    let mut decoder = Decoder::default();
    std::iter::from_fn(|| decoder.decode(&mut wire).unwrap())
        .filter_map(|op| {
            if let ServerOp::Message(message) = op {
                Some(message)
            } else {
                None
            }
        })
        .collect()
}

/// A mailbox for 10 messages with 8 in it, and reading that waits for it.
fn crowded(now: Instant) -> (Arc<Mail>, Crowded) {
    let mail = mail_for(10, PATIENCE);
    assert!(
        !mail.fill(1, &mut messages(5), Terms::default(), None).crowded,
        "half full is not crowded"
    );
    assert!(mail.fill(1, &mut messages(3), Terms::default(), None).crowded);
    let crowded = Crowded::new(mail.clone(), now, Waker::noop());
    (mail, crowded)
}

/// Takes a message, and what comes of it. No other one is taken with it.
pub(crate) fn take_at(mail: &Mail, now: Option<Instant>) -> (Option<Message>, Taken) {
    let (mut hand, mut taken) = (Hand::default(), Taken::default());
    let message = lock(&mail.state).take(&mut hand, now, &mut taken);
    assert_eq!(hand.bytes(), 0);
    (message, taken)
}

fn take(mail: &Mail) -> bool {
    let (message, taken) = take_at(mail, None);
    assert!(message.is_some());
    taken.reader.is_some()
}

#[test]
fn reading_waits_until_the_mailbox_is_half_empty() {
    let now = Instant::now();
    let (mail, mut crowded) = crowded(now);
    assert!(crowded.check(now).is_some());
    assert!(!take(&mail) && !take(&mail), "still more than half");
    assert!(take(&mail), "the reader is woken");
    assert_eq!(crowded.check(now + TICK), None);
}

#[test]
fn the_reader_is_woken_when_the_handle_is_gone() {
    let now = Instant::now();
    let (mail, mut crowded) = crowded(now);
    assert!(mail.abandon().is_some());
    assert_eq!(crowded.check(now), None);
}

#[test]
fn reading_does_not_wait_for_a_consumer_that_takes_nothing() {
    let now = Instant::now();
    let (mail, mut crowded) = crowded(now);
    assert_eq!(crowded.check(now + TICK), Some(now + STALLED));
    assert_eq!(crowded.check(now + STALLED), None);
    assert!(
        !mail.fill(2, &mut messages(1), Terms::default(), None).crowded,
        "nor later"
    );
}

#[test]
fn patience_with_a_consumer_that_is_slow_for_good_ends_and_comes_back_when_it_caught_up() {
    let mut now = Instant::now();
    let (mail, mut crowded) = crowded(now);
    let began = now;
    while crowded.check(now).is_some() {
        now += TICK;
        take(&mail);
        let _ = mail.fill(2, &mut messages(1), Terms::default(), None);
    }
    assert!(now - began >= PATIENCE && now - began < PATIENCE + 2 * TICK);
    assert!(!mail.fill(3, &mut messages(1), Terms::default(), None).crowded);
    while mail.pending() > 0 {
        take(&mail);
    }
    assert!(
        mail.fill(4, &mut messages(6), Terms::default(), None).crowded,
        "patience is back"
    );
}

#[test]
fn a_reader_waits_until_the_last_message_is_taken_and_a_drain_until_its_taker_is_back() {
    let now = Some(Instant::now());
    let mail = mail_for(1, PATIENCE);
    assert!(mail.fill(1, &mut messages(1), Terms::default(), now).crowded);
    let _reading = Crowded::new(mail.clone(), Instant::now(), Waker::noop());
    assert!(
        mail.end(EndReason::Drained).is_none(),
        "nobody waits for a message"
    );
    let (message, taken) = take_at(&mail, now);
    assert!(message.is_some() && taken.reader.is_some());
    assert!(
        !taken.drain_waits && !mail.is_consumed(),
        "it is in somebody's hand"
    );
    let (message, taken) = take_at(&mail, now);
    assert!(message.is_none() && taken.drain_waits && mail.is_consumed());
    assert!(!take_at(&mail, now).1.drain_waits, "a drain is woken once");
}

#[test]
fn an_idle_subscription_is_small() {
    assert!(size_of::<Mail>() <= 56, "{} bytes", size_of::<Mail>());
}

#[test]
fn a_holder_is_seen_when_it_takes_and_when_it_is_called_and_only_while_a_drain_is_under_way() {
    let (first, second) = (Instant::now(), Instant::now() + TICK);
    let mail = mail_for(10, PATIENCE);
    let seen = || {
        let mut seen = None;
        let left = mail.left(first, |holder| {
            seen = Some(holder.seen);
            None
        });
        assert_eq!(left, Left::Waits(None));
        seen.expect("it is asked of its holder")
    };
    let _ = mail.fill(1, &mut messages(1), Terms::default(), None);
    let _ = mail.fill(1, &mut messages(1), Terms::default(), Some(first));
    assert_eq!(seen(), None, "nobody waits, and so nobody is called");
    take_at(&mail, Some(first)).0.expect("a message");
    assert_eq!(seen(), Some(first));
    take_at(&mail, Some(first)).0.expect("a message");
    let drain = DrainClock::default();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        mail.poll_take(&mut Hand::default(), &mut cx, &drain, &mut Taken::default())
            .is_pending()
    );
    let _ = mail
        .fill(2, &mut messages(1), Terms::default(), Some(second))
        .waker
        .expect("it waits");
    assert_eq!(seen(), Some(second));
    let _ = mail.fill(2, &mut messages(1), Terms::default(), None);
    assert_eq!(seen(), Some(second), "outside a drain nothing is noted");
}

#[test]
fn what_is_in_the_hand_of_a_holder_is_pending_and_who_gives_it_on_makes_progress() {
    let (now, mut taken) = (Instant::now(), Taken::default());
    let mail = mail_for(640, PATIENCE);
    let mut hand = Hand::default();
    for _ in 0..100 {
        let _ = mail.fill(1, &mut messages(5), Terms::default(), None);
    }
    let mut crowded = Crowded::new(mail.clone(), now, Waker::noop());
    let mut take = |hand: &mut Hand| lock(&mail.state).take(hand, None, &mut taken);
    assert!(take(&mut hand).is_some());
    assert_eq!((mail.pending(), hand.bytes() > 0), (499, true));
    // Half of a batch takes as long as a consumer may take nothing at all, and the batch no longer than it has patience.
    for times in 1..=2 {
        assert!(hand.next().is_some());
        assert!(
            crowded.check(now + times * STALLED).is_some(),
            "it makes progress"
        );
    }
    assert_eq!(mail.pending(), 497);
    assert_eq!(crowded.check(now + 3 * STALLED), None, "it makes none");
    let left = mail.left(now, |_| Some(now));
    assert_eq!(left, Left::Unread(497));
    let waiting = mail.waiting_bytes();
    while hand.next().is_some() {}
    assert_eq!(mail.waiting_bytes(), waiting);
    assert!(!mail.is_consumed());
}

#[test]
fn what_reading_has_waited_for_a_mailbox_is_taken_from_its_patience_until_it_was_empty_once() {
    let now = Instant::now();
    let patience = |mail: &Mail| lock(&mail.state).content.as_ref().expect("messages").patience;
    let (mail, mut crowded) = crowded(now);
    (0..3).for_each(|_| drop(take_at(&mail, None)));
    assert_eq!(crowded.check(now + TICK), None);
    assert_eq!(patience(&mail), PATIENCE - TICK);
    let _ = mail.fill(2, &mut messages(1), Terms::default(), None);
    let mut crowded = Crowded::new(mail.clone(), now + TICK, Waker::noop());
    while mail.pending() > 0 {
        drop(take_at(&mail, None));
    }
    assert_eq!(crowded.check(now + 2 * TICK), None);
    assert_eq!(patience(&mail), PATIENCE, "it was empty");
}
