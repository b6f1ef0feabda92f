//! Requests: one answer each, whatever happens (behaviour 7.3).

use std::time::Duration;

use nats_conn_sm::{
    Event, Publish, PublishError, RepliesEnd, RequestError, RequestId, RequestMany, RequestStartError,
    WhenFull,
};
use nats_conn_tests::by_hand::{ByHand, START, after};
use nats_conn_tests::model_server::Op;
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;
use nats_proto::Subject;

const SECOND: Duration = Duration::from_secs(1);

/// What came of a request: the payload of its reply, or why there is none.
fn outcome(world: &World, id: RequestId) -> Option<Result<Vec<u8>, RequestError>> {
    world.events.iter().find_map(|(_, event)| match event {
        Event::Response { request, result } if *request == id => Some(
            result
                .as_ref()
                .map(|message| message.payload().to_vec())
                .map_err(|error| *error),
        ),
        _ => None,
    })
}

/// The reply subjects of the publishes on the present link, in order.
fn reply_subjects(world: &World) -> Vec<String> {
    let reply = |op: &Op| match op {
        Op::Publish { reply, .. } => reply.clone(),
        _ => None,
    };
    world
        .log()
        .frames
        .iter()
        .filter_map(|frame| reply(&frame.op))
        .collect()
}

/// A world with a responder on `q` that never answers by itself.
fn with_listener() -> World {
    let mut world = Scenario::new(1).connected();
    world.subscribe("q");
    world.run_for(5 * SECOND);
    world
}

// behaviour: 7.3
#[test]
fn a_request_that_is_refused_subscribes_to_nothing() {
    let mut world = Scenario::new(1)
        .config(|config| config.when_full = WhenFull::Off)
        .connected();
    world.crash(0);
    world.run_for(Duration::from_millis(10));
    let refused = world.request("q", b"?", SECOND);
    assert_eq!(
        refused,
        Err(RequestStartError::Publish(PublishError::NotConnected))
    );
    world.restart(0);
    world.run_for(5 * SECOND);
    assert!(!world.log().names().contains(&"SUB"), "{:?}", world.log().names());
}

// behaviour: 7.3; edge: 124
#[test]
fn the_first_reply_wins_and_later_and_foreign_ones_are_dropped() {
    let mut world = with_listener();
    let first = world.request("q", b"?", 10 * SECOND).expect("made");
    let second = world.request("q", b"?", 10 * SECOND).expect("made");
    world.run_for(SECOND);
    let replies = reply_subjects(&world);
    let (prefix, _) = replies[0].rsplit_once('.').expect("a token");
    for (subject, payload) in [
        (format!("{prefix}.999999"), "foreign"),
        (format!("{prefix}.no-number"), "foreign"),
        (format!("{prefix}.1.2"), "foreign"),
        (replies[1].clone(), "second"),
        (replies[0].clone(), "first"),
        (replies[0].clone(), "again"),
    ] {
        world.cluster.publish(&subject, None, payload.as_bytes());
    }
    world.run_for(SECOND);
    assert_eq!(outcome(&world, first), Some(Ok(b"first".to_vec())));
    assert_eq!(outcome(&world, second), Some(Ok(b"second".to_vec())));
    assert_eq!(world.client.statistics().requests, 0);
}

