//! What clients for asynchronous programs do in each cell.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either, select};
use tokio::sync::oneshot;

use super::Plan;
use crate::Outcome;
use crate::cells::{Headers, Work, filter};
use crate::clients::progress::{Progress, SILENCE, TIMED};
use crate::measure::{Measured, Stopwatch, resident};

/// A client for asynchronous programs.
pub(super) trait AsyncClient: Clone + Send + Sync + 'static {
    type Subscription: Send + 'static;

    /// Connects; what is published later is put together here, too, as far as an application would.
    fn connect(plan: &Plan) -> impl Future<Output = Outcome<Self>> + Send;
    /// Publishes what the plan says.
    fn publish(&self) -> impl Future<Output = Outcome<()>> + Send;
    /// Publishes a word for the server.
    fn tell(&self, subject: &'static str) -> impl Future<Output = Outcome<()>> + Send;
    /// Asks the server, and waits for the reply. What was published before is then processed.
    fn request(&self) -> impl Future<Output = Outcome<usize>> + Send;
    fn subscribe(&self, filter: String) -> impl Future<Output = Outcome<Self::Subscription>> + Send;
    /// The next message: the length of its payload, and of a header if that is to be read.
    fn next(
        subscription: &mut Self::Subscription,
        read_header: bool,
    ) -> impl Future<Output = Option<usize>> + Send;
}

/// A runtime.
pub(super) trait Executor {
    fn block_on<F: Future>(future: F) -> Outcome<F::Output>;
    fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> BoxFuture<'static, Outcome<F::Output>>;
    fn sleep(duration: Duration) -> BoxFuture<'static, ()>;
}

/// tokio with one thread.
pub(super) struct TokioCt;
/// tokio with two workers.
pub(super) struct TokioMt;
/// async-std, with as many threads as it likes.
pub(super) struct AsyncStd;

impl Executor for TokioCt {
    fn block_on<F: Future>(future: F) -> Outcome<F::Output> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(runtime.block_on(future))
    }

    fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> BoxFuture<'static, Outcome<F::Output>> {
        tokio::spawn(future).map(|done| Ok(done?)).boxed()
    }

    fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
        tokio::time::sleep(duration).boxed()
    }
}

impl Executor for TokioMt {
    fn block_on<F: Future>(future: F) -> Outcome<F::Output> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        Ok(runtime.block_on(future))
    }

    fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> BoxFuture<'static, Outcome<F::Output>> {
        TokioCt::spawn(future)
    }

    fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
        TokioCt::sleep(duration)
    }
}

impl Executor for AsyncStd {
    fn block_on<F: Future>(future: F) -> Outcome<F::Output> {
        Ok(async_std::task::block_on(future))
    }

    fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> BoxFuture<'static, Outcome<F::Output>> {
        async_std::task::spawn(future).map(Ok).boxed()
    }

    fn sleep(duration: Duration) -> BoxFuture<'static, ()> {
        async_std::task::sleep(duration).boxed()
    }
}

/// Does what the plan says.
pub(super) fn run<C: AsyncClient, E: Executor>(plan: &Plan) -> Outcome<Measured> {
    E::block_on(async {
        match plan.cell.work {
            Work::Publish { tasks } => publish::<C, E>(plan, tasks).await,
            Work::Receive { subscriptions } => receive::<C, E>(plan, subscriptions).await,
            Work::Request { in_flight } => request::<C, E>(plan, in_flight).await,
            Work::Restore => restore::<C, E>(plan).await,
            Work::Connections => connections::<C, E>(plan).await,
        }
    })?
}

