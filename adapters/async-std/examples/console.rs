//! Watch and poke at a connection: commands on standard input, lines on standard output.
//!
//! The flags, commands and lines are the same for every adapter.

use nats_conn_async_std::{AsyncStd, ConnectOptions};
use nats_conn_console as console;

fn main() {
    async_std::task::block_on(async { console::main::<AsyncStd>(ConnectOptions::start).await });
}
