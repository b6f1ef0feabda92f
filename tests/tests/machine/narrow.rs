//! Narrow moments, driven by hand: what comes while something else is still under way (behaviour 3, 5.3, 6.5, 11.3).

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::recording::{Recording, Replayer};
use nats_conn_sm::{
    Action, ClosedReason, Connection, Delivery, DropReason, Event, LinkEnd, Publish, ReceiveBuf,
    RecordingOptions, SendBuf,
};
use nats_conn_tests::by_hand::{ByHand, START, after};
use nats_conn_tests::scenario::url;
use nats_proto::{Subject, SubjectFilter};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const INFO: &str = "{\"headers\":true,\"max_payload\":1048576}";

fn at_least_once() -> ByHand {
    let mut config = ByHand::config();
    config.delivery = Delivery::AtLeastOnce;
    ByHand::connected(config, INFO)
}

// behaviour: 6.5
#[test]
fn a_block_that_is_being_written_when_the_asking_pong_comes_is_asked_about_too() {
    let mut hand = at_least_once();
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "1")).expect("room");
    hand.write(START);
    let asked = START + 100 * MILLISECOND;
    hand.client.handle_timeout(asked);
    hand.write(asked);
    hand.client.publish(Publish::new(&subject, "2")).expect("room");
    assert!(
        hand.client.poll_transmit(asked, &mut hand.tx),
        "the second is being written"
    );
    hand.read(b"PONG\r\n");
    hand.events(asked);
    assert_eq!(hand.client.publish_fates().confirmed, 1);
    hand.write_all();
    hand.write(asked);
    assert_eq!(hand.client.publish_fates().written, 1);
    assert_eq!(hand.client.poll_timeout(), Some(asked + 100 * MILLISECOND));
}

// behaviour: 5.3; edge: 79
#[test]
fn the_largest_message_is_dropped_also_where_a_larger_one_left_its_block_before() {
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
        Event::PublishDropped {
            reason, publishes, ..
        } => Some((reason, publishes.count())),
        _ => None,
    });
    assert_eq!(dropped, Some((DropReason::TooLarge, 1)));
    assert_eq!(hand.client.publish_fates().queued, 0);
}

// behaviour: 1.2, 13.1
#[test]
fn bytes_that_arrive_while_an_event_waits_are_heard_in_the_replay_too() {
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
    assert_eq!(hand.client.poll_timeout(), Some(after(170)), "it was heard");
    hand.client.flush(later).expect("a link");
    let bytes = hand.client.poll_recording().expect("recorded");
    Replayer::run(Recording::read(bytes).expect("a recording")).expect("the same life");
}

// behaviour: 3.6, 11.2, 11.3
#[test]
fn a_question_for_the_next_server_ends_with_its_attempt_and_with_the_connection() {
    let mut config = ByHand::config();
    config.custom_selection = true;
    let mut client = Connection::new(config, [7; 32], START).expect("usable");
    for _ in 0..3 {
        client
            .set_servers(START, vec![url("nats://n2.test:4222")])
            .expect("open");
    }
    let mut asked = client.clone();
    let questions = std::iter::from_fn(|| asked.poll_action()).count();
    assert_eq!(questions, 1, "the last one");
    client.close(START);
    let mut rx = ReceiveBuf::new(nats_conn_sm::LinkId::from_u64(0));
    let told: Vec<Event> = std::iter::from_fn(|| client.poll_event(START, &mut rx)).collect();
    assert!(matches!(
        told.last(),
        Some(Event::Closed {
            reason: ClosedReason::Requested
        })
    ));
    assert_eq!((client.poll_action(), client.poll_timeout()), (None, None));
}

// behaviour: 11.3; edge: 94
#[test]
fn a_forced_reconnect_while_a_failed_attempt_is_being_left_dials_at_once() {
    let mut hand = ByHand::dialled(ByHand::config());
    hand.read(b"-ERR 'maximum connections exceeded'\r\n");
    let failed = hand.events(START);
    assert!(
        failed
            .iter()
            .any(|event| matches!(event, Event::ConnectFailed { .. }))
    );
    hand.client.force_reconnect(START).expect("open");
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    let told = hand.events(START);
    assert!(
        matches!(told[..], [Event::Connecting { attempt: 2, .. }]),
        "{told:?}"
    );
}

// behaviour: 13.2, 3.2; edge: 90
#[test]
fn an_announced_server_that_asks_for_tls_is_not_lowered_to_clear_text() {
    let info = "{\"connect_urls\":[\"tls://n9.test:4222\",\"n8.test:4222\"]}";
    let hand = ByHand::connected(ByHand::config(), info);
    let servers = hand.client.servers();
    let scheme = |host: &str| {
        let status = servers.iter().find(|status| status.server.host() == host);
        status.expect("announced").server.to_string()
    };
    assert_eq!(scheme("n9.test"), "tls://n9.test:4222");
    assert_eq!(scheme("n8.test"), "nats://n8.test:4222");
}

// behaviour: 13.1, 3.2
#[test]
fn an_announced_url_that_cannot_be_used_is_told_without_its_userinfo() {
    let mut hand = ByHand::connected(ByHand::config(), INFO);
    hand.read(b"INFO {\"connect_urls\":[\"http://sally:hunter2@n3.test\"]}\r\n");
    let told = hand.events(START);
    let told = format!(
        "{:?}",
        told.iter()
            .find(|event| matches!(event, Event::ServerSkipped { .. }))
    );
    assert!(
        told.contains("[redacted]@n3.test") && !told.contains("hunter2"),
        "{told}"
    );
}

