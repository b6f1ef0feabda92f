//! One function for all events of a connection, as with the `ConnectionListener` of the Java client.

use nats_conn_tokio::{ClientEvent, ConnectOptions, ConnectionEvent, Error};

fn connection_event(event: &ConnectionEvent) {
    match event {
        ConnectionEvent::Connected(session) => println!("CONNECTED to {}", session.server),
        ConnectionEvent::Disconnected { reason, queued, .. } => {
            println!("DISCONNECTED: {reason}; {queued} publishes wait for the next server");
        }
        ConnectionEvent::Reconnected(session) => println!("RECONNECTED to {}", session.server),
        ConnectionEvent::Resubscribed { subscriptions, .. } => println!("RESUBSCRIBED: {subscriptions}"),
        ConnectionEvent::DiscoveredServers { added, removed } => {
            println!(
                "DISCOVERED_SERVERS: {} more, {} fewer",
                added.len(),
                removed.len()
            );
        }
        ConnectionEvent::LameDuck { server } => println!("LAME_DUCK: {server} will shut down"),
        ConnectionEvent::Closed { reason } => println!("CLOSED: {reason}"),
        // An attempt that failed: there this is another DISCONNECTED.
        ConnectionEvent::ConnectFailed { server, error, .. } => {
            println!("{server} cannot be reached: {error}")
        }
        _ => {}
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let options = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?;
    // The listener is there before the first attempt is made.
    let (client, mut events) = options.start()?;
    let listener = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let ClientEvent::Connection(event) = event {
                connection_event(&event);
            }
        }
    });

    // The program does its work here. This one waits for Ctrl-C.
    let _ = tokio::signal::ctrl_c().await;
    client.close().await;
    let _ = listener.await;
    Ok(())
}
