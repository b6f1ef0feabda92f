//! What a connection's machine costs, counted by the allocator (behaviour 5.1, 7.3).
//!
//! In a binary of its own and without the test harness, because the counter is that of the whole process and the
//! harness has threads that allocate.

use std::alloc::System;
use std::hint::black_box;
use std::time::Duration;

use bytes::Buf;
use nats_conn_client::ConnectOptions;
use nats_conn_sm::{
    Action, Connection, Delivery, Event, LinkId, Publish, ReceiveBuf, RequestError, SendBuf, Timestamp,
};
use nats_conn_tests::by_hand::{ByHand, START, after};
use nats_proto::{ServerUrl, Subject, SubjectFilter};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TESTS: [(&str, fn()); 8] = [
    (
        "an_idle_machine_costs_4_kib_at_most",
        an_idle_machine_costs_4_kib_at_most,
    ),
    (
        "a_hundred_thousand_subscriptions_cost_300_bytes_each_at_most",
        a_hundred_thousand_subscriptions_cost_300_bytes_each_at_most,
    ),
    (
        "a_million_timed_out_requests_leave_an_empty_table_and_flat_memory",
        a_million_timed_out_requests_leave_an_empty_table_and_flat_memory,
    ),
    ("no_publish_allocates", no_publish_allocates),
    (
        "a_subject_that_is_given_as_text_is_not_copied",
        a_subject_that_is_given_as_text_is_not_copied,
    ),
    ("no_message_allocates", no_message_allocates),
    ("no_turn_of_a_driver_allocates", no_turn_of_a_driver_allocates),
    ("an_event_is_small", an_event_is_small),
];

fn main() {
    // What runners ask of a binary without the test harness.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asks = |what: &str| arguments.iter().any(|argument| argument == what);
    if asks("--list") {
        if !asks("--ignored") {
            TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return;
    }
    let wanted: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for (name, test) in TESTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            test();
            println!("{name}: ok");
        }
    }
}

/// Bytes that are allocated, and how often something was.
struct Change {
    bytes: isize,
    times: usize,
}

fn since(region: &Region<'_, System>) -> Change {
    let change = region.change();
    let bytes = change.bytes_allocated.wrapping_sub(change.bytes_deallocated);
    Change {
        bytes: isize::try_from(bytes).unwrap_or(-isize::try_from(bytes.wrapping_neg()).unwrap_or(isize::MAX)),
        times: change.allocations + change.reallocations,
    }
}

// behaviour: 1.4
fn an_idle_machine_costs_4_kib_at_most() {
    let region = Region::new(ALLOCATOR);
    let hand = ByHand::unrecorded(ByHand::config(), "{}");
    let ByHand { client, rx, tx } = hand;
    // The buffers are the driver's.
    drop((rx, tx));
    let heap = since(&region).bytes;
    let all = heap + isize::try_from(size_of::<Connection>()).unwrap_or(isize::MAX);
    println!("an idle machine: {all} bytes, {heap} of them on the heap");
    assert!((1_000..=4 * 1024).contains(&all), "{all} bytes");
    drop(black_box(client));
}

// behaviour: 5.1
fn a_hundred_thousand_subscriptions_cost_300_bytes_each_at_most() {
    const COUNT: usize = 100_000;
    let mut hand = ByHand::unrecorded(ByHand::config(), "{}");
    let region = Region::new(ALLOCATOR);
    for number in 0..COUNT {
        let filter = SubjectFilter::new(&format!("orders.eu.customer.{number}")).expect("a filter");
        hand.client.subscribe(START, filter, None).expect("open");
        if number % 1_000 == 0 {
            hand.write(START);
        }
    }
    hand.write(START);
    let each = since(&region).bytes / isize::try_from(COUNT).unwrap_or(1);
    println!("a subscription: {each} bytes");
    assert!((30..=300).contains(&each), "{each} bytes each");
    assert_eq!(hand.client.statistics().subscriptions, COUNT as u64);
}

// behaviour: 7.3
fn a_million_timed_out_requests_leave_an_empty_table_and_flat_memory() {
    const ROUND: u64 = 1_000;
    let mut hand = ByHand::unrecorded(ByHand::config(), "{}");
    let subject = Subject::from_static("nobody.answers");
    let mut now = START;
    let mut timed_out = 0;
    let mut round = |hand: &mut ByHand| {
        for _ in 0..ROUND {
            let request = Publish::new(&subject, "?");
            hand.client
                .request(now, request, Duration::from_millis(1))
                .expect("made");
        }
        hand.write(now);
        now = now + Duration::from_millis(1);
        hand.client.handle_timeout(now);
        while let Some(event) = hand.client.poll_event(now, &mut hand.rx) {
            let expected = Err(RequestError::TimedOut { written: true });
            assert!(matches!(event, Event::Response { result, .. } if result == expected));
            timed_out += 1;
        }
    };
    (0..10).for_each(|_| round(&mut hand));
    let region = Region::new(ALLOCATOR);
    (10..1_000).for_each(|_| round(&mut hand));
    let left = since(&region).bytes;
    assert_eq!(timed_out, 1_000_000);
    assert_eq!(hand.client.statistics().requests, 0);
    println!("after a million requests: {left} bytes more than after ten thousand");
    assert!(left <= 8 * 1024, "{left} bytes");
}

