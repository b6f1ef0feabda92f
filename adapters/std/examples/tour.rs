//! Watch one connection live through a lame duck, crashes, backoff, refused credentials, and its close.
//!
//! Without arguments two small servers run inside this process. With `--server URL…` it watches real servers
//! until Ctrl-C. It exits with 1 if what it saw is not what the client promises.

use std::pin::pin;
use std::process::ExitCode;

use nats_conn_std::{ConnectOptions, Std, blocking};

fn main() -> ExitCode {
    let start = |options: ConnectOptions| {
        let (client, events) = options.start()?;
        Ok((client.into_inner(), events.into_inner()))
    };
    blocking::wait(None, pin!(nats_conn_tour::main::<Std>(start))).unwrap_or(ExitCode::FAILURE)
}
