//! A service: takes orders and tells the time, together with others of its group: `service [URL]`. Ctrl-C and SIGTERM end
//! it in good order. It fails where something that it published was not confirmed.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use nats_conn_tokio::{Client, ClosedReason, ConnectOptions, EndReason, Error, Headers, Message};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let url = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "nats://127.0.0.1:4222".into());
    let options = ConnectOptions::from_url(&url)?.name("orders");
    let (client, mut events) = options.retry_initial(true).start()?;
    let log = tokio::spawn(async move {
        while let Some(event) = events.next().await {
            eprintln!("{event}");
        }
    });
    let mut orders = client.queue_subscribe("orders.>", "workers")?;
    let mut questions = client.queue_subscribe("time", "workers")?;

    let mut terminate = signal(SignalKind::terminate())?;
    let ending = client.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        // What has arrived is still answered.
        ending.begin_drain();
    });

    loop {
        let done = tokio::select! {
            Some(order) = orders.next() => take(&client, &order).await,
            Some(question) = questions.next() => tell_time(&client, &question).await,
            else => break,
        };
        if let Err(error) = done {
            eprintln!("not answered: {error}");
        }
    }
    // Also where the server has refused what was subscribed to.
    let reason = client.drain().await;
    log.await?;
    eprintln!("{}", client.publish_fates());
    match (reason, orders.ended()) {
        (ClosedReason::Drained { .. }, Some(EndReason::Drained)) => Ok(client.exit_code()),
        (reason, _) => Err(format!("the connection is closed: {reason}").into()),
    }
}

/// Answers with headers, and says to everybody who wants to know that there was an order.
async fn take(client: &Client, order: &Message) -> Result<(), Error> {
    let headers = Headers::try_from([("Service", "orders"), ("Order", &order.subject())])?;
    if order.reply().is_some() {
        client.respond(order, "taken").headers(&headers).await?;
    }
    client
        .publish("events.order.taken", order.payload())
        .headers(&headers)
        .await?;
    Ok(())
}

async fn tell_time(client: &Client, question: &Message) -> Result<(), Error> {
    let headers = Headers::try_from([("Service", "time")])?;
    let time = UNIX_EPOCH
        .elapsed()
        .unwrap_or(Duration::ZERO)
        .as_secs()
        .to_string();
    if question.reply().is_some() {
        client.respond(question, &time).headers(&headers).await?;
    }
    client
        .publish("events.time.told", &time)
        .headers(&headers)
        .await?;
    Ok(())
}
