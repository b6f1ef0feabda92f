//! A recording can be replayed, holds no secrets, and is bounded (behaviour 13.1, 1.2).
//!
//! Every other story is recorded and replayed as well: see `verify_recording` of the world.

use std::time::Duration;

use nats_conn_sm::recording::{Input, Output, Recording, RecordingError, ReplayError, Replayer};
use nats_conn_sm::{
    Action, Config, Connection, ConnectionEvent, Credentials, Event, LinkEnd, LinkId, Publish, ReceiveBuf,
    RecordingOptions, SendBuf, Timestamp,
};
use nats_conn_tests::by_hand::{ByHand, START, after};
use nats_conn_tests::scenario::{Scenario, seed_bytes, url};
use nats_conn_tests::sim::World;
use nats_conn_tests::story;
use nats_proto::{Headers, Subject, SubjectFilter};

use super::support::INFO;

const SECOND: Duration = Duration::from_secs(1);

/// A life with messages both ways, a request, a crash and a reconnect.
fn a_life(scenario: Scenario) -> World {
    let mut world = scenario.connected();
    world.subscribe("orders.>");
    let mut headers = Headers::new();
    headers.append("Trace", "headersecret").expect("a header");
    world
        .publish_with_headers("orders.eu", &headers, b"payloadsecret")
        .expect("room");
    world
        .request("orders.us", b"payloadsecret?", SECOND)
        .expect("made");
    world.run_for(5 * SECOND);
    world.crash(0);
    world.publish("orders.eu", b"payloadsecret!").expect("room");
    world.wait("reconnected");
    world.run_for(SECOND);
    world
}

