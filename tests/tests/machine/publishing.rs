//! Publishing, and the fate of what was published (behaviour 6).

use std::time::Duration;

use nats_conn_sm::{ConnectionEvent, Delivery, Event, Fate, Publish, PublishError, PublishSeq};
use nats_conn_tests::model_server::{Reaction, Step, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::{Cut, World};
use nats_proto::{Headers, Subject};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn one_header() -> Headers {
    let mut headers = Headers::new();
    headers.append("K", "v").expect("a header");
    headers
}

fn fate(world: &World, number: u64) -> Option<Fate> {
    world.client.fate(PublishSeq::from_u64(number))
}

// behaviour: 6.2; edge: 127
#[test]
fn a_thousand_publishes_into_a_peer_that_stops_reading_and_dies_have_one_fate_each_at_every_moment() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let mut world = Scenario::new(1)
            .config(|config| {
                config.delivery = delivery;
                config.send_buffer = 64 << 20;
            })
            .route(0, |route| {
                route.rate = Some(20_000_000);
                route.send_room = 1 << 20;
            })
            .connected();
        for number in 0..1000 {
            world.publish_numbered("load", 16 * 1024).expect("room");
            world.run_for(MILLISECOND);
            if number == 300 {
                let _ = world.flush();
            }
            if number == 600 {
                world.pipe().deaf = true;
            }
        }
        world.run_for(SECOND);
        let fates = world.client.publish_fates();
        assert!(
            fates.queued > 0 && fates.written > 0 && fates.confirmed > 0,
            "{fates:?}"
        );
        world.crash(0);
        world.wait("disconnected");
        let fates = world.client.publish_fates();
        assert_eq!(fates.written, 0, "{fates:?}");
        assert_eq!(
            fates.unconfirmed > 0,
            delivery == Delivery::AtMostOnce,
            "{fates:?}"
        );
        world.restart(0);
        world.wait("reconnected");
        world.run_for(10 * SECOND);
        world.flush().expect("a session");
        world.wait("flushed");
        let fates = world.client.publish_fates();
        assert_eq!((fates.accepted, fates.settled), (1000, 1000), "{fates:?}");
        assert_eq!(fates.confirmed + fates.unconfirmed, 1000, "{fates:?}");
        let seen: std::collections::BTreeSet<_> = world
            .cluster
            .logs()
            .flat_map(|log| log.publishes().map(|(_, payload)| payload.to_vec()))
            .collect();
        assert!(
            seen.len() as u64 >= fates.confirmed,
            "every confirmed one was seen"
        );
    }
}

// behaviour: 6.2
#[test]
fn a_publish_is_queued_then_written_then_confirmed_by_the_pong_of_any_later_ping() {
    let mut world = Scenario::new(1).connected();
    world.run_for(SECOND);
    world.publish("a", b"x").expect("room");
    assert_eq!(fate(&world, 1), Some(Fate::Queued));
    world.run_for(SECOND);
    assert_eq!(fate(&world, 1), Some(Fate::Written), "no PING followed it");
    assert_eq!(world.client.publish_fates().settled, 0);
    world.rtt().expect("a session");
    world.run_for(SECOND);
    assert_eq!(fate(&world, 1), Some(Fate::Settled));
    let fates = world.client.publish_fates();
    assert_eq!((fates.confirmed, fates.settled), (1, 1));
    assert_eq!(fate(&world, 2), None, "never given out");
}

// behaviour: 6.2
#[test]
fn a_pong_marks_what_preceded_its_ping_as_written_even_if_the_driver_has_not_reported_it() {
    let mut world = Scenario::new(1).connected();
    world.run_for(SECOND);
    world.publish("a", b"x").expect("room");
    world.client.flush(world.now()).expect("a session");
    // The driver takes the block and never hands it back; its bytes reach the server anyway.
    let link = world.pipe().link;
    let mut held = nats_conn_sm::SendBuf::new(link);
    assert!(world.client.poll_transmit(world.now(), &mut held));
    let mut rx = nats_conn_sm::ReceiveBuf::new(link);
    rx.buffer_mut().extend_from_slice(b"PONG\r\n");
    while world.client.poll_event(world.now(), &mut rx).is_some() {}
    assert_eq!(world.client.publish_fates().confirmed, 1);
    world.forget();
}

