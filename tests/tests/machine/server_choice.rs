//! The application chooses the next server (behaviour 3.6).

use std::time::Duration;

use nats_conn_sm::{
    Action, ClosedReason, Connection, ConnectionEvent, Event, LinkEnd, ReceiveBuf, WaitReason,
};
use nats_conn_tests::by_hand::{ByHand, START};
use nats_conn_tests::model_server::Reaction;
use nats_conn_tests::scenario::{Scenario, url};
use nats_conn_tests::sim::Dial;

use super::support::dialled;

const SECOND: Duration = Duration::from_secs(1);

// behaviour: 3.6, 4.2; edge: 91
#[test]
fn a_custom_choice_names_a_server_and_a_delay_for_every_attempt() {
    let mut world = Scenario::new(3)
        .config(|config| config.custom_selection = true)
        .begin();
    let mut delay = Duration::ZERO;
    world.driver.chooser = Some(Box::new(move |servers, _, _| {
        let chosen = Some((servers[2].server.id(), delay));
        delay += SECOND;
        chosen
    }));
    world.wait("connected");
    world.run_for(5 * SECOND);
    world.reaction(Reaction::Close);
    let (lost, _) = world.wait("disconnected");
    let (_, event) = world.wait("backoff_wait");
    assert!(
        matches!(
            event,
            Event::Connection(ConnectionEvent::BackoffWait {
                reason: WaitReason::Chosen,
                delay: SECOND,
                ..
            })
        ),
        "{event:?}"
    );
    let (dialled_at, _) = world.wait("connecting");
    assert_eq!(dialled_at.since(lost), SECOND);
    world.wait("reconnected");
    assert_eq!(dialled(&world), ["n3", "n3"]);
    let asked: Vec<_> = world
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::ChooseServer {
                servers,
                default_delay,
                ..
            } => Some((servers.len(), *default_delay)),
            _ => None,
        })
        .collect();
    assert_eq!(asked, [(3, Duration::ZERO); 2]);
}

// behaviour: 3.6; edge: 91
#[test]
fn the_choice_of_an_unknown_server_is_reported_and_the_default_is_used() {
    let mut world = Scenario::new(2)
        .config(|config| config.custom_selection = true)
        .begin();
    world.driver.chooser = Some(Box::new(|_, _, _| {
        Some((nats_conn_sm::ServerId::from_u64(77), SECOND))
    }));
    world.wait("connected");
    world.run_for(SECOND);
    assert_eq!(world.count("server_choice_rejected"), 1);
    assert_eq!(dialled(&world), ["n1"]);
}

// behaviour: 3.6, 4.1
#[test]
fn a_choice_that_is_always_the_same_server_still_waits_after_each_round() {
    let mut world = Scenario::new(3)
        .config(|config| {
            config.custom_selection = true;
            config.retry_initial = true;
        })
        .every_route(|route| route.dial = Dial::Fails(LinkEnd::Eof))
        .begin();
    world.driver.chooser = Some(Box::new(|servers, _, delay| {
        Some((servers[0].server.id(), delay))
    }));
    world.run_for(60 * SECOND);
    let dials = world.dials().len();
    assert!(
        (30..=75).contains(&dials),
        "{dials} dials in a minute, three a round"
    );
    let waits = world.all("backoff_wait");
    let rounds: Vec<u32> = waits
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Connection(ConnectionEvent::BackoffWait {
                reason: WaitReason::RoundFailed { rounds },
                ..
            }) => Some(*rounds),
            _ => None,
        })
        .collect();
    assert_eq!(rounds[..4], [1, 2, 3, 4]);
}

// behaviour: 3.6, 14, 2.5
#[test]
fn the_very_first_attempt_begins_at_once_whatever_delay_was_chosen() {
    let mut world = Scenario::new(1)
        .config(|config| config.custom_selection = true)
        .begin();
    let start = world.now();
    world.driver.chooser = Some(Box::new(|servers, _, _| {
        Some((servers[0].server.id(), 5 * SECOND))
    }));
    assert_eq!(world.wait("connecting").0, start);
    world.wait("connected");
    world.run_for(5 * SECOND);
    world.reaction(Reaction::Close);
    let lost = world.wait("disconnected").0;
    world.wait("backoff_wait");
    assert_eq!(
        world.wait("connecting").0,
        lost + 5 * SECOND,
        "a later one waits as chosen"
    );
}

// behaviour: 3.6, 11.2, 11.3
#[test]
fn a_choice_that_is_pending_ends_with_its_attempt_and_with_the_connection() {
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
    let reported: Vec<Event> = std::iter::from_fn(|| client.poll_event(START, &mut rx)).collect();
    assert!(matches!(
        reported.last(),
        Some(Event::Connection(ConnectionEvent::Closed {
            reason: ClosedReason::Requested
        }))
    ));
    assert_eq!((client.poll_action(), client.poll_timeout()), (None, None));
}
