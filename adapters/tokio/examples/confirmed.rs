//! Subscribes, publishes a hundred messages at the same time, and waits until the server has confirmed each of them:
//! `confirmed SUBJECT PAYLOAD [URL]`.

use nats_conn_tokio::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(subject), Some(payload)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: confirmed SUBJECT PAYLOAD [URL]");
        std::process::exit(2);
    };
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_tokio::connect(&url).await?;
    // From here on the server sends what is published to it; where it does not permit that, it has said why.
    let mut subscription = client.subscribe(&subject)?.confirmed().await?;
    let mut outcomes = Vec::new();
    for _ in 0..100 {
        outcomes.push(client.publish(&subject, &payload).confirmed().now()?);
    }
    // The server is asked once for all that are on their way. Where a link is lost meanwhile, what had been written
    // and was not confirmed ends as an error; what had not is sent on the next one.
    for outcome in outcomes {
        outcome.await?;
    }
    println!("the server has processed 100 messages");
    if let Some(message) = subscription.next().await {
        println!("{}: {}", message.subject(), message.text());
    }
    client.close().await;
    Ok(())
}
