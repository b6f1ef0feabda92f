//! What the clients cost, beside other clients: CPU time of the client's own process for each message, against a server that
//! costs next to nothing. `--help` says how to run it, `tests/README.md` how to read it.

mod arguments;
mod cells;
mod clients;
mod measure;
mod report;
mod run;
mod server;
mod statistics;

use std::process::ExitCode;
use std::time::Duration;

use arguments::{Command, Settings};
use clients::Plan;

/// What can fail, and why, for a person.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("{error}\n`--help` says what can be given");
            return ExitCode::from(2);
        }
    };
    match execute(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Outcome<ExitCode> {
    match command {
        Command::Help => print!("{}", arguments::HELP),
        Command::List => report::list(),
        Command::Server {
            cell,
            count,
            certificates,
        } => server::serve(cell, count, &certificates)?,
        Command::Client {
            client,
            cell,
            count,
            port,
            certificates,
            limit,
        } => {
            measure::watch_over(Duration::from_secs(limit));
            let plan = Plan {
                cell,
                count,
                port,
                certificates,
            };
            println!("{}", serde_json::to_string(&clients::run(client, &plan)?)?);
        }
        Command::Run(settings) => return compare(&settings),
    }
    Ok(ExitCode::SUCCESS)
}

/// The whole of it: measures, and reports.
fn compare(settings: &Settings) -> Outcome<ExitCode> {
    let results = run::measure_all(settings)?;
    print!("{}", report::table::of(&results));
    let failed = results.failures() > 0;
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
