//! Asks and prints the reply: `request SUBJECT PAYLOAD [URL]`. Try it with the example `reply`.

use std::time::Duration;

use async_std::task::block_on;
use nats_conn_async_std::{Error, RequestError};

fn main() -> Result<(), Error> {
    block_on(request())
}

async fn request() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(subject), Some(payload)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: request SUBJECT PAYLOAD [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_async_std::connect(&url).await?;
    match client
        .request(&subject, &payload)
        .timeout(Duration::from_secs(2))
        .await
    {
        Ok(reply) => println!("{}", reply.text()),
        Err(RequestError::NoResponders { .. }) => println!("nobody listens on {subject}"),
        Err(error) => return Err(error.into()),
    }
    client.close().await;
    Ok(())
}
