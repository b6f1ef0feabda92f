//! What is told of publishes and requests that an end caught half way (behaviour 6.2, 6.5, 7.3).

use std::time::Duration;

use nats_conn_sm::{Delivery, DropReason, Event, Publish, RequestError, WhenFull};
use nats_conn_tests::by_hand::START;
use nats_proto::Subject;

use super::looking::{connected, dropped, end, publish};

const SECOND: Duration = Duration::from_secs(1);
const SUBJECT: Subject = Subject::from_static("a");
const VIOLATION: &[u8] = b"-ERR 'Maximum Payload Violation'\r\n";

// behaviour: 6.2, 6.5, 11.2
#[test]
fn at_least_once_what_was_written_is_unconfirmed_and_not_dropped_where_no_link_follows() {
    for closes in [true, false] {
        let mut hand = connected(|config| {
            config.delivery = Delivery::AtLeastOnce;
            config.reconnect = closes;
        });
        for _ in 0..3 {
            publish(&mut hand, 1);
        }
        hand.write(START);
        publish(&mut hand, 2);
        assert!(hand.client.poll_transmit(START, &mut hand.tx));
        if closes {
            hand.client.close(START);
        }
        let told = end(&mut hand);
        assert_eq!(dropped(&told), [(DropReason::Closed, vec![4..=4])]);
        let settles_some = told
            .iter()
            .any(|event| matches!(event, Event::Disconnected { unconfirmed, .. } if !unconfirmed.is_empty()));
        assert!(settles_some);
        let unconfirmed = told.iter().find_map(|event| match event {
            Event::Disconnected { unconfirmed, .. } => Some(unconfirmed.iter().collect::<Vec<_>>()),
            _ => None,
        });
        assert_eq!(unconfirmed, Some(vec![1..=3]));
        let fates = hand.client.publish_fates();
        assert_eq!((fates.unconfirmed, fates.dropped, fates.settled), (3, 1, 4));
    }
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
    let told = end(&mut hand);
    assert_eq!(dropped(&told), [(DropReason::TooLarge, vec![2..=2])]);
    let fates = hand.client.publish_fates();
    assert_eq!((fates.unconfirmed, fates.dropped, fates.settled), (2, 1, 3));
}

// behaviour: 7.3
#[test]
fn a_request_that_was_handed_out_is_never_said_not_to_be_written() {
    for (handed_out, expected) in [(true, true), (false, false)] {
        let mut hand = connected(|_| {});
        let asked = hand.client.request(START, Publish::new(&SUBJECT, "?"), SECOND);
        assert!(asked.is_ok());
        if handed_out {
            assert!(hand.client.poll_transmit(START, &mut hand.tx));
            hand.write_all();
        }
        hand.client.handle_timeout(START + SECOND);
        let told = hand.events(START + SECOND);
        let written = told.iter().find_map(|event| match event {
            Event::Response {
                result: Err(RequestError::TimedOut { written }),
                ..
            } => Some(*written),
            _ => None,
        });
        assert_eq!(written, Some(expected), "{told:?}");
    }
}

// behaviour: 7.3, 6.2
#[test]
fn a_request_that_an_earlier_link_took_is_unconfirmed_when_it_ends_before_the_next() {
    let mut hand = connected(|config| {
        config.delivery = Delivery::AtLeastOnce;
        config.requests_survive = true;
    });
    let request = hand.client.request(START, Publish::new(&SUBJECT, "?"), SECOND);
    hand.write(START);
    let told = end(&mut hand);
    let settles_none = told
        .iter()
        .any(|event| matches!(event, Event::Disconnected { unconfirmed, .. } if unconfirmed.is_empty()));
    assert!(settles_none, "it is sent again: {told:?}");
    assert_eq!(hand.client.publish_fates().queued, 1);
    assert!(hand.client.cancel_request(START, request.expect("made")));
    let fates = hand.client.publish_fates();
    assert_eq!((fates.queued, fates.unconfirmed, fates.dropped), (0, 1, 0));
}

// behaviour: 7.3, 6.6
#[test]
fn a_request_for_which_there_is_no_room_subscribes_to_nothing() {
    let long = Subject::new(&"s".repeat(4_080)).expect("a subject");
    let mut hand = connected(|config| config.send_buffer = 100);
    publish(&mut hand, 80);
    let queued = hand.client.queued();
    for subject in [&SUBJECT, &long] {
        let refused = hand.client.request(START, Publish::new(subject, "?"), SECOND);
        assert!(refused.is_err());
        assert_eq!(hand.client.queued(), queued, "no SUB");
    }
    hand.write(START);
    hand.client
        .request(START, Publish::new(&SUBJECT, "?"), SECOND)
        .expect("room");
}

// behaviour: 7.3, 6.5
#[test]
fn a_hundred_thousand_requests_that_go_on_waiting_are_queued_again_in_a_moment() {
    let mut hand = connected(|config| {
        config.delivery = Delivery::AtLeastOnce;
        config.requests_survive = true;
        config.send_buffer = 64 << 20;
    });
    for _ in 0..100_000 {
        hand.client
            .request(START, Publish::new(&SUBJECT, "?"), SECOND)
            .expect("room");
    }
    hand.write(START);
    let began = std::time::Instant::now();
    end(&mut hand);
    assert_eq!(hand.client.publish_fates().queued, 100_000);
    let took = began.elapsed();
    assert!(
        took < 5 * SECOND,
        "{took:?}: one look at the table for each of them takes minutes"
    );
}

// behaviour: 6.6, 7.3
#[test]
fn a_request_that_makes_room_by_dropping_another_one_times_out_like_any_other() {
    let mut hand = connected(|config| {
        config.when_full = WhenFull::DropOldest;
        config.send_buffer = 300;
    });
    let (question, short) = ([b'?'; 150], [b'?'; 20]);
    // The place of the first in the table of requests is free again before the third has taken its own.
    for timeout in [3, 2] {
        let asked = hand
            .client
            .request(START, Publish::new(&SUBJECT, &short[..]), timeout * SECOND);
        assert!(asked.is_ok());
    }
    let asked = hand
        .client
        .request(START, Publish::new(&SUBJECT, &question[..]), SECOND)
        .unwrap();
    let dropped = hand.events(START);
    let count = |told: &[Event], wanted: RequestError| {
        let is_it =
            |event: &&Event| matches!(event, Event::Response { result: Err(error), .. } if *error == wanted);
        told.iter().filter(is_it).count()
    };
    assert_eq!(count(&dropped, RequestError::Dropped), 1, "{dropped:?}");
    let late = START + SECOND;
    hand.client.handle_timeout(late);
    let told = hand.events(late);
    assert!(
        told.iter()
            .any(|event| matches!(event, Event::Response { request, .. } if *request == asked)),
        "{told:?}"
    );
    assert!(hand.client.poll_timeout().is_some_and(|at| at > late));
}
