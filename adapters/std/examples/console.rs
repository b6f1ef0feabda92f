//! Watch and poke at a connection: commands on standard input, lines on standard output.
//!
//! The flags, commands and lines are the same for every adapter.

use std::pin::pin;

use nats_conn_console as console;
use nats_conn_std::{ConnectOptions, Std, blocking};

fn main() {
    let start = |options: ConnectOptions| {
        let (client, events) = options.start()?;
        Ok((client.into_inner(), events.into_inner()))
    };
    blocking::wait(None, pin!(console::main::<Std>(start)));
}
