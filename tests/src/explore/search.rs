//! Visiting all states, breadth first.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nats_conn_sm::{State, Timestamp};

use super::input::Input;
use super::known::{Id, Known, NONE, hash};
use super::life::{Longest, Steps};
use super::scope::Scope;
use super::tell::{tell, tell_cooperation};
use super::watch::Watch;
use super::world::World;

/// When every life begins.
pub(super) const BEGINNING: Timestamp = Timestamp::from_millis(1_000);
/// In a world that cooperates everything is settled after so many steps and so much time at most. The longest wait is for
/// the keep-alive, where nothing else makes the server confirm what was written.
const STEPS: u32 = 100;
const TIME: Duration = Duration::from_secs(180);
/// How many steps of a world that cooperates in vain are told.
const SHOWN: usize = 12;
/// How often a search reports.
const REPORT: usize = 1 << 16;

/// How far a search is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// States that were visited.
    pub states: usize,
    /// Of these, states in which not every input was tried, but only what a world that cooperates does.
    pub unfinished: usize,
    /// Inputs that were tried in them.
    pub transitions: u64,
    /// The length of the shortest way to the state that is farthest away.
    pub depth: usize,
    /// States in which the connection is closed.
    pub closed: usize,
    /// States with a session.
    pub connected: usize,
    /// States that wait for their inputs to be tried.
    pub waiting: usize,
    /// Since the beginning.
    pub took: Duration,
    /// How many steps it takes at most, in a world that cooperates, until everything is settled; known at the end.
    pub settled_after_steps: u32,
    /// How much time passes at most until then.
    pub settled_after: Duration,
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
    pub farthest: Vec<Input>,
    /// A life that leads to a state from which it takes longest until everything is settled.
    pub slowest: Vec<Input>,
}

/// A state in which something does not hold.
#[derive(Clone, Debug)]
pub struct Found {
    /// What.
    pub what: String,
    /// The inputs that lead to it.
    pub inputs: Vec<Input>,
    /// The same with what came of them, as a story.
    pub story: String,
}

/// Visits the states of this world until so many are known; of those that are left then, only the way is followed that a world
/// takes that cooperates. `report` is called now and then.
pub fn search(scope: &Arc<Scope>, most: usize, report: impl FnMut(Progress)) -> Outcome {
    search_watched(scope, most, &Watch::default(), report)
}

/// The same, while somebody watches what is being tried: an input after which the machine does not return ends no search.
pub fn search_watched(
    scope: &Arc<Scope>,
    most: usize,
    watch: &Watch,
    report: impl FnMut(Progress),
) -> Outcome {
    let mut search = Search {
        scope,
        most,
        watch,
        began: Instant::now(),
        known: Known::default(),
        steps: Steps::default(),
        frontier: VecDeque::new(),
        progress: Progress::default(),
        slowest: 0,
    };
    let visited = search.run(report);
    watch.rests();
    let found = match visited {
        Ok(()) => search.judge_ways(),
        Err(found) => Some(found),
    };
    search.outcome(found)
}

struct Search<'a> {
    scope: &'a Arc<Scope>,
    most: usize,
    watch: &'a Watch,
    began: Instant,
    known: Known,
    steps: Steps,
    /// The states whose inputs were not tried, in the order of their numbers.
    frontier: VecDeque<World>,
    progress: Progress,
    /// The state from which it takes longest until everything is settled.
    slowest: Id,
}

