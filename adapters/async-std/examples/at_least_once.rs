//! Publishes numbers so that each arrives once or more, whatever happens to the server: `at_least_once [COUNT [URL]]`. It fails
//! where one of them was not confirmed. Restart the server meanwhile.

use std::process::ExitCode;
use std::time::Duration;

use async_std::task::block_on;
use nats_conn_async_std::{ConnectOptions, Delivery};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    block_on(run())
}

async fn run() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().as_deref().unwrap_or("1000").parse()?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = ConnectOptions::from_url(&url)?
        .delivery(Delivery::AtLeastOnce)
        // How long to wait where there is no room, because no server has confirmed anything for so long.
        .publish_timeout(Duration::from_secs(60))
        .connect()
        .await?;
    for number in 1..=count {
        client
            .publish("numbers.example", number.to_string().as_str())
            .await?;
    }
    client.drain().await;

    let fates = client.publish_fates();
    println!(
        "accepted {}, confirmed {}, dropped {}; {} sessions",
        fates.accepted,
        fates.confirmed,
        fates.dropped,
        client.statistics().connects
    );
    Ok(client.exit_code())
}
