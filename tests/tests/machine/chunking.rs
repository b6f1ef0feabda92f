//! However the bytes are split in transit, the story is the same (design rule 17).

use std::time::Duration;

use nats_conn_tests::model_server::{Op, Reaction, Urls};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;
use nats_proto::Headers;

const SECOND: Duration = Duration::from_secs(1);
const SIZES: [usize; 7] = [1, 2, 3, 5, 7, 64, 1000];

/// A life with everything in it, over a route that takes and gives so many bytes at once.
fn life(read_max: usize, write_max: usize) -> World {
    let mut world = Scenario::new(2)
        .every_server(|server| server.urls = Urls::Gossip)
        .every_route(|route| {
            route.read_max = read_max;
            route.write_max = write_max;
        })
        .connected();
    let counted = world.subscribe("counted");
    world.subscribe("all.>");
    world.unsubscribe_after(counted, 3).expect("alive");
    let mut headers = Headers::new();
    headers.append("Key", "some value").expect("a header");
    world
        .publish_with_headers("all.h", &headers, b"with headers")
        .expect("room");
    world
        .publish("all.p", b"\r\nMSG all.x 2 3\r\nPING\r\n")
        .expect("room");
    world.publish("all.empty", b"").expect("room");
    world.request("nobody", b"?", SECOND).expect("made");
    world.flush().expect("a session");
    world.run_for(3 * SECOND);
    world.send("-ERR 'Permissions Violation for Publish to \"all.z\"'\r\n+OK\r\n");
    world.reaction(Reaction::Ping);
    for _ in 0..4 {
        world.cluster.publish("counted", Some("reply.to"), &[b'c'; 300]);
    }
    world.run_for(SECOND);
    world.crash(0);
    world.run_for(SECOND);
    world.publish("all.late", b"late").expect("room");
    world.run_for(SECOND);
    world.drain().expect("open");
    world.finish_drain();
    world.wait("closed");
    world
}

fn reported(world: &World) -> Vec<String> {
    world
        .events
        .iter()
        .map(|(at, event)| format!("{at:?} {event:?}"))
        .collect()
}

fn operations(world: &World) -> Vec<Op> {
    world
        .cluster
        .logs()
        .flat_map(|log| log.frames.iter().map(|frame| frame.op.clone()))
        .collect()
}

// behaviour: 1.4, 1.5; edge: 1, 16, 33
#[test]
fn the_story_is_the_same_however_few_bytes_a_read_gives() {
    let whole = life(usize::MAX, usize::MAX);
    assert_eq!(
        whole.story().last(),
        Some(&"closed drained true".into()),
        "{:?}",
        whole.story()
    );
    assert!(reported(&whole).len() > 15);
    for size in SIZES {
        let cut = life(size, usize::MAX);
        assert_eq!(reported(&cut), reported(&whole), "reads of {size} bytes");
        assert_eq!(operations(&cut), operations(&whole), "reads of {size} bytes");
    }
}

// behaviour: 5.4, 6.6; edge: 147
#[test]
fn the_story_is_the_same_however_few_bytes_a_write_takes() {
    let whole = life(usize::MAX, usize::MAX);
    for size in SIZES {
        let cut = life(usize::MAX, size);
        assert_eq!(reported(&cut), reported(&whole), "writes of {size} bytes");
        assert_eq!(operations(&cut), operations(&whole), "writes of {size} bytes");
    }
}

// behaviour: 1.4; edge: 1
#[test]
fn one_byte_at_a_time_in_both_directions_changes_nothing() {
    let whole = life(usize::MAX, usize::MAX);
    let cut = life(1, 1);
    assert_eq!(
        (reported(&cut), operations(&cut)),
        (reported(&whole), operations(&whole))
    );
}

// behaviour: 1.5, 5.1; edge: 61
#[test]
fn a_stream_of_the_server_cut_at_any_byte_is_survived() {
    let length = {
        let mut world = Scenario::new(1).connected();
        session(&mut world);
        world.pipe().read
    };
    assert!(length > 600, "{length}");
    for position in 0..length {
        let mut world = Scenario::new(1)
            .config(|config| config.retry_initial = true)
            .route(0, |route| {
                route
                    .cuts
                    .push_back(nats_conn_tests::sim::Cut::AfterReading(position))
            })
            .connected();
        session(&mut world);
        world.run_for(10 * SECOND);
        assert!(world.cluster.logs().len() >= 2, "cut after {position} bytes");
        assert_eq!(
            world.client.state(),
            nats_conn_sm::State::Connected,
            "cut after {position} bytes"
        );
    }
}

fn session(world: &mut World) {
    world.subscribe("a");
    world.run_for(Duration::from_millis(10));
    for _ in 0..3 {
        world.publish_numbered("a", 20).expect("room");
    }
    let _ = world.request("a", b"?", SECOND);
    let _ = world.flush();
    world.run_for(5 * SECOND);
}
