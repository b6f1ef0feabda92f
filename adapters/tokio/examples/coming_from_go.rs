//! A function for the loss of a connection, and one for its return, as with the handlers of the Go client.

use nats_conn_tokio::{ClientEvent, ConnectionEvent, DisconnectReason, Error, Session};

fn on_disconnect(reason: &DisconnectReason) {
    println!("disconnected: {reason}");
}

fn on_reconnect(session: &Session) {
    println!("reconnected to {}", session.server);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let client = nats_conn_tokio::connect(url.as_deref().unwrap_or("nats://127.0.0.1:4222")).await?;

    let mut events = client.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                ClientEvent::Connection(ConnectionEvent::Disconnected { reason, .. }) => {
                    on_disconnect(&reason)
                }
                ClientEvent::Connection(ConnectionEvent::Reconnected(session)) => on_reconnect(&session),
                _ => {}
            }
        }
    });

    // The program does its work here. This one waits for Ctrl-C.
    let _ = tokio::signal::ctrl_c().await;
    client.close().await;
    Ok(())
}
