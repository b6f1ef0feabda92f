//! `Maximum Payload Violation`: the largest message of the link is dropped, and nothing else (behaviour 5.3).

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::{
    Action, ConnectionEvent, Delivery, DropReason, Event, LinkEnd, Publish, ReceiveBuf, SendBuf,
};
use nats_conn_tests::by_hand::START;
use nats_proto::Subject;

use super::support::{INFO, at_least_once, connected, dropped, end, publish};

const SECOND: Duration = Duration::from_secs(1);
const VIOLATION: &[u8] = b"-ERR 'Maximum Payload Violation'\r\n";

// behaviour: 5.3; edge: 79
#[test]
fn the_largest_message_of_a_violated_link_leaves_the_others_unconfirmed() {
    let mut hand = connected(|_| {});
    for size in [10, 10, 5000] {
        publish(&mut hand, size);
    }
    hand.write(START);
    hand.read(VIOLATION);
    let reported = end(&mut hand);
    assert_eq!(dropped(&reported), [(DropReason::TooLarge, vec![3..=3])]);
    let unconfirmed = reported.iter().find_map(|event| match event {
        Event::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) => {
            Some(unconfirmed.iter().collect::<Vec<_>>())
        }
        _ => None,
    });
    assert_eq!(unconfirmed, Some(vec![1..=2]));
    let fates = hand.client.publish_fates();
    assert_eq!(
        (fates.dropped, fates.unconfirmed, fates.queued, fates.written),
        (1, 2, 0, 0)
    );
}

// behaviour: 5.3, 5.4; edge: 79
#[test]
fn a_message_of_which_no_byte_left_is_not_what_the_server_refused() {
    let mut hand = connected(|_| {});
    publish(&mut hand, 100);
    publish(&mut hand, 5000);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    hand.tx.advance("PUB a 100\r\n\r\n".len() + 100);
    hand.read(VIOLATION);
    let reported = end(&mut hand);
    assert_eq!(dropped(&reported), [(DropReason::TooLarge, vec![1..=1])]);
    assert_eq!(hand.client.publish_fates().queued, 1);
}

// behaviour: 5.3, 5.4
#[test]
fn the_largest_message_is_known_also_among_those_that_were_queued_again() {
    let mut hand = connected(|_| {});
    for size in [10, 5000, 20] {
        publish(&mut hand, size);
    }
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    end(&mut hand);
    let now = hand.client.poll_timeout().expect("a backoff");
    hand.client.handle_timeout(now);
    let link = loop {
        if let Action::Connect { link, .. } = hand.client.poll_action().expect("it dials") {
            break link;
        }
    };
    (hand.rx, hand.tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    hand.client.handle_connected(now, link);
    hand.read(format!("INFO {INFO}\r\n").as_bytes());
    hand.events(now);
    hand.write(now);
    hand.read(b"PONG\r\n");
    hand.events(now);
    hand.write(now);
    hand.read(VIOLATION);
    assert_eq!(dropped(&end(&mut hand)), [(DropReason::TooLarge, vec![2..=2])]);
}

// behaviour: 5.3, 6.5
#[test]
fn at_least_once_what_ended_the_last_link_is_dropped_as_too_large_and_the_rest_unconfirmed() {
    let mut hand = connected(|config| {
        config.delivery = Delivery::AtLeastOnce;
        config.reconnect = false;
    });
    for size in [10, 1_000, 20] {
        publish(&mut hand, size);
    }
    hand.write(START);
    hand.read(VIOLATION);
    hand.events(START);
    let reported = end(&mut hand);
    assert_eq!(dropped(&reported), [(DropReason::TooLarge, vec![2..=2])]);
    let fates = hand.client.publish_fates();
    assert_eq!((fates.unconfirmed, fates.dropped, fates.settled), (2, 1, 3));
}

// behaviour: 5.3; edge: 79
#[test]
fn the_largest_message_is_dropped_even_if_a_larger_one_was_removed_from_its_block() {
    let mut hand = at_least_once();
    let (larger, large) = (vec![b'x'; 30_000], vec![b'y'; 20_000]);
    let subject = Subject::from_static("a");
    let request = hand
        .client
        .request(START, Publish::new(&subject, &larger[..]), 60 * SECOND)
        .expect("made");
    hand.client
        .publish(Publish::new(&subject, &large[..]))
        .expect("room");
    assert!(hand.client.cancel_request(START, request));
    hand.write(START);
    hand.read(b"-ERR 'Maximum Payload Violation'\r\n");
    hand.events(START);
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    let dropped = hand.events(START).into_iter().find_map(|event| match event {
        Event::Connection(ConnectionEvent::PublishDropped {
            reason, publishes, ..
        }) => Some((reason, publishes.count())),
        _ => None,
    });
    assert_eq!(dropped, Some((DropReason::TooLarge, 1)));
    assert_eq!(hand.client.publish_fates().queued, 0);
}
