//! One asynchronous function for all events of a connection, as with the `event_callback` of async-nats.

use nats_conn_tokio::{ClientEvent, ConnectOptions, ConnectionEvent, Error};

async fn event_callback(event: ClientEvent) {
    match event {
        // There both are `Event::Connected`.
        ClientEvent::Connection(ConnectionEvent::Connected(session)) => {
            println!("connected to {}", session.server)
        }
        ClientEvent::Connection(ConnectionEvent::Reconnected(session)) => {
            println!("reconnected to {}", session.server)
        }
        ClientEvent::Connection(ConnectionEvent::Disconnected { reason, .. }) => {
            println!("disconnected: {reason}")
        }
        // Every other event is a line, too.
        other => println!("{other}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let client = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?
        .name("coming from async-nats")
        .connect()
        .await?;

    // The first stream that is made after `connect` begins with the first attempt.
    let mut events = client.events();
    let callbacks = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            event_callback(event).await;
        }
    });

    // The program does its work here. This one waits for Ctrl-C.
    let _ = tokio::signal::ctrl_c().await;
    // It ends when everything has been sent and read; there it ends when draining has begun.
    client.drain().await;
    let _ = callbacks.await;
    Ok(())
}
