//! Visiting all states, breadth first.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nats_conn_sm::{State, Timestamp};

use super::check::lines;
use super::input::Input;
use super::scope::Scope;
use super::world::World;

/// How far a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// States that were visited.
    pub states: usize,
    /// Inputs that were tried in them.
    pub transitions: u64,
    /// The length of the shortest way to the last state.
    pub depth: usize,
    /// States in which the connection is closed.
    pub closed: usize,
    /// States with a session.
    pub connected: usize,
    /// States that wait for their inputs to be tried.
    pub waiting: usize,
    /// Since the beginning.
    pub took: Duration,
}

/// What a search came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How far it came.
    pub progress: Progress,
    /// Every state was visited.
    pub is_complete: bool,
    /// What does not hold, if anything.
    pub found: Option<Found>,
    /// A life that leads to the state that was found last, which is one of those that are farthest away.
    pub farthest: String,
}

/// A state in which something does not hold.
#[derive(Clone, Debug)]
pub struct Found {
    /// What.
    pub what: String,
    /// The inputs that lead to it.
    pub inputs: Vec<Input>,
    /// The same with what came of them, a line each.
    pub story: String,
}

/// Visits the states of this world until so many are known. `report` is called now and then.
pub fn search(scope: &Arc<Scope>, most: usize, mut report: impl FnMut(Progress)) -> Outcome {
    let began = Instant::now();
    let first = World::new(scope, Timestamp::from_millis(1_000));
    let mut known = HashSet::from([digest(&first)]);
    let mut ways = Ways::default();
    let mut progress = Progress {
        states: 1,
        ..Progress::default()
    };
    let mut level = vec![(ways.root(), first)];
    let mut is_complete = true;
    while !level.is_empty() {
        let mut next = Vec::new();
        let mut level_left = level.len();
        for (way, world) in level {
            level_left -= 1;
            for input in world.possible() {
                progress.transitions += 1;
                let tried = try_input(&world, input).and_then(|after| {
                    let digest = digest(&after);
                    let is_new = !known.contains(&digest);
                    if is_new {
                        caught(|| after.verify())?;
                    }
                    Ok((after, digest, is_new))
                });
                let (after, digest, is_new) = match tried {
                    Ok(tried) => tried,
                    Err(what) => {
                        progress.took = began.elapsed();
                        let mut inputs = ways.to(way);
                        inputs.push(input);
                        let story = tell(scope, &inputs);
                        let found = Some(Found { what, inputs, story });
                        return Outcome {
                            progress,
                            is_complete: false,
                            found,
                            farthest: String::new(),
                        };
                    }
                };
                if !is_new {
                    continue;
                }
                if progress.states >= most {
                    is_complete = false;
                    continue;
                }
                known.insert(digest);
                progress.states += 1;
                match after.connection().state() {
                    State::Closed => progress.closed += 1,
                    State::Connected => progress.connected += 1,
                    _ => {}
                }
                if progress.states.is_multiple_of(10_000) {
                    (progress.took, progress.waiting) = (began.elapsed(), next.len() + level_left);
                    report(progress);
                }
                next.push((ways.add(way, input), after));
            }
        }
        if !next.is_empty() {
            progress.depth += 1;
        }
        level = next;
    }
    (progress.took, progress.waiting) = (began.elapsed(), 0);
    Outcome {
        progress,
        is_complete,
        found: None,
        farthest: tell(scope, &ways.to(ways.last())),
    }
}

fn try_input(world: &World, input: Input) -> Result<World, String> {
    caught(|| {
        let mut after = world.clone();
        after.apply(input).map(|()| after)
    })
}

/// A panic is something that does not hold.
fn caught<T>(attempt: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// Lives the life again, and tells it.
fn tell(scope: &Arc<Scope>, inputs: &[Input]) -> String {
    let mut world = World::new(scope, Timestamp::from_millis(1_000));
    let mut story = format!("(the beginning): {}\n", lines(world.events()));
    for &input in inputs {
        match try_input(&world, input) {
            Ok(after) => {
                story.push_str(&format!("{input}: {}\n", lines(after.events())));
                world = after;
            }
            Err(what) => story.push_str(&format!("{input}: {what}\n")),
        }
    }
    story
}

/// 128 bits: states are too few for two of them to share one by chance.
fn digest(world: &World) -> u128 {
    let key = world.key();
    let hash = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(&key);
        u128::from(hasher.finish())
    };
    hash(0) << 64 | hash(1)
}

/// The shortest way to each state: the state before it, and the input.
#[derive(Default)]
struct Ways(Vec<(u32, Option<Input>)>);

impl Ways {
    fn root(&mut self) -> u32 {
        self.0.push((0, None));
        0
    }

    fn add(&mut self, before: u32, input: Input) -> u32 {
        self.0.push((before, Some(input)));
        u32::try_from(self.0.len() - 1).expect("fewer states than that")
    }

    fn last(&self) -> u32 {
        u32::try_from(self.0.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn to(&self, state: u32) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut place = state;
        while let (before, Some(input)) = self.0[place as usize] {
            inputs.push(input);
            place = before;
        }
        inputs.reverse();
        inputs
    }
}
