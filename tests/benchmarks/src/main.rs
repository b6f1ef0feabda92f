//! What the clients cost, beside other clients: CPU time of the client's own process for each message, against a server that
//! costs next to nothing. `--help` says how to run it, `tests/README.md` how to read it.

mod arguments;
mod cells;
mod clients;
mod instructions;
mod measure;
mod report;
mod run;
mod server;
mod statistics;
mod targets;

use std::path::Path;
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

/// The whole of it: measures or counts, and reports.
fn compare(settings: &Settings) -> Outcome<ExitCode> {
    let mut results = None;
    let mut instructions = None;
    if settings.instructions {
        instructions = Some(instructions::count_all(settings)?);
    } else {
        results = Some(run::measure_all(settings)?);
    }
    let targets = if settings.targets {
        targets::verdicts(results.as_ref(), instructions.as_ref())
    } else {
        Vec::new()
    };
    // The machine's text first: what is drawn later may fail.
    let json = settings.json.as_deref();
    if let Some(file) = json {
        let text = serde_json::to_string_pretty(&report::json::of(
            results.as_ref(),
            instructions.as_ref(),
            &targets,
        ))?;
        if file == Path::new("-") {
            println!("{text}");
        } else {
            std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    if json != Some(Path::new("-")) {
        if let Some(results) = &results {
            print!("{}", report::table::of(results));
        }
        if let Some(instructions) = &instructions {
            print!("{}", report::table::of_instructions(instructions));
        }
        if settings.targets {
            print!("\n{}", report::table::of_targets(&targets));
        }
    }
    if let (Some(results), Some(file)) = (&results, &settings.svg) {
        report::chart::draw(results, file)?;
    }
    let failures = results.as_ref().map_or(0, run::Results::failures)
        + instructions
            .as_ref()
            .map_or(0, instructions::Instructions::failures);
    Ok(if failures > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
