//! Prints what is published, across reconnects: `subscribe FILTER [URL]`. It ends with its input, or with the connection and why it
//! closed.

use nats_conn_std::{ClosedReason, ConnectOptions, EndReason};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let filter = arguments.next().ok_or("usage: subscribe FILTER [URL]")?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let mut messages = client.subscribe(filter)?;
    let watching = std::thread::spawn(move || {
        for event in events {
            println!("  ({event:?})");
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
    watching.join().map_err(|_| "the events could not be printed")?;
    match client.closed().wait() {
        _ if refused => Err("the server does not permit this subscription".into()),
        ClosedReason::Requested => Ok(()),
        reason => Err(format!("the connection is closed: {}", reason.code()).into()),
    }
}
