//! The next attempt, and why it is not made yet: asked for at any time (behaviour 4.2). That it agrees with what was
//! reported is checked after every call in every story and in every random life: see `sim/planned.rs`.

use std::time::Duration;

use nats_conn_sm::{
    Action, AttemptStage, Connection, ConnectionEvent, Event, LinkEnd, NextAttempt, Phase, ReceiveBuf,
    SendBuf, WaitReason,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

use super::support::{connected, end};

const SECOND: Duration = Duration::from_secs(1);

fn next(world: &World) -> Option<NextAttempt> {
    world.client.next_attempt(world.now())
}

// behaviour: 4.2
#[test]
fn an_attempt_shows_its_server_its_number_how_far_it_came_and_how_long_it_may_take() {
    let mut world = Scenario::new(1).begin();
    world.run_for(Duration::ZERO);
    let first = next(&world).expect("an attempt");
    assert_eq!((first.server.host(), first.attempt), ("n1.test", 1));
    let (phase, left) = (Phase::Dial, 5 * SECOND);
    assert_eq!(first.stage, AttemptStage::UnderWay { phase, left });
    assert_eq!(first.last_error, None);
    let dial_time = Duration::from_millis(1);
    world.run_for(dial_time);
    let (phase, left) = (Phase::Info, 5 * SECOND - dial_time);
    assert_eq!(
        next(&world).expect("an attempt").stage,
        AttemptStage::UnderWay { phase, left }
    );
    world.wait("connected");
    assert_eq!(next(&world), None, "in a session none is planned");
}

// behaviour: 4.2
#[test]
fn a_wait_shows_for_which_server_it_is_why_and_how_much_is_left_of_it() {
    let mut world = Scenario::new(2)
        .config(|config| config.retry_initial = true)
        .begin();
    (0..2).for_each(|place| world.crash(place));
    let (at, event) = world.wait("backoff_wait");
    let Event::Connection(ConnectionEvent::BackoffWait {
        server,
        attempt,
        delay,
        reason,
        ..
    }) = event
    else {
        panic!("{event:?}")
    };
    let shown = next(&world).expect("a wait");
    assert_eq!((&shown.server, shown.attempt), (&server, attempt));
    assert_eq!(attempt, 2);
    assert_eq!(reason, WaitReason::RoundFailed { rounds: 1 });
    let left = delay - world.now().since(at);
    assert_eq!(shown.stage, AttemptStage::Waiting { reason, left });
    let failure = shown.last_error.expect("the first attempt failed");
    assert_eq!(
        (failure.phase, failure.error.code()),
        (Phase::Dial, "connection_refused")
    );
    world.run_for(delay / 2);
    let left = left - delay / 2;
    assert_eq!(
        next(&world).expect("a wait").stage,
        AttemptStage::Waiting { reason, left }
    );
}

// behaviour: 4.2, 4.3
#[test]
fn a_wait_after_a_session_that_was_too_short_says_so() {
    let mut world = Scenario::new(1).connected();
    world.crash(0);
    world.cluster.restart(0);
    world.wait("backoff_wait");
    let shown = next(&world).expect("a wait");
    let reason = WaitReason::Flapping { rounds: 1 };
    assert!(matches!(shown.stage, AttemptStage::Waiting { reason: why, .. } if why == reason));
    assert_eq!((shown.attempt, shown.last_error), (1, None), "no attempt failed");
}

// behaviour: 3.6, 4.2
#[test]
fn while_the_driver_chooses_the_default_is_shown_and_afterwards_what_it_chose() {
    let mut config = ByHand::config();
    config.custom_selection = true;
    config.retry_initial = true;
    let mut client = Connection::new(config, [7; 32], START).expect("usable");
    let shown = client.next_attempt(START).expect("a choice");
    assert_eq!((shown.server.host(), shown.attempt), ("n1.test", 1));
    assert_eq!(shown.stage, AttemptStage::Choosing);
    let choose = |client: &mut Connection, delay| {
        let Some(Action::ChooseServer { attempt, default, .. }) = client.poll_action() else {
            panic!("it asks")
        };
        client.handle_server_choice(START, attempt, default, delay);
    };
    choose(&mut client, Duration::ZERO);
    let Some(Action::Connect { link, .. }) = client.poll_action() else {
        panic!("it dials")
    };
    client.handle_link_closed(START, link, LinkEnd::Eof, &mut SendBuf::new(link));
    while client.poll_event(START, &mut ReceiveBuf::new(link)).is_some() {}
    choose(&mut client, 3 * SECOND);
    let shown = client.next_attempt(START + SECOND).expect("a wait");
    let (reason, left) = (WaitReason::Chosen, 2 * SECOND);
    assert_eq!(shown.stage, AttemptStage::Waiting { reason, left });
    assert_eq!(shown.attempt, 2);
}

// behaviour: 4.2, 5.4
#[test]
fn while_a_link_is_being_left_and_once_closed_no_attempt_is_shown() {
    let mut hand = connected(|_| {});
    hand.client.force_reconnect(START).expect("open");
    assert_eq!(
        hand.client.next_attempt(START),
        None,
        "its driver has not answered"
    );
    end(&mut hand);
    assert!(hand.client.next_attempt(START).is_some());
    hand.client.close(START);
    assert_eq!(hand.client.next_attempt(START), None);
}

// behaviour: 1.1, 4.2
#[test]
fn a_time_before_the_last_call_counts_as_that_of_the_call() {
    let mut hand = ByHand::dialled(ByHand::config());
    hand.client.handle_timeout(START + SECOND);
    assert_eq!(
        hand.client.next_attempt(START),
        hand.client.next_attempt(START + SECOND)
    );
}

#[test]
fn every_stage_has_its_name() {
    let reason = WaitReason::Chosen;
    let left = SECOND;
    let stages = [
        AttemptStage::Waiting { reason, left },
        AttemptStage::Choosing,
        AttemptStage::UnderWay {
            phase: Phase::Dial,
            left,
        },
    ];
    assert_eq!(
        stages.map(|stage| stage.code()),
        ["waiting", "choosing", "under_way"]
    );
}
