//! What can be asked at any time: state, statistics, the pool, and the sentence that says what it waits for
//! (behaviour 1.2, 2.1, 3, 4.2, 6.2, 6.6).

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::{
    Action, Connection, ConnectionEvent, Credentials, Delivery, Event, Fate, LinkEnd, Publish, ReceiveBuf,
    RemovalReason, SendBuf, State,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::Urls;
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::Dial;
use nats_proto::SubjectFilter;

use super::support::{SUBJECT, connected, end, next, publish};

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 6.2
#[test]
fn requests_are_counted_and_what_the_driver_holds_is_queued() {
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

// behaviour: 4.2
#[test]
fn why_says_what_the_connection_is_doing_and_what_it_waits_for() {
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
    hand.client.handle_tls(START, link, 0);
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
fn why_says_whom_the_connection_waits_for_and_how_long() {
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

// behaviour: 6.2
#[test]
fn attempts_sessions_and_round_trips_are_counted() {
    let mut hand = connected(|_| {});
    let counted = |hand: &ByHand| {
        let statistics = hand.client.statistics();
        (statistics.attempts, statistics.connects, statistics.reconnects)
    };
    assert_eq!(counted(&hand), (1, 1, 0));
    let mut now = START;
    // An eighth of each new measurement, and seven of what was there (RFC 6298).
    for (measured, smoothed) in [(8, 8), (16, 9), (1, 8)] {
        hand.client.rtt(now).expect("a session");
        hand.write(now);
        hand.read(b"PONG\r\n");
        let millis = Duration::from_millis;
        now = now + millis(measured);
        hand.events(now);
        let statistics = hand.client.statistics();
        assert_eq!(statistics.round_trip, Some(millis(measured)));
        assert_eq!(statistics.smoothed_round_trip, Some(millis(smoothed)));
    }
    end(&mut hand);
    // The first attempt after it is refused, the second is let in.
    let mut next = |hand: &mut ByHand| loop {
        if let Some(Action::Connect { link, .. }) = hand.client.poll_action() {
            return (now, link);
        }
        now = hand.client.poll_timeout().expect("it tries again");
        hand.client.handle_timeout(now);
        hand.events(now);
    };
    let (now, link) = next(&mut hand);
    let mut unsent = SendBuf::new(link);
    hand.client
        .handle_link_closed(now, link, LinkEnd::Eof, &mut unsent);
    assert_eq!(counted(&hand), (2, 1, 0));
    let (now, link) = next(&mut hand);
    hand.client.handle_connected(now, link);
    (hand.rx, hand.tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    hand.read(b"INFO {}\r\n");
    hand.events(now);
    hand.write(now);
    hand.read(b"PONG\r\n");
    hand.events(now);
    assert_eq!(counted(&hand), (3, 2, 1));
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

// behaviour: 2.1
#[test]
fn the_state_is_one_of_a_few_words() {
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

// behaviour: 3.3
#[test]
fn the_pool_shows_which_server_would_be_next_in_every_state() {
    let mut world = Scenario::new(3).begin();
    assert_eq!(next(&world), ["n2.test"], "n1 is being dialled");
    world.wait("connected");
    world.run_for(5 * SECOND);
    assert_eq!(next(&world), ["n2.test"], "n1 would be the one just lost");
    (0..3).for_each(|place| world.crash(place));
    world.run_until(|world| world.names().last() == Some(&"backoff_wait"), u64::MAX);
    let (_, event) = world.all("backoff_wait").pop().expect("a wait");
    let Event::Connection(ConnectionEvent::BackoffWait { server, .. }) = event else {
        panic!("{event:?}")
    };
    assert_eq!(next(&world), [server.host().to_owned()]);
    world.close();
    world.wait("closed");
    assert_eq!(next(&world), Vec::<String>::new());
}

// behaviour: 3.2, 3.4
#[test]
fn the_pool_shows_the_last_failure_of_every_server() {
    let mut world = Scenario::new(3)
        .knowing(&["n1", "n2"])
        .server(1, |server| {
            server.urls = Urls::Fixed(vec!["n2.test:4222".into(), "n3.test:4222".into()])
        })
        .route(0, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .connected();
    world.run_for(SECOND);
    let status = world.client.servers();
    let reported: Vec<_> = status
        .iter()
        .map(|status| {
            (
                status.failures,
                status.last_error.is_some(),
                status.discovered,
                status.current,
            )
        })
        .collect();
    assert_eq!(
        reported,
        [
            (1, true, false, false),
            (0, false, false, true),
            (0, false, true, false)
        ]
    );
    assert_eq!(
        status[0].last_error.as_ref().map(|error| error.server.clone()),
        Some("nats://n1.test:4222".into())
    );
    assert!(!world.events.iter().any(|(_, event)| matches!(
        event,
        Event::Connection(ConnectionEvent::ServerRemoved {
            reason: RemovalReason::MaxReconnects,
            ..
        })
    )));
}

// behaviour: 1.2
#[test]
fn a_send_buffer_prints_its_link_and_how_much_is_left() {
    let mut hand = connected(|_| {});
    publish(&mut hand, 9);
    assert_eq!("PUB a 9\r\n\r\n".len() + 9, 20);
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    hand.tx.advance(5);
    let text = format!("{:?}", hand.tx);
    assert!(
        text.contains("15") && text.contains(&format!("{:?}", hand.rx.link())),
        "{text}"
    );
}

// behaviour: 4.2
#[test]
fn why_says_that_subscriptions_are_restored_until_the_server_has_them() {
    let mut hand = ByHand::dialled(ByHand::config());
    let filter = SubjectFilter::new("a").expect("a filter");
    hand.client.subscribe(START, filter, None).expect("open");
    hand.read(b"INFO {}\r\n");
    hand.events(START);
    hand.write(START);
    hand.read(b"PONG\r\n");
    hand.events(START);
    assert_eq!(
        hand.client.why(START),
        "connected to nats://n1.test:4222; restoring subscriptions"
    );
    hand.write(START);
    hand.read(b"PONG\r\n");
    hand.events(START);
    assert_eq!(hand.client.why(START), "connected to nats://n1.test:4222");
}

// behaviour: 4.2
#[test]
fn why_counts_the_rounds_without_success() {
    let mut world = Scenario::new(1)
        .config(|config| config.retry_initial = true)
        .route(0, |route| route.dial = Dial::Fails(LinkEnd::Eof))
        .begin();
    for round in 1..=3 {
        world.wait("backoff_wait");
        let why = world.client.why(world.now());
        assert!(
            why.ends_with(&format!("(round {round} without success)")),
            "{why}"
        );
    }
}

// behaviour: 6.2
#[test]
fn messages_and_bytes_are_counted_once_the_transport_took_them() {
    let mut hand = connected(|_| {});
    let before = hand.client.statistics();
    publish(&mut hand, 1);
    publish(&mut hand, 2);
    let sent = |hand: &ByHand| {
        let now = hand.client.statistics();
        (
            now.out_messages - before.out_messages,
            now.out_bytes - before.out_bytes,
        )
    };
    assert_eq!(sent(&hand), (0, 0));
    hand.write(START);
    assert_eq!(sent(&hand), (2, "PUB a 1\r\nx\r\nPUB a 2\r\nxx\r\n".len() as u64));
}
