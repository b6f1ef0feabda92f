//! Many clients and many servers in one virtual time, from one seed, and what must hold from end to end.
//!
//! Each client is a [`World`](crate::sim::World): the machine, a driver, links. All of them share one cluster of model
//! servers that route between each other. A [`Plan`] says what happens: applications publish, subscribe, request and
//! leave; servers crash, become lame ducks, are upgraded one by one, lose sight of each other and change passwords;
//! links are cut, half-open, slow or lead nowhere; clients stop reading, are suspended, and have clocks that leap.
//!
//! Then the world heals, and these must hold, beside everything that a world checks of its own client:
//!
//! - every client that did not leave has a session again within the time that its settings allow, and a flush works;
//! - after it every publish has its last fate; at least once nothing is lost, at most once nothing is executed twice,
//!   and what is confirmed was executed;
//! - every publish that a server executed was delivered to each subscription whose interest its client knew to be with
//!   the server, and to one member of each queue group;
//! - each subscription received what was delivered to it, in order, once, and all of it that was read;
//! - answers belong to their requests, and come before their deadlines;
//! - attempts are few, and nothing happens over and over without an effect.
//!
//! `cargo run --release -p nats-conn-tests --example simulate -- --seeds 10000` runs many plans.

mod crowd;
mod dice;
mod member;
mod plan;
mod shrink;
mod step;
mod taking;
mod verdict;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crowd::Crowd;
pub use plan::{Bug, Plan};
pub use shrink::shrink;

/// How a plan went.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was counted, or what was not as it must be.
    pub outcome: Result<Tally, String>,
    /// What happened, line by line, where it was to be told.
    pub story: Vec<String>,
    /// The recording of each client, by name, where it was to be told. The client that acted last comes first.
    pub recordings: Vec<(&'static str, Vec<u8>)>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Clients.
    pub clients: u64,
    /// Events of the machines.
    pub events: u64,
    /// Moments at which something happened.
    pub moments: u64,
    /// Sessions.
    pub sessions: u64,
    /// Attempts that had no session.
    pub failures: u64,
    /// Publishes that servers executed.
    pub executed: u64,
    /// Messages that were to be delivered.
    pub expected: u64,
    /// Messages that subscriptions received.
    pub received: u64,
    /// Virtual milliseconds.
    pub millis: u64,
}

impl Tally {
    /// Counts another one too.
    pub fn add(&mut self, other: &Self) {
        let Self {
            clients,
            events,
            moments,
            sessions,
            failures,
            executed,
            expected,
            received,
            millis,
        } = self;
        *clients += other.clients;
        *events += other.events;
        *moments += other.moments;
        *sessions += other.sessions;
        *failures += other.failures;
        *executed += other.executed;
        *expected += other.expected;
        *received += other.received;
        *millis += other.millis;
    }
}

/// Runs a plan from its beginning to its end. What is told takes time, and changes nothing.
pub fn run(plan: &Plan, is_told: bool) -> Report {
    let mut crowd = Crowd::begin(plan, is_told);
    let lived = catch_unwind(AssertUnwindSafe(|| {
        crowd.live(plan)?;
        crowd.judge(plan)
    }));
    let outcome = lived.unwrap_or_else(|panic| Err(text_of(&*panic)));
    let outcome = outcome.map(|compared| {
        let worlds = || crowd.members.iter().map(|member| &member.world);
        let count = |name: &str| worlds().map(|world| world.count(name) as u64).sum::<u64>();
        Tally {
            clients: crowd.members.len() as u64,
            events: worlds().map(|world| world.events.len() as u64).sum(),
            moments: crowd.moments,
            sessions: count("connected") + count("reconnected"),
            failures: count("connect_failed"),
            executed: compared.executed,
            expected: compared.expected,
            received: compared.received,
            millis: (crowd.now - crowd.start) / 1_000_000,
        }
    });
    let failed = outcome.is_err();
    if failed && is_told {
        crowd.tell_frames();
    }
    let mut report = Report {
        outcome,
        story: crowd.told.take().unwrap_or_default(),
        recordings: Vec::new(),
    };
    if crowd.acting < crowd.members.len() {
        crowd.members.swap(0, crowd.acting);
    }
    let replayed = catch_unwind(AssertUnwindSafe(|| {
        for mut member in crowd.members.drain(..) {
            member.world.forget();
            if is_told {
                report
                    .recordings
                    .push((member.name, member.world.recording().to_vec()));
            }
            // Its recording is replayed here.
            drop(member);
        }
    }));
    if let (Err(panic), false) = (replayed, failed) {
        report.outcome = Err(text_of(&*panic));
    }
    report
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| String::from("a panic without a text"))
}
