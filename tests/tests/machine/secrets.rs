//! No secret is ever printed (behaviour 13.1, 9.3), and randomness comes from the seed alone (1.2).

use std::time::Duration;

use nats_conn_sm::{Action, Credentials};
use nats_conn_tests::model_server::{Auth, Op};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);
const SECRETS: [&str; 6] = ["hunter2", "t0kenly", "SUSEED", "eyJhbGci", "s1gnature", "sally"];

/// Everything about a world that may ever be printed.
fn everything_printed(world: &World) -> String {
    let states = format!("{:?} {:#?}", world.client, world.client);
    let reported = format!("{:?} {:?} {}", world.events, world.actions, world.tale());
    let looked = format!(
        "{:?} {:?} {:?}",
        world.client.servers(),
        world.client.statistics(),
        world.client.server_info()
    );
    states + &reported + &looked
}

// behaviour: 13.1, 9.3
#[test]
fn no_secret_is_in_any_debug_display_event_action_or_error() {
    let mut world = Scenario::new(2)
        .knowing(&["nats://sally:hunter2@n1.test:4222", "nats://t0kenly@n2.test:4222"])
        .config(|config| {
            config.ask_credentials = true;
            config.retry_initial = true;
        })
        .server(0, |server| {
            server.auth = Auth::Refuse("Authorization Violation".into())
        })
        .begin();
    let mut full = Credentials::jwt("eyJhbGci", "s1gnature");
    full.nkey = Some("UPUBLIC".into());
    for _ in 0..9 {
        world
            .driver
            .answers
            .push_back((Some(Duration::from_millis(10)), Ok(full.clone())));
    }
    let mut seen = String::new();
    for _ in 0..600 {
        world.run_for(Duration::from_millis(1));
        seen += &everything_printed(&world);
    }
    world.crash(1);
    world.run_for(SECOND);
    seen += &everything_printed(&world);
    seen += &format!("{full:?}");
    for secret in SECRETS {
        assert!(!seen.contains(secret), "{secret} is printed");
    }
    assert!(seen.contains("[redacted]"));
    let sent = format!(
        "{:?}",
        world
            .cluster
            .logs()
            .flat_map(|log| log.connect().cloned())
            .collect::<Vec<_>>()
    );
    assert!(
        ["hunter2", "t0kenly", "eyJhbGci", "s1gnature"]
            .iter()
            .all(|secret| sent.contains(secret)),
        "{sent}"
    );
}

// behaviour: 9.3
#[test]
fn credentials_are_not_kept_after_the_handshake() {
    let mut world = Scenario::new(1)
        .config(|config| config.ask_credentials = true)
        .begin();
    world
        .driver
        .answers
        .push_back((Some(Duration::ZERO), Ok(Credentials::token("t0kenly"))));
    world.wait("connected");
    world.run_for(5 * SECOND);
    world.crash(0);
    world.restart(0);
    world.wait("reconnected");
    let asked = world
        .actions
        .iter()
        .filter(|(_, action)| matches!(action, Action::Authenticate { .. }))
        .count();
    assert_eq!(asked, 2, "asked again, for nothing was kept");
    assert_eq!(
        world.log().connect().expect("sent")["auth_token"],
        serde_json::Value::Null
    );
}

/// What a life with jitter, shuffling and an inbox writes and emits, with this seed.
fn outputs(seed: u64) -> (Vec<String>, Vec<Op>) {
    let mut world = Scenario::new(4)
        .seed(seed)
        .config(|config| config.randomize = true)
        .connected();
    world.subscribe("a");
    world.request("a", b"?", SECOND).expect("made");
    world.run_for(5 * SECOND);
    (0..4).for_each(|place| world.crash(place));
    world.run_for(20 * SECOND);
    (0..4).for_each(|place| world.restart(place));
    world.run_for(20 * SECOND);
    let reported = world
        .events
        .iter()
        .map(|reported| format!("{reported:?}"))
        .collect();
    let operations = world
        .cluster
        .logs()
        .flat_map(|log| log.frames.iter().map(|frame| frame.op.clone()))
        .collect();
    (reported, operations)
}

// behaviour: 1.2; edge: 86
#[test]
fn the_same_seed_and_inputs_give_the_same_outputs_and_another_seed_others() {
    assert_eq!(outputs(7), outputs(7));
    let (reported, operations) = outputs(7);
    let (other_events, other_operations) = outputs(8);
    assert_ne!(reported, other_events, "shuffle and jitter");
    assert_ne!(operations, other_operations, "the inbox");
}

// behaviour: 1.2
#[test]
fn a_clone_given_the_same_inputs_gives_the_same_outputs() {
    let mut world = Scenario::new(1).connected();
    world.subscribe("a");
    world.publish("a", b"x").expect("room");
    let twin = world.client.clone();
    assert_eq!(
        format!("{:?}", twin.publish_fates()),
        format!("{:?}", world.client.publish_fates())
    );
    assert_eq!(twin.poll_timeout(), world.client.poll_timeout());
    assert_eq!(twin.why(world.now()), world.client.why(world.now()));
}
