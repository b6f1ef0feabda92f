//! Signs in with a `.creds` file: `creds FILE [URL]`. The file is read again at every attempt, so that it may be replaced
//! while the program runs.

use async_std::task::block_on;
use nats_conn_async_std::{CleartextPolicy, ConnectOptions, Error};

fn main() -> Result<(), Error> {
    block_on(run())
}

async fn run() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(file) = arguments.next() else {
        eprintln!("usage: creds FILE [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = ConnectOptions::from_url(&url)?
        .creds_file(file)
        // A password in the URL would not be sent in clear text either.
        .cleartext_credentials(CleartextPolicy::Refuse)
        .connect()
        .await?;
    if let Some(info) = client.server_info() {
        println!("signed in, as client {:?}", info.client_id);
    }
    client.close().await;
    Ok(())
}
