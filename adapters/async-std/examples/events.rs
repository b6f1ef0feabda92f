//! Prints everything that happens to a connection, and what is lost with it: `events [URL]`. It ends with Ctrl-C, or with
//! the connection.

use async_std::task::block_on;
use nats_conn_async_std::{ClientEvent, ConnectOptions, ConnectionEvent};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let options = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?;
    let (client, mut events) = options.retry_initial(true).start()?;
    let interrupted = client.clone();
    // Closing has begun when `close` returns; its end is an event.
    ctrlc::set_handler(move || drop(interrupted.close()))?;

    while let Some(event) = events.next().await {
        // Every event is a line.
        println!("{event}");
        match event {
            ClientEvent::Connection(ConnectionEvent::Disconnected { unconfirmed, .. })
                if unconfirmed.count() > 0 =>
            {
                println!("  perhaps lost: publishes {unconfirmed:?}");
            }
            ClientEvent::Connection(ConnectionEvent::BackoffWait { .. }) => println!("  {}", client.why()),
            _ => {}
        }
    }
    Ok(())
}
