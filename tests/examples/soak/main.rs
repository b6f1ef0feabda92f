//! Connections of all adapters in bad networks before real servers, and an account of every message.
//!
//! `cargo run --release -p nats-conn-tests --example soak -- [--adapter tokio|tokio-mt|std|std-client|async-std|all] [--seconds N]
//! [--seed N] [--server 2.9|2.15] [--cluster] [--rate N]`
#![cfg(unix)]

mod runtimes;

use std::process::ExitCode;
use std::time::Duration;

use nats_conn_tests::chaos::soak::{Starter, Wishes, run};
use nats_conn_tests::real_server::Version;

const HELP: &str = "soak [--adapter tokio|tokio-mt|std|std-client|async-std|all] [--seconds N] [--seed N] [--server 2.9|2.15] \
                    [--cluster] [--rate N]";

/// What the command line asks for.
struct Asked {
    adapter: String,
    wishes: Wishes,
}

fn main() -> ExitCode {
    let Some(asked) = asked() else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    if asked.wishes.version.is_switched_off() {
        return ExitCode::SUCCESS;
    }
    let runtimes = match runtimes::chosen(&asked.adapter) {
        Ok(runtimes) => runtimes,
        Err(error) => {
            eprintln!("{error}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let starters: Vec<Starter> = runtimes.iter().map(runtimes::Runtime::starter).collect();
    let command = command(&asked);
    eprintln!("{command}");
    let outcome = run(&asked.wishes, &starters);
    println!("{}", outcome.table());
    if outcome.violations.is_empty() {
        println!("no violation: {command}");
        ExitCode::SUCCESS
    } else {
        println!("{} violations: {command}", outcome.violations.len());
        ExitCode::FAILURE
    }
}

fn asked() -> Option<Asked> {
    let mut asked = Asked {
        adapter: "all".into(),
        wishes: Wishes {
            seed: 1,
            length: Duration::from_secs(60),
            version: Version::V2_15,
            cluster: false,
            rate: 400,
            lifetime: (1000, 15_000),
            verbose: true,
        },
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let wishes = &mut asked.wishes;
        match argument.as_str() {
            "--adapter" => asked.adapter = arguments.next()?,
            "--seconds" => wishes.length = Duration::from_secs(arguments.next()?.parse().ok()?),
            "--seed" => wishes.seed = arguments.next()?.parse().ok()?,
            "--rate" => wishes.rate = arguments.next()?.parse().ok()?,
            "--cluster" => wishes.cluster = true,
            "--server" => {
                wishes.version = match arguments.next()?.as_str() {
                    "2.9" => Version::V2_9,
                    "2.15" => Version::V2_15,
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
    Some(asked)
}

/// What does the same again.
fn command(asked: &Asked) -> String {
    let wishes = &asked.wishes;
    let server = match wishes.version {
        Version::V2_9 => "2.9",
        Version::V2_15 => "2.15",
    };
    format!(
        "soak --adapter {} --seconds {} --seed {} --server {server} --rate {}{}",
        asked.adapter,
        wishes.length.as_secs(),
        wishes.seed,
        wishes.rate,
        if wishes.cluster { " --cluster" } else { "" },
    )
}
