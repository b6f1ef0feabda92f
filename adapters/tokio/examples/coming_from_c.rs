//! Options are made, set and checked one after another, and two functions get the connection in which something happened,
//! as with the C client.

use std::process::ExitCode;

use nats_conn_tokio::{Client, ClientEvent, ConnectOptions, ConnectionEvent, Error};

fn disconnected_cb(connection: &Client) {
    // Why that is, and what it waits for now.
    println!("disconnected: {}", connection.why());
}

fn reconnected_cb(connection: &Client) {
    println!("reconnected {} times", connection.statistics().reconnects);
}

async fn run(url: &str) -> Result<(), Error> {
    let options = ConnectOptions::from_url(url)?.name("coming from C");
    options.check()?;
    let connection = options.connect().await?;

    let mut events = connection.events();
    let in_callbacks = connection.clone();
    let callbacks = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                ClientEvent::Connection(ConnectionEvent::Disconnected { .. }) => {
                    disconnected_cb(&in_callbacks)
                }
                ClientEvent::Connection(ConnectionEvent::Reconnected(_)) => reconnected_cb(&in_callbacks),
                _ => {}
            }
        }
    });

    // The program does its work here. This one waits for Ctrl-C.
    let _ = tokio::signal::ctrl_c().await;
    connection.close().await;
    let _ = callbacks.await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let url = std::env::args().nth(1);
    match run(url.as_deref().unwrap_or("nats://127.0.0.1:4222")).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", error.code());
            ExitCode::FAILURE
        }
    }
}
