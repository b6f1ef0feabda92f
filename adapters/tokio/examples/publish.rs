//! Publishes one message and waits until the server has processed it: `publish SUBJECT PAYLOAD [URL]`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(subject), Some(payload)) = (arguments.next(), arguments.next()) else {
        return Err("usage: publish SUBJECT PAYLOAD [URL]".into());
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_tokio::connect(&url).await?;
    client.publish(&subject, payload.as_str()).await?;
    client.flush().await?;
    println!(
        "the server has processed {} message",
        client.publish_fates().confirmed
    );
    client.close().await;
    Ok(())
}
