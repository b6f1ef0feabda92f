//! The tour: one connection survives a lame duck, crashes, backoff and refused credentials, is closed, and prints
//! what happens.
//!
//! `cargo run -p nats-conn-tour` is the tour on tokio, with two small servers inside its own process. The adapters have an
//! example named `tour` around [`main`], so that it can be seen on threads and on async-std too.
#![forbid(unsafe_code)]

mod interrupt;
mod journey;
mod narrator;
mod tally;

use std::process::ExitCode;
use std::time::Duration;

use nats_conn_client::{Backoff, Client, ConnectOptions, Events, LameDuckPolicy, StartError};
use nats_conn_model_server::tcp_server::TcpCluster;

use journey::Journey;

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

/// Runs the tour with the arguments of the process: none for two small servers inside this process, `--server URL…`
/// to watch real servers until Ctrl-C.
///
/// `start` starts the connection: in most adapters it is [`ConnectOptions::start`]. It needs no runtime of its own
/// and can be waited for on a thread. It fails if what it saw is not what the client promises.
pub async fn main<A: Default>(
    start: impl FnOnce(ConnectOptions<A>) -> Result<(Client, Events), StartError>,
) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        None => play(start).await,
        Some((flag, urls)) if flag == "--server" && !urls.is_empty() => watch(start, &urls.join(",")).await,
        Some(_) => {
            eprintln!("usage: tour [--server URL…]");
            return ExitCode::from(2);
        }
    };
    let faults = outcome.unwrap_or_else(|error| vec![error.to_string()]);
    for fault in &faults {
        println!("not as promised: {fault}");
    }
    if faults.is_empty() {
        println!("everything was as promised");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The tour, with its own servers.
async fn play<A: Default>(
    start: impl FnOnce(ConnectOptions<A>) -> Result<(Client, Events), StartError>,
) -> Outcome<Vec<String>> {
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
    let mut journey = Journey::begin(start(options)?)?;
    journey.stage(&format!(
        "two servers: {} announces {}",
        first.url(),
        second.url()
    ));
    journey.until("connected", 1).await;
    journey.continue_for(Duration::from_secs(1)).await;

    journey.stage("the first server goes into lame duck mode");
    first.lame_duck(Duration::from_secs(10));
    journey.until("resubscribed", 1).await;
    journey.continue_for(Duration::from_secs(1)).await;

    first.crash();
    first.restart()?;
    journey.stage("the first server was replaced; now the second one crashes");
    second.crash();
    journey.until("resubscribed", 2).await;
    journey.continue_for(Duration::from_secs(1)).await;

    journey.stage("the first server crashes too: nobody is left");
    first.crash();
    journey.continue_for(Duration::from_millis(2500)).await;

    journey.stage("the first server is back, but lets nobody in");
    first.refuse_auth(true);
    first.restart()?;
    journey.until("connect_failed auth", 1).await;
    journey.continue_for(Duration::from_millis(500)).await;

    journey.stage("the first server lets everybody in again");
    first.refuse_auth(false);
    journey.until("resubscribed", 3).await;
    journey.continue_for(Duration::from_secs(1)).await;

    let mut faults = journey.finish(&PROMISED).await;
    let complaints = cluster.violations();
    faults.extend(
        complaints
            .iter()
            .map(|violation| format!("a server complained: {violation:?}")),
    );
    Ok(faults)
}

/// Real servers, until Ctrl-C.
async fn watch<A: Default>(
    start: impl FnOnce(ConnectOptions<A>) -> Result<(Client, Events), StartError>,
    urls: &str,
) -> Outcome<Vec<String>> {
    let options = ConnectOptions::from_url(urls)?.name("tour").retry_initial(true);
    let interrupted = interrupt::interrupted()?;
    let mut journey = Journey::begin(start(options)?)?;
    journey.stage(&format!("watching {urls}; Ctrl-C ends it"));
    journey.continue_until(interrupted).await;
    Ok(journey.finish(&["closed requested"]).await)
}

fn backoff() -> Backoff {
    let mut backoff = Backoff::default();
    backoff.max = Duration::from_millis(800);
    backoff
}