// behaviour: 6.2
#[test]
fn a_pong_to_a_ping_that_was_not_handed_out_confirms_nothing() {
    let mut world = Scenario::new(1).connected();
    world.run_for(SECOND);
    world.publish("a", b"x").expect("room");
    let flush = world.flush().expect("a session");
    let mut rx = nats_conn_sm::ReceiveBuf::new(world.pipe().link);
    rx.buffer_mut().extend_from_slice(b"PONG\r\n");
    assert_eq!(world.client.poll_event(world.now(), &mut rx), None, "{flush:?}");
    assert_eq!(world.client.publish_fates().queued, 1);
    world.run_for(SECOND);
    assert_eq!(world.count("flushed"), 1);
}

// behaviour: 6.2, 6.3; edge: 106
#[test]
fn a_flush_ends_when_the_server_has_processed_what_went_before_it() {
    let mut world = Scenario::new(1).connected();
    world.run_for(SECOND);
    for _ in 0..10 {
        world.publish_numbered("a", 10).expect("room");
    }
    let flush = world.flush().expect("a session");
    let (_, event) = world.wait("flushed");
    assert_eq!(
        event,
        Event::Flushed {
            flush,
            result: Ok(())
        }
    );
    assert_eq!(world.client.publish_fates().confirmed, 10);
    assert_eq!(world.log().publishes().count(), 10);
}

// behaviour: 6.3
#[test]
fn rtt_is_measured_from_the_handing_out_of_its_ping() {
    let mut world = Scenario::new(1)
        .route(0, |route| route.latency = 7 * MILLISECOND)
        .connected();
    world.run_for(SECOND);
    // The writer is blocked for a second first.
    world.pipe().deaf = true;
    world.routes[0].send_room = 10;
    world.publish("a", &[b'x'; 100]).expect("room");
    world.settle();
    let measurement = world.rtt().expect("a session");
    world.run_for(SECOND);
    world.pipe().deaf = false;
    world.routes[0].send_room = 1 << 20;
    let (_, event) = world.wait("round_trip");
    assert_eq!(
        event,
        Event::RoundTrip {
            round_trip: measurement,
            result: Ok(14 * MILLISECOND)
        }
    );
    assert_eq!(world.client.statistics().round_trip, Some(14 * MILLISECOND));
}

// behaviour: 6.3; edge: 66
#[test]
fn flush_and_rtt_fail_without_a_link_and_at_its_end() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.freeze();
    world.flush().expect("a session");
    world.rtt().expect("a session");
    world.pipe().mute = false;
    world.crash(0);
    world.wait("disconnected");
    world.run_for(MILLISECOND);
    assert_eq!(
        (world.count("flushed"), world.count("round_trip")),
        (1, 1),
        "once each"
    );
    assert!(world.flush().is_err() && world.rtt().is_err());
    world.close();
    world.wait("closed");
    assert_eq!(world.flush(), Err(nats_conn_sm::FlushError::Closed));
}

// behaviour: 6.2
#[test]
fn disconnected_reports_which_are_unconfirmed_and_how_many_stay_queued() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.pipe().deaf = true;
    for _ in 0..3 {
        world.publish_numbered("a", 10).expect("room");
    }
    world.settle();
    world.routes[0].send_room = 0;
    for _ in 0..2 {
        world.publish_numbered("a", 10).expect("room");
    }
    world.settle();
    world.crash(0);
    let (_, event) = world.wait("disconnected");
    let Event::Connection(ConnectionEvent::Disconnected {
        unconfirmed, queued, ..
    }) = event
    else {
        panic!("{event:?}")
    };
    assert_eq!(unconfirmed.iter().collect::<Vec<_>>(), [1..=3]);
    assert_eq!(queued, 2);
}