// behaviour: 7.3
#[test]
fn all_requests_share_one_inbox_that_is_subscribed_on_first_use() {
    let mut world = with_listener();
    assert_eq!(
        world.log().names(),
        ["CONNECT", "PING", "SUB"],
        "only that of the listener"
    );
    for _ in 0..5 {
        world.request("q", b"?", SECOND).expect("made");
    }
    world.run_for(Duration::from_millis(100));
    let inbox: Vec<&Op> = world.log().frames[3..]
        .iter()
        .map(|frame| &frame.op)
        .filter(|op| op.name() == "SUB")
        .collect();
    let [
        Op::Subscribe {
            filter, queue: None, ..
        },
    ] = inbox.as_slice()
    else {
        panic!("{inbox:?}")
    };
    let (prefix, token) = filter
        .strip_suffix(".*")
        .expect("wildcard")
        .split_once('.')
        .expect("a token");
    assert_eq!(prefix, "_INBOX");
    assert!(token.len() >= 16 && !token.contains('.'), "{token}");
    let replies = reply_subjects(&world);
    assert_eq!(replies.len(), 5);
    assert!(
        replies
            .iter()
            .all(|reply| reply.starts_with(&format!("{prefix}.{token}.")))
    );
    world.run_for(5 * SECOND);
}

// behaviour: 7.3
#[test]
fn the_prefix_of_the_inbox_can_be_set() {
    let mut world = Scenario::new(1)
        .config(|config| config.inbox_prefix = Subject::from_static("my.in"))
        .connected();
    world.request("q", b"?", SECOND).expect("made");
    world.run_for(5 * SECOND);
    assert!(reply_subjects(&world)[0].starts_with("my.in."));
}

// behaviour: 7.3; edge: 30, 125, 128
#[test]
fn a_request_nobody_listens_to_is_no_responders_at_once_even_verbose_pedantic_and_without_echo() {
    for (verbose, echo) in [(false, true), (true, true), (false, false)] {
        let mut world = Scenario::new(1)
            .config(|config| {
                config.verbose = verbose;
                config.pedantic = verbose;
                config.echo = echo;
            })
            .connected();
        world.subscribe("somebody.else");
        world.run_for(SECOND);
        let asked = world.now();
        let request = world.request("nobody", b"?", 10 * SECOND).expect("made");
        let (at, _) = world.wait("response");
        assert_eq!(outcome(&world, request), Some(Err(RequestError::NoResponders)));
        assert_eq!(at.since(asked), Duration::from_millis(2), "one round trip");
    }
}

// behaviour: 7.3; edge: 31
#[test]
fn a_503_with_a_payload_is_an_ordinary_reply() {
    let mut world = with_listener();
    let request = world.request("q", b"?", 10 * SECOND).expect("made");
    world.run_for(SECOND);
    let reply = reply_subjects(&world).remove(0);
    world
        .cluster
        .publish_with_headers(&reply, None, b"NATS/1.0 503\r\n\r\n", b"busy");
    world.run_for(SECOND);
    assert_eq!(outcome(&world, request), Some(Ok(b"busy".to_vec())));
}

// behaviour: 7.3
#[test]
fn a_request_times_out_at_its_deadline_and_a_late_reply_is_dropped() {
    let mut world = with_listener();
    let asked = world.now();
    let request = world.request("q", b"?", 3 * SECOND).expect("made");
    let (at, _) = world.wait("response");
    assert_eq!(at.since(asked), 3 * SECOND);
    assert_eq!(
        outcome(&world, request),
        Some(Err(RequestError::TimedOut { written: true }))
    );
    let reply = reply_subjects(&world).remove(0);
    world.cluster.publish(&reply, None, b"late");
    world.run_for(SECOND);
    assert_eq!(world.count("response"), 1);
    assert_eq!(world.client.statistics().requests, 0);
}

// behaviour: 7.3
#[test]
fn a_cancelled_request_gets_no_event_and_its_reply_is_dropped() {
    let mut world = with_listener();
    let request = world.request("q", b"?", 3 * SECOND).expect("made");
    world.run_for(SECOND);
    assert!(world.cancel_request(request));
    assert!(!world.cancel_request(request), "once");
    world
        .cluster
        .publish(&reply_subjects(&world)[0].clone(), None, b"late");
    world.run_for(10 * SECOND);
    assert_eq!(world.count("response"), 0);
}