// behaviour: 6.6
fn no_publish_allocates() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let mut config = ByHand::config();
        config.delivery = delivery;
        let mut hand = ByHand::unrecorded(config, "{\"headers\":true}");
        let (subject, reply) = (Subject::from_static("orders.eu"), Subject::from_static("replies"));
        let mut headers = nats_proto::Headers::new();
        headers.append("Key", "value").expect("a header");
        let round = |hand: &mut ByHand| {
            for _ in 0..100 {
                let publish = Publish::new(&subject, "hello")
                    .reply_to(&reply)
                    .with_headers(&headers);
                hand.client.publish(publish).expect("room");
            }
            hand.client.flush(START).expect("a session");
            hand.write(START);
            hand.read(b"PONG\r\n");
            while hand.client.poll_event(START, &mut hand.rx).is_some() {}
        };
        (0..5).for_each(|_| round(&mut hand));
        let region = Region::new(ALLOCATOR);
        (0..10).for_each(|_| round(&mut hand));
        let times = since(&region).times;
        println!("{delivery:?}: {times} allocations for 1000 publishes in 10 blocks");
        // At least once keeps each block, shared, until it is confirmed.
        let most = if delivery == Delivery::AtMostOnce { 0 } else { 150 };
        assert!(times <= most, "{times} allocations");
        assert!(hand.client.publish_fates().confirmed >= 1_400);
    }
}

// behaviour: 6.6
fn a_subject_that_is_given_as_text_is_not_copied() {
    const BATCH: usize = 500;
    let prepared = nats_conn_client::ConnectOptions::<()>::default()
        .prepare()
        .expect("usable");
    let client = &prepared.client;
    let publish = || {
        let subject = black_box("orders.eu.created");
        for _ in 0..BATCH {
            let publishing = client.publish(subject, "42").reply_to(black_box("replies.here"));
            publishing.now().expect("room");
        }
    };
    // The block that they are queued in grows first.
    publish();
    let region = Region::new(ALLOCATOR);
    publish();
    let times = since(&region).times;
    println!("{times} allocations for {BATCH} publishes of text");
    assert!(times <= 2, "{times} allocations");
    assert_eq!(client.publish_fates().accepted, 2 * BATCH as u64);
}

// behaviour: 7.1
fn no_message_allocates() {
    let mut hand = ByHand::unrecorded(ByHand::config(), "{\"headers\":true}");
    let sid = hand
        .client
        .subscribe(START, SubjectFilter::from_static("a.>"), None)
        .expect("open");
    hand.write(START);
    let text = [
        format!("MSG a.b {sid} 5\r\nhello\r\n"),
        format!("HMSG a.c {sid} reply 18 23\r\nNATS/1.0\r\na: b\r\n\r\nhello\r\n"),
        String::from("PING\r\n"),
    ];
    let text = text.concat().repeat(50);
    let mut messages = 0;
    let mut round = |hand: &mut ByHand| {
        hand.rx.buffer_mut().reserve(text.len());
        hand.read(text.as_bytes());
        while let Some(event) = hand.client.poll_event(after(1), &mut hand.rx) {
            if let Event::Message { message, .. } = black_box(event) {
                messages += 1;
                black_box(message);
            }
        }
        hand.write(after(1));
    };
    (0..5).for_each(|_| round(&mut hand));
    let region = Region::new(ALLOCATOR);
    (0..10).for_each(|_| round(&mut hand));
    let times = since(&region).times;
    assert_eq!((times, messages), (0, 1_500));
}

/// Also with the feature `tracing`, which the tests have: nobody subscribes to it here.
fn no_turn_of_a_driver_allocates() {
    const MESSAGES: usize = 100;
    let servers = ServerUrl::parse_list("nats://127.0.0.1:4222").expect("a URL");
    let prepared = ConnectOptions::with_adapter(servers, ())
        .prepare()
        .expect("usable");
    let (client, shared) = (prepared.client, prepared.parts.shared);
    let (action, _) = shared.drive(|turn| {
        let _ = turn.events(&mut ReceiveBuf::new(LinkId::from_u64(0)), usize::MAX);
        turn.action()
    });
    let Some(Action::Connect { link, .. }) = action else {
        panic!("it dials, and not {action:?}")
    };
    let (mut rx, mut tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    let mut turn = |bytes: &[u8]| {
        rx.buffer_mut().reserve(bytes.len());
        rx.buffer_mut().extend_from_slice(bytes);
        let (_, delivered) = shared.drive(|turn| {
            let _ = turn.events(&mut rx, usize::MAX);
            while turn.transmit(&mut tx) {
                tx.advance(tx.remaining());
            }
        });
        black_box(delivered.messages);
    };
    let _ = shared.drive(|turn| turn.connected(link));
    turn(b"INFO {}\r\n");
    turn(b"PONG\r\n");
    let mut subscription = client.subscribe(SubjectFilter::from_static("a.>")).expect("open");
    let text = "MSG a.b 1 5\r\nhello\r\n".repeat(MESSAGES);
    let mut taken = 0;
    let mut round = || {
        turn(text.as_bytes());
        while let Some(message) = subscription.try_next() {
            taken += 1;
            black_box(message);
        }
    };
    // As many as batches are remembered.
    (0..40).for_each(|_| round());
    let region = Region::new(ALLOCATOR);
    (0..10).for_each(|_| round());
    let times = since(&region).times;
    println!(
        "a driver: {times} allocations for {} messages in 10 turns",
        10 * MESSAGES
    );
    assert_eq!((times, taken), (0, 50 * MESSAGES));
}

// behaviour: 1.1
fn an_event_is_small() {
    println!("an event: {} bytes", size_of::<Event>());
    assert!(size_of::<Event>() <= 128, "{} bytes", size_of::<Event>());
    assert_eq!(size_of::<Timestamp>(), 8);
}