async fn publish<C: AsyncClient, E: Executor>(plan: &Plan, tasks: u64) -> Outcome<Measured> {
    let client = C::connect(plan).await?;
    client.request().await?;
    let progress = Arc::new(Progress::new(tasks));
    let share = plan.share(tasks);
    let stopwatch = Stopwatch::start()?;
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (client, progress) = (client.clone(), Arc::clone(&progress));
            E::spawn(async move {
                let mut latencies = Vec::new();
                for number in 0..share {
                    if number % TIMED == 0 {
                        let before = Instant::now();
                        client.publish().await?;
                        latencies.push(u64::try_from(before.elapsed().as_nanos())?);
                    } else {
                        client.publish().await?;
                    }
                    progress.reached(task, number + 1);
                }
                progress.done();
                Outcome::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in running {
        latencies.extend(task.await??);
    }
    client.request().await?;
    // How many arrived, the server says.
    let mut measured = stopwatch.stop(share * tasks, 0)?.with_latencies(latencies);
    measured.fairness = progress.fairness();
    Ok(measured)
}

async fn receive<C: AsyncClient, E: Executor>(plan: &Plan, subscriptions: u64) -> Outcome<Measured> {
    let client = C::connect(plan).await?;
    let mut held = Vec::new();
    for number in 0..subscriptions {
        held.push(client.subscribe(filter(number)).await?);
    }
    client.request().await?;
    let progress = Arc::new(Progress::new(subscriptions));
    let share = plan.share(subscriptions);
    let read_header = plan.cell.headers == Headers::Yes;
    let (all_done, mut done) = oneshot::channel();
    let all_done = Arc::new(std::sync::Mutex::new(Some(all_done)));
    let left = Arc::new(AtomicU64::new(subscriptions));
    let stopwatch = Stopwatch::start()?;
    for (number, mut subscription) in (0..).zip(held) {
        let (progress, left) = (Arc::clone(&progress), Arc::clone(&left));
        let all_done = Arc::clone(&all_done);
        // It ends with the process where messages were lost.
        drop(E::spawn(async move {
            let mut received = 0;
            while received < share {
                let Some(length) = C::next(&mut subscription, read_header).await else {
                    break;
                };
                std::hint::black_box(length);
                received += 1;
                progress.reached(number, received);
            }
            progress.done();
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                let sender = all_done.lock().ok().and_then(|mut sender| sender.take());
                if let Some(sender) = sender {
                    let _ = sender.send(());
                }
            }
        }));
    }
    client.tell(crate::cells::GO).await?;
    let (mut before, mut silent) = (0, 0);
    let mut measured;
    loop {
        match select(done, E::sleep(Duration::from_secs(1))).await {
            Either::Left(_) => {
                measured = stopwatch.stop(share * subscriptions, progress.sum())?;
                break;
            }
            Either::Right(((), unfinished)) => {
                let now = progress.sum();
                silent = if now == before && now > 0 { silent + 1 } else { 0 };
                if silent == SILENCE {
                    measured = stopwatch.stop(share * subscriptions, now)?;
                    break;
                }
                (before, done) = (now, unfinished);
            }
        }
    }
    measured.fairness = progress.fairness();
    Ok(measured)
}

async fn request<C: AsyncClient, E: Executor>(plan: &Plan, in_flight: u64) -> Outcome<Measured> {
    let client = C::connect(plan).await?;
    for _ in 0..100.min(plan.count) {
        client.request().await?;
    }
    let share = plan.share(in_flight);
    let every = if in_flight == 1 { 1 } else { 8 };
    let stopwatch = Stopwatch::start()?;
    let running: Vec<_> = (0..in_flight)
        .map(|_| {
            let client = client.clone();
            E::spawn(async move {
                let mut latencies = Vec::new();
                for number in 0..share {
                    let before = (number % every == 0).then(Instant::now);
                    std::hint::black_box(client.request().await?);
                    if let Some(before) = before {
                        latencies.push(u64::try_from(before.elapsed().as_nanos())?);
                    }
                }
                Outcome::Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in running {
        latencies.extend(task.await??);
    }
    let count = share * in_flight;
    Ok(stopwatch.stop(count, count)?.with_latencies(latencies))
}

async fn restore<C: AsyncClient, E: Executor>(plan: &Plan) -> Outcome<Measured> {
    let client = C::connect(plan).await?;
    client.request().await?;
    let before = resident()?;
    let mut held = Vec::new();
    for number in 0..plan.count {
        held.push(client.subscribe(filter(number)).await?);
    }
    client.request().await?;
    let after = resident()?;
    let mut last = held.pop().ok_or("there are no subscriptions")?;
    let stopwatch = Stopwatch::start()?;
    client.tell(crate::cells::CUT).await?;
    let restored = C::next(&mut last, false).await.is_some();
    let mut measured = stopwatch.stop(plan.count, if restored { plan.count } else { 0 })?;
    measured.bytes_each = Some(after.saturating_sub(before) as f64 / plan.count as f64);
    Ok(measured)
}

async fn connections<C: AsyncClient, E: Executor>(plan: &Plan) -> Outcome<Measured> {
    let mut held = vec![C::connect(plan).await?];
    let stopwatch = Stopwatch::start()?;
    let before = resident()?;
    for _ in 0..plan.count {
        held.push(C::connect(plan).await?);
    }
    // What ends with the handshake has ended.
    E::sleep(Duration::from_millis(300)).await;
    let after = resident()?;
    let mut measured = stopwatch.stop(plan.count, held.len() as u64 - 1)?;
    measured.bytes_each = Some(after.saturating_sub(before) as f64 / plan.count as f64);
    Ok(measured)
}
