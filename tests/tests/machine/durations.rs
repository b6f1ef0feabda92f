//! What zero and `Duration::MAX` mean, for every time that can be set: at once, and never.

use std::time::Duration;

use nats_conn_sm::LinkEnd;
use nats_conn_sm::{Config, LameDuckPolicy, RequestMany};
use nats_conn_tests::model_server::{Auth, Op, Reaction, Urls};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::{Dial, World};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A setting, and what a world with it comes to: with zero, and with the longest.
struct Row {
    setting: &'static str,
    world: fn(Duration) -> &'static str,
    zero: &'static str,
    longest: &'static str,
}

/// The settings of times in `Config`, by the names that stand there, and the times that calls take.
const ROWS: [Row; 16] = [
    Row {
        setting: "connect_timeout",
        world: connect_timeout,
        zero: "zero_duration",
        longest: "waits",
    },
    Row {
        setting: "ping_interval",
        world: ping_interval,
        zero: "zero_duration",
        longest: "no ping",
    },
    Row {
        setting: "min_stable",
        world: min_stable,
        zero: "dials at once",
        longest: "waits",
    },
    Row {
        setting: "auth_strike_gap",
        world: auth_strike_gap,
        zero: "gives up",
        longest: "goes on",
    },
    Row {
        setting: "confirm_after",
        world: confirm_after,
        zero: "does not ask",
        longest: "does not ask",
    },
    Row {
        setting: "drain_timeout",
        world: drain_timeout,
        zero: "zero_duration",
        longest: "waits",
    },
    Row {
        setting: "close_timeout",
        world: close_timeout,
        zero: "closes at once",
        longest: "waits",
    },
    Row {
        setting: "base",
        world: backoff_base,
        zero: "dials at once",
        longest: "waits as long as max",
    },
    Row {
        setting: "max",
        world: backoff_max,
        zero: "dials at once",
        longest: "waits",
    },
    Row {
        setting: "jitter",
        world: backoff_jitter,
        zero: "none",
        longest: "half of max",
    },
    Row {
        setting: "within",
        world: within,
        zero: "moves at once",
        longest: "stays",
    },
    Row {
        setting: "timeout",
        world: request,
        zero: "timed out",
        longest: "waits",
    },
    Row {
        setting: "timeout of many",
        world: request_many,
        zero: "timed out",
        longest: "waits",
    },
    Row {
        setting: "stall",
        world: stall,
        zero: "stalled",
        longest: "waits",
    },
    Row {
        setting: "delay",
        world: delay,
        zero: "dials at once",
        longest: "waits",
    },
    Row {
        setting: "delay, at first",
        world: delay_at_first,
        zero: "dials at once",
        longest: "dials at once",
    },
];

// behaviour: 1.6
#[test]
fn zero_is_at_once_and_the_longest_time_is_never() {
    for Row {
        setting,
        world,
        zero,
        longest,
    } in ROWS
    {
        assert_eq!(world(Duration::ZERO), zero, "{setting}: zero");
        assert_eq!(world(Duration::MAX), longest, "{setting}: the longest");
    }
}

#[test]
fn every_time_in_the_settings_has_a_row() {
    let sources = [
        include_str!("../../../nats-conn-sm/src/config.rs"),
        include_str!("../../../nats-conn-sm/src/publish.rs"),
    ];
    let fields = sources
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| {
            let (name, kind) = line.trim().trim_start_matches("pub ").split_once(": ")?;
            let is_field = line.starts_with("    ") && matches!(kind, "Duration," | "Option<Duration>,");
            is_field.then_some(name)
        });
    let mut count = 0;
    for field in fields {
        count += 1;
        assert!(ROWS.iter().any(|row| row.setting == field), "{field}");
    }
    assert_eq!(count, 13, "they are found");
}

/// One server, and no keep-alive that would end a link.
fn quiet() -> Scenario {
    Scenario::new(1).config(|config| config.ping_interval = Duration::MAX)
}

