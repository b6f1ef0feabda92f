//! Visits the states of small worlds, each of them once, and checks in every one what always has to hold.
//!
//! `cargo run --release -p nats-conn-tests --example explore -- [--states N] [--faults N] [--threads N] [--world NAME]`;
//! with `--serve` a person walks through the states in a browser.

mod serve;
mod watchdog;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nats_conn_tests::explore::{Outcome, Progress, Scope, search_watched, tell, worlds};
use watchdog::{Limits, Watchdog};

/// What the command line asks for.
struct Wishes {
    /// States of one world at most, beyond which only the way of a world that cooperates is followed; otherwise each has its share.
    states: Option<usize>,
    faults: Option<u8>,
    threads: usize,
    /// What the names of the worlds begin with.
    world: String,
    /// Prints the farthest and the slowest life of each world.
    lives: bool,
    quiet: bool,
    /// Begins no further world once something was found.
    until_found: bool,
    /// When an input is one after which the machine does not return.
    limits: Limits,
    /// The port of the page.
    serve: Option<u16>,
}

const HELP: &str =
    "explore [--states N] [--faults N] [--threads N] [--world NAME] [--lives] [--quiet] [--until-found]
        [--patience SECONDS] [--memory MIB] [--serve [PORT]]";

fn main() -> ExitCode {
    let Some(wishes) = wishes() else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    // A panic is part of the story that is printed.
    std::panic::set_hook(Box::new(|_| ()));
    if let Some(port) = wishes.serve {
        return match serve::serve(port, &chosen(&wishes)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cannot serve on port {port}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    if explore_all(&wishes) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn wishes() -> Option<Wishes> {
    let mut wishes = Wishes {
        states: None,
        faults: None,
        threads: 2,
        world: String::new(),
        lives: false,
        quiet: false,
        until_found: false,
        limits: Limits {
            patience: Duration::from_secs(20),
            memory: 4_000,
        },
        serve: None,
    };
    let mut arguments = std::env::args().skip(1).peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--states" => wishes.states = Some(arguments.next()?.parse().ok()?),
            "--faults" => wishes.faults = Some(arguments.next()?.parse().ok()?),
            "--threads" => wishes.threads = arguments.next()?.parse().ok()?,
            "--world" => wishes.world = arguments.next()?,
            "--lives" => wishes.lives = true,
            "--quiet" => wishes.quiet = true,
            "--until-found" => wishes.until_found = true,
            "--patience" => {
                wishes.limits.patience = Duration::from_secs(arguments.next()?.parse().ok()?);
            }
            "--memory" => wishes.limits.memory = arguments.next()?.parse().ok()?,
            "--serve" => {
                let port = arguments.next_if(|port| !port.starts_with('-'));
                wishes.serve = Some(port.map_or(Ok(8222), |port| port.parse()).ok()?);
            }
            _ => return None,
        }
    }
    Some(wishes)
}

fn chosen(wishes: &Wishes) -> Vec<(String, Scope)> {
    let worlds = worlds().into_iter();
    let mut worlds: Vec<(String, Scope)> = worlds
        .filter(|(name, _)| name.starts_with(&wishes.world))
        .collect();
    for (_, scope) in &mut worlds {
        scope.budget.faults = wishes.faults.unwrap_or(scope.budget.faults);
    }
    worlds
}

/// Every thread takes the next world.
fn explore_all(wishes: &Wishes) -> bool {
    let began = Instant::now();
    let worlds = chosen(wishes);
    let dog = Watchdog::begin(wishes.limits);
    let next = AtomicUsize::new(0);
    let outcomes: Mutex<Vec<(usize, Outcome)>> = Mutex::default();
    std::thread::scope(|threads| {
        for _ in 0..wishes.threads.max(1) {
            threads.spawn(|| {
                while let Some((place, (name, scope))) = take(&worlds, &next) {
                    let outcome = explore(name, scope, wishes, &dog);
                    if wishes.until_found && outcome.found.is_some() {
                        next.store(worlds.len(), Ordering::Relaxed);
                    }
                    outcomes.lock().unwrap().push((place, outcome));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let sum = |count: fn(&Outcome) -> u64| outcomes.iter().map(|(_, outcome)| count(outcome)).sum::<u64>();
    println!(
        "{} states and {} transitions in {} worlds, of which {} are complete and {} failed: {:.0} s",
        sum(|outcome| outcome.progress.states as u64),
        sum(|outcome| outcome.progress.transitions),
        outcomes.len(),
        sum(|outcome| u64::from(outcome.is_complete)),
        sum(|outcome| u64::from(outcome.found.is_some())),
        began.elapsed().as_secs_f64(),
    );
    !outcomes.is_empty() && sum(|outcome| u64::from(outcome.found.is_some())) == 0
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    items.get(place).map(|item| (place, item))
}

fn explore(name: &str, scope: &Scope, wishes: &Wishes, dog: &Watchdog) -> Outcome {
    let scope = Arc::new(scope.clone());
    let watch = dog.watch(name, &scope);
    let outcome = search_watched(
        &scope,
        wishes.states.unwrap_or(scope.share()),
        &watch,
        |progress| {
            if !wishes.quiet {
                print(name, "...", progress);
            }
        },
    );
    dog.forget(&watch);
    let how = match (&outcome.found, outcome.is_complete) {
        (Some(_), _) => "FAILED",
        (None, true) => "complete",
        (None, false) => "cut short",
    };
    print(name, how, outcome.progress);
    if let Some(found) = &outcome.found {
        println!("{name}: {}\n{}", found.what, found.story);
    }
    if wishes.lives {
        println!("{name}, farthest:\n{}", tell(&scope, &outcome.farthest));
        println!(
            "{name}, longest until everything is settled:\n{}",
            tell(&scope, &outcome.slowest)
        );
    }
    outcome
}

fn print(name: &str, how: &str, progress: Progress) {
    let seconds = progress.took.as_secs_f64().max(0.001);
    println!(
        "{name}: {how}: {} states ({} in a session, {} closed, {} followed only in a world that cooperates), \
         {} transitions, depth {}, {} waiting, settled after {} steps and {:?} at most, {seconds:.1} s, {:.0} states/s",
        progress.states,
        progress.connected,
        progress.closed,
        progress.unfinished,
        progress.transitions,
        progress.depth,
        progress.waiting,
        progress.settled_after_steps,
        progress.settled_after,
        progress.states as f64 / seconds,
    );
}
