//! Answers requests with their payload in capitals, together with others of its group: `reply SUBJECT [URL]`.
//! It ends with its input, or with the connection and why it closed.

use std::process::ExitCode;

use nats_conn_std::{ClosedReason, EndReason, Error};

fn main() -> Result<ExitCode, Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(filter) = arguments.next() else {
        eprintln!("usage: reply SUBJECT [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_std::connect(&url)?;
    let mut requests = client.queue_subscribe(filter, "capitals")?;
    println!("waiting for requests; the end of the input ends");
    let ending = client.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        ending.begin_drain();
    });
    for request in requests.iter() {
        let answer = request.text().to_uppercase();
        if let Err(error) = client.respond(&request, answer).wait() {
            println!("not answered: {error}");
        }
    }
    if requests.ended() == Some(EndReason::Refused) {
        client.close().wait();
        eprintln!("Error: the server does not permit this subscription");
        return Ok(ExitCode::FAILURE);
    }
    match client.closed().wait() {
        ClosedReason::Drained { complete: true, .. } => Ok(ExitCode::SUCCESS),
        reason => {
            eprintln!("Error: the connection is closed: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}
