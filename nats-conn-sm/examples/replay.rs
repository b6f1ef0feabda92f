//! Lives a recorded connection again and prints it as a timeline: `replay FILE`.
//!
//! One line for each input that something came of, with the time since the beginning; where the machine waits, a line
//! says for what. Ends with 1 where the file cannot be read, or something else came of an input than was recorded.

use std::process::ExitCode;
use std::time::Duration;

use nats_conn_sm::Timestamp;
use nats_conn_sm::recording::{Input, Output, Recording, Replayer, Step};

/// A pause this long is worth a line that names what is awaited.
const PAUSE: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("replay: give the file of a recording");
        return ExitCode::from(2);
    };
    let outcome = std::fs::read(&path)
        .map_err(|error| error.to_string())
        .and_then(|bytes| Recording::read(bytes).map_err(|error| error.to_string()))
        .and_then(print);
    match outcome {
        Ok(records) => {
            println!("{records} inputs, and what came of them is what was recorded");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("replay: {}: {error}", path.to_string_lossy());
            ExitCode::FAILURE
        }
    }
}

fn print(recording: Recording) -> Result<u64, String> {
    let start = recording.start();
    let servers: Vec<String> = recording
        .config()
        .servers
        .iter()
        .map(ToString::to_string)
        .collect();
    println!(
        "recorded by version {}, servers {}",
        recording.version(),
        servers.join(", ")
    );
    let mut replayer = Replayer::new(recording).map_err(|error| error.to_string())?;
    let (mut last, mut records) = (start, 0);
    let mut why = replayer.connection().why(start);
    while let Some(step) = replayer.step() {
        let step = step.map_err(|error| error.to_string())?;
        if step.at.since(last) >= PAUSE {
            println!("{:>14}  … {why}", since(start, last));
        }
        if let Some(line) = line(&step) {
            println!("{:>14}  {line}", since(start, step.at));
        }
        last = step.at;
        records += 1;
        why = replayer.connection().why(last);
    }
    println!("{:>14}  … {why}", since(start, last));
    Ok(records)
}

fn since(start: Timestamp, at: Timestamp) -> String {
    format!("{:?}", at.since(start))
}

/// The line for a step; nothing where there is nothing to see.
fn line(step: &Step) -> Option<String> {
    let received = match &step.input {
        Input::Event(received) => received.pieces.iter().map(|piece| piece.len()).sum(),
        _ => 0_u64,
    };
    let arrived = if received > 0 {
        format!("{received} bytes arrived; ")
    } else {
        String::new()
    };
    match (&step.input, &step.output) {
        (_, Output::Event(event)) => Some(format!("{arrived}event {event:?}")),
        (_, Output::Action(action)) => Some(format!("action {action:?}")),
        (_, Output::Bytes(bytes)) => Some(format!("writes {} bytes", bytes.len())),
        (Input::Event(_), _) if received > 0 => Some(format!("{received} bytes arrived")),
        (Input::Event(_) | Input::Action | Input::Transmit(_) | Input::Written(_), _) => None,
        (input, Output::Answer(answer)) if answer != "()" => Some(format!("{input:?} gives {answer}")),
        (input, _) => Some(format!("{input:?}")),
    }
}