/// The code of what is wrong with these settings.
fn refused(change: impl FnOnce(&mut Config)) -> Option<&'static str> {
    let mut config = Config::new(vec!["nats://n1.test".parse().expect("a URL")]);
    change(&mut config);
    config.validate().err().map(|error| error.code())
}

fn or_waits(world: &World, event: &str, otherwise: &'static str) -> &'static str {
    if world.count(event) == 0 {
        "waits"
    } else {
        otherwise
    }
}

fn connect_timeout(time: Duration) -> &'static str {
    if let Some(code) = refused(|config| config.connect_timeout = time) {
        return code;
    }
    let mut world = quiet()
        .config(|config| config.connect_timeout = time)
        .every_route(|route| route.dial = Dial::Hangs)
        .begin();
    world.run_for(DAY);
    or_waits(&world, "connect_failed", "fails")
}

fn pings(world: &World) -> usize {
    let handshake = 1;
    world
        .log()
        .frames
        .iter()
        .filter(|frame| frame.op == Op::Ping)
        .count()
        - handshake
}

fn ping_interval(time: Duration) -> &'static str {
    if let Some(code) = refused(|config| config.ping_interval = time) {
        return code;
    }
    let mut world = Scenario::new(1)
        .config(|config| config.ping_interval = time)
        .connected();
    world.run_for(DAY);
    if pings(&world) == 0 { "no ping" } else { "pings" }
}

fn min_stable(time: Duration) -> &'static str {
    let mut world = quiet().config(|config| config.min_stable = time).connected();
    if !time.is_zero() {
        world.run_for(DAY);
    }
    world.reaction(Reaction::Close);
    world.wait("reconnected");
    if world.count("backoff_wait") == 0 {
        "dials at once"
    } else {
        "waits"
    }
}

fn auth_strike_gap(time: Duration) -> &'static str {
    let mut world = quiet()
        .config(|config| (config.auth_strike_gap, config.retry_initial) = (time, true))
        .server(0, |server| {
            server.auth = Auth::Refuse("Authorization Violation".into())
        })
        .begin();
    world.run_for(3600 * SECOND);
    if world.count("closed") == 0 {
        "goes on"
    } else {
        "gives up"
    }
}

fn confirm_after(time: Duration) -> &'static str {
    let mut world = quiet()
        .config(|config| config.confirm_after = Some(time))
        .connected();
    world.run_for(SECOND);
    world.publish("a", b"x").expect("room");
    world.run_for(DAY);
    match (pings(&world), world.client.publish_fates().confirmed) {
        (0, 0) => "does not ask",
        _ => "asks",
    }
}

fn drain_timeout(time: Duration) -> &'static str {
    if let Some(code) = refused(|config| config.drain_timeout = time) {
        return code;
    }
    let mut world = quiet().config(|config| config.drain_timeout = time).connected();
    world.publish("a", b"x").expect("room");
    world.freeze();
    world.drain().expect("open");
    world.run_for(DAY);
    or_waits(&world, "closed", "closes")
}

fn close_timeout(time: Duration) -> &'static str {
    let mut world = quiet().config(|config| config.close_timeout = time).connected();
    world.pipe().deaf = true;
    world.routes[0].send_room = 5_000;
    for _ in 0..100 {
        world.publish_numbered("p", 1000).expect("room");
    }
    let began = world.now();
    world.close();
    world.run_for(DAY);
    match world.all("closed").first() {
        None => "waits",
        Some((at, _)) if *at == began => "closes at once",
        Some(_) => "closes",
    }
}

/// How long it was waited until the second attempt, within a day.
fn second_attempt(config: impl FnOnce(&mut Config)) -> Option<Duration> {
    let mut world = quiet()
        .config(|config| config.retry_initial = true)
        .config(config)
        .every_route(|route| (route.dial, route.dial_time) = (Dial::Fails(LinkEnd::Eof), SECOND))
        .begin();
    world.wait("connect_failed");
    let failed = world.now();
    world.run_until(|world| world.dials().len() > 1, (failed + DAY).as_nanos());
    world.dials().get(1).map(|at| at.since(failed))
}

