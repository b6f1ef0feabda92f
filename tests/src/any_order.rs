//! Lives made of random calls: all public calls of the machine, with any arguments and in any order, mixed with
//! rounds in which driver and servers behave (random calls alone hardly get past a handshake).
//!
//! [`run`] is driven by bytes, so that a property test and a fuzz target use the same lives. It panics if
//! a promise does not hold: the ledger, the grammar, the wire of each link, the five counters, the
//! limits, the deadline, that a clone of the machine behaves the same, and that its recording replays to the same.

mod calls;
mod disturbances;
mod setting;

use std::time::Duration;

use nats_conn_sm::RequestId;
use nats_proto::Sid;

use crate::choices::Choices;
use crate::golden;
use crate::scenario::seed_bytes;
use crate::sim::World;

/// Calls of one life at most.
const CALLS: usize = 150;
/// Calls of one life at most, where it is only sampled.
pub const SAMPLED_CALLS: usize = 30;
/// One in so many of the lives that are sampled has all checks.
pub const WHOLE: u64 = 64;

/// How a life is lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It is recorded, and the recording is replayed.
    Recorded,
    /// The machine is replaced by a clone now and then; clones are not recorded.
    Copied,
    /// Without either.
    Unrecorded,
}

/// Which states a life came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// There was a session.
    pub connected: bool,
    /// There was a second one.
    pub reconnected: bool,
    /// It was closed.
    pub closed: bool,
    /// A publish was confirmed.
    pub confirmed: bool,
    /// How many events it emitted.
    pub events: usize,
    /// How many inputs its recording has, all of which gave the same outputs when they were replayed. None for a life
    /// of copies, which are not recorded.
    pub replayed: u64,
}

/// Runs the life that these bytes describe, and checks it. One in eight is run twice, the second time with clones of
/// the machine, and must give the same events.
///
/// # Panics
/// If a promise does not hold.
pub fn run(data: &[u8]) -> Reached {
    let mut choices = Choices::new(data);
    let twice = choices.one_in(8);
    choices.live_twice(twice);
    let first = Life::begin(choices.clone(), Manner::Recorded).live();
    if twice {
        let second = Life::begin(choices, Manner::Copied).live();
        assert_eq!(first.1, second.1, "a clone of the machine gives other events");
    }
    first.0
}

/// Runs the life that these bytes describe as the fuzz target `calls` does, some three to five times as fast as [`run`]. One life in
/// [`WHOLE`] has all checks, as in [`run`]: which, says a hash of the bytes, so that a fuzzer cannot come to prefer the slow
/// ones. The others have at most [`SAMPLED_CALLS`] calls, and are neither recorded and replayed nor run a second time with
/// clones. Every other check is the same.
///
/// # Panics
/// If a promise does not hold.
pub fn sample(data: &[u8]) -> Reached {
    // FNV-1a, which mixes upwards: its low bits are those of the last bytes.
    let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    if (hash >> 32).is_multiple_of(WHOLE) {
        return run(data);
    }
    let mut choices = Choices::new(data);
    // What says in `run` whether it is lived twice: the same bytes describe the same life in both.
    choices.one_in(8);
    let mut life = Life::begin(choices, Manner::Unrecorded);
    life.pass(SAMPLED_CALLS);
    let reached = life.reached();
    life.end();
    reached
}

/// The hash of the recording of one of the golden lives. They are as random as any, and always the same.
///
/// # Panics
/// If a promise does not hold.
pub fn golden_life(number: u64) -> String {
    let bytes = golden_bytes(number);
    let mut life = Life::begin(Choices::new(&bytes), Manner::Recorded);
    life.pass(CALLS);
    life.end();
    let recording = life.world.recording();
    golden::show(&format!("life.{number}"), recording);
    golden::hash_of(recording)
}

/// What a golden life is made of: 150 to 449 bytes that look random.
fn golden_bytes(number: u64) -> Vec<u8> {
    let seeds = (0..).map(|part| seed_bytes(number << 8 | part));
    let mut bytes: Vec<u8> = seeds.take(15).flatten().collect();
    let length = 150 + usize::from(u16::from_le_bytes([bytes[0], bytes[1]])) % 300;
    bytes.rotate_left(2);
    bytes.truncate(length);
    bytes
}

/// The life of one connection.
struct Life<'a> {
    world: World,
    choices: Choices<'a>,
    /// The server sends only what a server may send: what it saw can be compared with the fates.
    honest: bool,
    /// The machine is replaced by a clone now and then.
    copies: bool,
    sids: Vec<Sid>,
    requests: Vec<RequestId>,
    /// The room for publishes.
    limit: u64,
    /// The largest frame that was accepted because nothing else was held.
    alone: u64,
}

impl Life<'_> {
    fn live(mut self) -> (Reached, Vec<String>) {
        self.pass(CALLS);
        let mut reached = self.reached();
        self.end();
        reached.replayed = self.world.verify_recording();
        let twice = self.choices.is_twice();
        let events = self.world.events.iter().filter(|_| twice);
        let reported = events.map(|event| format!("{event:?}")).collect();
        (reached, reported)
    }

    /// Runs until no choices are left.
    fn pass(&mut self, calls: usize) {
        for _ in 0..calls {
            if self.choices.is_empty() {
                break;
            }
            self.step();
            self.check_limits();
        }
    }

    /// Every life ends, so that every fate is final when it is compared with what the servers saw.
    fn end(&mut self) {
        self.heal();
        self.world.abort();
        self.world.run_for(Duration::ZERO);
        assert_eq!(self.world.count("closed"), 1, "it comes to its end");
        if self.honest {
            self.world.verify();
        }
        self.world.forget();
    }

    fn reached(&self) -> Reached {
        Reached {
            connected: self.world.count("connected") > 0,
            reconnected: self.world.count("reconnected") > 0,
            closed: self.world.count("closed") > 0,
            confirmed: self.world.client.publish_fates().confirmed > 0,
            events: self.world.events.len(),
            replayed: 0,
        }
    }

    fn step(&mut self) {
        match self.choices.byte() % 64 {
            0..=9 => self.cooperate(50),
            10..=15 => self.heal(),
            16..=19 => self.cooperate(2_000),
            20..=38 => self.call(),
            39..=54 => self.disturb(),
            55..=59 => self.be_rude(),
            60..=62 => self.look(),
            _ => self.end_perhaps(),
        }
    }

    /// Driver and servers behave for a while.
    fn cooperate(&mut self, millis: u64) {
        let millis = self.choices.below(millis) + 1;
        self.world.run_for(Duration::from_millis(millis));
    }

    fn check_limits(&self) {
        let held = self.world.client.statistics().pending_bytes;
        let most = self.limit.max(self.alone);
        assert!(held <= most, "{held} bytes are held, {most} at most");
    }
}