// behaviour: 3.2, 12.1
#[test]
fn of_an_endless_list_of_servers_so_many_are_taken_as_a_cluster_may_have() {
    let names: Vec<String> = (0..50_000).map(|number| format!("\"n{number}.test\"")).collect();
    let mut hand = ByHand::connected(ByHand::config(), INFO);
    for _ in 0..3 {
        hand.read(format!("INFO {{\"connect_urls\":[{}]}}\r\n", names.join(",")).as_bytes());
        hand.events(START);
    }
    assert_eq!(hand.client.servers().len(), 1024);
}

// behaviour: 11.3, 4.3
#[test]
fn a_forced_reconnect_while_a_short_link_is_on_its_way_out_waits_for_nothing() {
    for force in [false, true] {
        let mut hand = ByHand::connected(ByHand::config(), INFO);
        let link = hand.rx.link();
        hand.client
            .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
        if force {
            hand.client.force_reconnect(START).expect("open");
        }
        let told = hand.events(START);
        let waits = told
            .iter()
            .any(|event| matches!(event, Event::BackoffWait { .. }));
        assert_eq!(waits, !force, "{told:?}");
    }
}

// behaviour: 6.5, 6.2
#[test]
fn of_a_block_that_is_confirmed_in_part_the_rest_is_queued_again() {
    let mut hand = at_least_once();
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "1")).expect("room");
    hand.client.flush(START).expect("a session");
    hand.client.publish(Publish::new(&subject, "2")).expect("room");
    hand.write(START);
    hand.read(b"PONG\r\n");
    hand.events(START);
    assert_eq!(hand.client.publish_fates().confirmed, 1);
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START);
    let fates = hand.client.publish_fates();
    assert_eq!((fates.confirmed, fates.queued, fates.unconfirmed), (1, 1, 0));
    assert_eq!(hand.client.queued(), "PUB a 1\r\n2\r\n".len(), "and only that");
}

// behaviour: 5.4, 6.2
#[test]
fn of_a_block_that_is_proven_in_part_while_it_is_written_the_rest_is_queued_again() {
    let mut hand = ByHand::connected(ByHand::config(), INFO);
    let subject = Subject::from_static("a");
    hand.client.publish(Publish::new(&subject, "1")).expect("room");
    hand.client.flush(START).expect("a session");
    let front = hand.client.queued();
    for payload in ["2", "3"] {
        hand.client
            .publish(Publish::new(&subject, payload))
            .expect("room");
    }
    assert!(hand.client.poll_transmit(START, &mut hand.tx));
    hand.tx.advance(front + 4);
    hand.read(b"PONG\r\n");
    hand.events(START);
    assert_eq!(hand.client.publish_fates().confirmed, 1);
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    hand.events(START);
    let fates = hand.client.publish_fates();
    assert_eq!((fates.confirmed, fates.queued, fates.unconfirmed), (1, 2, 0));
    assert_eq!(hand.client.queued(), "PUB a 1\r\n2\r\nPUB a 1\r\n3\r\n".len());
}

// behaviour: 11.3, 9.4
#[test]
fn a_forced_reconnect_while_a_link_is_left_for_what_its_server_sent_waits_for_nothing() {
    for force in [false, true] {
        let mut hand = ByHand::connected(ByHand::config(), INFO);
        hand.read(b"rubbish\r\n");
        let mut told = hand.events(START);
        let link = hand.rx.link();
        assert_eq!(
            hand.client.poll_action(),
            Some(Action::Disconnect { link, abort: true }),
            "it leaves"
        );
        if force {
            hand.client.force_reconnect(START).expect("open");
        }
        hand.client
            .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
        told.extend(hand.events(START));
        let waits = told
            .iter()
            .any(|event| matches!(event, Event::BackoffWait { .. }));
        assert_eq!(waits, !force, "{told:?}");
    }
}

// behaviour: 2.2
#[test]
fn half_a_line_that_comes_while_tls_is_being_asked_for_fails_the_attempt_at_once() {
    let mut config = ByHand::config();
    config.tls_required = true;
    let mut hand = ByHand::dialled(config);
    hand.read(b"INFO {\"tls_available\":true}\r\n");
    assert_eq!(hand.events(START).len(), 1, "connecting");
    assert!(matches!(
        hand.client.poll_action(),
        Some(Action::UpgradeTls { .. })
    ));
    hand.read(b"-ERR 'ha");
    let told = hand.events(START);
    assert!(
        matches!(&told[..], [Event::ConnectFailed { error, .. }] if error.code() == "plaintext_before_tls"),
        "{told:?}"
    );
}

// behaviour: 4.4, 3.4
#[test]
fn a_pool_that_runs_empty_is_told_as_that_also_where_reconnecting_is_off() {
    let mut config = ByHand::config();
    config.reconnect = false;
    config.max_reconnects = Some(1);
    let mut hand = ByHand::connected(config, INFO);
    hand.client.force_reconnect(START).expect("open");
    let link = hand.rx.link();
    hand.client
        .handle_link_closed(START, link, LinkEnd::Requested, &mut hand.tx);
    hand.events(START);
    let next = std::iter::from_fn(|| hand.client.poll_action()).find_map(|action| match action {
        Action::Connect { link, .. } => Some(link),
        _ => None,
    });
    let next = next.expect("it dials");
    hand.client
        .handle_link_closed(START, next, LinkEnd::Eof, &mut SendBuf::new(next));
    let told = hand.events(START);
    assert!(
        matches!(
            told.last(),
            Some(Event::Closed {
                reason: ClosedReason::PoolExhausted
            })
        ),
        "{told:?}"
    );
}
