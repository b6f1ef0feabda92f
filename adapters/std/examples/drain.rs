//! Ends in good order: nothing that was received is dropped, nothing that was published is lost: `drain [URL]`. It
//! fails where something that was published was not confirmed.

use std::process::ExitCode;

use nats_conn_std::Error;

fn main() -> Result<ExitCode, Error> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "nats://127.0.0.1:4222".into());
    let client = nats_conn_std::connect(&url)?;
    let mut messages = client.subscribe("drain.example")?;

    for number in 1..=1000 {
        client.publish("drain.example", number.to_string()).wait()?;
    }
    let drained = client.drain();
    let received = messages.iter().count();
    println!("received {received} of 1000: {}", drained.wait());
    Ok(client.exit_code())
}
