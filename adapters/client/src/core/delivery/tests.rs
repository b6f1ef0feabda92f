//! What a turn delivers, and for whom reading waits.

use std::task::Context;

use bytes::BytesMut;
use nats_proto::{Decoder, ServerOp};

use super::*;
use crate::core::clock::DrainClock;
use crate::core::hand::Hand;
use crate::core::mail::Taken;
use crate::core::mail::tests::{mail_for, messages, take_at};

const SECOND: Duration = Duration::from_secs(1);

/// A message with a payload of so many bytes, in a block that holds nothing else.
fn of_size(payload: usize) -> Message {
    let mut wire = BytesMut::from(format!("MSG a 1 {payload}\r\n{}\r\n", "x".repeat(payload)).as_str());
    match Decoder::default().decode(&mut wire) {
        Ok(Some(ServerOp::Message(message))) => message,
        other => panic!("{other:?}"),
    }
}

fn mail() -> Arc<Mail> {
    Mail::new(Sid::new(1))
}

fn delivery() -> (Delivery, Hub) {
    (Delivery::new(Terms::default()), Hub::new(8))
}

/// A turn that brings these messages.
fn turn(delivery: &mut Delivery, hub: &Hub, messages: Vec<(&Arc<Mail>, Message)>) -> Delivered {
    delivery.begin();
    for (mail, message) in messages {
        delivery.message(mail, message);
    }
    let mut wakers = Vec::new();
    let mut delivered = delivery.deliver_events(hub, &mut wakers);
    delivery.deliver(hub, &mut wakers, &mut delivered);
    delivered
}

fn taken(mail: &Mail) -> Vec<usize> {
    let (mut hand, clock) = (Hand::default(), DrainClock::default());
    let messages = std::iter::from_fn(|| mail.try_take(&mut hand, &clock, &mut Taken::default()));
    messages.map(|message| message.payload().len()).collect()
}

#[test]
fn a_turn_fills_each_mailbox_with_its_messages_in_order_and_says_how_many_they_are() {
    let (mut delivery, hub) = delivery();
    let (one, other) = (mail(), mail());
    for _ in 0..3 {
        let delivered = turn(&mut delivery, &hub, vec![(&one, of_size(1))]);
        assert_eq!((delivered.messages, delivered.frame), (1, of_size(1).wire_len()));
    }
    assert_eq!(taken(&one), [1, 1, 1]);
    delivery.begin();
    for (mail, size) in [(&one, 2), (&other, 3)] {
        delivery.message(mail, of_size(size));
        delivery.message(mail, of_size(size + 10));
    }
    delivery.message(&one, of_size(4));
    let (mut wakers, mut delivered) = (Vec::new(), Delivered::default());
    delivery.deliver(&hub, &mut wakers, &mut delivered);
    assert_eq!((delivered.messages, delivered.frame), (5, of_size(13).wire_len()));
    assert_eq!((taken(&one), taken(&other)), (vec![2, 12, 4], vec![3, 13]));
    assert_eq!(turn(&mut delivery, &hub, vec![]).messages, 0, "each once");
}

#[test]
fn where_the_last_message_was_put_is_known_for_its_subscription_and_for_the_turn() {
    let (mut delivery, hub) = delivery();
    let (one, other) = (Mail::new(Sid::new(1)), Mail::new(Sid::new(2)));
    assert!(delivery.latest(Sid::new(1)).is_none(), "there was none");
    delivery.begin();
    delivery.message(&one, of_size(1));
    delivery.message(&other, of_size(2));
    assert!(delivery.latest(Sid::new(1)).is_none());
    let messages = delivery.latest(Sid::new(2)).expect("it was the last");
    messages.push_back(of_size(3));
    delivery.message(&one, of_size(4));
    assert!(delivery.latest(Sid::new(1)).is_some());
    delivery.deliver(&hub, &mut Vec::new(), &mut Delivered::default());
    assert_eq!((taken(&one), taken(&other)), (vec![1, 4], vec![2, 3]));
    assert!(delivery.latest(Sid::new(1)).is_none(), "in an earlier turn");
}

#[test]
fn what_nobody_takes_is_copied_out_of_the_block_it_was_read_into_after_so_many_batches() {
    let (mut delivery, hub) = delivery();
    let (idle, busy) = (mail(), mail());
    let message = of_size(20);
    let block = message.payload().as_ptr();
    let _ = turn(&mut delivery, &hub, vec![(&idle, message)]);
    for _ in 1..PINNED_BATCHES {
        let _ = turn(&mut delivery, &hub, vec![(&busy, of_size(1))]);
    }
    // A turn that brings no message is no batch.
    let _ = turn(&mut delivery, &hub, vec![]);
    let kept = |mail: &Mail| take_at(mail, None).0.expect("it waits");
    let early = kept(&idle);
    assert_eq!(early.payload().as_ptr(), block, "it is a view");
    let again = vec![(&idle, early)];
    let _ = turn(&mut delivery, &hub, again);
    for _ in 0..PINNED_BATCHES {
        let _ = turn(&mut delivery, &hub, vec![(&busy, of_size(1))]);
    }
    let late = kept(&idle);
    assert_ne!(late.payload().as_ptr(), block, "it is a copy");
    assert_eq!(late.payload(), [b'x'; 20]);
}