fn recorded(world: &mut World) -> Vec<u8> {
    world.recording().to_vec()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

// behaviour: 1.2, 13.1
#[test]
fn a_replay_emits_the_same_events_at_the_same_times() {
    for scenario in [Scenario::new(2), Scenario::new(2).record_payloads()] {
        let mut world = a_life(scenario);
        let recording = Recording::read(recorded(&mut world)).expect("a recording");
        let mut replayer = Replayer::new(recording).expect("usable settings");
        let mut reported = Vec::new();
        while let Some(step) = replayer.step() {
            let step = step.expect("the same came of it");
            if let Output::Event(event) = step.output {
                reported.push((step.at, event));
            }
        }
        let short = |events: &[(Timestamp, Event)]| -> Vec<String> {
            let line = |(at, event): &(Timestamp, Event)| format!("{at:?} {} {event:?}", story::name(event));
            events.iter().map(line).collect()
        };
        assert!(reported.len() > 8);
        assert_eq!(short(&reported), short(&world.events));
        assert_eq!(
            replayer.connection().statistics(),
            world.client.statistics(),
            "and every counter is the same"
        );
        assert_eq!(
            replayer.connection().why(world.now()),
            world.client.why(world.now())
        );
    }
}

// behaviour: 13.1
#[test]
fn payloads_and_the_values_of_headers_are_recorded_only_if_requested() {
    let mut world = a_life(Scenario::new(2));
    let bytes = recorded(&mut world);
    assert!(!contains(&bytes, "payloadsecret") && !contains(&bytes, "headersecret"));
    assert!(contains(&bytes, "orders.eu") && contains(&bytes, "Trace"));
    let mut world = a_life(Scenario::new(2).record_payloads());
    let bytes = recorded(&mut world);
    assert!(contains(&bytes, "payloadsecret") && contains(&bytes, "headersecret"));
}

// behaviour: 13.1
#[test]
fn no_secret_is_in_a_recording_with_payloads_either() {
    let secrets = ["hunter2", "sally", "t0kenly", "eyJhbGci", "s1gnature", "UPUBLIC"];
    let mut world = Scenario::new(2)
        .record_payloads()
        .knowing(&["nats://sally:hunter2@n1.test:4222", "nats://t0kenly@n2.test:4222"])
        .config(|config| config.ask_credentials = true)
        .begin();
    for _ in 0..4 {
        let mut full = Credentials::jwt("eyJhbGci", "s1gnature");
        full.nkey = Some("UPUBLIC".into());
        world.driver.answers.push_back((Some(Duration::ZERO), Ok(full)));
    }
    world.wait("connected");
    world.crash(0);
    world.wait("reconnected");
    let bytes = recorded(&mut world);
    for secret in secrets {
        assert!(!contains(&bytes, secret), "{secret} is recorded");
    }
    assert!(contains(&bytes, "n1.test"));
}

#[test]
fn a_truncated_recording_is_good_up_to_its_end() {
    let mut world = a_life(Scenario::new(2));
    let bytes = recorded(&mut world);
    let whole = Recording::read(bytes.clone()).expect("a recording").count();
    for cut in (0..bytes.len()).step_by(7) {
        match Recording::read(bytes[..cut].to_vec()) {
            Err(RecordingError::NotARecording | RecordingError::Truncated { .. }) => {}
            Err(other) => panic!("cut at {cut}: {other}"),
            Ok(recording) => {
                let entries: Vec<_> = recording.collect();
                assert!(entries.len() <= whole);
                let (last, good) = entries
                    .split_last()
                    .map_or((None, 0), |(last, rest)| (Some(last), rest.len()));
                assert!(entries[..good].iter().all(Result::is_ok));
                assert!(matches!(
                    last,
                    None | Some(Ok(_) | Err(RecordingError::Truncated { .. }))
                ));
            }
        }
    }
}

#[test]
fn an_invalid_recording_or_another_version_is_a_typed_error() {
    let read = |bytes: &[u8]| Recording::read(bytes.to_vec()).map(|_| ());
    assert_eq!(read(b""), Err(RecordingError::NotARecording));
    assert_eq!(read(b"INFO {}\r\n and more"), Err(RecordingError::NotARecording));
    assert_eq!(read(b"NATSREC\n\x07"), Err(RecordingError::Version { found: 7 }));
    let mut world = a_life(Scenario::new(2));
    let bytes = recorded(&mut world);
    for place in 0..bytes.len() {
        let mut other = bytes.clone();
        other[place] ^= 0x15;
        // Any error will do; none may panic, and what is read is read to an end.
        nats_conn_sm::fuzzing::replay(&other);
    }
}

#[test]
fn a_replay_that_differs_is_noticed_at_the_first_differing_record() {
    let mut world = a_life(Scenario::new(2));
    let mut bytes = recorded(&mut world);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let count = Recording::read(bytes.clone()).expect("a recording").count() as u64;
    let outcome = Replayer::run(Recording::read(bytes).expect("a recording"));
    assert!(
        matches!(outcome, Err(ReplayError::Diverged { record, .. }) if record == count),
        "{outcome:?}"
    );
}

#[test]
fn a_recording_that_nobody_takes_stops_at_its_limit_and_reports_it() {
    let mut options = RecordingOptions::default();
    options.limit = 10_000;
    let config = Config::new(vec![url("nats://n1.test:4222")]);
    let mut machine =
        Connection::recorded(config, seed_bytes(1), Timestamp::ZERO, options).expect("usable settings");
    assert!(machine.is_recording());
    let subject = Subject::from_static("a");
    for _ in 0..10_000 {
        machine.publish(Publish::new(&subject, "x")).expect("room");
    }
    assert!(!machine.is_recording());
    let bytes = machine.poll_recording().expect("what was recorded before");
    assert!(bytes.len() <= 10_000 + 16, "{}", bytes.len());
    assert_eq!(machine.poll_recording(), None);
    let last = Recording::read(bytes.clone()).expect("a recording").last();
    assert!(matches!(last, Some(Ok(entry)) if entry.input == Input::Stopped));
    assert!(Replayer::run(Recording::read(bytes).expect("a recording")).is_ok());
}

#[test]
fn a_machine_that_is_not_recorded_has_nothing_to_take() {
    let config = Config::new(vec![url("nats://n1.test:4222")]);
    let mut machine = Connection::new(config, seed_bytes(1), Timestamp::ZERO).expect("usable settings");
    machine.close(Timestamp::ZERO);
    assert_eq!((machine.is_recording(), machine.poll_recording()), (false, None));
}

#[test]
fn a_replay_allocates_no_more_bytes_than_a_machine_may_hold() {
    let config = || {
        let mut config = Config::new(vec![url("nats://n1.test:4222")]);
        config.send_buffer = 1 << 30;
        config
    };
    let subject = Subject::from_static("a");
    let start = Timestamp::from_millis(1_000);
    let large = vec![b'x'; (64 << 20) + 1];
    for (size, taken) in [(60 << 20, 4), (64 << 20, 3), ((64 << 20) + 1, 0)] {
        let options = RecordingOptions::default();
        let mut client = Connection::recorded(config(), seed_bytes(1), start, options).expect("usable");
        for _ in 0..5 {
            client
                .publish(Publish::new(&subject, &large[..size]))
                .expect("room");
        }
        let recording = client.poll_recording().expect("recorded");
        drop(client);
        let result = Replayer::run(Recording::read(recording).expect("a recording"));
        let expected = ReplayError::TooLarge {
            record: taken + 1,
            size: size as u64,
        };
        assert_eq!(result, Err(expected), "of {size} bytes {taken} are taken");
    }
}

#[test]
fn a_recording_names_the_version_that_wrote_it_and_may_be_filled_to_its_limit() {
    let of_limit = |limit| {
        let mut options = RecordingOptions::default();
        options.limit = limit;
        let config = Config::new(vec![url("nats://n1.test:4222")]);
        let machine = Connection::recorded(config, seed_bytes(1), Timestamp::ZERO, options);
        let mut machine = machine.expect("usable settings");
        let subject = Subject::from_static("a");
        machine.publish(Publish::new(&subject, "x")).expect("room");
        machine
    };
    let bytes = of_limit(1 << 20).poll_recording().expect("recorded");
    let version = Recording::read(bytes.clone())
        .expect("a recording")
        .version()
        .to_owned();
    assert!(version.split('.').count() >= 3, "{version:?}");
    // Before each record stands its length, which the limit does not count.
    let exact = bytes.len() - 1;
    assert!(of_limit(exact).is_recording(), "it fits exactly");
    assert!(!of_limit(exact - 1).is_recording());
}

// behaviour: 13.1
#[test]
fn a_secret_that_is_read_in_pieces_is_not_recorded() {
    let info = "INFO {\"server_id\":\"SERVERID\",\"nonce\":\"abcdefgh\",\"max_payload\":1000}\r\n";
    let config = Config::new(vec![url("nats://n1.test:4222")]);
    let start = Timestamp::from_millis(1_000);
    let machine = Connection::recorded(config, seed_bytes(1), start, RecordingOptions::default());
    let mut machine = machine.expect("usable settings");
    let Some(nats_conn_sm::Action::Connect { link, .. }) = machine.poll_action() else {
        panic!("it dials")
    };
    machine.handle_connected(start, link);
    let mut rx = nats_conn_sm::ReceiveBuf::new(link);
    for byte in info.as_bytes() {
        rx.buffer_mut().extend_from_slice(&[*byte]);
        while machine.poll_event(start, &mut rx).is_some() {}
    }
    let bytes = machine.poll_recording().expect("recorded");
    let recording = Recording::read(bytes.clone()).expect("a recording");
    let pieces = recording.filter_map(|entry| match entry.expect("readable").input {
        Input::Event(received) => Some(received.pieces),
        _ => None,
    });
    let mut text = Vec::new();
    for piece in pieces.flatten() {
        match piece {
            nats_conn_sm::recording::Piece::Bytes(bytes) => text.extend_from_slice(&bytes),
            other => panic!("{other:?}"),
        }
    }
    let shown = info.replace("abcdefgh", "xxxxxxxx");
    assert_eq!(String::from_utf8(text).expect("text"), shown);
    Replayer::run(Recording::read(bytes).expect("a recording")).expect("the same life");
}

// behaviour: 13.1, 1.2
#[test]
fn a_recording_with_an_error_of_an_unknown_kind_can_be_replayed() {
    let mut client =
        Connection::recorded(ByHand::config(), [7; 32], START, RecordingOptions::default()).expect("usable");
    let Some(Action::Connect { link, .. }) = client.poll_action() else {
        panic!("it dials at once")
    };
    let end = LinkEnd::Dial {
        kind: "never_heard_of",
        detail: "it".into(),
    };
    client.handle_link_closed(START, link, end, &mut SendBuf::new(link));
    let mut rx = ReceiveBuf::new(link);
    while client.poll_event(START, &mut rx).is_some() {}
    let bytes = client.poll_recording().expect("recorded");
    Replayer::run(Recording::read(bytes).expect("a recording")).expect("the same life");
}

// behaviour: 1.2
#[test]
fn the_kind_of_an_error_is_reported_as_its_driver_named_it_unless_the_connection_is_recorded() {
    for (recorded, expected) in [(false, "never_heard_of"), (true, "io")] {
        for during_dialling in [true, false] {
            let (config, options) = (ByHand::config(), RecordingOptions::default());
            let client = if recorded {
                Connection::recorded(config, [7; 32], START, options)
            } else {
                Connection::new(config, [7; 32], START)
            };
            let mut client = client.expect("usable");
            let Some(Action::Connect { link, .. }) = client.poll_action() else {
                panic!("it dials at once")
            };
            let (kind, detail) = ("never_heard_of", "it".into());
            let end = if during_dialling {
                LinkEnd::Dial { kind, detail }
            } else {
                client.handle_connected(START, link);
                LinkEnd::Io { kind, detail }
            };
            client.handle_link_closed(START, link, end, &mut SendBuf::new(link));
            let mut rx = ReceiveBuf::new(link);
            let reported = std::iter::from_fn(|| client.poll_event(START, &mut rx));
            let codes = reported.filter_map(|event| match event {
                Event::Connection(ConnectionEvent::ConnectFailed { error, .. }) => Some(error.code()),
                _ => None,
            });
            let codes: Vec<_> = codes.collect();
            assert_eq!(codes, [expected], "{recorded}, {during_dialling}");
        }
    }
}

// behaviour: 1.2, 13.1
#[test]
fn bytes_that_arrive_while_an_event_waits_are_replayed_too() {
    let mut client =
        Connection::recorded(ByHand::config(), [7; 32], START, RecordingOptions::default()).expect("usable");
    let Some(Action::Connect { link, .. }) = client.poll_action() else {
        panic!("it dials at once")
    };
    client.handle_connected(START, link);
    let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    let mut hand = ByHand {
        client: client.into(),
        rx,
        tx,
    };
    hand.read(format!("INFO {INFO}\r\n").as_bytes());
    hand.events(START);
    hand.write(START);
    hand.read(b"PONG\r\n");
    hand.events(START);
    let sid = hand
        .client
        .subscribe(START, SubjectFilter::from_static("a"), None)
        .expect("open");
    hand.write(START);
    let later = after(50);
    hand.client.unsubscribe(later, sid).expect("known");
    hand.read(b"MSG a 1 100\r\nhalf of it");
    hand.events(later);
    assert_eq!(hand.client.poll_timeout(), Some(after(170)), "the bytes counted");
    hand.client.flush(later).expect("a link");
    let bytes = hand.client.poll_recording().expect("recorded");
    Replayer::run(Recording::read(bytes).expect("a recording")).expect("the same life");
}

// behaviour: 1.2, 13.1
#[test]
fn the_end_of_an_earlier_link_that_is_reported_while_something_is_being_written_is_replayed() {
    let mut client =
        Connection::recorded(ByHand::config(), [7; 32], START, RecordingOptions::default()).expect("usable");
    let Some(Action::Connect { link, .. }) = client.poll_action() else {
        panic!("it dials at once")
    };
    client.handle_connected(START, link);
    let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    let mut hand = ByHand {
        client: client.into(),
        rx,
        tx,
    };
    hand.read(format!("INFO {INFO}\r\n").as_bytes());
    hand.events(START);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    let earlier = LinkId::from_u64(0);
    hand.client
        .handle_link_closed(START, earlier, LinkEnd::Eof, &mut hand.tx);
    hand.write_all();
    hand.read(b"PONG\r\n");
    hand.events(START);
    hand.client.flush(START).expect("a session");
    assert!(
        hand.client.poll_transmit(START, &mut hand.tx),
        "what was written was taken"
    );
    let bytes = hand.client.poll_recording().expect("recorded");
    Replayer::run(Recording::read(bytes).expect("a recording")).expect("the same life");
}

// behaviour: 1.2
#[test]
fn a_poll_that_brings_nothing_new_is_not_recorded() {
    let options = RecordingOptions::default();
    let mut client = Connection::recorded(ByHand::config(), [7; 32], START, options).expect("usable");
    let Some(Action::Connect { link, .. }) = client.poll_action() else {
        panic!("it dials at once")
    };
    client.handle_connected(START, link);
    let mut rx = ReceiveBuf::new(link);
    while client.poll_event(START, &mut rx).is_some() {}
    while client.poll_recording().is_some() {}
    assert!(client.poll_event(START, &mut rx).is_none());
    assert!(client.poll_recording().is_none());
    rx.buffer_mut().extend_from_slice(b"INFO");
    assert!(client.poll_event(START, &mut rx).is_none());
    assert!(client.poll_recording().is_some(), "bytes are");
}
