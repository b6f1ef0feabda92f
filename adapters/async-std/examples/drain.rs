//! Ends in good order: nothing that was received is dropped, nothing that was published is lost: `drain [URL]`. It
//! fails where something that was published was not confirmed.

use std::process::ExitCode;

use async_std::task::block_on;
use nats_conn_async_std::Error;

fn main() -> Result<ExitCode, Error> {
    block_on(drain())
}

async fn drain() -> Result<ExitCode, Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "nats://127.0.0.1:4222".into());
    let client = nats_conn_async_std::connect(&url).await?;
    let mut messages = client.subscribe("drain.example")?;

    for number in 1..=1000 {
        client.publish("drain.example", number.to_string()).await?;
    }
    let drained = client.drain();
    let mut received = 0;
    while messages.next().await.is_some() {
        received += 1;
    }
    println!("received {received} of 1000: {}", drained.await);
    Ok(client.exit_code())
}