#[test]
fn a_reply_is_copied_out_of_its_block_unless_it_is_large() {
    let frame = of_size(PINNING).wire_len() - PINNING;
    for (payload, copied) in [(1, true), (PINNING - frame - 1, true), (PINNING - frame, false)] {
        let reply = of_size(payload);
        let block = reply.payload().as_ptr();
        assert_eq!(own(reply).payload().as_ptr() != block, copied, "{payload} bytes");
    }
}

#[test]
fn the_memory_of_a_burst_is_given_back_and_that_of_an_ordinary_turn_is_kept() {
    let (mut delivery, hub) = delivery();
    let mail = mail_for(1, SECOND);
    for (count, kept) in [(KEPT_SLOTS / 2, true), (KEPT_SLOTS * 2, false)] {
        delivery.begin();
        for message in messages(count) {
            delivery.message(&mail, message);
        }
        delivery.deliver(&hub, &mut Vec::new(), &mut Delivered::default());
        assert_eq!(delivery.groups[0].messages.capacity() > 0, kept, "after {count}");
    }
}

#[test]
fn a_mailbox_that_loses_messages_is_reported_with_the_turn_that_it_happens_in() {
    let (mut delivery, hub) = delivery();
    let events = hub.subscribe();
    let mail = mail_for(1, SECOND);
    delivery.begin();
    for message in messages(4) {
        delivery.message(&mail, message);
    }
    let mut delivered = Delivered::default();
    delivery.deliver(&hub, &mut Vec::new(), &mut delivered);
    assert_eq!(delivered.crowded.len(), 1);
    let slow = ClientEvent::SlowConsumer {
        subscription: Sid::new(1),
        dropped: 3,
    };
    assert_eq!(events.try_next(), Some(slow));
}

#[test]
fn reading_waits_until_every_crowded_mailbox_has_room_and_asks_again_when_the_first_may_have() {
    let began = Instant::now();
    let mut backpressure = Backpressure::default();
    assert!(!backpressure.is_active());
    assert_eq!(backpressure.check(began), None);
    let crowded = |patience| {
        let mail = mail_for(10, patience);
        assert!(mail.fill(1, &mut messages(8), Terms::default(), None).crowded);
        mail
    };
    let millis = Duration::from_millis;
    // The one in the middle has no patience left first.
    for patience in [30, 10, 20] {
        let delivered = Delivered::crowding(crowded(millis(patience)));
        backpressure.note(delivered, began, Waker::noop());
    }
    for patience in [10, 20, 30] {
        let until = began + millis(patience);
        assert!(backpressure.is_active());
        assert_eq!(backpressure.check(until - millis(1)), Some(until));
    }
    assert_eq!(backpressure.check(began + millis(30)), None);
    assert!(!backpressure.is_active());
    // A mailbox that several turns have crowded waits once.
    let (one, other) = (crowded(millis(10)), crowded(millis(10)));
    for mail in [&one, &other, &one] {
        backpressure.note(Delivered::crowding(mail.clone()), began, Waker::noop());
    }
    assert_eq!(backpressure.crowded.len(), 2);
}

#[test]
fn the_reader_is_woken_also_where_the_mailbox_was_half_empty_and_filled_again_before_it_looked() {
    let now = Instant::now();
    let mail = mail_for(10, SECOND);
    let mut backpressure = Backpressure::default();
    for batch in 1..=3 {
        // One read takes several turns.
        assert!(mail.fill(batch, &mut messages(6), Terms::default(), None).crowded);
        backpressure.note(Delivered::crowding(mail.clone()), now, Waker::noop());
        let wakes: Vec<bool> = (0..6).map(|_| take_at(&mail, None).1.reader.is_some()).collect();
        assert_eq!(wakes, [true, false, false, false, false, false], "batch {batch}");
    }
}

#[test]
fn in_a_drain_who_is_called_for_a_message_is_seen_at_the_time_of_the_turn() {
    let (mut delivery, hub) = delivery();
    let mail = mail();
    let (now, clock) = (Instant::now(), DrainClock::default());
    let mut cx = Context::from_waker(Waker::noop());
    let polled = mail.poll_take(&mut Hand::default(), &mut cx, &clock, &mut Taken::default());
    assert!(polled.is_pending());
    delivery.drains(now);
    let _ = turn(&mut delivery, &hub, vec![(&mail, of_size(1))]);
    let mut seen = None;
    let _ = mail.left(now, |holder| {
        seen = holder.seen;
        None
    });
    assert_eq!(seen, Some(now));
}
