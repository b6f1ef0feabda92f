//! The console: one line protocol for every adapter.
//!
//! One connection, commands from standard input, what happens on standard output, one JSON object a line. All
//! adapters have an example named `console` around [`main`]. Exit status: 0 after `close`, a complete `drain`,
//! `quit` or the end of input; 1 when the connection closed for any other reason, or the drain was incomplete or left
//! messages unread; 2 for unusable flags.

mod command;
mod escape;
mod flags;
mod input;
mod line;
mod names;
mod report;
mod session;

pub use command::{Command, CommandError};
pub use flags::{Flags, FlagsError};
pub use line::Line;

use std::fs::File;
use std::process::exit;

use nats_conn_client::{Client, ConnectOptions, Events, StartError};

/// Runs the console with the arguments of the process, and ends the process.
///
/// `start` starts the connection: in most adapters it is [`ConnectOptions::start`].
///
/// # Cancel safety
/// Dropping it closes the connection; what was not printed yet is lost.
pub async fn main<A: Default>(
    start: impl FnOnce(ConnectOptions<A>) -> Result<(Client, Events), StartError>,
) -> ! {
    let arguments: Result<Vec<String>, FlagsError> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.into_string().map_err(|_| FlagsError::NotUtf8))
        .collect();
    let flags = arguments
        .and_then(Flags::parse)
        .unwrap_or_else(|error| unusable(&error));
    let mut options = flags.options().unwrap_or_else(|error| unusable(&error));
    if let Some(path) = &flags.record {
        let file = File::create(path)
            .unwrap_or_else(|error| unusable(&format_args!("--record {}: {error}", path.display())));
        options = options.record(file);
    }
    let (client, events) = start(options).unwrap_or_else(|error| unusable(&error));
    let status = session::run(client, events, &flags, input::standard_input()).await;
    exit(status)
}

fn unusable(error: &impl std::fmt::Display) -> ! {
    // One line, whatever was given.
    let line: String = error
        .to_string()
        .chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    eprintln!("console: {line}");
    exit(2)
}
