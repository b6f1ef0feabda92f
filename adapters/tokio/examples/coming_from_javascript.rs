//! A loop over what happens to a connection, as over `status()` of the JavaScript client; a server is given up after ten
//! attempts that failed.

use nats_conn_tokio::{ClientEvent, ConnectOptions, ConnectionEvent, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let client = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?
        .max_reconnects(10)
        .connect()
        .await?;

    let mut status = client.events();
    tokio::spawn(async move {
        while let Some(event) = status.next().await {
            if let ClientEvent::Connection(ConnectionEvent::Reconnected(session)) = event {
                println!("reconnected to {}", session.server);
            }
        }
    });

    // The program does its work here. This one waits for Ctrl-C, or until no server is left.
    tokio::select! {
        _ = tokio::signal::ctrl_c() => drop(client.close().await),
        reason = client.closed() => println!("closed: {reason}"),
    }
    Ok(())
}
