//! Three workers share the messages of a subject: `queue_group [URL]`. Each message goes to one of them.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let client = nats_conn_std::connect(url.as_deref().unwrap_or("nats://127.0.0.1:4222"))?;

    let mut workers = Vec::new();
    for _ in 0..3 {
        let mut jobs = client.queue_subscribe("queue.example.>", "workers")?;
        workers.push(std::thread::spawn(move || {
            let mut done = 0;
            while jobs.next().is_some() {
                done += 1;
            }
            done
        }));
    }
    for number in 0..300_u32 {
        client
            .publish("queue.example.job", number.to_string().as_str())
            .wait()?;
    }

    // Ends the subscriptions when everything that was on its way has been taken.
    client.drain().wait();
    let mut all = 0;
    for (number, worker) in workers.into_iter().enumerate() {
        let done: u32 = worker.join().map_err(|_| "a worker panicked")?;
        println!("worker {number}: {done}");
        all += done;
    }
    println!("together: {all}");
    Ok(())
}
