//! Visits the states of small worlds, each of them once, and checks in every one what always has to hold.
//!
//! `cargo run --release -p nats-conn-tests --example explore -- [--states N] [--faults N] [--world NAME]`

use std::process::ExitCode;
use std::sync::Arc;

use nats_conn_sm::Delivery;
use nats_conn_tests::explore::{Budget, Progress, Scope, search};

/// States of one world at most, unless it is said otherwise.
const STATES: usize = 500_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut states, mut faults, mut wanted, mut shows_farthest) = (STATES, 1, None, false);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let is_good = match argument.as_str() {
            "--states" => value.parse().map(|number| states = number).is_ok(),
            "--faults" => value.parse().map(|number| faults = number).is_ok(),
            "--farthest" => value.parse().map(|wish| shows_farthest = wish).is_ok(),
            "--world" => {
                wanted = Some(value);
                true
            }
            _ => false,
        };
        if !is_good {
            eprintln!("explore [--states N] [--faults N] [--farthest true] [--world NAME]");
            return ExitCode::from(2);
        }
    }
    // A panic is part of the story that is printed.
    std::panic::set_hook(Box::new(|_| ()));
    let mut is_good = true;
    for (name, scope) in worlds() {
        if wanted.as_ref().is_none_or(|wanted| name.starts_with(wanted)) {
            let scope = scope.with(|budget| budget.faults = faults);
            is_good &= explore(&name, scope, states, shows_farthest);
        }
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn explore(name: &str, scope: Scope, states: usize, shows_farthest: bool) -> bool {
    let outcome = search(&Arc::new(scope), states, |progress| print(name, "...", progress));
    let how = match (&outcome.found, outcome.is_complete) {
        (Some(_), _) => "FAILED",
        (None, true) => "complete",
        (None, false) => "cut short",
    };
    print(name, how, outcome.progress);
    if let Some(found) = &outcome.found {
        println!("{}\n{}", found.what, found.story);
    }
    if shows_farthest {
        println!("{}", outcome.farthest);
    }
    outcome.found.is_none()
}

fn print(name: &str, how: &str, progress: Progress) {
    let seconds = progress.took.as_secs_f64().max(0.001);
    println!(
        "{name}: {how}: {} states ({} in a session, {} closed), {} transitions, depth {}, {} waiting, {seconds:.1} s, {:.0} states/s",
        progress.states,
        progress.connected,
        progress.closed,
        progress.transitions,
        progress.depth,
        progress.waiting,
        progress.states as f64 / seconds,
    );
}

type Change = fn(&mut Budget);

/// What the worlds are called, and what may happen in them.
fn worlds() -> Vec<(String, Scope)> {
    let budgets: [(&str, Change); 9] = [
        ("links", |budget| (budget.forces, budget.infos) = (1, 1)),
        ("publish", |budget| budget.publishes = 1),
        ("publishes", |budget| {
            (budget.publishes, budget.flushes, budget.parts) = (2, 1, 1);
        }),
        ("subscription", |budget| {
            (budget.subscriptions, budget.messages, budget.parts) = (1, 3, 1);
        }),
        ("request", |budget| {
            (budget.requests, budget.messages, budget.forces) = (1, 2, 1);
        }),
        ("drain", |budget| {
            (budget.publishes, budget.subscriptions, budget.requests) = (1, 1, 1);
            (budget.messages, budget.drains) = (1, 1);
        }),
        ("close", |budget| {
            (budget.publishes, budget.subscriptions, budget.closes) = (1, 1, 1);
            (budget.drains, budget.pings) = (1, 1);
        }),
        ("force", |budget| {
            (budget.publishes, budget.requests, budget.forces, budget.closes) = (1, 1, 1, 1);
        }),
        ("everything", |budget| {
            *budget = Budget {
                publishes: 2,
                subscriptions: 1,
                requests: 1,
                flushes: 1,
                drains: 1,
                closes: 1,
                forces: 1,
                messages: 2,
                pings: 1,
                infos: 1,
                parts: 1,
                faults: 0,
            };
        }),
    ];
    let mut worlds = Vec::new();
    for (delivery, short) in [(Delivery::AtMostOnce, "most"), (Delivery::AtLeastOnce, "least")] {
        for (name, budget) in budgets {
            let scope = Scope::new(delivery).with(budget);
            worlds.push((format!("{name}-{short}"), scope.clone()));
            if name == "links" || name == "publish" {
                worlds.push((format!("{name}-{short}-two"), scope.two_servers()));
            }
        }
    }
    worlds
}