impl Search<'_> {
    fn run(&mut self, mut report: impl FnMut(Progress)) -> Result<(), Found> {
        self.watch.begins();
        let first = caught(|| World::begin(self.scope, BEGINNING));
        let first = first.map_err(|what| self.found(what, Vec::new()))?;
        self.known.add(hash(&first.key(first.form())), NONE, None);
        self.frontier.push_back(first);
        let (mut id, mut level_end, mut reported): (Id, usize, usize) = (0, 1, REPORT);
        while let Some(world) = self.frontier.pop_front() {
            if id as usize == level_end {
                self.progress.depth += 1;
                level_end = self.known.len();
            }
            self.expand(id, &world)?;
            id += 1;
            if self.known.len() >= reported {
                reported = self.known.len() + REPORT;
                self.note();
                report(self.progress);
            }
        }
        Ok(())
    }

    fn expand(&mut self, id: Id, world: &World) -> Result<(), Found> {
        match world.connection().state() {
            State::Closed => self.progress.closed += 1,
            State::Connected => self.progress.connected += 1,
            _ => {}
        }
        self.watch.arrives(self.known.len(), self.known.way(id));
        let cooperation = world.cooperate();
        if self.known.len() < self.most {
            let inputs = world.possible();
            if let Some(input) = cooperation.filter(|input| !inputs.contains(input)) {
                let what = format!("a world that cooperates cannot go on with: {input}");
                return Err(self.found(what, self.known.way(id)));
            }
            for input in inputs {
                self.follow(id, world, input, Some(input) == cooperation)?;
            }
        } else {
            self.progress.unfinished += 1;
            if let Some(input) = cooperation {
                self.follow(id, world, input, true)?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, id: Id, world: &World, input: Input, is_cooperation: bool) -> Result<(), Found> {
        self.progress.transitions += 1;
        self.watch.tries(input);
        let known = &self.known;
        let tried = caught(|| {
            let mut after = world.clone();
            after.apply(input)?;
            let form = after.form();
            let hash = hash(&after.key(form.clone()));
            if !known.contains(hash) {
                after.verify_form(&form)?;
            }
            Ok((after, hash))
        });
        let (mut after, hash) = tried.map_err(|what| {
            let mut inputs = self.known.way(id);
            inputs.push(input);
            self.found(what, inputs)
        })?;
        let (next, is_new) = self.known.add(hash, id, Some(input));
        let passed = after.now().since(world.now());
        if is_cooperation {
            self.steps
                .follows(id, next, u32::try_from(passed.as_millis()).unwrap_or(u32::MAX));
        }
        if passed.is_zero() && world.is_free(input) {
            self.steps.timeless(id, next);
        }
        if is_new {
            after.forget();
            self.frontier.push_back(after);
        }
        Ok(())
    }

    /// What holds of ways.
    fn judge_ways(&mut self) -> Option<Found> {
        let states = self.known.len();
        let longest = match self.steps.settles(states) {
            Ok(longest) => longest,
            Err(state) => {
                let what = "if the world cooperates from here on, the connection never comes to rest";
                return Some(self.found_live(what.to_owned(), self.known.way(state)));
            }
        };
        let Longest { steps, millis, .. } = longest;
        self.progress.settled_after_steps = steps;
        self.progress.settled_after = Duration::from_millis(millis);
        self.slowest = longest.from;
        if steps > STEPS || self.progress.settled_after > TIME {
            let what = format!(
                "if the world cooperates from here on, it takes {steps} steps and {millis} ms at most"
            );
            return Some(self.found_live(what, self.known.way(longest.from)));
        }
        let circle = self.steps.circle(states)?;
        let what = "it can come back to this state although no time passes";
        Some(self.found(what.to_owned(), self.known.way(circle)))
    }

    fn found(&self, what: String, inputs: Vec<Input>) -> Found {
        let story = tell(self.scope, &inputs);
        Found { what, inputs, story }
    }

    /// With what a world does then that cooperates.
    fn found_live(&self, what: String, inputs: Vec<Input>) -> Found {
        let story = tell_cooperation(self.scope, &inputs, SHOWN);
        Found { what, inputs, story }
    }

    fn note(&mut self) {
        self.progress.states = self.known.len();
        self.progress.waiting = self.frontier.len();
        self.progress.took = self.began.elapsed();
    }

    fn outcome(mut self, found: Option<Found>) -> Outcome {
        self.note();
        let last = u32::try_from(self.known.len().saturating_sub(1)).unwrap_or_default();
        Outcome {
            progress: self.progress,
            is_complete: found.is_none() && self.progress.unfinished == 0,
            found,
            farthest: self.known.way(last),
            slowest: self.known.way(self.slowest),
        }
    }
}

/// A panic is something that does not hold.
pub(super) fn caught<T>(attempt: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}
