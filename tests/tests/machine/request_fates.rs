//! What becomes of the publish of a request when the request or its link ends first (behaviour 6.2, 6.5, 7.3).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Delivery, Event, Publish, RequestError, WhenFull};
use nats_conn_tests::by_hand::START;
use nats_proto::Subject;

use super::support::{SUBJECT, connected, end, publish};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 7.3
#[test]
fn a_request_that_was_handed_out_is_never_reported_as_not_written() {
    for (handed_out, expected) in [(true, true), (false, false)] {
        let mut hand = connected(|_| {});
        let asked = hand.client.request(START, Publish::new(&SUBJECT, "?"), SECOND);
        assert!(asked.is_ok());
        if handed_out {
            assert!(hand.client.poll_transmit(START, &mut hand.tx));
            hand.write_all();
        }
        hand.client.handle_timeout(START + SECOND);
        let reported = hand.events(START + SECOND);
        let written = reported.iter().find_map(|event| match event {
            Event::Response {
                result: Err(RequestError::TimedOut { written }),
                ..
            } => Some(*written),
            _ => None,
        });
        assert_eq!(written, Some(expected), "{reported:?}");
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
    let reported = end(&mut hand);
    let settles_none = reported
        .iter()
        .any(|event| matches!(event, Event::Connection(ConnectionEvent::Disconnected { unconfirmed, .. }) if unconfirmed.is_empty()));
    assert!(settles_none, "it is sent again: {reported:?}");
    assert_eq!(hand.client.publish_fates().queued, 1);
    assert!(hand.client.cancel_request(START, request.expect("made")));
    let fates = hand.client.publish_fates();
    assert_eq!((fates.queued, fates.unconfirmed, fates.dropped), (0, 1, 0));
}

// behaviour: 7.3, 6.6
#[test]
fn a_request_for_which_there_is_no_room_makes_no_subscription() {
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
fn a_hundred_thousand_requests_that_keep_waiting_are_queued_again_in_a_moment() {
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
    let count = |reported: &[Event], wanted: RequestError| {
        let is_it =
            |event: &&Event| matches!(event, Event::Response { result: Err(error), .. } if *error == wanted);
        reported.iter().filter(is_it).count()
    };
    assert_eq!(count(&dropped, RequestError::Dropped), 1, "{dropped:?}");
    let late = START + SECOND;
    hand.client.handle_timeout(late);
    let reported = hand.events(late);
    assert!(
        reported
            .iter()
            .any(|event| matches!(event, Event::Response { request, .. } if *request == asked)),
        "{reported:?}"
    );
    assert!(hand.client.poll_timeout().is_some_and(|at| at > late));
}

// behaviour: 5.4, 7.3
#[test]
fn a_request_that_was_not_wholly_written_stays_queued_while_it_is_pending() {
    for cancelled in [false, true] {
        let mut hand = connected(|_| {});
        let request = hand
            .client
            .request(START, Publish::new(&SUBJECT, "?"), 60 * SECOND)
            .expect("made");
        assert!(hand.client.poll_transmit(START, &mut hand.tx));
        if cancelled {
            assert!(hand.client.cancel_request(START, request));
        }
        let reported = end(&mut hand);
        let fates = hand.client.publish_fates();
        assert_eq!(
            (fates.queued, fates.dropped),
            if cancelled { (0, 1) } else { (1, 0) }
        );
        assert!(
            !reported
                .iter()
                .any(|event| matches!(event, Event::Response { .. }))
        );
    }
}

// behaviour: 7.3
#[test]
fn a_request_in_the_drivers_hand_may_have_been_written() {
    let mut hand = connected(|_| {});
    let asked = hand.client.request(START, Publish::new(&SUBJECT, "?"), SECOND);
    assert!(asked.is_ok());
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    hand.client.handle_timeout(START + SECOND);
    let reported = hand.events(START + SECOND);
    let is_written = |event: &Event| {
        matches!(
            event,
            Event::Response {
                result: Err(RequestError::TimedOut { written: true }),
                ..
            }
        )
    };
    assert!(reported.iter().any(is_written), "{reported:?}");
}
