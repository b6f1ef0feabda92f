//! Prints everything that happens to a connection, and what is lost with it: `events [URL]`. It ends with Ctrl-C, or with
//! the connection.

use nats_conn_tokio::{ClientEvent, ConnectOptions, ConnectionEvent, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let options = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?;
    let (client, mut events) = options.retry_initial(true).start()?;
    let interrupted = client.clone();
    tokio::spawn(async move {
        // Closing has begun when `close` returns; its end is an event.
        tokio::signal::ctrl_c().await.map(|()| drop(interrupted.close()))
    });

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
