//! Answers requests with their payload in capitals, together with others of its group: `reply SUBJECT [URL]`.
//! It ends with Ctrl-C, or with the connection and why it closed.

use std::process::ExitCode;

use async_std::task::block_on;
use nats_conn_async_std::{ClosedReason, EndReason, Error};

fn main() -> Result<ExitCode, Error> {
    block_on(reply())
}

async fn reply() -> Result<ExitCode, Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(filter) = arguments.next() else {
        eprintln!("usage: reply SUBJECT [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_async_std::connect(&url).await?;
    let mut requests = client.queue_subscribe(filter, "capitals")?;
    println!("waiting for requests; Ctrl-C ends");
    let interrupted = client.clone();
    // What has arrived is still answered.
    ctrlc::set_handler(move || interrupted.begin_drain()).expect("the only handler");
    while let Some(request) = requests.next().await {
        let answer = request.text().to_uppercase();
        if let Err(error) = client.respond(&request, answer).await {
            println!("not answered: {error}");
        }
    }
    if requests.ended() == Some(EndReason::Refused) {
        client.close().await;
        eprintln!("Error: the server does not permit this subscription");
        return Ok(ExitCode::FAILURE);
    }
    match client.closed().await {
        ClosedReason::Drained { complete: true, .. } => Ok(ExitCode::SUCCESS),
        reason => {
            eprintln!("Error: the connection is closed: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}
