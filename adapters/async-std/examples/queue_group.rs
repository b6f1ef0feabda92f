//! Three workers share the messages of a subject: `queue_group [URL]`. Each message goes to one of them.

use async_std::task::{block_on, spawn};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = nats_conn_async_std::connect(url.as_deref().unwrap_or("nats://127.0.0.1:4222")).await?;

    let mut workers = Vec::new();
    for _ in 0..3 {
        let mut jobs = client.queue_subscribe("queue.example.>", "workers")?;
        workers.push(spawn(async move {
            let mut done = 0;
            while jobs.next().await.is_some() {
                done += 1;
            }
            done
        }));
    }
    for number in 0..300_u32 {
        client
            .publish("queue.example.job", number.to_string().as_str())
            .await?;
    }

    // Ends the subscriptions when everything that was on its way has been taken.
    client.drain().await;
    let mut all = 0;
    for (number, worker) in workers.into_iter().enumerate() {
        let done: u32 = worker.await;
        println!("worker {number}: {done}");
        all += done;
    }
    println!("together: {all}");
    Ok(())
}
