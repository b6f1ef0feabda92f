//! A herd: very many connections of three servers, one of which is lost or all of which are renewed in turn, and how
//! long it takes until everybody has a session again, with the reconnect policies of several clients.
//!
//! The connections of this client are real machines, [`nats_conn_sm::Connection`]; the policies of others are small
//! models of what their sources do. A server shakes hands with so many connections a second; more wait in its queue,
//! and what finds the queue full is refused. Only reconnecting is simulated: nothing is published.

mod agenda;
mod others;
mod own;
mod scene;
mod server;

pub use others::Other;
pub use scene::{Outcome, Progress, run};

use std::time::Duration;

/// How many servers there are.
pub const SERVERS: usize = 3;

/// How many there are, and what servers can do.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Connections.
    pub clients: u32,
    /// Handshakes of one server in a second.
    pub accepts: u32,
    /// Connections that wait for their handshake at most, for each server.
    pub queue: u32,
    /// From one side to the other.
    pub latency: Duration,
}

impl Setup {
    /// So many connections, and servers that are as strong in proportion: each could take all of them within 50 s, and has
    /// a queue for a quarter of a second.
    pub fn of(clients: u32) -> Self {
        let accepts = (clients / 50).max(20);
        Self {
            clients,
            accepts,
            queue: accepts / 4,
            latency: Duration::from_millis(10),
        }
    }
}

/// What happens to the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// The first crashes after 5 s and is back 20 s later.
    Crash,
    /// One after the other becomes a lame duck: it announces that, closes what is left from 10 s to 30 s later, one
    /// connection after the other, and is back 5 s after that.
    LameDucks,
}

/// Who reconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// This client, with its defaults.
    Own,
    /// A small model of another.
    Other(Other),
}

impl Policy {
    /// All that are compared.
    pub const ALL: [Self; 4] = [
        Self::Own,
        Self::Other(Other::CycleWait),
        Self::Other(Other::NoJitter),
        Self::Other(Other::NoWait),
    ];

    /// What it is called in a picture.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "nats-conn",
            Self::Other(Other::CycleWait) => "Go: 2 s a cycle, jitter",
            Self::Other(Other::NoJitter) => "async-nats: exponential, no jitter",
            Self::Other(Other::NoWait) => "no wait at all",
        }
    }
}

/// What is asked of the connections of one policy.
trait Fleet {
    /// It begins.
    fn begin(&mut self, client: usize, now: u64, wishes: &mut Vec<Wish>);
    /// The server shook hands.
    fn accepted(&mut self, client: usize, server: usize, now: u64, wishes: &mut Vec<Wish>);
    /// The server refused, or was not there.
    fn refused(&mut self, client: usize, server: usize, now: u64, wishes: &mut Vec<Wish>);
    /// The link is gone.
    fn lost(&mut self, client: usize, server: usize, now: u64, wishes: &mut Vec<Wish>);
    /// The server announces that it will shut down.
    fn warned(&mut self, client: usize, now: u64, wishes: &mut Vec<Wish>);
    /// A time that was wished for has come.
    fn woken(&mut self, client: usize, now: u64, wishes: &mut Vec<Wish>);
}

/// What a connection wants.
enum Wish {
    /// To dial this server now.
    Dial(usize),
    /// To end its link or its attempt.
    HangUp,
    /// To be woken then.
    WakeAt(u64),
}
