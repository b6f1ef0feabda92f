//! Publishes one message and waits until the server has processed it: `publish SUBJECT PAYLOAD [URL]`.

use nats_conn_tokio::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(subject), Some(payload)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: publish SUBJECT PAYLOAD [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_tokio::connect(&url).await?;
    client.publish(&subject, &payload).await?;
    client.flush().await?;
    println!(
        "the server has processed {} message",
        client.publish_fates().confirmed
    );
    client.close().await;
    Ok(())
}
