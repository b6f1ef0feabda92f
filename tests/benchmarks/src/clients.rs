//! The clients that are compared, and what each of them is asked to do.

mod async_nats_client;
mod nats_client;
mod own;
mod own_std;
mod progress;
mod raw;
mod run_async;
mod run_blocking;
mod watermelon_client;

use std::path::PathBuf;
use std::time::Duration;

use crate::Outcome;
use crate::cells::{Cell, Headers, Work};
use crate::measure::Measured;

/// A client, on a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Client {
    /// `nats-conn-tokio` on one thread.
    TokioCt,
    /// `nats-conn-tokio` with two workers.
    TokioMt,
    /// `nats-conn-async-std`.
    AsyncStd,
    /// `nats-conn-std`.
    Std,
    /// `async-nats` on one thread.
    AsyncNatsCt,
    /// `async-nats` with two workers.
    AsyncNatsMt,
    /// `watermelon` on one thread.
    WatermelonCt,
    /// `nats` 0.26, which blocks.
    Nats,
    /// A bare socket and bytes that were encoded before: what the kernel takes.
    Raw,
}

impl Client {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 9] = [
        Self::TokioCt,
        Self::TokioMt,
        Self::AsyncStd,
        Self::Std,
        Self::AsyncNatsCt,
        Self::AsyncNatsMt,
        Self::WatermelonCt,
        Self::Nats,
        Self::Raw,
    ];

    /// As `--clients` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::TokioCt => "tokio-ct",
            Self::TokioMt => "tokio-mt",
            Self::AsyncStd => "async-std",
            Self::Std => "std",
            Self::AsyncNatsCt => "async-nats-ct",
            Self::AsyncNatsMt => "async-nats-mt",
            Self::WatermelonCt => "watermelon-ct",
            Self::Nats => "nats",
            Self::Raw => "raw",
        }
    }

    /// The client of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|client| client.name() == name)
    }

    /// The peer that this client's figures are compared with: the best that does the same in the same way.
    pub(crate) fn peer(self, cell: &Cell) -> Option<Self> {
        match self {
            Self::TokioCt | Self::AsyncStd => Some(Self::AsyncNatsCt),
            Self::TokioMt => Some(Self::AsyncNatsMt),
            Self::Std if matches!(cell.work, Work::Publish { .. }) && !cell.tls => Some(Self::Nats),
            Self::Std => Some(Self::AsyncNatsCt),
            Self::AsyncNatsCt | Self::AsyncNatsMt | Self::WatermelonCt | Self::Nats | Self::Raw => None,
        }
    }

    /// Whether it can do that at all.
    pub(crate) fn can(self, cell: &Cell) -> bool {
        match self {
            // It trusts what the system trusts and nothing else.
            Self::WatermelonCt => !cell.tls,
            // Over TLS it fails with WriteZero as soon as more is published than TLS buffers.
            Self::Nats => !(cell.tls && matches!(cell.work, Work::Publish { .. })),
            Self::Raw => {
                !cell.tls
                    && cell.headers != Headers::Unread
                    && matches!(
                        cell.work,
                        Work::Publish { tasks: 1 }
                            | Work::Receive { subscriptions: 1 }
                            | Work::Request { in_flight: 1 }
                    )
            }
            _ => true,
        }
    }

    /// How many times it does that, where doing it takes much longer than it costs: a request of `nats` waits five milliseconds.
    pub(crate) fn count(self, cell: &Cell, count: u64) -> u64 {
        match (self, cell.work) {
            (Self::Nats, Work::Request { in_flight: 1 }) => count / 20,
            (Self::Nats, Work::Request { .. }) => count / 5,
            // They take a tenth of a second to connect.
            (Self::Nats | Self::WatermelonCt, Work::Connections) => count / 20,
            _ => count,
        }
    }
}

/// How long a client may take to connect: valgrind on a busy machine is slow, and no default is made for that.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client is to do, and where.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) cell: Cell,
    pub(crate) count: u64,
    pub(crate) port: u16,
    /// Where the certificates are.
    pub(crate) certificates: PathBuf,
}

impl Plan {
    fn url(&self) -> String {
        let scheme = if self.cell.tls { "tls" } else { "nats" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    fn authority(&self) -> PathBuf {
        self.certificates.join("ca.pem")
    }

    /// How many of `count` are done by each of so many.
    fn share(&self, among: u64) -> u64 {
        self.count / among
    }
}

/// Does what the plan says.
pub(crate) fn run(client: Client, plan: &Plan) -> Outcome<Measured> {
    use run_async::{AsyncStd, TokioCt, TokioMt, run as run_async};
    match client {
        Client::TokioCt => run_async::<own::Own<own::OnTokio>, TokioCt>(plan),
        Client::TokioMt => run_async::<own::Own<own::OnTokio>, TokioMt>(plan),
        Client::AsyncStd => run_async::<own::Own<own::OnAsyncStd>, AsyncStd>(plan),
        Client::Std => run_blocking::run::<own_std::OwnStd>(plan),
        Client::AsyncNatsCt => run_async::<async_nats_client::AsyncNats, TokioCt>(plan),
        Client::AsyncNatsMt => run_async::<async_nats_client::AsyncNats, TokioMt>(plan),
        Client::WatermelonCt => run_async::<watermelon_client::Watermelon, TokioCt>(plan),
        Client::Nats => run_blocking::run::<nats_client::Nats>(plan),
        Client::Raw => raw::run(plan),
    }
}
