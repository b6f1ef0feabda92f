//! No server can make a client dial without end within one round (behaviour 3.2, 3.4, 4.1).

use std::time::Duration;

use nats_conn_sm::{Action, ClosedReason, ConnectionEvent, Event};
use nats_conn_tests::model_server::{Auth, Reaction, Settings, Step, Urls, When};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// A way to refuse, by its name.
type Refusal = (&'static str, fn(&mut Settings));

/// How a server drops a client that it has sent the names of others.
const REFUSALS: [Refusal; 4] = [
    ("authentication", |server| {
        server.auth = Auth::Refuse("Authorization Violation".into());
    }),
    ("another error", |server| {
        server.auth = Auth::Refuse("maximum connections exceeded".into());
    }),
    ("the end of the stream", |server| {
        server.script = vec![Step::instead(When::Connect, [Reaction::Close])];
    }),
    ("no PONG, but the end", |server| {
        server.script = vec![Step::instead(When::Ping(1), [Reaction::Close])];
    }),
];

/// Servers that refuse, the first of which is configured. What each announces is given by their places. Nothing that
/// they do takes any time.
fn refusing(refusal: fn(&mut Settings), announced: &[&[usize]]) -> Scenario {
    let mut scenario = Scenario::new(announced.len())
        .knowing(&["n1"])
        .every_server(refusal)
        .every_route(|route| (route.dial_time, route.latency) = (Duration::ZERO, Duration::ZERO));
    for (place, others) in announced.iter().enumerate() {
        let urls = others.iter().map(|other| format!("n{other}.test:4222"));
        let urls = Urls::Fixed(urls.collect());
        scenario = scenario.server(place, |server| server.urls = urls);
    }
    scenario
}

/// The servers that were dialled without any time passing after the first of the last `dials`.
fn at_one_instant(world: &World) -> Vec<String> {
    let last = world.dials().last().copied();
    let name = |action: &Action| match action {
        Action::Connect { server, .. } => Some(server.host().trim_end_matches(".test").to_owned()),
        _ => None,
    };
    let dials = world.actions.iter().filter(|(at, _)| Some(*at) == last);
    dials.filter_map(|(_, action)| name(action)).collect()
}

/// Lets some rounds go by; in none of them was a server dialled twice.
fn rounds_end(world: &mut World, case: &str) {
    for round in 0..8 {
        world.settle();
        let mut dialled = at_one_instant(world);
        let dials = dialled.len();
        dialled.sort();
        dialled.dedup();
        assert_eq!(dialled.len(), dials, "{case}, round {round}: {dialled:?}");
        let before = world.dials().len();
        let end = world.nanos() + 60_000_000_000;
        assert!(
            world.run_until(|world| world.dials().len() > before, end),
            "{case}: it does not end; {}",
            world.tale()
        );
    }
    assert!(world.now().as_millis() > 2_000, "{case}: with waits that grow");
}

// behaviour: 3.4, 4.1
#[test]
fn servers_that_leave_the_pool_and_are_announced_by_each_other_are_dialled_once_a_round() {
    for (refusal, refuse) in REFUSALS {
        for limit in [1, 2] {
            for announced in [&[&[2][..], &[1]][..], &[&[2, 3], &[3, 1], &[1, 2]]] {
                let mut world = refusing(refuse, announced)
                    .config(|config| (config.retry_initial, config.max_reconnects) = (true, Some(limit)))
                    .begin();
                rounds_end(&mut world, &format!("{refusal}, {limit}, {announced:?}"));
            }
        }
    }
}

// behaviour: 3.4, 4.1
#[test]
fn servers_that_announce_each_other_are_dialled_once_a_round_after_a_session_too() {
    let mut world = refusing(|_| (), &[&[2], &[1]])
        .config(|config| config.max_reconnects = Some(1))
        .connected();
    world.run_for(5 * SECOND);
    for place in 0..2 {
        REFUSALS[0].1(world.cluster.settings_mut(place));
    }
    world.reaction(Reaction::Close);
    world.wait("disconnected");
    rounds_end(&mut world, "after a session");
}

// behaviour: 2.5, 3.2
#[test]
fn a_server_that_was_pruned_and_announced_again_is_not_tried_twice_at_the_initial_connect() {
    for (refusal, refuse) in REFUSALS {
        // Each announces another one, and so prunes the one before.
        let mut world = refusing(refuse, &[&[2], &[3], &[4], &[2]]).begin();
        world.settle();
        assert_eq!(at_one_instant(&world), ["n1", "n2", "n3", "n4"], "{refusal}");
        let (_, event) = world.events.last().expect("an end");
        let Event::Connection(ConnectionEvent::Closed {
            reason: ClosedReason::ConnectFailed { failures },
        }) = event
        else {
            panic!("{refusal}: {event:?}")
        };
        assert_eq!(failures.len(), 4, "{refusal}: the error of every server");
    }
}

// behaviour: 4.1
#[test]
fn a_round_ends_although_every_server_announces_a_new_one() {
    let places: Vec<[usize; 1]> = (1..=300).map(|place| [place + 1]).collect();
    let announced: Vec<&[usize]> = places.iter().map(|others| &others[..]).collect();
    let mut world = refusing(REFUSALS[0].1, &announced)
        .config(|config| config.retry_initial = true)
        .begin();
    world.settle();
    let first = at_one_instant(&world).len();
    assert!((2..=100).contains(&first), "{first} dials at one instant");
    world.run_for(60 * SECOND);
    assert!(
        world.dials().len() > 250,
        "later rounds get to the others: {}",
        world.dials().len()
    );
}

// behaviour: 3.6, 4.1
#[test]
fn a_round_ends_even_if_the_driver_always_chooses_the_server_announced_last() {
    let places: Vec<[usize; 1]> = (1..=300).map(|place| [place + 1]).collect();
    let announced: Vec<&[usize]> = places.iter().map(|others| &others[..]).collect();
    let mut world = refusing(REFUSALS[0].1, &announced)
        .knowing(&["n1", "n300"])
        .config(|config| (config.retry_initial, config.custom_selection) = (true, true))
        .begin();
    world.driver.chooser = Some(Box::new(|servers, _, delay| {
        // The other configured server stays the default choice.
        let others = servers
            .iter()
            .filter(|status| status.server.host() != "n300.test");
        let last = others.max_by_key(|status| status.server.id())?;
        Some((last.server.id(), delay))
    }));
    world.settle();
    let first = at_one_instant(&world).len();
    assert!((2..=100).contains(&first), "{first} dials at one instant");
    world.run_for(SECOND);
}

// behaviour: 2.5, 4.1
#[test]
fn a_round_has_every_server_that_it_began_with_however_many() {
    let names: Vec<String> = (1..=200).map(|place| format!("n{place}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = refusing(REFUSALS[0].1, &vec![&[][..]; 200])
        .knowing(&names)
        .begin();
    world.settle();
    assert_eq!(at_one_instant(&world), names);
}

// behaviour: 3.4, 3.5, 4.1
#[test]
fn a_new_round_and_a_new_pool_try_every_server_again() {
    let mut world = refusing(REFUSALS[0].1, &[&[2], &[1]])
        .config(|config| (config.retry_initial, config.max_reconnects) = (true, Some(1)))
        .begin();
    world.settle();
    assert_eq!(at_one_instant(&world), ["n1", "n2"]);
    world.set_servers(&["n1"]).expect("open");
    world.settle();
    let dialled = world.dials().len();
    assert_eq!(dialled, 4, "at the same instant, as it was asked for");
    world.force_reconnect().expect("open");
    world.settle();
    assert!(world.dials().len() > dialled, "so does who insists");
    world.run_for(10 * SECOND);
}
