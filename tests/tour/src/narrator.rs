//! Prints what happens, one line an event: when, what, and what the client does about it.

use std::io::IsTerminal;
use std::time::Instant;

use nats_conn_client::{ClientEvent, ConnectionEvent};

/// Prints lines with the time since the start, in colour where the terminal has it.
pub(crate) struct Narrator {
    start: Instant,
    colour: bool,
}

/// How a line is meant.
#[derive(Clone, Copy)]
enum Mood {
    Good,
    Bad,
    Waiting,
    Plain,
}

impl Narrator {
    pub(crate) fn new() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self {
            start: Instant::now(),
            colour,
        }
    }

    /// What is done to the servers.
    pub(crate) fn stage(&self, text: &str) {
        if self.colour {
            println!(
                "{:7.3}s \x1b[1m── {text}\x1b[0m",
                self.start.elapsed().as_secs_f64()
            );
        } else {
            println!("{:7.3}s ── {text}", self.start.elapsed().as_secs_f64());
        }
    }

    /// What the client says.
    pub(crate) fn event(&self, event: &ClientEvent) {
        let line = event.to_string();
        let (name, text) = line.split_once(": ").unwrap_or((&line, ""));
        let colour = match mood(event) {
            Mood::Good => "32",
            Mood::Bad => "31",
            Mood::Waiting => "33",
            Mood::Plain => "36",
        };
        let time = self.start.elapsed().as_secs_f64();
        if self.colour {
            println!("{time:7.3}s    \x1b[{colour}m{name:<20}\x1b[0m {text}");
        } else {
            println!("{time:7.3}s    {name:<20} {text}");
        }
    }
}

fn mood(event: &ClientEvent) -> Mood {
    let ClientEvent::Connection(event) = event else {
        return Mood::Bad;
    };
    match event {
        ConnectionEvent::Connected(_)
        | ConnectionEvent::Reconnected(_)
        | ConnectionEvent::Resubscribed { .. }
        | ConnectionEvent::Closed { .. } => Mood::Good,
        ConnectionEvent::ConnectFailed { .. }
        | ConnectionEvent::Disconnected { .. }
        | ConnectionEvent::PublishDropped { .. }
        | ConnectionEvent::PermissionDenied { .. }
        | ConnectionEvent::ServerError { .. } => Mood::Bad,
        ConnectionEvent::BackoffWait { .. } | ConnectionEvent::LameDuck { .. } => Mood::Waiting,
        _ => Mood::Plain,
    }
}