// behaviour: 7.3; edge: 67
#[test]
fn a_disconnect_fails_at_once_what_was_written_and_keeps_what_is_queued() {
    let mut world = with_listener();
    let written = world.request("q", b"written", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    world.pipe().deaf = true;
    world.routes[0].send_room = 0;
    let queued = world.request("q", b"queued", 60 * SECOND).expect("made");
    world.settle();
    world.crash(0);
    world.wait("disconnected");
    world.settle();
    assert_eq!(
        outcome(&world, written),
        Some(Err(RequestError::Disconnected { written: true }))
    );
    assert_eq!(outcome(&world, queued), None);
    world.routes[0].send_room = 1 << 20;
    world.restart(0);
    world.wait("resubscribed");
    world.run_for(SECOND);
    let reply = reply_subjects(&world).remove(0);
    world.cluster.publish(&reply, None, b"answer");
    world.run_for(SECOND);
    assert_eq!(outcome(&world, queued), Some(Ok(b"answer".to_vec())));
    assert_eq!(world.log().publishes().count(), 1);
}

// behaviour: 7.3; edge: 67
#[test]
fn with_requests_survive_a_written_one_keeps_waiting() {
    let mut world = Scenario::new(1)
        .config(|config| config.requests_survive = true)
        .connected();
    world.subscribe("q");
    world.run_for(5 * SECOND);
    let request = world.request("q", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    let reply = reply_subjects(&world).remove(0);
    world.crash(0);
    world.restart(0);
    world.wait("resubscribed");
    assert_eq!(outcome(&world, request), None);
    world.cluster.publish(&reply, None, b"answer");
    world.run_for(SECOND);
    assert_eq!(outcome(&world, request), Some(Ok(b"answer".to_vec())));
}

// behaviour: 6.5, 7.3
#[test]
fn frames_of_requests_are_not_sent_again_unless_the_request_keeps_waiting() {
    for survive in [false, true] {
        let mut world = Scenario::new(1)
            .config(|config| {
                config.delivery = nats_conn_sm::Delivery::AtLeastOnce;
                config.requests_survive = survive;
            })
            .connected();
        world.subscribe("q");
        world.run_for(5 * SECOND);
        world.pipe().mute = true;
        world.request("q", b"request", 60 * SECOND).expect("made");
        world.publish("q", b"publish").expect("room");
        world.run_for(Duration::from_millis(10));
        world.pipe().mute = false;
        world.crash(0);
        world.restart(0);
        world.wait("resubscribed");
        world.run_for(SECOND);
        let again: Vec<&[u8]> = world.log().publishes().map(|(_, payload)| payload).collect();
        let expected: &[&[u8]] = if survive {
            &[b"request", b"publish"]
        } else {
            &[b"publish"]
        };
        assert_eq!(again, expected, "survive: {survive}");
    }
}

// behaviour: 7.3
#[test]
fn a_request_without_a_link_is_queued_and_its_deadline_runs() {
    let mut world = with_listener();
    world.crash(0);
    world.wait("disconnected");
    let asked = world.now();
    let short = world.request("q", b"short", SECOND).expect("queued");
    let long = world.request("q", b"long", 60 * SECOND).expect("queued");
    let (at, _) = world.wait("response");
    assert_eq!(at.since(asked), SECOND);
    assert_eq!(
        outcome(&world, short),
        Some(Err(RequestError::TimedOut { written: false }))
    );
    world.restart(0);
    world.wait("resubscribed");
    world.run_for(SECOND);
    assert_eq!(
        world
            .log()
            .publishes()
            .map(|(_, payload)| payload)
            .collect::<Vec<_>>(),
        [b"long"]
    );
    world
        .cluster
        .publish(&reply_subjects(&world)[0].clone(), None, b"answer");
    world.run_for(SECOND);
    assert_eq!(outcome(&world, long), Some(Ok(b"answer".to_vec())));
}

// behaviour: 7.3, 6.2
#[test]
fn a_request_that_is_settled_before_its_frame_left_is_not_sent_and_counts_as_dropped_without_an_event() {
    let mut world = with_listener();
    world.pipe().deaf = true;
    world.routes[0].send_room = 0;
    world.publish("q", b"blocks").expect("room");
    world.settle();
    let cancelled = world.request("q", b"cancelled", 60 * SECOND).expect("made");
    world.request("q", b"timed out", SECOND).expect("made");
    world.publish("q", b"behind").expect("room");
    assert!(world.cancel_request(cancelled));
    world.wait("response");
    world.pipe().deaf = false;
    world.routes[0].send_room = 1 << 20;
    world.run_for(SECOND);
    let sent: Vec<&[u8]> = world.log().publishes().map(|(_, payload)| payload).collect();
    assert_eq!(sent, [b"blocks", b"behind"]);
    let fates = world.client.publish_fates();
    assert_eq!(
        (fates.dropped, world.count("publish_dropped")),
        (2, 0),
        "{fates:?}"
    );
}

// behaviour: 7.5; edge: 116
#[test]
fn a_reply_subject_that_is_refused_ends_the_one_request_that_it_belongs_to() {
    let mut world = with_listener();
    let [refused, other] = [1, 2].map(|_| world.request("q", b"?", 60 * SECOND).expect("made"));
    world.run_for(SECOND);
    let subject = reply_subjects(&world).remove(0);
    for text in [subject.as_str(), "_INBOX.somebody.else.1"] {
        world.send(&format!(
            "-ERR 'Permissions Violation for Publish with Reply of \"{text}\"'\r\n"
        ));
    }
    world.run_for(SECOND);
    assert_eq!(outcome(&world, refused), Some(Err(RequestError::Refused)));
    assert_eq!(outcome(&world, other), None);
    assert_eq!(world.count("permission_denied"), 2);
}

// behaviour: 7.5; edge: 126
#[test]
fn a_refused_inbox_ends_all_pending_requests_and_is_tried_again_only_after_a_wait_that_doubles() {
    let mut world = with_listener();
    world.cluster.settings_mut(0).deny_subscribe = vec!["_INBOX.>".into()];
    let requests = [1, 2].map(|_| world.request("q", b"?", 60 * SECOND).expect("made"));
    let mut wait = SECOND;
    let subscribed = |world: &World| world.client.publish_fates().accepted;
    world.run_for(SECOND / 10);
    for request in requests {
        assert_eq!(outcome(&world, request), Some(Err(RequestError::Refused)));
    }
    for _ in 0..8 {
        // Refused at once, and nothing is written for it.
        let before = subscribed(&world);
        let early = world.request("q", b"?", 60 * SECOND).expect("made");
        world.run_for(wait - SECOND / 5);
        assert_eq!(outcome(&world, early), Some(Err(RequestError::Refused)));
        assert_eq!(subscribed(&world), before);
        world.run_for(SECOND / 5);
        let tried = world.request("q", b"?", 60 * SECOND).expect("made");
        world.run_for(SECOND / 10);
        assert_eq!(subscribed(&world), before + 1, "after {wait:?}");
        assert_eq!(outcome(&world, tried), Some(Err(RequestError::Refused)));
        wait = (2 * wait).min(60 * SECOND);
    }
    world.cluster.settings_mut(0).deny_subscribe.clear();
    world.run_for(wait);
    let next = world.request("q", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    world
        .cluster
        .publish(&reply_subjects(&world).pop().expect("sent"), None, b"answer");
    world.run_for(SECOND);
    assert_eq!(outcome(&world, next), Some(Ok(b"answer".to_vec())));
}

// behaviour: 7.5
#[test]
fn a_refused_inbox_is_tried_again_on_the_next_link() {
    let mut world = with_listener();
    world.cluster.settings_mut(0).deny_subscribe = vec!["_INBOX.>".into()];
    let refused = world.request("q", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND / 10);
    assert_eq!(outcome(&world, refused), Some(Err(RequestError::Refused)));
    world.cluster.settings_mut(0).deny_subscribe.clear();
    world.force_reconnect().expect("open");
    world.wait("reconnected");
    let next = world.request("q", b"?", SECOND).expect("made");
    world.run_for(SECOND / 10);
    assert_eq!(outcome(&world, next), None, "it waits for its reply");
}

// behaviour: 7.3, 11.2
#[test]
fn whatever_settles_a_request_before_its_frame_is_handed_out_takes_the_frame_back() {
    type Settle = fn(&mut ByHand, RequestId);
    let ways: [(&str, Settle); 6] = [
        ("timeout", |hand, _| hand.client.handle_timeout(after(2))),
        ("cancel", |hand, request| {
            assert!(hand.client.cancel_request(START, request))
        }),
        ("close", |hand, _| hand.client.close(START)),
        ("abort", |hand, _| hand.client.abort(START)),
        ("the driver is gone", |hand, _| hand.client.driver_failed(START)),
        ("refusal", |hand, _| {
            hand.read(b"-ERR 'Permissions Violation for Publish to \"ask\"'\r\n");
            hand.events(START);
        }),
    ];
    let (other, asked) = (Subject::from_static("other"), Subject::from_static("ask"));
    for (way, settle) in ways {
        let mut hand = ByHand::connected(ByHand::config(), r#"{"max_payload":1048576,"headers":true}"#);
        hand.client.publish(Publish::new(&other, "first")).expect("room");
        assert!(
            hand.client.poll_transmit(START, &mut hand.tx),
            "a block is in the driver's hand"
        );
        let request = Publish::new(&asked, "?");
        let request = hand.client.request(START, request, SECOND).expect("open");
        settle(&mut hand, request);
        let mut written: Vec<u8> = hand.tx.chunks().flatten().copied().collect();
        hand.write_all();
        while hand.client.poll_transmit(after(3), &mut hand.tx) {
            written.extend(hand.tx.chunks().flatten());
            hand.write_all();
        }
        let text = String::from_utf8_lossy(&written).into_owned();
        assert!(
            text.contains("PUB other") && !text.contains("PUB ask"),
            "{way}: {text}"
        );
        let fates = hand.client.publish_fates();
        assert_eq!((fates.accepted, fates.dropped), (2, 1), "{way}");
    }
}

// behaviour: 7.5
#[test]
fn a_refused_publish_ends_the_pending_requests_on_its_subject() {
    let mut world = with_listener();
    world.cluster.settings_mut(0).deny_publish = vec!["no".into()];
    let refused = world.request("no", b"?", 60 * SECOND).expect("made");
    let waiting = world.request("q", b"?", SECOND).expect("made");
    world.run_for(5 * SECOND);
    assert_eq!(outcome(&world, refused), Some(Err(RequestError::Refused)));
    assert_eq!(
        outcome(&world, waiting),
        Some(Err(RequestError::TimedOut { written: true }))
    );
}

// behaviour: 11.2, 7.3; edge: 137
#[test]
fn close_ends_pending_requests_and_none_is_made_after_it() {
    let mut world = with_listener();
    let request = world.request("q", b"?", 60 * SECOND).expect("made");
    world.run_for(SECOND);
    world.close();
    world.wait("closed");
    assert_eq!(outcome(&world, request), Some(Err(RequestError::Closed)));
    assert!(matches!(
        world.request("q", b"?", SECOND),
        Err(RequestStartError::Publish(_))
    ));
}

// behaviour: 7.3
#[test]
fn a_million_timed_out_requests_leave_nothing() {
    let mut world = with_listener();
    world.varies = true;
    let subject = Subject::from_static("q");
    let rounds = if cfg!(debug_assertions) { 100 } else { 10_000 };
    for _ in 0..rounds {
        for _ in 0..100 {
            let publish = Publish::new(&subject, "");
            world
                .client
                .request(world.now(), publish, Duration::from_millis(1))
                .expect("made");
        }
        world.tolerate_unknown_requests(100);
        world.run_for(Duration::from_millis(10));
        world.events.clear();
    }
    let statistics = world.client.statistics();
    assert_eq!((statistics.requests, statistics.pending_bytes), (0, 0));
    assert_eq!(world.client.poll_timeout().map(|at| at > world.now()), Some(true));
}

// behaviour: 7.3
#[allow(clippy::type_complexity)]
#[test]
fn several_replies_end_with_the_maximum_the_stall_the_sentinel_or_the_deadline() {
    let many = RequestMany::new(10 * SECOND);
    let cases: [(RequestMany, &[(&str, u64)], RepliesEnd, usize, u64); 4] = [
        (
            many.max(2),
            &[("1", 100), ("2", 100), ("3", 100)],
            RepliesEnd::MaxReached,
            2,
            201,
        ),
        (
            many.stall(SECOND),
            &[("1", 100), ("2", 100)],
            RepliesEnd::Stalled,
            2,
            1201,
        ),
        (
            many.sentinel(),
            &[("1", 100), ("", 100)],
            RepliesEnd::Sentinel,
            1,
            201,
        ),
        (
            many,
            &[("1", 100), ("2", 2000), ("", 100)],
            RepliesEnd::Deadline,
            3,
            9_900,
        ),
    ];
    for (many, replies, end, count, millis) in cases {
        let mut world = with_listener();
        let request = world.request_many("q", b"?", many).expect("made");
        world.run_for(Duration::from_millis(100));
        let begun = world.now();
        let subject = reply_subjects(&world).remove(0);
        for (payload, wait) in replies {
            world.run_for(Duration::from_millis(*wait));
            world.cluster.publish(&subject, None, payload.as_bytes());
        }
        let (at, event) = world.wait("replies_ended");
        assert_eq!(
            event,
            Event::RepliesEnded {
                request,
                result: Ok(end)
            }
        );
        assert_eq!(world.count("reply"), count, "{end:?}");
        assert_eq!(at.since(begun), Duration::from_millis(millis), "{end:?}");
    }
}

// behaviour: 7.3
#[test]
fn several_replies_end_with_no_responders_disconnect_and_close_too() {
    let ended = |world: &World| match world.all("replies_ended").pop() {
        Some((
            _,
            Event::RepliesEnded {
                result: Err(error), ..
            },
        )) => error,
        other => panic!("{other:?}"),
    };
    let many = RequestMany::new(60 * SECOND);
    let mut world = with_listener();
    world.request_many("nobody", b"?", many).expect("made");
    world.run_for(SECOND);
    assert_eq!(ended(&world), RequestError::NoResponders);
    let mut world = with_listener();
    world.request_many("q", b"?", many).expect("made");
    world.run_for(SECOND);
    world.crash(0);
    world.run_for(SECOND);
    assert_eq!(ended(&world), RequestError::Disconnected { written: true });
    let mut world = with_listener();
    world.request_many("q", b"?", many).expect("made");
    world.run_for(SECOND);
    world.close();
    world.wait("closed");
    assert_eq!(ended(&world), RequestError::Closed);
}

// behaviour: 7.3, 1.3
#[test]
fn a_stall_before_the_deadline_is_a_stall_however_late_the_timer_fires() {
    let mut world = with_listener();
    let many = RequestMany::new(10 * SECOND).stall(SECOND);
    let request = world.request_many("q", b"?", many).expect("made");
    world.run_for(Duration::from_millis(100));
    let subject = reply_subjects(&world).remove(0);
    world.cluster.publish(&subject, None, b"1");
    world.run_for(Duration::from_millis(100));
    world.sleep(60 * SECOND);
    let (_, event) = world.wait("replies_ended");
    let stalled = Event::RepliesEnded {
        request,
        result: Ok(RepliesEnd::Stalled),
    };
    assert_eq!(event, stalled);
}
