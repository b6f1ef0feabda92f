//! Asks everybody, and takes all replies that come within a time: `several_replies [URL]`.

use std::time::Duration;

use nats_conn_tokio::{Error, RequestMany};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::args().nth(1);
    let client = nats_conn_tokio::connect(url.as_deref().unwrap_or("nats://127.0.0.1:4222")).await?;

    for number in 1..=3 {
        let mut questions = client.subscribe("replies.example")?;
        let client = client.clone();
        tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                let answer = format!("shop {number} is open");
                if let Err(error) = client.respond(&question, answer.as_str()).await {
                    println!("not answered: {error}");
                }
            }
        });
    }

    // Two seconds at most, ten replies at most, and no longer than 300 ms after the last one.
    let many = RequestMany::new(Duration::from_secs(2))
        .max(10)
        .stall(Duration::from_millis(300));
    let mut replies = client
        .request("replies.example", "who is open?")
        .many(many)
        .await?;
    while let Some(reply) = replies.next().await {
        println!("{}", reply.text());
    }
    println!("ended: {:?}", replies.ended());
    client.close().await;
    Ok(())
}
