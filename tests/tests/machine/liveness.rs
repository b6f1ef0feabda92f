//! Whether the peer is still there (behaviour 8), and the effect of late ticks and jumping clocks (1.1, 1.3).

use std::time::Duration;

use nats_conn_sm::{Action, ConnectionEvent, Event, LinkEnd, Timestamp};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::{Op, Reaction, Step, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// When the PINGs after that of the handshake were executed.
fn pings(world: &World) -> Vec<Timestamp> {
    let frames = world
        .log()
        .frames
        .iter()
        .skip(2)
        .filter(|frame| frame.op == Op::Ping);
    frames.map(|frame| Timestamp::from_nanos(frame.at)).collect()
}

/// A connected world some moments after the last byte that the server sent, and the time of that byte.
fn quiet_since() -> (World, Timestamp) {
    quiet_since_in(Scenario::new(1))
}

fn quiet_since_in(scenario: Scenario) -> (World, Timestamp) {
    let mut world = scenario.connected();
    let heard = world.now();
    world.run_for(Duration::from_millis(1));
    (world, heard)
}

// behaviour: 8.1; edge: 104
#[test]
fn a_dead_peer_is_found_when_the_third_ping_is_due_and_its_socket_is_aborted() {
    let (mut world, heard) = quiet_since();
    world.freeze();
    let (at, event) = world.wait("disconnected");
    assert_eq!(at.since(heard), 6 * MINUTE);
    assert!(
        matches!(event, Event::Connection(ConnectionEvent::Disconnected { reason, .. }) if reason.code() == "stale")
    );
    let aborted = |(at, action): &(Timestamp, Action)| {
        matches!(action, Action::Disconnect { abort: true, .. }).then_some(*at)
    };
    assert_eq!(world.actions.iter().find_map(aborted), Some(at), "not waited for");
    let dialled = world.dials();
    assert_eq!(dialled.last(), Some(&at), "and the next attempt begins at once");
}

// behaviour: 8.1; edge: 105
#[test]
fn a_dead_peer_is_found_at_the_promised_instant_while_the_application_publishes_every_millisecond() {
    // Also where the writer is blocked before a PING can leave.
    for send_room in [1 << 20, 2_000] {
        let mut world = Scenario::new(1)
            .config(|config| config.ping_interval = 2 * SECOND)
            .connected();
        let heard = world.now();
        world.freeze();
        world.routes[0].send_room = send_room;
        for _ in 0..6_100 {
            let _ = world.publish_numbered("a", 20);
            world.run_for(Duration::from_millis(1));
        }
        let (at, _) = world.wait("disconnected");
        assert_eq!(at.since(heard), 6 * SECOND, "with room for {send_room} bytes");
        assert!(world.story().contains(&"disconnected n1 stale".into()));
    }
}

// behaviour: 8.1
#[test]
fn a_ping_leaves_after_two_minutes_of_silence_and_its_pong_restarts_the_interval() {
    let (mut world, heard) = quiet_since();
    world.run_for(10 * MINUTE);
    let latency = Duration::from_millis(1);
    let times: Vec<Duration> = pings(&world).into_iter().map(|at| at.since(heard)).collect();
    let expected: Vec<Duration> = (1..=4)
        .map(|n| n * 2 * MINUTE + (n - 1) * 2 * latency + latency)
        .collect();
    assert_eq!(times, expected);
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 8.1; edge: 105
#[test]
fn inbound_bytes_of_any_kind_push_the_ping_back_and_our_own_writing_does_not() {
    let (mut world, _) = quiet_since();
    let sid = world.subscribe("a");
    for _ in 0..20 {
        world.run_for(MINUTE);
        world.cluster.publish("a", None, b"x");
    }
    assert_eq!(pings(&world).len(), 0);
    assert_eq!(world.ledger.messages(sid), 19);
    // The PONGs of confirmations are inbound bytes, too.
    let (mut world, heard) = quiet_since_in(Scenario::new(1).config(|config| config.confirm_after = None));
    for _ in 0..150 {
        world.run_for(SECOND);
        world.publish("a", b"x").expect("room");
    }
    assert_eq!(
        pings(&world)[0].since(heard),
        2 * MINUTE + Duration::from_millis(1)
    );
}

// behaviour: 8.1; edge: 104
#[test]
fn two_unanswered_pings_are_not_yet_stale_and_an_answer_sets_the_count_back() {
    let (mut world, heard) = quiet_since();
    world.pipe().mute = true;
    world.run_for(6 * MINUTE - SECOND);
    assert_eq!(pings(&world).len(), 2);
    world.pipe().mute = false;
    world.run_for(MINUTE);
    assert_eq!(world.count("disconnected"), 0);
    world.freeze();
    let again = heard + (6 * MINUTE - SECOND);
    let (at, _) = world.wait("disconnected");
    assert!(at.since(again) >= 6 * MINUTE - SECOND, "{:?}", at.since(again));
}

// behaviour: 8.1
#[test]
fn interval_and_allowed_pings_can_be_set() {
    for allowed in 1..5 {
        let mut world = Scenario::new(1)
            .config(|config| {
                config.ping_interval = 3 * SECOND;
                config.max_pings_out = allowed;
            })
            .connected();
        let heard = world.now();
        world.freeze();
        let (at, _) = world.wait("disconnected");
        assert_eq!(at.since(heard), (allowed + 1) * 3 * SECOND);
    }
}

// behaviour: 8.1; edge: 106
#[test]
fn pings_of_flushes_do_not_count_as_unanswered() {
    let mut world = Scenario::new(1)
        .config(|config| config.ping_interval = 10 * SECOND)
        .connected();
    let heard = world.now();
    world.freeze();
    for _ in 0..10 {
        world.flush().expect("a session");
        world.run_for(SECOND);
    }
    let (at, _) = world.wait("disconnected");
    assert_eq!(at.since(heard), 30 * SECOND);
}

// behaviour: 8.2; edge: 23
#[test]
fn an_unsolicited_pong_is_ignored() {
    let (mut world, _) = quiet_since();
    world.send("PONG\r\nPONG\r\n");
    world.run_for(SECOND);
    let flush = world.flush().expect("a session");
    world.pipe().mute = true;
    world.run_for(SECOND);
    assert_eq!(
        world.count("flushed"),
        0,
        "{flush:?} is not answered by an older PONG"
    );
    world.pipe().mute = false;
    world.run_for(SECOND);
    assert_eq!(world.count("flushed"), 1);
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 8.2; edge: 110
#[test]
fn pongs_answer_pings_in_order_whatever_they_were_for() {
    let mut world = Scenario::new(1)
        .config(|config| config.ping_interval = 5 * SECOND)
        .connected();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.pipe().mute = true;
    world.flush().expect("a session");
    world.run_for(4 * SECOND);
    world.drain_subscription(sid).expect("alive");
    world.rtt().expect("a session");
    world.run_for(SECOND);
    world.skip_past();
    // The answers come one by one.
    world.pipe().mute = false;
    world.run_for(SECOND);
    let names: Vec<_> = world
        .names()
        .into_iter()
        .filter(|name| *name != "server_info_changed")
        .collect();
    assert_eq!(names[2..], ["flushed", "subscription_ended", "round_trip"]);
}

// behaviour: 8.2; edge: 108, 109
#[test]
fn a_server_ping_is_answered_while_idle_draining_and_with_the_mailbox_full() {
    let mut world = Scenario::new(1)
        .server(0, |server| server.ping_interval = Some(2_000_000_000))
        .connected();
    let sid = world.subscribe("a");
    world.run_for(10 * SECOND);
    world.drain_subscription(sid).expect("alive");
    world.drain().expect("open");
    world.run_for(10 * SECOND);
    let pongs = world
        .log()
        .names()
        .into_iter()
        .filter(|name| *name == "PONG")
        .count();
    assert!(pongs >= 9, "{pongs}");
    assert_eq!(world.count("disconnected"), 0);
}

// behaviour: 8.2, 9.1; edge: 107
#[test]
fn stale_connection_from_the_server_is_one_disconnect_with_the_reason_stale() {
    let (mut world, _) = quiet_since();
    world.run_for(5 * SECOND);
    world.reaction(Reaction::error("Stale Connection"));
    world.reaction(Reaction::Close);
    world.wait("disconnected");
    world.wait("reconnected");
    let story: Vec<_> = world
        .story()
        .into_iter()
        .filter(|line| line.starts_with("disconnected"))
        .collect();
    assert_eq!(story, ["disconnected n1 stale"]);
}

// behaviour: 1.3; edge: 102
#[test]
fn after_a_sleep_of_eight_hours_one_ping_leaves_and_nothing_is_stale() {
    let (mut world, _) = quiet_since();
    world.run_for(MINUTE);
    world.sleep(Duration::from_secs(8 * 3600));
    let woken = world.now();
    world.run_for(SECOND);
    assert_eq!(pings(&world).len(), 1);
    assert!(pings(&world)[0].since(woken) <= Duration::from_millis(1));
    world.run_for(MINUTE);
    assert_eq!(world.count("disconnected"), 0);
    assert_eq!(pings(&world).len(), 1, "the interval restarts");
}

// behaviour: 1.3; edge: 102
#[test]
fn a_peer_that_died_during_the_sleep_is_found_two_intervals_after_waking() {
    let (mut world, _) = quiet_since();
    world.freeze();
    world.run_for(3 * MINUTE);
    world.sleep(Duration::from_secs(8 * 3600));
    let woken = world.now();
    let (at, _) = world.wait("disconnected");
    assert_eq!(
        at.since(woken),
        4 * MINUTE,
        "unanswered was set to 1: the one that is out"
    );
    let pings = world.pipes[0].handed;
    assert!(pings > 0);
}

// behaviour: 1.5, 8.1
#[test]
fn bytes_that_arrived_before_the_verdict_count() {
    let (mut world, heard) = quiet_since();
    let sid = world.subscribe("a");
    world.run_for(SECOND);
    world.pipe().mute = true;
    world.run_for(5 * MINUTE);
    // A message is in the socket, and the driver looks at the clock first.
    world.cluster.publish("a", None, b"alive");
    let late = 6 * MINUTE + SECOND;
    let peer = world.pipe().peer.expect("open");
    let message = world.cluster.take_output(peer);
    world.sleep(late - world.now().since(heard));
    let mut rx = nats_conn_sm::ReceiveBuf::new(world.pipe().link);
    rx.buffer_mut().extend_from_slice(&message);
    world.client.handle_timeout(world.now());
    let mut names = Vec::new();
    while let Some(event) = world.client.poll_event(world.now(), &mut rx) {
        names.push(nats_conn_tests::story::name(&event));
    }
    assert_eq!(names, ["message"], "{sid}");
    assert_eq!(world.client.poll_action(), None, "no verdict");
    world.forget();
}

// behaviour: 1.1; edge: 102
#[test]
fn time_that_runs_backwards_is_clamped() {
    let mut world = Scenario::new(1).connected();
    world.run_for(MINUTE);
    let due = world.client.poll_timeout().expect("a keep-alive");
    for past in [0, 1, 30_000] {
        world.client.handle_timeout(Timestamp::from_millis(past));
        world
            .client
            .flush(Timestamp::from_millis(past))
            .expect("a session");
        let mut rx = nats_conn_sm::ReceiveBuf::new(nats_conn_sm::LinkId::from_u64(0));
        let _ = world.client.poll_event(Timestamp::from_millis(past), &mut rx);
    }
    assert_eq!(world.client.poll_timeout(), Some(due));
    assert!(due >= world.now());
    world.forget();
}

// behaviour: 1.1
#[test]
fn the_end_of_time_is_survived() {
    let mut world = Scenario::new(1).connected();
    world.subscribe("a");
    world.publish("a", b"x").expect("room");
    for now in [u64::MAX - 1, u64::MAX, u64::MAX] {
        world.client.handle_timeout(Timestamp::from_nanos(now));
        while world.client.poll_action().is_some() {}
    }
    world.forget();
}

// behaviour: 8.1, 2.3; edge: 109
#[test]
fn pings_of_the_handshake_are_no_keep_alives() {
    let slow = Step::instead(When::Ping(1), [Reaction::later(4_000_000_000, Reaction::Pong)]);
    let mut world = Scenario::new(1)
        .config(|config| config.ping_interval = SECOND)
        .server(0, |server| server.script = vec![slow])
        .begin();
    world.wait("connected");
    assert_eq!(world.log().names(), ["CONNECT", "PING"]);
}

// edge: 65, 111
#[test]
fn unanswered_pings_of_one_link_do_not_count_on_the_next() {
    let mut world = Scenario::new(1)
        .config(|config| config.ping_interval = 5 * SECOND)
        .connected();
    world.pipe().mute = true;
    world.run_for(14 * SECOND);
    world.pipe().mute = false;
    world.crash(0);
    world.pipe().mute = false;
    world.restart(0);
    world.wait("reconnected");
    let heard = world.now();
    world.freeze();
    world.skip_past();
    let (at, _) = world.wait("disconnected");
    assert_eq!(at.since(heard), 15 * SECOND);
}

// behaviour: 8.1, 8.2
#[test]
fn how_long_the_server_is_silent_and_how_many_pings_it_has_not_answered_can_be_asked() {
    let (mut world, heard) = quiet_since();
    let health = |world: &World| {
        let health = world.client.link_health(world.now()).expect("a session");
        (health.silence, health.pings_out)
    };
    assert_eq!(world.client.statistics().last_inbound, Some(heard));
    world.run_for(MINUTE);
    assert_eq!(health(&world), (world.now().since(heard), 0));
    world.freeze();
    world.run_for(4 * MINUTE);
    assert_eq!(health(&world), (world.now().since(heard), 2), "two keep-alives");
    world.flush().expect("a session");
    world.run_for(SECOND);
    assert_eq!(health(&world).1, 3, "and a flush");
    assert_eq!(world.client.statistics().pings_out, 3);
    world.wait("disconnected");
    assert_eq!(world.client.link_health(world.now()), None);
    assert_eq!(
        (
            world.client.statistics().last_inbound,
            world.client.statistics().pings_out
        ),
        (None, 0)
    );
    world.wait("reconnected");
    assert_eq!(
        health(&world),
        (Duration::ZERO, 0),
        "another session starts from zero"
    );
    world.run_for(SECOND);
    // Any bytes from the peer count.
    world.reaction(Reaction::send("+OK\r\n"));
    world.run_for(SECOND);
    assert!(health(&world).0 < SECOND);
}

// behaviour: 8.2
#[test]
fn the_health_of_a_session_can_be_asked_until_its_disconnected_was_polled() {
    let mut hand = ByHand::connected(ByHand::config(), "{}");
    let link = hand.rx.link();
    assert!(hand.client.link_health(START).is_some());
    hand.client
        .handle_link_closed(START, link, LinkEnd::Eof, &mut hand.tx);
    assert!(
        hand.client.link_health(START).is_some(),
        "nothing was reported yet"
    );
    let events = hand.events(START);
    assert!(
        matches!(
            events.first(),
            Some(Event::Connection(ConnectionEvent::Disconnected { .. }))
        ),
        "{events:?}"
    );
    assert_eq!(hand.client.link_health(START), None);
}
