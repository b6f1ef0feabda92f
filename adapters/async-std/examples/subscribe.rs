//! Prints what is published, across reconnects: `subscribe FILTER [URL]`. It ends with Ctrl-C, or with the connection and why it
//! closed.

use async_std::task::{block_on, spawn};
use nats_conn_async_std::{ClosedReason, ConnectOptions, EndReason};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(subscribe())
}

async fn subscribe() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let filter = arguments.next().ok_or("usage: subscribe FILTER [URL]")?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, mut events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let mut messages = client.subscribe(filter)?;
    let watching = spawn(async move {
        while let Some(event) = events.next().await {
            println!("  ({event:?})");
        }
    });
    let interrupted = client.clone();
    ctrlc::set_handler(move || interrupted.begin_close())?;
    while let Some(message) = messages.next().await {
        println!("{}: {}", message.subject(), message.text());
    }
    let refused = messages.ended() == Some(EndReason::Refused);
    if refused {
        client.close().await;
    }
    watching.await;
    match client.closed().await {
        _ if refused => Err("the server does not permit this subscription".into()),
        ClosedReason::Requested => Ok(()),
        reason => Err(format!("the connection is closed: {}", reason.code()).into()),
    }
}