fn backoff_base(time: Duration) -> &'static str {
    let waited = second_attempt(|config| {
        (config.backoff.base, config.backoff.jitter) = (time, Some(Duration::ZERO));
    });
    match waited {
        Some(Duration::ZERO) => "dials at once",
        Some(waited) if waited == Duration::from_secs(4) => "waits as long as max",
        _ => "waits",
    }
}

fn backoff_max(time: Duration) -> &'static str {
    let waited = second_attempt(|config| (config.backoff.base, config.backoff.max) = (Duration::MAX, time));
    match waited {
        Some(Duration::ZERO) => "dials at once",
        Some(_) => "dials",
        None => "waits",
    }
}

fn backoff_jitter(time: Duration) -> &'static str {
    let waited = second_attempt(|config| config.backoff.jitter = Some(time)).expect("within a day");
    match waited.checked_sub(Duration::from_millis(100)) {
        Some(Duration::ZERO) => "none",
        Some(extra) if extra <= Duration::from_secs(2) => "half of max",
        _ => "more",
    }
}

fn within(time: Duration) -> &'static str {
    let mut world = Scenario::new(2)
        .config(|config| config.ping_interval = Duration::MAX)
        .config(|config| config.lame_duck = LameDuckPolicy::Move { within: time })
        .every_server(|server| server.urls = Urls::Gossip)
        .connected();
    world.run_for(5 * SECOND);
    let announced = world.now();
    world.cluster.lame_duck(0, None);
    world.run_for(DAY);
    match world.all("disconnected").first() {
        None => "stays",
        Some((at, _)) if at.since(announced) < SECOND => "moves at once",
        Some(_) => "moves",
    }
}

/// A world in which nobody answers what is subscribed to.
fn asking() -> World {
    let mut world = quiet().connected();
    world.subscribe("svc");
    world.run_for(SECOND);
    world
}

fn request(time: Duration) -> &'static str {
    let mut world = asking();
    world.request("svc", b"", time).expect("open");
    world.run_for(DAY);
    or_waits(&world, "response", "timed out")
}

fn request_many(time: Duration) -> &'static str {
    let mut world = asking();
    world
        .request_many("svc", b"", RequestMany::new(time))
        .expect("open");
    world.run_for(DAY);
    or_waits(&world, "replies_ended", "timed out")
}

fn stall(time: Duration) -> &'static str {
    let mut world = asking();
    world
        .request_many("svc", b"", RequestMany::new(Duration::MAX).stall(time))
        .expect("open");
    world.run_for(SECOND);
    let inbox = world.log().frames.iter().rev().find_map(|frame| match &frame.op {
        Op::Publish { reply, .. } => reply.clone(),
        _ => None,
    });
    world
        .cluster
        .publish(&inbox.expect("it was sent"), None, b"first");
    world.run_for(DAY);
    assert_eq!(world.count("reply"), 1);
    or_waits(&world, "replies_ended", "stalled")
}

fn choosing(time: Duration) -> World {
    let mut world = quiet().config(|config| config.custom_selection = true).begin();
    world.driver.chooser = Some(Box::new(move |servers, _, _| {
        Some((servers[0].server.id(), time))
    }));
    world
}

fn delay(time: Duration) -> &'static str {
    let mut world = choosing(time);
    world.wait("connected");
    world.run_for(5 * SECOND);
    world.reaction(Reaction::Close);
    world.run_for(DAY);
    if world.count("reconnected") > 0 {
        return if world.count("backoff_wait") == 0 {
            "dials at once"
        } else {
            "waited"
        };
    }
    // What waits for ever can be cut short.
    world.force_reconnect().expect("open");
    world.wait("reconnected");
    "waits"
}

fn delay_at_first(time: Duration) -> &'static str {
    let mut world = choosing(time);
    let began = world.now();
    if world.wait("connecting").0 == began {
        "dials at once"
    } else {
        "waits"
    }
}
