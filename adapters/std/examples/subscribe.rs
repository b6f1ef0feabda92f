//! Prints what is published, across reconnects: `subscribe FILTER [URL]`. It ends with its input, or with the connection and why it
//! closed.

use std::process::ExitCode;

use nats_conn_std::{ClosedReason, ConnectOptions, EndReason, Error};

fn main() -> Result<ExitCode, Error> {
    let mut arguments = std::env::args().skip(1);
    let Some(filter) = arguments.next() else {
        eprintln!("usage: subscribe FILTER [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let mut messages = client.subscribe(filter)?;
    let watching = std::thread::spawn(move || {
        for event in events {
            println!("  ({event})");
        }
    });
    let ending = client.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        ending.begin_close();
    });
    for message in messages.iter() {
        println!("{}: {}", message.subject(), message.text());
    }
    let refused = messages.ended() == Some(EndReason::Refused);
    if refused {
        client.close().wait();
    }
    watching.join().expect("it only prints");
    if refused {
        eprintln!("Error: the server does not permit this subscription");
        return Ok(ExitCode::FAILURE);
    }
    match client.closed().wait() {
        ClosedReason::Requested => Ok(ExitCode::SUCCESS),
        reason => {
            eprintln!("Error: the connection is closed: {reason}");
            Ok(ExitCode::FAILURE)
        }
    }
}
