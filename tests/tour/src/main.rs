//! The tour on tokio. See the library for what it shows.

use std::process::ExitCode;

use nats_conn_tokio::{ConnectOptions, Tokio};

fn main() -> ExitCode {
    // No `#[tokio::main]`: a macro less to build before anything is to be seen.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(nats_conn_tour::main::<Tokio>(ConnectOptions::start)),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
