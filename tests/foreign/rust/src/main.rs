//! What README.md describes, with async-nats.

use std::time::Duration;

use async_nats::{ConnectOptions, Event, HeaderMap, Subscriber};
use futures_util::StreamExt;
use tokio::sync::mpsc;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let url = std::env::args().nth(1).ok_or("give a URL")?;
    tokio::time::timeout(Duration::from_secs(60), live(&url)).await?
}

async fn next(subscriber: &mut Subscriber) -> Outcome<async_nats::Message> {
    Ok(subscriber.next().await.ok_or("it has ended")?)
}

async fn live(url: &str) -> Outcome<()> {
    let (sender, mut events) = mpsc::unbounded_channel();
    let client = ConnectOptions::new()
        .name("rust")
        .event_callback(move |event| {
            let _ = sender.send(event);
            async {}
        })
        .connect(url)
        .await?;
    let mut mail = client.subscribe("day.*").await?;
    let mut work = client.queue_subscribe("work", "workers".into()).await?;
    let mut once = client.subscribe("once").await?;
    once.unsubscribe_after(1).await?;
    let mut asked = client.subscribe("ask").await?;
    let answerer = client.clone();
    tokio::spawn(async move {
        while let Some(message) = asked.next().await {
            if let Some(reply) = message.reply {
                let _ = answerer.publish(reply, "answer".into()).await;
            }
        }
    });

    let mut headers = HeaderMap::new();
    headers.insert("Kind", "good");
    client
        .publish_with_headers("day.one", headers, "first".into())
        .await?;
    let first = next(&mut mail).await?;
    assert_eq!(first.payload, "first");
    assert_eq!(
        first
            .headers
            .as_ref()
            .and_then(|headers| headers.get("Kind"))
            .map(|kind| kind.as_str()),
        Some("good")
    );
    client.publish("work", "".into()).await?;
    assert!(next(&mut work).await?.payload.is_empty());
    client.publish("once", "1".into()).await?;
    assert_eq!(next(&mut once).await?.payload, "1");
    assert_eq!(client.request("ask", "?".into()).await?.payload, "answer");
    assert!(client.request("nobody", "?".into()).await.is_err());
    client.flush().await?;

    while let Ok(event) = events.try_recv() {
        assert!(matches!(event, Event::Connected), "{event}");
    }
    println!("cut");
    while events.recv().await.ok_or("no more events")? != Event::Connected {}
    client.publish("day.two", "second".into()).await?;
    assert_eq!(next(&mut mail).await?.payload, "second");
    client.drain().await?;
    while events.recv().await.ok_or("no more events")? != Event::Closed {}
    println!("done");
    Ok(())
}