// behaviour: 6.4; edge: 62, 68, 69
#[test]
fn what_is_published_without_a_link_leaves_on_the_next_in_order() {
    let mut world = Scenario::new(1).connected();
    world.run_for(5 * SECOND);
    world.crash(0);
    world.wait("disconnected");
    for _ in 0..100 {
        world.publish_numbered("a", 20).expect("room");
    }
    world.run_for(SECOND);
    world.restart(0);
    world.wait("reconnected");
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 100);
    world.flush().expect("a session");
    world.wait("flushed");
    assert_eq!(world.client.publish_fates().confirmed, 100);
}

// behaviour: 6.1; edge: 121, 122
#[test]
fn subjects_queue_groups_and_headers_that_could_break_a_line_are_refused_by_their_types() {
    for bad in [
        "",
        "a b",
        "a\r\nPUB b 0\r\n\r\n",
        "a\t",
        "a..b",
        ".a",
        "a.",
        "a.*",
        "a.>",
        "a\u{0}",
    ] {
        assert!(Subject::new(bad).is_err(), "{bad:?}");
    }
    for bad in ["", "a b", "a\r\n", "a..b", "a.>.b", ".a"] {
        assert!(nats_proto::SubjectFilter::new(bad).is_err(), "{bad:?}");
    }
    for bad in ["", "a b", "a\n"] {
        assert!(nats_proto::QueueGroup::new(bad).is_err(), "{bad:?}");
    }
    let mut headers = Headers::new();
    for (name, value) in [
        ("", "v"),
        ("a b", "v"),
        ("a:b", "v"),
        ("a\r\n", "v"),
        ("a", "v\r\nX: y"),
        ("a", "v\n"),
    ] {
        assert!(headers.append(name, value).is_err(), "{name:?}: {value:?}");
    }
}

// behaviour: 6.1
#[test]
fn a_message_that_no_server_takes_is_refused_as_too_large_before_any_server_was_reached() {
    let (mut world, subject) = (
        Scenario::new(1).unrecorded().begin(),
        Subject::new("a").expect("a subject"),
    );
    // Only promised by the system: it is never looked at.
    let payload = vec![0; nats_proto::MAX_MESSAGE + 1];
    let refused = world.client.publish(Publish::new(&subject, &payload));
    assert!(
        matches!(
            refused,
            Err(PublishError::TooLarge {
                size: 1_000_000_000,
                max_payload: 999_999_999
            })
        ),
        "{refused:?}"
    );
}

