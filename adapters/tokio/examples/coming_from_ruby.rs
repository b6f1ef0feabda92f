//! Blocks for the loss of a connection, with its reason, and for its return, as with the Ruby client; three servers are tried.

use nats_conn_tokio::{ClientEvent, ConnectOptions, ConnectionEvent, Error, Events};

/// Calls one block or the other until the connection is closed.
async fn run(mut events: Events, on_reconnect: impl Fn(&str), on_disconnect: impl Fn(&str)) {
    while let Some(event) = events.next().await {
        match event {
            ClientEvent::Connection(ConnectionEvent::Reconnected(session)) => {
                on_reconnect(&session.server.to_string());
            }
            ClientEvent::Connection(ConnectionEvent::Disconnected { reason, .. }) => {
                on_disconnect(&reason.to_string());
            }
            _ => {}
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let urls = std::env::args().nth(1);
    let three = "nats://127.0.0.1:4222,nats://127.0.0.1:4223,nats://127.0.0.1:4224";
    let client = ConnectOptions::from_url(urls.as_deref().unwrap_or(three))?
        .connect()
        .await?;

    let on_reconnect = |server: &str| println!("reconnected to {server}");
    let on_disconnect = |reason: &str| println!("disconnected: {reason}");
    let events = run(client.events(), on_reconnect, on_disconnect);

    // The program does its work beside the events. This one waits for Ctrl-C.
    tokio::select! {
        () = events => {}
        _ = tokio::signal::ctrl_c() => drop(client.close().await),
    }
    Ok(())
}
