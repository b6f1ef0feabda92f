//! What is written together, in which order, and when there is nothing to write: as a driver sees it
//! (behaviour 5, 6.6).

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::{
    Action, ConnectionEvent, Delivery, DropReason, EndReason, Event, LinkEnd, Publish, ReceiveBuf, RequestId,
    SendBuf, WhenFull,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_proto::{Sid, Subject, SubjectFilter};

use super::support::{INFO, connected};

const SECOND: Duration = Duration::from_secs(1);
static SUBJECT: Subject = Subject::from_static("a");

/// A publish whose whole frame has so many bytes.
fn publish(hand: &mut ByHand, frame: usize) {
    let around = |payload: usize| format!("PUB a {payload}\r\n\r\n").len();
    let payload = (0..=frame)
        .rev()
        .find(|payload| payload + around(*payload) == frame);
    let payload = vec![b'x'; payload.expect("a frame may have this length")];
    hand.client
        .publish(Publish::new(&SUBJECT, &payload[..]))
        .expect("room");
}

fn request(hand: &mut ByHand) -> RequestId {
    let request = Publish::new(&SUBJECT, "?");
    hand.client.request(START, request, SECOND).expect("room")
}

fn subscribe(hand: &mut ByHand, filter: &str) -> Sid {
    let filter = SubjectFilter::new(filter).expect("a filter");
    hand.client.subscribe(START, filter, None).expect("open")
}

/// The next block.
fn block(hand: &mut ByHand) -> Option<String> {
    if !hand.client.poll_transmit(START, &mut hand.tx) {
        return None;
    }
    let bytes: Vec<u8> = hand.tx.chunks().flatten().copied().collect();
    hand.write_all();
    Some(String::from_utf8(bytes).expect("text"))
}

/// The names of the frames in a block without payloads that look like frames.
fn names(block: &str) -> Vec<&str> {
    let known = ["SUB", "UNSUB", "PUB", "PING", "PONG"];
    block
        .split("\r\n")
        .filter_map(|line| line.split(' ').next().filter(|name| known.contains(name)))
        .collect()
}

/// The link ends with what is left in the driver's hand, and there is a session on the next one.
fn reconnect(hand: &mut ByHand) {
    end(hand);
    connect_again(hand);
}

fn end(hand: &mut ByHand) {
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START);
}

/// The next attempt reaches its PONG.
fn connect_again(hand: &mut ByHand) {
    connect_to(hand, INFO);
}

