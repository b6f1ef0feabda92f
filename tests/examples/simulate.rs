//! Runs many clients and servers through many seeds, and shows a seed that fails.
//!
//! `cargo run --release -p nats-conn-tests --example simulate -- --seeds 10000` runs many; `--seed N` runs one and tells
//! its story, with `--clients` and `--steps` of a part of it, and `--record FILE` keeps the recordings of its clients.
//! Those of a seed that fails among many are kept in the folder for temporary files where no file is named. A seed that takes
//! longer than `--patience SECONDS` is named, and the process ends: nothing else ends a loop in a machine.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_tests::simulate::{Bug, Plan, Tally, run, shrink};

const USAGE: &str = "simulate [--seeds N] [--first N] [--bug NAME] [--record FILE] [--patience SECONDS]
simulate --seed N [--clients LIST] [--steps LIST] [--bug NAME] [--record FILE]";

/// What was asked for.
struct Wish {
    seeds: u64,
    first: u64,
    seed: Option<u64>,
    clients: Option<Vec<usize>>,
    steps: Option<Vec<usize>>,
    bug: Option<Bug>,
    record: Option<String>,
    patience: Duration,
}

/// The seeds that are being run, and since when.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<Vec<(u64, Instant)>>>);

fn main() -> ExitCode {
    let Some(wish) = Wish::read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    // A panic is part of what is printed.
    std::panic::set_hook(Box::new(|_| ()));
    match wish.seed {
        Some(seed) => replay(&wish.plan(seed), wish.record.as_deref()),
        None => many(&wish),
    }
}

impl Wish {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut wish = Self {
            seeds: 1_000,
            first: 0,
            seed: None,
            clients: None,
            steps: None,
            bug: None,
            record: None,
            patience: Duration::from_secs(120),
        };
        while let Some(argument) = arguments.next() {
            let value = arguments.next()?;
            match argument.as_str() {
                "--seeds" => wish.seeds = value.parse().ok()?,
                "--first" => wish.first = value.parse().ok()?,
                "--seed" => wish.seed = Some(value.parse().ok()?),
                "--clients" => wish.clients = Some(list(&value)?),
                "--steps" => wish.steps = Some(list(&value)?),
                "--bug" => wish.bug = Some(Bug::ALL.into_iter().find(|bug| bug.name() == value)?),
                "--record" => wish.record = Some(value),
                "--patience" => wish.patience = Duration::from_secs(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(wish)
    }

    fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::of(seed);
        if let Some(bug) = self.bug {
            plan = plan.with_bug(bug);
        }
        let clients = self.clients.clone().unwrap_or_else(|| plan.clients.clone());
        let steps = self.steps.clone().unwrap_or_else(|| plan.steps.clone());
        plan.keeping(clients, steps)
    }
}

fn list(text: &str) -> Option<Vec<usize>> {
    if text == "none" {
        return Some(Vec::new());
    }
    text.split(',').map(|word| word.parse().ok()).collect()
}

/// Runs one plan and tells its story.
fn replay(plan: &Plan, record: Option<&str>) -> ExitCode {
    let report = run(plan, true);
    report.story.iter().for_each(|line| println!("{line}"));
    if let Some(file) = record {
        write(file, &report.recordings);
    }
    match report.outcome {
        Ok(tally) => {
            println!("seed {}: no violation\n{tally:#?}", plan.seed);
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("seed {}: {what}", plan.seed);
            ExitCode::FAILURE
        }
    }
}

/// The recording of the client that acted last is the file itself; those of the others have their names in it.
fn write(file: &str, recordings: &[(&str, Vec<u8>)]) {
    for (place, (name, recording)) in recordings.iter().enumerate() {
        let file = if place == 0 {
            file.to_owned()
        } else {
            format!("{file}.{name}")
        };
        match std::fs::write(&file, recording) {
            Ok(()) => println!("the recording of {name} is {file}, {} bytes", recording.len()),
            Err(fault) => println!("{file}: {fault}"),
        }
    }
}

/// Runs many seeds on all processors, until one fails.
fn many(wish: &Wish) -> ExitCode {
    let (began, next) = (Instant::now(), AtomicU64::new(wish.first));
    let end = wish.first + wish.seeds;
    let failed = Mutex::new(None::<(u64, String)>);
    let (done, finished) = mpsc::channel();
    let mut total = Tally::default();
    let running = Running::default();
    running.watch(wish);
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            let (done, next, failed, running) = (done.clone(), &next, &failed, &running);
            scope.spawn(move || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = failed.lock().is_ok_and(|failed| failed.is_some());
                    if seed >= end || is_over {
                        return;
                    }
                    match running.note(seed, || run(&wish.plan(seed), false)).outcome {
                        Ok(tally) => _ = done.send(tally),
                        Err(what) => {
                            if let Ok(mut failed) = failed.lock() {
                                failed.get_or_insert((seed, what));
                            }
                        }
                    }
                }
            });
        }
        drop(done);
        let (mut count, mut shown) = (0_u64, Instant::now());
        while let Ok(tally) = finished.recv() {
            total.add(&tally);
            count += 1;
            if shown.elapsed() > Duration::from_secs(5) {
                shown = Instant::now();
                eprintln!(
                    "{count} of {} seeds, {:.1} s",
                    wish.seeds,
                    began.elapsed().as_secs_f64()
                );
            }
        }
        println!(
            "{count} seeds in {:.1} s, {} violations: {total:#?}",
            began.elapsed().as_secs_f64(),
            u8::from(count < wish.seeds)
        );
    });
    match failed.into_inner().ok().flatten() {
        None => ExitCode::SUCCESS,
        Some((seed, what)) => {
            show(wish.plan(seed), &what, wish.record.as_deref());
            ExitCode::FAILURE
        }
    }
}

impl Running {
    /// Runs a seed, and knows of it meanwhile.
    fn note<T>(&self, seed: u64, run: impl FnOnce() -> T) -> T {
        self.lock().push((seed, Instant::now()));
        let outcome = run();
        self.lock().retain(|(other, _)| *other != seed);
        outcome
    }

    /// Ends the process if a seed takes too long.
    fn watch(&self, wish: &Wish) {
        let (running, patience) = (self.clone(), wish.patience);
        let bug = wish.bug;
        thread::spawn(move || {
            loop {
                thread::sleep(Duration::from_millis(100));
                let late = running
                    .lock()
                    .iter()
                    .find(|(_, began)| began.elapsed() > patience)
                    .copied();
                if let Some((seed, _)) = late {
                    let plan = bug.map_or(Plan::of(seed), |bug| Plan::of(seed).with_bug(bug));
                    println!(
                        "seed {seed}: the machine does not return\nreplay it with\n  {}",
                        plan.command()
                    );
                    std::process::exit(1);
                }
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows what failed, shorter than it was.
fn show(plan: Plan, what: &str, record: Option<&str>) {
    println!("seed {}: {what}\nreplay it with\n  {}", plan.seed, plan.command());
    let (short, tried) = shrink(plan.clone(), |plan| run(plan, false).outcome.is_err());
    let report = run(&short, true);
    println!(
        "\n{} of {} steps and {} of {} clients are enough ({tried} plans were tried):",
        short.steps.len(),
        plan.steps.len(),
        short.clients.len(),
        plan.clients.len()
    );
    report.story.iter().for_each(|line| println!("{line}"));
    if let Err(what) = report.outcome {
        println!("{what}");
    }
    println!("replay it with\n  {}", short.command());
    let kept = std::env::temp_dir().join(format!("simulate-{}.rec", plan.seed));
    write(record.unwrap_or(&kept.to_string_lossy()), &report.recordings);
}
