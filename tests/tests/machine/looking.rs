//! What can be looked at, and what is told of the end of a link, driven by hand (behaviour 2.3, 5.3, 5.4, 6.2).

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::recording::{Recording, Replayer};
use nats_conn_sm::{
    Action, Config, Connection, Credentials, Delivery, DropReason, Event, Fate, LinkEnd, Publish, ReceiveBuf,
    RecordingOptions, SendBuf, State,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Deed, Step, Urls, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::Dial;
use nats_proto::Subject;

const SECOND: Duration = Duration::from_secs(1);
const INFO: &str = "{\"headers\":true,\"max_payload\":1048576}";
const SUBJECT: Subject = Subject::from_static("a");
const VIOLATION: &[u8] = b"-ERR 'Maximum Payload Violation'\r\n";

pub(super) fn connected(change: impl FnOnce(&mut Config)) -> ByHand {
    let mut config = ByHand::config();
    change(&mut config);
    ByHand::connected(config, INFO)
}

pub(super) fn publish(hand: &mut ByHand, size: usize) {
    let payload = vec![b'x'; size];
    hand.client
        .publish(Publish::new(&SUBJECT, &payload[..]))
        .expect("room");
}

/// The link ends with what `tx` still holds.
pub(super) fn end(hand: &mut ByHand) -> Vec<Event> {
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START)
}

pub(super) fn dropped(told: &[Event]) -> Vec<(DropReason, Vec<std::ops::RangeInclusive<u64>>)> {
    told.iter()
        .filter_map(|event| match event {
            Event::PublishDropped {
                reason, publishes, ..
            } => Some((*reason, publishes.iter().collect())),
            _ => None,
        })
        .collect()
}

// behaviour: 9.3
#[test]
fn credentials_are_what_they_were_made_of() {
    let both = Credentials::user_password("sally", "hunter2");
    let text = |secret: &Option<nats_proto::Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
    assert_eq!(text(&both.user), Some("sally".into()));
    assert_eq!(text(&both.password), Some("hunter2".into()));
    assert_eq!(text(&Credentials::token("t0ken").token), Some("t0ken".into()));
}

// behaviour: 1.4
#[test]
fn what_was_read_and_not_parsed_can_be_taken_back() {
    let mut hand = connected(|_| {});
    hand.read(b"PING\r\nMSG a 1");
    hand.events(START);
    assert_eq!(hand.rx.into_bytes(), &b"MSG a 1"[..]);
}

// behaviour: 12.1
#[test]
fn the_next_read_has_room_for_a_payload_but_for_no_more_than_a_mebibyte() {
    let mut hand = connected(|_| {});
    assert_eq!(hand.client.link(), Some(hand.rx.link()));
    assert_eq!(hand.client.read_hint(), 8 * 1024);
    hand.read(b"MSG a 1 100000\r\n");
    hand.events(START);
    assert_eq!(hand.client.read_hint(), 100_002);
    let mut hand = connected(|_| {});
    hand.read(b"MSG a 1 8000000\r\n");
    hand.events(START);
    assert_eq!(hand.client.read_hint(), 1024 * 1024);
}

// behaviour: 6.2
#[test]
fn requests_are_counted_and_what_is_with_the_driver_is_queued() {
    let mut hand = connected(|config| config.delivery = Delivery::AtLeastOnce);
    hand.client
        .request(START, Publish::new(&SUBJECT, "?"), SECOND)
        .expect("made");
    assert_eq!(hand.client.statistics().requests, 1);
    let seq = hand.client.publish(Publish::new(&SUBJECT, "x")).expect("room");
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    assert_eq!(hand.client.fate(seq), Some(Fate::Queued));
    hand.write_all();
    hand.write(START);
    assert_eq!(hand.client.fate(seq), Some(Fate::Written));
}

