//! Answers requests with their payload in capitals, together with others of its group: `reply SUBJECT [URL]`.

use nats_conn_tokio::{Client, Message, QueueGroup, SubjectFilter};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let filter: SubjectFilter = arguments.next().ok_or("usage: reply SUBJECT [URL]")?.parse()?;
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());

    let client = nats_conn_tokio::connect(&url).await?;
    let mut requests = client.queue_subscribe(filter, QueueGroup::from_static("capitals"))?;
    println!("waiting for requests; Ctrl-C ends");
    let end = tokio::signal::ctrl_c();
    tokio::pin!(end);
    loop {
        tokio::select! {
            Some(request) = requests.next() => answer(&client, &request).await,
            _ = &mut end => break,
        }
    }
    // What has arrived is still answered.
    let drained = client.drain()?;
    while let Some(request) = requests.next().await {
        answer(&client, &request).await;
    }
    drained.await;
    Ok(())
}

async fn answer(client: &Client, request: &Message) {
    let answer = String::from_utf8_lossy(request.payload()).to_uppercase();
    if let Err(error) = client.respond(request, answer.as_str()).await {
        println!("not answered: {error}");
    }
}
