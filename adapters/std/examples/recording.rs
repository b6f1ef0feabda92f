//! Records a short connection: `recording FILE [URL]`. Then read it, as often as you like, with
//! `cargo run -p nats-conn-sm --example replay -- FILE`.

use std::fs::File;

use nats_conn_std::ConnectOptions;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(file) = arguments.next() else {
        eprintln!("usage: recording FILE [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    // No password, key, signature or payload is written; subjects and addresses are.
    let client = ConnectOptions::from_url(&url)?
        .record(File::create(&file)?)
        .connect()?;
    let mut messages = client.subscribe("recording.example")?;
    client
        .publish("recording.example", "what the file does not show")
        .wait()?;
    messages.next();
    client.close().wait();
    println!("{file} is the whole life of this connection");
    Ok(())
}
