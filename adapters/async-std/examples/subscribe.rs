//! Prints what is published, across reconnects: `subscribe FILTER [URL]`. It ends with Ctrl-C, or with the connection and why it
//! closed.

use std::process::ExitCode;

use async_std::task::{block_on, spawn};
use nats_conn_async_std::{ClosedReason, ConnectOptions, EndReason, Error};

fn main() -> Result<ExitCode, Error> {
    block_on(subscribe())
}

async fn subscribe() -> Result<ExitCode, Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(filter) = arguments.next() else {
        eprintln!("usage: subscribe FILTER [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, mut events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let mut messages = client.subscribe(filter)?;
    let watching = spawn(async move {
        while let Some(event) = events.next().await {
            println!("  ({event})");
        }
    });
    let interrupted = client.clone();
    ctrlc::set_handler(move || interrupted.begin_close()).expect("the only handler");
    while let Some(message) = messages.next().await {
        println!("{}: {}", message.subject(), message.text());
    }
    let refused = messages.ended() == Some(EndReason::Refused);
    if refused {
        client.close().await;
    }
    watching.await;
    if refused {
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
