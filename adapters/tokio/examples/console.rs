//! Watch and poke at a connection: commands on standard input, lines on standard output.
//!
//! The flags, commands and lines are the same for every adapter.

use nats_conn_console as console;
use nats_conn_tokio::{ConnectOptions, Tokio};

#[tokio::main]
async fn main() {
    console::main::<Tokio>(ConnectOptions::start).await;
}
