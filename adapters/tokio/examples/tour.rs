//! Watch one connection live through a lame duck, crashes, backoff, refused credentials, and its close.
//!
//! Without arguments two small servers run inside this process. With `--server URL…` it watches real servers
//! until Ctrl-C. It exits with 1 if what it saw is not what the client promises.

use std::process::ExitCode;

use nats_conn_tokio::{ConnectOptions, Tokio};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    nats_conn_tour::main::<Tokio>(ConnectOptions::start).await
}