// behaviour: 6.1; edge: 112, 113
#[test]
fn a_payload_above_the_limit_headers_included_is_refused_and_the_link_kept() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.max_payload = 100)
        .connected();
    world.run_for(SECOND);
    let block = one_header().as_block().len();
    assert!(matches!(
        world.publish("a", &[0; 101]),
        Err(PublishError::TooLarge {
            size: 101,
            max_payload: 100
        })
    ));
    let over = world.publish_with_headers("a", &one_header(), &vec![0; 101 - block]);
    assert!(
        matches!(over, Err(PublishError::TooLarge { size: 101, .. })),
        "{over:?}"
    );
    world.publish("a", &[1; 100]).expect("exactly the limit");
    world
        .publish_with_headers("a", &one_header(), &vec![2; 100 - block])
        .expect("exactly the limit");
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 2);
    world.cluster.settings_mut(0).max_payload = 50;
    world.cluster.announce(0);
    world.run_for(SECOND);
    assert!(
        world.publish("a", &[0; 51]).is_err(),
        "the new limit holds at once"
    );
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 6.1; edge: 114
#[test]
fn a_control_line_above_4096_bytes_is_refused_and_one_of_4096_is_taken() {
    let mut world = Scenario::new(1).connected();
    world.run_for(SECOND);
    // The server counts the arguments: subject, blank, size.
    let exact = "s".repeat(4096 - 2);
    world.publish(&exact, b"x").expect("4096 bytes");
    let long = format!("{exact}s");
    let refused = world.publish(&long, b"x");
    assert!(
        matches!(
            refused,
            Err(PublishError::ControlLineTooLong {
                size: 4097,
                max: 4096
            })
        ),
        "{refused:?}"
    );
    let (subject, reply) = (
        Subject::new("s").expect("a subject"),
        Subject::new(&exact).expect("a subject"),
    );
    assert!(
        world
            .publish_as(Publish::new(&subject, "x").reply_to(&reply))
            .is_err()
    );
    assert!(world.try_subscribe(&long, None).is_err());
    world.run_for(SECOND);
    assert_eq!(world.log().publishes().count(), 1);
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 6.1; edge: 118
#[test]
fn hostile_payloads_and_headers_are_data() {
    let mut world = Scenario::new(1).connected();
    world.subscribe("a");
    world.run_for(SECOND);
    let payload = b"\r\nPUB b 0\r\n\r\nPING\r\n";
    world.publish("a", payload).expect("room");
    world
        .publish_with_headers("a", &one_header(), payload)
        .expect("room");
    world.publish("a", b"").expect("room");
    world.publish_with_headers("a", &one_header(), b"").expect("room");
    world.run_for(SECOND);
    let payloads: Vec<usize> = world
        .all("message")
        .iter()
        .map(|(_, event)| match event {
            Event::Message { message, .. } => message.payload().len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(payloads, [payload.len(), payload.len(), 0, 0]);
    assert_eq!(world.log().names()[2..], ["SUB", "PUB", "PUB", "PUB", "PUB"]);
}

// behaviour: 6.4; edge: 62
#[test]
fn a_large_shared_payload_that_was_cut_is_sent_again_whole() {
    let payload = bytes::Bytes::from(vec![b'x'; 300_000]);
    let subject = Subject::new("big").expect("a subject");
    for position in [200, 5_000, 65_536, 200_000, 300_000] {
        let mut world = Scenario::new(1)
            .config(|config| config.retry_initial = true)
            .route(0, |route| {
                route.cuts.push_back(Cut::AfterTaking(position));
                route.send_room = 50_000;
            })
            .connected();
        world
            .publish_as(Publish::new(&subject, payload.clone()))
            .expect("room");
        world.run_for(5 * SECOND);
        assert_eq!(
            world
                .log()
                .publishes()
                .map(|(_, bytes)| bytes.len())
                .collect::<Vec<_>>(),
            [300_000]
        );
        assert_eq!(world.cluster.logs().len(), 2);
    }
}

// behaviour: 6.2, 9.1; edge: 115, 116
#[test]
fn confirmed_is_not_permitted() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.deny_publish = vec!["no.>".into()])
        .connected();
    world.run_for(SECOND);
    world.publish("no.a", b"x").expect("room");
    world.flush().expect("a session");
    world.wait("flushed");
    assert_eq!(world.client.publish_fates().confirmed, 1);
    assert_eq!(world.count("permission_denied"), 1);
    assert_eq!(world.count("disconnected"), 0);
}

// edge: 151; behaviour: 11.2
#[test]
fn a_publish_after_the_end_is_a_typed_error() {
    let mut world = Scenario::new(1).connected();
    world.close();
    world.wait("closed");
    assert_eq!(world.publish("a", b"x"), Err(PublishError::Closed));
}

// behaviour: 6.6, 5.1
#[test]
fn a_script_that_answers_late_changes_no_order() {
    let late = Step::instead(When::PingFrom(2), [Reaction::later(50_000_000, Reaction::Pong)]);
    let mut world = Scenario::new(1)
        .server(0, |server| server.script = vec![late])
        .connected();
    world.run_for(SECOND);
    let first = world.flush().expect("a session");
    world.publish("a", b"x").expect("room");
    let second = world.flush().expect("a session");
    world.run_for(SECOND);
    let order: Vec<_> = world
        .all("flushed")
        .into_iter()
        .map(|(_, event)| match event {
            Event::Flushed {
                flush,
                result: Ok(()),
            } => flush,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order, [first, second]);
}