// behaviour: 5.3; edge: 79
#[test]
fn the_largest_message_of_a_violated_link_leaves_the_others_unconfirmed() {
    let mut hand = connected(|_| {});
    for size in [10, 10, 5000] {
        publish(&mut hand, size);
    }
    hand.write(START);
    hand.read(VIOLATION);
    let told = end(&mut hand);
    assert_eq!(dropped(&told), [(DropReason::TooLarge, vec![3..=3])]);
    let unconfirmed = told.iter().find_map(|event| match event {
        Event::Disconnected { unconfirmed, .. } => Some(unconfirmed.iter().collect::<Vec<_>>()),
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
    let told = end(&mut hand);
    assert_eq!(dropped(&told), [(DropReason::TooLarge, vec![1..=1])]);
    assert_eq!(hand.client.publish_fates().queued, 1);
}

// behaviour: 5.4, 7.3
#[test]
fn a_request_that_was_not_wholly_written_goes_on_if_it_is_still_waited_for() {
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
        let told = end(&mut hand);
        let fates = hand.client.publish_fates();
        assert_eq!(
            (fates.queued, fates.dropped),
            if cancelled { (0, 1) } else { (1, 0) }
        );
        assert!(!told.iter().any(|event| matches!(event, Event::Response { .. })));
    }
}

// behaviour: 13.1, 1.2
#[test]
fn an_error_of_an_unknown_kind_is_recorded_as_it_was_told() {
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

// behaviour: 2.3, 3.2; edge: 89
#[test]
fn of_two_servers_learned_between_sessions_the_one_that_left_again_is_not_told() {
    let names = |names: &[&str]| Urls::Fixed(names.iter().map(|name| format!("{name}.test:4222")).collect());
    let mut world = Scenario::new(3)
        .knowing(&["n1"])
        .config(|config| {
            config.retry_initial = true;
            config.randomize = false;
        })
        .server(0, |server| {
            server.urls = names(&["n2", "n3"]);
            server.script.push(Step::also(When::Connect, [Deed::Close]));
        })
        .route(1, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .route(2, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .begin();
    (0..3).for_each(|_| drop(world.wait("connect_failed")));
    world.cluster.settings_mut(0).script.clear();
    world.cluster.settings_mut(0).urls = names(&["n2"]);
    world.wait("connected");
    world.run_for(SECOND);
    let told = world.all("discovered_servers");
    let [(_, Event::DiscoveredServers { added, removed })] = &told[..] else {
        panic!("{:?}", world.story())
    };
    assert_eq!((added.len(), removed.len()), (1, 0));
    assert_eq!(added[0].host(), "n2.test");
}

// behaviour: 4.2
#[test]
fn one_sentence_says_what_it_is_doing_and_what_it_waits_for() {
    let mut config = ByHand::config();
    config.ask_credentials = true;
    config.tls_required = true;
    let mut client = Connection::new(config, [7; 32], START).expect("usable");
    let Some(Action::Connect { link, .. }) = client.poll_action() else {
        panic!("it dials at once")
    };
    let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    let mut hand = ByHand {
        client: client.into(),
        rx,
        tx,
    };
    let now = START + SECOND;
    let says = |hand: &ByHand, text: &str| assert_eq!(hand.client.why(now), text);
    says(&hand, "dialling nats://n1.test:4222, for 4000 ms at most");
    hand.client.handle_connected(START, link);
    says(
        &hand,
        "waiting for INFO of nats://n1.test:4222, for 4000 ms at most",
    );
    hand.read(b"INFO {\"tls_available\":true,\"nonce\":\"abc\"}\r\n");
    hand.events(START);
    says(
        &hand,
        "TLS handshake with nats://n1.test:4222, for 4000 ms at most",
    );
    hand.client.handle_tls(START, link);
    says(
        &hand,
        "waiting for credentials for nats://n1.test:4222, for 4000 ms at most",
    );
    hand.client
        .handle_credentials(START, link, Ok(Credentials::default()));
    says(
        &hand,
        "waiting for nats://n1.test:4222 to accept CONNECT, for 4000 ms at most",
    );
    hand.write(START);
    hand.read(b"PONG\r\n");
    hand.events(START);
    says(&hand, "connected to nats://n1.test:4222");
    let mut draining = hand.client.clone();
    draining.drain(START).expect("open");
    assert_eq!(
        draining.why(now),
        "draining, for 24000 ms at most; connected to nats://n1.test:4222"
    );
    hand.client.force_reconnect(START).expect("open");
    says(
        &hand,
        "leaving nats://n1.test:4222: waiting for the driver's last answer about the link",
    );
    hand.client.abort(START);
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    hand.events(START);
    says(&hand, "closed: nothing will happen any more");
}

// behaviour: 4.2, 3.6
#[test]
fn one_sentence_says_for_whom_it_waits_and_how_long() {
    let mut config = ByHand::config();
    config.retry_initial = true;
    config.backoff.jitter = Some(Duration::ZERO);
    let mut hand = ByHand::dialled(config);
    end(&mut hand);
    assert_eq!(
        hand.client.why(START + Duration::from_millis(40)),
        "waiting 60 ms before dialling nats://n1.test:4222 (round 1 without success)"
    );
    let mut config = ByHand::config();
    config.custom_selection = true;
    let choosing = Connection::new(config, [7; 32], START).expect("usable");
    assert_eq!(
        choosing.why(START),
        "waiting for the driver to choose the next server"
    );
}

// behaviour: 6.1; edge: 114
#[test]
fn a_subscription_whose_line_is_as_long_as_servers_take_is_accepted_and_a_longer_one_is_not() {
    let mut hand = connected(|_| {});
    let filter = |len: usize| nats_proto::SubjectFilter::new(&"a".repeat(len)).expect("a filter");
    assert!(
        hand.client.subscribe(START, filter(4094), None).is_ok(),
        "and a blank and a digit"
    );
    assert_eq!(
        hand.client.subscribe(START, filter(4095), None),
        Err(nats_conn_sm::SubscribeError::ControlLineTooLong {
            size: 4097,
            max: 4096
        })
    );
}

// behaviour: 6.6, 7.3
#[test]
fn what_waits_to_be_handed_out_is_known_to_the_byte() {
    let mut hand = ByHand::dialled(ByHand::config());
    assert_eq!(hand.client.queued(), 0);
    let frame = "PUB a 1\r\nx\r\n".len();
    publish(&mut hand, 1);
    assert_eq!(hand.client.queued(), frame);
    let request = hand
        .client
        .request(START, Publish::new(&SUBJECT, "?"), SECOND)
        .expect("made");
    assert!(hand.client.queued() > 2 * frame);
    assert!(hand.client.cancel_request(START, request));
    publish(&mut hand, 1);
    assert_eq!(hand.client.queued(), 2 * frame);
}

// behaviour: 6.6
#[test]
fn a_block_may_be_filled_to_its_last_byte_and_not_beyond() {
    let around = "PUB a 32752\r\n\r\n".len();
    for (more, first) in [(0, 65_536), (1, 32_768)] {
        let mut hand = connected(|_| {});
        publish(&mut hand, 32_768 - around);
        publish(&mut hand, 32_768 - around + more);
        assert!(hand.client.poll_transmit(START, &mut hand.tx));
        assert_eq!(hand.tx.remaining(), first);
    }
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
    let now = hand.client.poll_timeout().expect("it goes on");
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

// behaviour: 6.6
#[test]
fn what_fits_exactly_is_taken_and_a_steady_overflow_is_told_once() {
    let drop_oldest = |config: &mut Config| {
        config.send_buffer = 2 * "PUB a 1\r\nx\r\n".len();
        config.when_full = nats_conn_sm::WhenFull::DropOldest;
    };
    let mut config = ByHand::config();
    drop_oldest(&mut config);
    let mut hand = ByHand::dialled(config);
    hand.events(START);
    (0..2).for_each(|_| publish(&mut hand, 1));
    assert_eq!(hand.client.publish_fates().dropped, 0);
    (0..2).for_each(|_| publish(&mut hand, 1));
    let told = hand.events(START);
    assert_eq!(dropped(&told), [(DropReason::Overflow, vec![1..=2])]);
    // What is handed out makes no room, what is queued behind it does.
    let mut hand = connected(drop_oldest);
    publish(&mut hand, 1);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    (0..2).for_each(|_| publish(&mut hand, 1));
    assert_eq!(
        dropped(&hand.events(START)),
        [(DropReason::Overflow, vec![2..=2])]
    );
}

// behaviour: 6.2
#[test]
fn the_statistics_hold_what_can_be_counted_now() {
    let mut hand = connected(|_| {});
    let filter = nats_proto::SubjectFilter::from_static("b");
    for _ in 0..2 {
        hand.client.subscribe(START, filter.clone(), None).expect("open");
    }
    publish(&mut hand, 1);
    let statistics = hand.client.statistics();
    assert_eq!(statistics.subscriptions, 2);
    assert_eq!(statistics.pending_bytes, "PUB a 1\r\nx\r\n".len() as u64);
    assert_eq!(statistics.publishes, hand.client.publish_fates());
    assert_eq!(
        (statistics.publishes.accepted, statistics.publishes.queued),
        (1, 1)
    );
}

// behaviour: 1.2
#[test]
fn a_buffer_prints_its_link_and_how_much_is_in_it_and_nothing_of_what_that_is() {
    let mut hand = connected(|_| {});
    hand.read(b"MSG secret");
    assert_eq!(
        format!("{:?}", hand.rx),
        format!("ReceiveBuf({:?}, 10 bytes)", hand.rx.link())
    );
}

// behaviour: 1.2
#[test]
fn the_kind_of_an_error_is_told_as_its_driver_named_it_unless_the_life_is_recorded() {
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
            let told = std::iter::from_fn(|| client.poll_event(START, &mut rx));
            let told: Vec<String> = told.map(|event| format!("{event:?}")).collect();
            assert!(
                told.iter()
                    .any(|line| line.contains(&format!("kind: {expected:?}"))),
                "{recorded}, {during_dialling}: {told:?}"
            );
        }
    }
}

// behaviour: 2.1
#[test]
fn one_word_says_what_it_is_doing() {
    let mut hand = ByHand::dialled(ByHand::config());
    assert_eq!(hand.client.state(), State::Connecting);
    hand = connected(|_| {});
    assert_eq!(hand.client.state(), State::Connected);
    end(&mut hand);
    assert_eq!(hand.client.state(), State::Reconnecting);
    hand.client.close(START);
    assert_eq!(hand.client.state(), State::Closed);
    let mut draining = connected(|_| {});
    draining.client.drain(START).expect("open");
    assert_eq!(draining.client.state(), State::Draining);
}
