//! The console: one line protocol for every adapter.
//!
//! One connection, commands from standard input, what happens on standard output, one JSON object a line. All
//! adapters have an example named `console` around [`main`]. Exit status: 0 after `close`, a complete `drain`,
//! `quit` or the end of input; 1 when the connection closed for any other reason; 2 for unusable flags.

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

use std::process::exit;

use crate::client::Client;
use crate::events::Events;
use crate::options::{ConnectOptions, StartError};

/// Runs the console with the arguments of the process, and ends the process.
///
/// `start` starts the connection: in most adapters it is [`ConnectOptions::start`].
pub async fn main<A: Default>(
    start: impl FnOnce(ConnectOptions<A>) -> Result<(Client, Events), StartError>,
) -> ! {
    let flags = Flags::parse(std::env::args().skip(1)).unwrap_or_else(|error| unusable(&error));
    let options = flags.options().unwrap_or_else(|error| unusable(&error));
    let (client, events) = start(options).unwrap_or_else(|error| unusable(&error));
    let status = session::run(client, events, &flags, input::standard_input()).await;
    exit(status)
}

fn unusable(error: &impl std::fmt::Display) -> ! {
    eprintln!("console: {error}");
    exit(2)
}
