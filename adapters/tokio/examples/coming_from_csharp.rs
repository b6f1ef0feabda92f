//! Events are subscribed to first, and the connection is made after that, as with the .NET client.

use nats_conn_tokio::{ClientEvent, ConnectOptions, ConnectionEvent, Error, Events};

async fn print(mut events: Events) {
    while let Some(event) = events.next().await {
        let ClientEvent::Connection(event) = event else {
            continue;
        };
        match event {
            ConnectionEvent::Disconnected { server, reason, .. } => {
                println!("disconnected from {server}: {reason}")
            }
            // There both are `ConnectionOpened`.
            ConnectionEvent::Connected(session) => println!("connected to {}", session.server),
            ConnectionEvent::Reconnected(session) => println!("reconnected to {}", session.server),
            ConnectionEvent::ConnectFailed { server, error, .. } => {
                println!("no connection to {server}: {error}")
            }
            _ => {}
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let options = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?;
    // Without waiting for the first session: what is done meanwhile is kept for it.
    let (client, events) = options.retry_initial(true).start()?;
    let printing = tokio::spawn(print(events));

    // The program does its work here. This one waits for Ctrl-C.
    let _ = tokio::signal::ctrl_c().await;
    client.close().await;
    let _ = printing.await;
    Ok(())
}
