//! What clients that block do in each cell.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::Plan;
use super::progress::{Progress, SILENCE, TIMED};
use crate::Outcome;
use crate::cells::{Headers, Work, filter};
use crate::measure::{Measured, Stopwatch, resident};

/// A client that blocks the calling thread.
pub(super) trait BlockingClient: Clone + Send + Sync + 'static {
    type Subscription: Send + 'static;

    /// Connects; what is published later is put together here, too, as far as an application would.
    fn connect(plan: &Plan) -> Outcome<Self>;
    /// Publishes what the plan says.
    fn publish(&self) -> Outcome<()>;
    /// Publishes a word for the server.
    fn tell(&self, subject: &'static str) -> Outcome<()>;
    /// Asks the server, and waits for the reply. What was published before is then processed.
    fn request(&self) -> Outcome<usize>;
    fn subscribe(&self, filter: &str) -> Outcome<Self::Subscription>;
    /// The next message: the length of its payload, and of a header if that is to be read.
    fn next(subscription: &mut Self::Subscription, read_header: bool) -> Option<usize>;
}

/// Does what the plan says.
pub(super) fn run<C: BlockingClient>(plan: &Plan) -> Outcome<Measured> {
    match plan.cell.work {
        Work::Publish { tasks } => publish::<C>(plan, tasks),
        Work::Receive { subscriptions } => receive::<C>(plan, subscriptions),
        Work::Request { in_flight } => request::<C>(plan, in_flight),
        Work::Restore => restore::<C>(plan),
        Work::Connections => connections::<C>(plan),
    }
}

fn publish<C: BlockingClient>(plan: &Plan, threads: u64) -> Outcome<Measured> {
    let client = C::connect(plan)?;
    client.request()?;
    let progress = Arc::new(Progress::new(threads));
    let share = plan.share(threads);
    // All at once: the first would otherwise be done before the last is there.
    let start = Arc::new(Barrier::new(usize::try_from(threads)?));
    let stopwatch = Stopwatch::start()?;
    let running: Vec<_> = (0..threads)
        .map(|number| {
            let (client, progress, start) = (client.clone(), Arc::clone(&progress), Arc::clone(&start));
            thread::spawn(move || {
                let mut latencies = Vec::new();
                start.wait();
                for count in 0..share {
                    if count % TIMED == 0 {
                        let before = Instant::now();
                        client.publish()?;
                        latencies.push(u64::try_from(before.elapsed().as_nanos())?);
                    } else {
                        client.publish()?;
                    }
                    progress.reached(number, count + 1);
                }
                progress.done();
                Outcome::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in running {
        latencies.extend(
            thread
                .join()
                .map_err(|_| "a thread that publishes has panicked")??,
        );
    }
    client.request()?;
    // How many arrived, the server says.
    let mut measured = stopwatch.stop(share * threads, 0)?.with_latencies(latencies);
    measured.fairness = progress.fairness();
    Ok(measured)
}

/// One thread reads them in turn, as the server sends: nobody has ten thousand threads.
fn receive<C: BlockingClient>(plan: &Plan, subscriptions: u64) -> Outcome<Measured> {
    let client = C::connect(plan)?;
    let mut held = Vec::new();
    for number in 0..subscriptions {
        held.push(client.subscribe(&filter(number))?);
    }
    client.request()?;
    let progress = Arc::new(Progress::new(1));
    let count = plan.share(subscriptions) * subscriptions;
    let rounds = plan.share(subscriptions);
    let read_header = plan.cell.headers == Headers::Yes;
    let (all_done, done) = channel();
    let counting = Arc::clone(&progress);
    let stopwatch = Stopwatch::start()?;
    // It ends with the process where messages were lost.
    thread::spawn(move || {
        let mut received = 0;
        for _ in 0..rounds {
            for subscription in &mut held {
                let Some(length) = C::next(subscription, read_header) else {
                    return;
                };
                std::hint::black_box(length);
                received += 1;
                counting.reached(0, received);
            }
        }
        let _ = all_done.send(());
    });
    client.tell(crate::cells::GO)?;
    let (mut before, mut silent) = (0, 0);
    loop {
        match done.recv_timeout(Duration::from_secs(1)) {
            Ok(()) => return stopwatch.stop(count, progress.sum()),
            Err(RecvTimeoutError::Disconnected) => return Err("the subscription has ended".into()),
            Err(RecvTimeoutError::Timeout) => {
                let now = progress.sum();
                silent = if now == before && now > 0 { silent + 1 } else { 0 };
                if silent == SILENCE {
                    return stopwatch.stop(count, now);
                }
                before = now;
            }
        }
    }
}

fn request<C: BlockingClient>(plan: &Plan, in_flight: u64) -> Outcome<Measured> {
    let client = C::connect(plan)?;
    for _ in 0..20.min(plan.count) {
        client.request()?;
    }
    let share = plan.share(in_flight);
    let every = if in_flight == 1 { 1 } else { 8 };
    let stopwatch = Stopwatch::start()?;
    let running: Vec<_> = (0..in_flight)
        .map(|_| {
            let client = client.clone();
            thread::spawn(move || {
                let mut latencies = Vec::new();
                for number in 0..share {
                    let before = (number % every == 0).then(Instant::now);
                    std::hint::black_box(client.request()?);
                    if let Some(before) = before {
                        latencies.push(u64::try_from(before.elapsed().as_nanos())?);
                    }
                }
                Outcome::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for thread in running {
        latencies.extend(thread.join().map_err(|_| "a thread that asks has panicked")??);
    }
    let count = share * in_flight;
    Ok(stopwatch.stop(count, count)?.with_latencies(latencies))
}

fn restore<C: BlockingClient>(plan: &Plan) -> Outcome<Measured> {
    let client = C::connect(plan)?;
    client.request()?;
    let before = resident()?;
    let mut held = Vec::new();
    for number in 0..plan.count {
        held.push(client.subscribe(&filter(number))?);
    }
    client.request()?;
    let after = resident()?;
    let mut last = held.pop().ok_or("there are no subscriptions")?;
    let stopwatch = Stopwatch::start()?;
    client.tell(crate::cells::CUT)?;
    let restored = C::next(&mut last, false).is_some();
    let mut measured = stopwatch.stop(plan.count, if restored { plan.count } else { 0 })?;
    measured.bytes_each = Some(after.saturating_sub(before) as f64 / plan.count as f64);
    Ok(measured)
}

fn connections<C: BlockingClient>(plan: &Plan) -> Outcome<Measured> {
    let mut held = vec![C::connect(plan)?];
    let stopwatch = Stopwatch::start()?;
    let before = resident()?;
    for _ in 0..plan.count {
        held.push(C::connect(plan)?);
    }
    // What ends with the handshake has ended.
    thread::sleep(Duration::from_millis(300));
    let after = resident()?;
    let mut measured = stopwatch.stop(plan.count, held.len() as u64 - 1)?;
    measured.bytes_each = Some(after.saturating_sub(before) as f64 / plan.count as f64);
    Ok(measured)
}