fn connect_to(hand: &mut ByHand, info: &str) {
    let due = hand.client.poll_timeout().expect("it waits").max(START);
    hand.client.handle_timeout(due);
    hand.events(due);
    let Some(Action::Connect { link, .. }) = hand.client.poll_action() else {
        panic!("it dials again")
    };
    hand.client.handle_connected(due, link);
    (hand.rx, hand.tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    hand.read(format!("INFO {info}\r\n").as_bytes());
    hand.events(due);
    assert!(block(hand).is_some_and(|block| block.starts_with("CONNECT ")));
    hand.read(b"PONG\r\n");
    hand.events(due);
}

// behaviour: 6.6, 7.3
#[test]
fn where_all_that_was_queued_is_taken_back_there_is_nothing_to_write() {
    for count in [1, 2, 3, 4_000] {
        let mut hand = connected(|_| {});
        let inbox = request(&mut hand);
        hand.write(START);
        assert!(hand.client.cancel_request(START, inbox));
        let requests: Vec<RequestId> = (0..count).map(|_| request(&mut hand)).collect();
        assert!(hand.client.wants_transmit());
        for request in requests {
            assert!(hand.client.cancel_request(START, request));
        }
        assert_eq!(hand.client.queued(), 0);
        assert!(!hand.client.wants_transmit(), "of {count}");
        assert_eq!(block(&mut hand), None);
    }
}

// behaviour: 6.4, 5.1
#[test]
fn what_was_handed_out_is_sent_first_on_the_next_link_and_the_queue_follows() {
    let mut hand = connected(|_| {});
    for _ in 0..100 {
        publish(&mut hand, 20);
    }
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    for _ in 0..8 {
        publish(&mut hand, 32_768);
    }
    subscribe(&mut hand, "b");
    end(&mut hand);
    assert!(!hand.client.wants_transmit(), "there is no link");
    assert_eq!(hand.client.publish_fates().queued, 108);
    connect_again(&mut hand);
    assert!(hand.client.wants_transmit());
    assert_eq!(names(&block(&mut hand).expect("interest")), ["SUB", "PING"]);
    assert!(hand.client.wants_transmit(), "what was queued again");
    assert_eq!(names(&block(&mut hand).expect("a block")).len(), 100);
    for _ in 0..4 {
        assert!(hand.client.wants_transmit());
        assert_eq!(names(&block(&mut hand).expect("a block")), ["PUB", "PUB"]);
    }
    assert_eq!(block(&mut hand), None);
    assert_eq!(hand.client.publish_fates().written, 108);
}

// behaviour: 11.2
#[test]
fn a_close_also_writes_what_was_queued_again() {
    let mut hand = connected(|_| {});
    publish(&mut hand, 20);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    reconnect(&mut hand);
    hand.client.close(START);
    assert_eq!(names(&block(&mut hand).expect("a block")), ["PUB"]);
    assert_eq!(block(&mut hand), None);
    let left = std::iter::from_fn(|| hand.client.poll_action());
    assert_eq!(
        left.filter(|action| matches!(action, Action::Disconnect { .. }))
            .count(),
        1
    );
}

// behaviour: 5.1
#[test]
fn a_thousand_subscriptions_are_restored_in_one_block() {
    let mut hand = connected(|_| {});
    for number in 0..1_000 {
        subscribe(&mut hand, &format!("s.{number}"));
    }
    reconnect(&mut hand);
    let block = block(&mut hand).expect("interest");
    assert_eq!(names(&block).len(), 1_001, "and a PING");
}

// behaviour: 5.1
#[test]
fn a_subscription_that_is_not_restored_yet_needs_no_unsub() {
    let mut hand = connected(|_| {});
    let (first, second) = (subscribe(&mut hand, "first"), subscribe(&mut hand, "second"));
    reconnect(&mut hand);
    hand.client.unsubscribe(START, first).expect("known");
    let interest = block(&mut hand).expect("interest");
    assert_eq!(interest, format!("SUB second {second}\r\nPING\r\n"));
    assert_eq!(block(&mut hand), None);
}

// behaviour: 6.6
#[test]
fn nothing_is_handed_out_into_the_buffer_of_another_link_nor_on_top_of_something() {
    let mut hand = connected(|_| {});
    publish(&mut hand, 20);
    let mut foreign = SendBuf::new(nats_conn_sm::LinkId::from_u64(99));
    assert!(!hand.client.poll_transmit(START, &mut foreign));
    assert_eq!(foreign.remaining(), 0);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    publish(&mut hand, 20);
    assert!(
        !hand.client.poll_transmit(START, &mut hand.tx),
        "it is not written yet"
    );
    assert_eq!(hand.tx.remaining(), 20);
}

// behaviour: 6.5
#[test]
fn exactly_64_kib_leave_before_the_ping_that_confirms_them() {
    let mut hand = connected(|config| config.delivery = Delivery::AtLeastOnce);
    for _ in 0..2 {
        publish(&mut hand, 32_768);
        assert_eq!(names(&block(&mut hand).expect("a block")), ["PUB"]);
    }
    assert_eq!(names(&block(&mut hand).expect("a block")), ["PING"]);
    assert_eq!(block(&mut hand), None);
}

// behaviour: 6.6
#[test]
fn drop_oldest_drops_what_follows_a_block_of_subscriptions_and_for_a_frame_larger_than_the_buffer() {
    let mut hand = connected(|config| {
        config.when_full = WhenFull::DropOldest;
        config.send_buffer = 1_000;
    });
    for number in 0..5_000 {
        subscribe(&mut hand, &format!("subject.{number}"));
    }
    for frame in [20, 990, 2_000] {
        publish(&mut hand, frame);
    }
    let dropped: Vec<_> = hand
        .events(START)
        .into_iter()
        .filter_map(|event| match event {
            Event::Connection(ConnectionEvent::PublishDropped {
                publishes, reason, ..
            }) => Some((reason, publishes.iter().collect::<Vec<_>>())),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, [(DropReason::Overflow, vec![1..=2])]);
    assert_eq!(hand.client.publish_fates().queued, 1);
}

// behaviour: 7.5
#[test]
fn a_keep_alive_proves_the_subscriptions_before_it_whatever_left_their_block() {
    for cancels in [false, true] {
        let mut hand = connected(|config| config.confirm_after = None);
        let asked = request(&mut hand);
        let sid = subscribe(&mut hand, "denied");
        if cancels {
            assert!(hand.client.cancel_request(START, asked));
        }
        hand.write(START);
        let later = START + 120 * SECOND;
        hand.client.handle_timeout(later);
        hand.events(later);
        assert_eq!(block(&mut hand).as_deref(), Some("PING\r\n"), "the keep-alive");
        hand.write(later);
        hand.read(b"PONG\r\n-ERR 'Permissions Violation for Subscription to \"denied\"'\r\n");
        let reported = hand.events(later);
        assert!(
            !reported.iter().any(|event| matches!(
                event,
                Event::SubscriptionEnded { subscription, reason: EndReason::Refused } if *subscription == sid
            )),
            "it was accepted before: {reported:?}"
        );
        assert!(
            reported.iter().any(|event| matches!(
                event,
                Event::Connection(ConnectionEvent::PermissionDenied {
                    subscription: None,
                    ..
                })
            )),
            "{reported:?}"
        );
    }
}

// behaviour: 6.3, 11.2
#[test]
fn a_flush_that_close_has_failed_is_not_reported_again_at_its_pong() {
    let mut hand = connected(|_| {});
    hand.client.flush(START).expect("a session");
    hand.client.close(START);
    publish_refused(&mut hand);
    hand.write(START);
    hand.read(b"PONG\r\n");
    let mut reported = hand.events(START);
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    reported.extend(hand.events(START));
    let flushed = reported
        .iter()
        .filter(|event| matches!(event, Event::Flushed { .. }));
    assert_eq!(flushed.count(), 1, "{reported:?}");
}

fn publish_refused(hand: &mut ByHand) {
    let refused = hand.client.publish(Publish::new(&SUBJECT, "x"));
    assert!(refused.is_err(), "it closes");
}

// behaviour: 2.3, 5.4
#[test]
fn wants_transmit_is_true_when_connect_is_due_and_never_after_the_end_of_the_link() {
    let mut hand = ByHand::dialled(ByHand::config());
    assert!(!hand.client.wants_transmit(), "INFO is awaited");
    hand.read(format!("INFO {INFO}\r\n").as_bytes());
    hand.events(START);
    assert!(hand.client.wants_transmit(), "CONNECT");
    hand.write(START);
    hand.read(b"PONG\r\n");
    hand.events(START);
    publish(&mut hand, 20);
    assert!(hand.client.wants_transmit());
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    assert!(!hand.client.wants_transmit(), "its end has not been reported yet");
}

// behaviour: 5.3, 6.4
#[test]
fn messages_with_headers_wait_for_a_server_that_takes_them_and_are_dropped_for_one_that_does_not() {
    let mut headers = nats_proto::Headers::new();
    headers.append("Key", "value").expect("a header");
    for takes in [true, false] {
        for cut in [false, true] {
            let mut hand = connected(|_| {});
            if !cut {
                end(&mut hand);
            }
            let message = Publish::new(&SUBJECT, "x").with_headers(&headers);
            hand.client.publish(message).expect("room");
            if cut {
                assert!(hand.client.poll_transmit(START, &mut hand.tx));
                end(&mut hand);
            }
            connect_to(
                &mut hand,
                &INFO.replace("true", if takes { "true" } else { "false" }),
            );
            let fates = hand.client.publish_fates();
            assert_eq!(
                (fates.queued, fates.dropped),
                if takes { (1, 0) } else { (0, 1) },
                "cut: {cut}"
            );
        }
    }
}

// behaviour: 6.2
#[test]
fn what_was_dropped_is_settled_while_what_was_published_around_it_is_queued() {
    let mut hand = connected(|config| {
        config.when_full = WhenFull::DropOldest;
        config.send_buffer = 100;
    });
    publish(&mut hand, 50);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    for _ in 0..3 {
        publish(&mut hand, 25);
    }
    let fates: Vec<_> = (1..=5)
        .map(|number| hand.client.fate(nats_conn_sm::PublishSeq::from_u64(number)))
        .collect();
    let (queued, settled) = (
        Some(nats_conn_sm::Fate::Queued),
        Some(nats_conn_sm::Fate::Settled),
    );
    assert_eq!(fates, [queued, settled, queued, queued, None]);
}

// behaviour: 6.6
#[test]
fn a_block_may_be_filled_to_its_last_byte() {
    for (more, first) in [(0, 65_536), (1, 32_768)] {
        let mut hand = connected(|_| {});
        publish(&mut hand, 32_768);
        publish(&mut hand, 32_768 + more);
        assert!(hand.client.poll_transmit(START, &mut hand.tx));
        assert_eq!(hand.tx.remaining(), first);
    }
}
