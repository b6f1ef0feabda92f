//! Publishes a message with headers and reads them again: `headers [URL]`.

use nats_conn_std::{Error, Headers};

fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let client = nats_conn_std::connect(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?;
    let mut orders = client.subscribe("headers.example")?;

    let mut headers = Headers::new();
    headers.insert("Order-Id", "42")?;
    headers.append("Note", "first")?;
    headers.append("Note", "second")?;
    client
        .publish("headers.example", "one pound of tea")
        .headers(&headers)
        .wait()?;

    if let Some(order) = orders.next() {
        // What another client wrote may be no headers at all: then this is an error, and the message is here all the same.
        let headers = order.headers()?.unwrap_or_default();
        println!("Order-Id: {}", headers.get_str("Order-Id").unwrap_or("none"));
        for note in headers.get_all("Note") {
            println!("Note: {}", String::from_utf8_lossy(note));
        }
    }
    client.close().wait();
    Ok(())
}
