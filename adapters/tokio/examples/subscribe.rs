//! Prints what is published, across reconnects: `subscribe FILTER [URL]`. It ends with Ctrl-C, or with the connection and why it
//! closed.

use std::process::ExitCode;

use nats_conn_tokio::{ClosedReason, ConnectOptions, EndReason, Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(filter) = arguments.next() else {
        eprintln!("usage: subscribe FILTER [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, mut events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let mut messages = client.subscribe(filter)?;
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else { break };
                println!("{}: {}", message.subject(), message.text());
            }
            Some(event) = events.next() => println!("  ({event})"),
            // The messages end with it.
            _ = tokio::signal::ctrl_c() => client.begin_close(),
        }
    }
    if messages.ended() == Some(EndReason::Refused) {
        client.close().await;
        eprintln!("Error: the server does not permit this subscription");
        return Ok(ExitCode::FAILURE);
    }
    match client.closed().await {
        ClosedReason::Requested => Ok(ExitCode::SUCCESS),
        reason => {
            eprintln!("Error: the connection is closed: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}
