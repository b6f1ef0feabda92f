//! Prints what is published, across reconnects: `subscribe FILTER [URL]`.

use nats_conn_std::{ConnectOptions, SubjectFilter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let filter: SubjectFilter = arguments.next().ok_or("usage: subscribe FILTER [URL]")?.parse()?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let (client, events) = ConnectOptions::from_url(&url)?.retry_initial(true).start()?;
    let messages = client.subscribe(filter)?;
    let watching = std::thread::spawn(move || {
        for event in events {
            println!("  ({event:?})");
        }
    });
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        client.close()
    });
    for message in messages {
        let subject = String::from_utf8_lossy(message.subject());
        println!("{subject}: {}", String::from_utf8_lossy(message.payload()));
    }
    watching
        .join()
        .map_err(|_| "the events could not be printed".into())
}
