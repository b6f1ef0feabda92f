//! Answers requests with their payload in capitals, together with others of its group: `reply SUBJECT [URL]`.
//! It ends with Ctrl-C, or with the connection and why it closed.

use std::process::ExitCode;

use async_std::task::block_on;
use nats_conn_async_std::{ClosedReason, EndReason, Error, QueueGroup, SubjectFilter};

fn main() -> Result<ExitCode, Error> {
    block_on(reply())
}

async fn reply() -> Result<ExitCode, Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(filter) = arguments.next() else {
        eprintln!("usage: reply SUBJECT [URL]");
        std::process::exit(2);
    };
    let filter: SubjectFilter = filter.parse()?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_async_std::connect(&url).await?;
    let mut requests = client.queue_subscribe(filter, QueueGroup::from_static("capitals"))?;
    println!("waiting for requests; Ctrl-C ends");
    let interrupted = client.clone();
    // Draining has begun when `drain` returns; its future is only for those who wait.
    ctrlc::set_handler(move || drop(interrupted.drain())).expect("the only handler");
    while let Some(request) = requests.next().await {
        let answer = String::from_utf8_lossy(request.payload()).to_uppercase();
        if let Err(error) = client.respond(&request, answer.as_str()).await {
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
