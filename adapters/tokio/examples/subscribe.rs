//! Prints what is published, across reconnects: `subscribe FILTER [URL]`.

use nats_conn_tokio::{ConnectOptions, SubjectFilter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let filter: SubjectFilter = arguments.next().ok_or("usage: subscribe FILTER [URL]")?.parse()?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, mut events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let mut messages = client.subscribe(filter)?;
    loop {
        tokio::select! {
            Some(message) = messages.next() => {
                let subject = String::from_utf8_lossy(message.subject());
                println!("{subject}: {}", String::from_utf8_lossy(message.payload()));
            }
            Some(event) = events.next() => println!("  ({event:?})"),
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    client.close().await;
    Ok(())
}
