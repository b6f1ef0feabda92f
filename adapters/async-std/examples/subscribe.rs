//! Prints what is published, across reconnects: `subscribe FILTER [URL]`.

use async_std::task::{block_on, spawn};
use nats_conn_async_std::{ConnectOptions, SubjectFilter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(subscribe())
}

async fn subscribe() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let filter: SubjectFilter = arguments.next().ok_or("usage: subscribe FILTER [URL]")?.parse()?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, mut events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let mut messages = client.subscribe(filter)?;
    let told = spawn(async move {
        while let Some(event) = events.next().await {
            println!("  ({event:?})");
        }
    });
    // Closing has begun when `close` returns; its future is only for those who wait.
    ctrlc::set_handler(move || drop(client.close()))?;
    while let Some(message) = messages.next().await {
        let subject = String::from_utf8_lossy(message.subject());
        println!("{subject}: {}", String::from_utf8_lossy(message.payload()));
    }
    told.await;
    Ok(())
}
