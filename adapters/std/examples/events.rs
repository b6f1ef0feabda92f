//! Prints everything that happens to a connection, and what is lost with it: `events [URL]`. It ends with its input,
//! or with the connection.

use nats_conn_std::{ClientEvent, ConnectOptions, ConnectionEvent, Error};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let options = ConnectOptions::from_url(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?;
    let (client, events) = options.retry_initial(true).start()?;
    let interrupted = client.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        interrupted.close().wait()
    });

    for event in events {
        // Every event is a line.
        println!("{event}");
        match event {
            ClientEvent::Connection(ConnectionEvent::Disconnected { unconfirmed, .. })
                if unconfirmed.count() > 0 =>
            {
                println!("  perhaps lost: publishes {unconfirmed:?}");
            }
            ClientEvent::Connection(ConnectionEvent::BackoffWait { .. }) => println!("  {}", client.why()),
            _ => {}
        }
    }
    Ok(())
}
