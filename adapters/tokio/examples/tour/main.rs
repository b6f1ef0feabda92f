//! Watch one connection live through a lame duck, crashes, backoff, refused credentials, and its close.
//!
//! Without arguments two small servers run inside this process. With `--server URL…` it watches real servers
//! until Ctrl-C. It exits with 1 if what it saw is not what the client promises.

mod narrator;
mod tally;

use std::process::ExitCode;
use std::time::Duration;

use nats_conn_tests::tcp_server::TcpCluster;
use nats_conn_tokio::{
    Backoff, Client, ConnectOptions, Events, LameDuckPolicy, Publish, Subject, SubjectFilter, Subscription,
};
use tokio::time::{Instant, Interval, interval, sleep, timeout};

use narrator::Narrator;
use tally::Tally;

const SUBJECT: Subject = Subject::from_static("tour.tick");
/// What must have happened, in this order, whatever else did.
const PROMISED: [&str; 17] = [
    "connected",
    "discovered_servers",
    "lame_duck",
    "disconnected lame_duck",
    "reconnected",
    "resubscribed",
    "disconnected",
    "reconnected",
    "resubscribed",
    "disconnected",
    "connect_failed dial",
    "backoff_wait",
    "connect_failed auth",
    "reconnected",
    "resubscribed",
    "disconnected closed",
    "closed requested",
];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let faults = match arguments.split_first() {
        None => play().await?,
        Some((flag, urls)) if flag == "--server" && !urls.is_empty() => watch(&urls.join(",")).await?,
        Some(_) => {
            eprintln!("usage: tour [--server URL…]");
            return Ok(ExitCode::from(2));
        }
    };
    for fault in &faults {
        println!("not as promised: {fault}");
    }
    if faults.is_empty() {
        println!("everything was as promised");
    }
    Ok(if faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The connection, and the books about it.
struct Tour {
    client: Client,
    events: Events,
    ticks: Subscription,
    narrator: Narrator,
    tally: Tally,
    pace: Interval,
    number: u64,
}

impl Tour {
    fn start(options: ConnectOptions) -> Outcome<Self> {
        let (client, events) = options.start()?;
        let ticks = client.subscribe(SubjectFilter::from(SUBJECT))?;
        let pace = interval(Duration::from_millis(100));
        Ok(Self {
            client,
            events,
            ticks,
            narrator: Narrator::new(),
            tally: Tally::default(),
            pace,
            number: 0,
        })
    }

    /// Does whatever comes next: an event, a message, or a publish. Whether the connection goes on.
    async fn turn(&mut self, publish: bool) -> bool {
        tokio::select! {
            event = self.events.next() => {
                let Some(event) = event else { return false };
                self.narrator.event(&event);
                self.tally.event(&event);
            }
            Some(message) = self.ticks.next() => {
                if let Some(number) = std::str::from_utf8(message.payload()).ok().and_then(|text| text.parse().ok()) {
                    self.tally.receive(number);
                }
            }
            _ = self.pace.tick(), if publish => {
                self.number += 1;
                if let Ok(seq) = self.client.try_publish(Publish::new(&SUBJECT, self.number.to_string().as_str())) {
                    self.tally.publish(self.number, seq);
                }
                if self.number.is_multiple_of(5) {
                    // Nobody waits for it: its PONG confirms what was published before.
                    drop(self.client.flush());
                }
            }
        }
        true
    }

    async fn go_on_for(&mut self, duration: Duration) {
        let end = Instant::now() + duration;
        while let Ok(true) = timeout(end.saturating_duration_since(Instant::now()), self.turn(true)).await {}
    }

    /// Goes on until a step was seen so often, for 5 s at most.
    async fn until(&mut self, step: &str, times: usize) {
        let end = Instant::now() + Duration::from_secs(5);
        while self.tally.count(step) < times && Instant::now() < end {
            let left = end.saturating_duration_since(Instant::now());
            let _ = timeout(left, self.turn(true)).await;
        }
    }

    /// Lets everything that is on its way arrive, closes, and judges.
    async fn finish(mut self, promised: &[&str]) -> Vec<String> {
        self.narrator.stage("the application closes the connection");
        let end = Instant::now() + Duration::from_secs(2);
        let flushed = self.client.flush();
        tokio::pin!(flushed);
        let mut done = false;
        while Instant::now() < end && !(done && self.tally.missing().is_empty()) {
            tokio::select! {
                _ = &mut flushed, if !done => done = true,
                _ = self.turn(false) => {}
                () = sleep(Duration::from_millis(50)) => {}
            }
        }
        let closed = self.client.close();
        tokio::pin!(closed);
        while self.turn(false).await {}
        closed.await;
        let fates = self.client.publish_fates();
        self.tally.print(fates);
        self.tally.verdict(fates, promised)
    }
}

/// The play, with servers of our own.
async fn play() -> Outcome<Vec<String>> {
    let cluster = TcpCluster::start(2)?;
    let (first, second) = (cluster.server(0), cluster.server(1));
    let options = ConnectOptions::from_url(&first.url())?
        .name("tour")
        .connect_timeout(Duration::from_secs(2))
        .min_stable(Duration::from_millis(500))
        .backoff(backoff())
        .lame_duck(LameDuckPolicy::Move {
            within: Duration::from_millis(800),
        });
    let mut tour = Tour::start(options)?;
    tour.narrator.stage(&format!(
        "two servers: {} announces {}",
        first.url(),
        second.url()
    ));
    tour.until("connected", 1).await;
    tour.go_on_for(Duration::from_secs(1)).await;

    tour.narrator.stage("the first server goes into lame duck mode");
    first.lame_duck(Duration::from_secs(10));
    tour.until("resubscribed", 1).await;
    tour.go_on_for(Duration::from_secs(1)).await;

    first.crash();
    first.restart()?;
    tour.narrator
        .stage("the first server was replaced; now the second one crashes");
    second.crash();
    tour.until("resubscribed", 2).await;
    tour.go_on_for(Duration::from_secs(1)).await;

    tour.narrator
        .stage("the first server crashes too: nobody is left");
    first.crash();
    tour.go_on_for(Duration::from_millis(2500)).await;

    tour.narrator
        .stage("the first server is back, but lets nobody in");
    first.refuse_auth(true);
    first.restart()?;
    tour.until("connect_failed auth", 1).await;
    tour.go_on_for(Duration::from_millis(500)).await;

    tour.narrator.stage("the first server lets everybody in again");
    first.refuse_auth(false);
    tour.until("resubscribed", 3).await;
    tour.go_on_for(Duration::from_secs(1)).await;

    let mut faults = tour.finish(&PROMISED).await;
    faults.extend(
        cluster
            .violations()
            .iter()
            .map(|violation| format!("a server complained: {violation:?}")),
    );
    Ok(faults)
}

/// Real servers, until Ctrl-C.
async fn watch(urls: &str) -> Outcome<Vec<String>> {
    let options = ConnectOptions::from_url(urls)?.name("tour").retry_initial(true);
    let mut tour = Tour::start(options)?;
    tour.narrator.stage(&format!("watching {urls}; Ctrl-C ends it"));
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            _ = &mut interrupted => break,
            goes_on = tour.turn(true) => if !goes_on { break },
        }
    }
    Ok(tour.finish(&["closed requested"]).await)
}

fn backoff() -> Backoff {
    let mut backoff = Backoff::default();
    backoff.max = Duration::from_millis(800);
    backoff
}
