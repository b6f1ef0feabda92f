//! How long a driver goes on before others run, and when it does not read.

use bytes::Bytes;

use super::*;
use crate::Subscription;

/// Messages with so many bytes each.
fn read(messages: usize, payload: usize) -> Read {
    let message = format!("MSG a 1 {payload}\r\n{}\r\n", "x".repeat(payload));
    Read::Bytes(message.repeat(messages).leak())
}

/// A driver in a session, and a subscription, for which reads bring this from the next poll on.
fn subscribed(reads: Vec<Read>) -> (Driver<OneThread>, Client, Subscription) {
    let prepared = options(false, reads).prepare().unwrap();
    let mut driver = Driver::new(prepared.parts, Arc::new(prepared.adapter));
    let _ = run_until_asleep(&mut driver);
    let subscription = prepared.client.subscribe("a").unwrap();
    prepared.client.publish("a", "x").now().unwrap();
    (driver, prepared.client, subscription)
}

/// How many messages each poll brings that brings some.
fn messages_a_poll(reads: Vec<Read>) -> Vec<usize> {
    let (mut driver, _client, mut subscription) = subscribed(reads);
    let (called, mut found) = (Arc::<Called>::default(), Vec::new());
    let waker = called.clone().into();
    loop {
        let done = Pin::new(&mut driver).poll(&mut Context::from_waker(&waker));
        assert!(done.is_pending());
        found.extend(Some(std::iter::from_fn(|| subscription.try_next()).count()).filter(|count| *count > 0));
        if !called.again() {
            return found;
        }
    }
}

#[test]
fn those_who_wait_for_messages_run_after_so_many_of_them() {
    let reads = (0..5).map(|_| read(MESSAGES_A_POLL, 1)).collect();
    assert_eq!(messages_a_poll(reads), [MESSAGES_A_POLL; 5]);
    let reads = (0..6).map(|_| read(MESSAGES_A_POLL / 2, 1)).collect();
    assert_eq!(
        messages_a_poll(reads),
        [MESSAGES_A_POLL; 3],
        "they are counted together"
    );
    let reads = (0..10).map(|_| read(10, 1)).collect();
    assert_eq!(messages_a_poll(reads), [100], "for a few nobody has to run first");
}

#[test]
fn those_who_wait_for_messages_run_after_so_many_bytes_of_them() {
    let large = BYTES_A_POLL / 4;
    let reads = (0..8).map(|_| read(1, large)).collect();
    assert_eq!(messages_a_poll(reads), [4, 4]);
}

/// What a driver has read by the time when it sleeps, and how that goes on when three messages are taken, where the mailbox
/// has room for ten. `None` where the machine was so busy that the patience with who takes nothing was over.
fn behind() -> Option<(usize, usize)> {
    let began = Instant::now();
    let reads = vec![read(8, 1), read(4, 1)];
    let (mut driver, _client, mut subscription) = subscribed(reads);
    subscription.set_limits(MailboxLimits::new(10, 1 << 20));
    let called = run_until_asleep(&mut driver);
    let before = subscription.pending();
    (0..3).for_each(|_| drop(subscription.try_next()));
    let woken = called.again();
    let _ = run_until_asleep(&mut driver);
    let after = subscription.pending();
    let in_time = began.elapsed() < Duration::from_millis(50);
    assert!(woken || !in_time, "it would have slept on");
    in_time.then_some((before, after))
}

#[test]
fn nothing_is_read_while_a_mailbox_is_more_than_half_full_whose_holder_has_time() {
    let tried = std::iter::repeat_with(behind).take(1000).flatten().next();
    assert_eq!(tried, Some((8, 9)));
}

#[test]
fn the_pieces_of_a_block_leave_in_one_write_however_many_they_are() {
    let (mut driver, _called, client, writing) = asleep_in_a_session();
    let before = writing.times();
    for _ in 0..3 {
        client
            .publish("a", Bytes::from(vec![b'x'; 10_000]))
            .now()
            .unwrap();
    }
    let _ = run_until_asleep(&mut driver);
    assert_eq!(writing.times() - before, 1);
}

#[test]
fn what_prints_of_a_driver_is_how_much_waits() {
    let (driver, _called, _client, _writing) = asleep_in_a_session();
    let printed = format!("{driver:?}");
    assert!(
        printed.starts_with("Driver") && printed.contains("rx") && printed.contains("tx"),
        "{printed}"
    );
}
