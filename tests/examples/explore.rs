//! Visits the states of small worlds, each of them once, and checks in every one what always has to hold.
//!
//! `cargo run --release -p nats-conn-tests --example explore -- [--states N] [--world NAME]`

use std::process::ExitCode;
use std::sync::Arc;

use nats_conn_sm::Delivery;
use nats_conn_tests::explore::{Budget, Progress, Scope, search};

/// States of one world at most, unless it is said otherwise.
const STATES: usize = 500_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut states, mut wanted) = (STATES, None);
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--states", Some(number)) if number.parse::<usize>().is_ok() => {
                states = number.parse().unwrap_or(STATES);
            }
            ("--world", Some(name)) => wanted = Some(name),
            _ => {
                eprintln!("explore [--states N] [--world NAME]");
                return ExitCode::from(2);
            }
        }
    }
    // What does not hold is printed as a story, and a panic is told there.
    std::panic::set_hook(Box::new(|_| ()));
    let mut is_good = true;
    for (name, scope) in worlds() {
        if wanted.as_ref().is_none_or(|wanted| *wanted == name) {
            is_good &= explore(&name, scope, states);
        }
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn explore(name: &str, scope: Scope, states: usize) -> bool {
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

/// What the worlds are called, and what may happen in them.
fn worlds() -> Vec<(String, Scope)> {
    let budgets: [(&str, fn(&mut Budget)); 6] = [
        ("links", |budget| {
            (budget.faults, budget.forces, budget.infos) = (3, 1, 1)
        }),
        ("publishes", |budget| {
            (budget.publishes, budget.flushes, budget.faults, budget.parts) = (2, 1, 2, 1);
        }),
        ("subscription", |budget| {
            (budget.subscriptions, budget.messages, budget.faults, budget.parts) = (1, 3, 2, 1);
        }),
        ("request", |budget| {
            (budget.requests, budget.messages, budget.faults, budget.forces) = (1, 2, 2, 1);
        }),
        ("drain", |budget| {
            (budget.publishes, budget.subscriptions, budget.requests) = (1, 1, 1);
            (budget.messages, budget.drains, budget.faults) = (1, 1, 1);
        }),
        ("close", |budget| {
            (budget.publishes, budget.subscriptions, budget.closes) = (1, 1, 1);
            (budget.drains, budget.faults, budget.pings) = (1, 1, 1);
        }),
    ];
    let mut worlds = Vec::new();
    for (delivery, short) in [(Delivery::AtMostOnce, "most"), (Delivery::AtLeastOnce, "least")] {
        for (name, budget) in budgets {
            let scope = Scope::new(delivery).with(budget);
            worlds.push((format!("{name}-{short}"), scope.clone()));
            if name == "links" || name == "publishes" {
                worlds.push((format!("{name}-{short}-two"), scope.two_servers()));
            }
        }
    }
    worlds
}
