//! Asynchronous functions for the loss of a connection and for its return, as the callbacks of the Python client are;
//! rounds of attempts are ten seconds apart.

use std::time::Duration;

use nats_conn_tokio::{Backoff, Client, ClientEvent, ConnectOptions, ConnectionEvent, Error};

async fn disconnected_cb() {
    println!("disconnected");
}

async fn reconnected_cb(client: &Client) {
    // Whom the connection is to is asked of the client.
    let current = client.servers().into_iter().find(|status| status.current);
    if let Some(status) = current {
        println!("reconnected to {}", status.server);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let mut backoff = Backoff::default();
    backoff.base = Duration::from_secs(10);
    backoff.max = Duration::from_secs(10);
    let client = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?
        .backoff(backoff)
        .connect()
        .await?;

    let mut events = client.events();
    let of_callbacks = client.clone();
    let callbacks = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                ClientEvent::Connection(ConnectionEvent::Disconnected { .. }) => disconnected_cb().await,
                ClientEvent::Connection(ConnectionEvent::Reconnected(_)) => {
                    reconnected_cb(&of_callbacks).await
                }
                _ => {}
            }
        }
    });

    // The program does its work here. This one waits for Ctrl-C.
    let _ = tokio::signal::ctrl_c().await;
    client.close().await;
    let _ = callbacks.await;
    Ok(())
}
