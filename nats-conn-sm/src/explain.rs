//! What the connection is doing and what it waits for, in one sentence.

use alloc::format;
use alloc::string::String;

use crate::connection::{Connection, Stage};
use crate::life::Life;
use crate::link::Link;
use crate::phase::Phase;
use crate::session::{Departure, Restore};
use crate::time::Timestamp;

impl Connection {
    pub(crate) fn explain(&self, now: Timestamp) -> String {
        let doing = match &self.stage {
            Stage::Ended => return String::from("closed: nothing will happen any more"),
            Stage::Choosing { .. } => String::from("waiting for the driver to choose the next server"),
            Stage::Waiting { until, server } => {
                let left = until.since(now).as_millis();
                let server = self
                    .pool
                    .get(*server)
                    .map_or_else(|| String::from("a server"), |server| format!("{server}"));
                format!(
                    "waiting {left} ms before dialling {server} (round {} without success)",
                    self.rounds
                )
            }
            Stage::Linked(link) => explain_link(link, now),
        };
        match &self.life {
            Life::Draining(drain) => {
                format!(
                    "draining, for {} ms at most; {doing}",
                    drain.deadline.since(now).as_millis()
                )
            }
            Life::Closing(_) => format!("closing; {doing}"),
            Life::Open | Life::Closed => doing,
        }
    }
}

fn explain_link(link: &Link, now: Timestamp) -> String {
    let server = &link.server;
    if link.ending.is_some() {
        return format!("leaving {server}: waiting for the driver's last answer about the link");
    }
    let left = link.deadline.since(now).as_millis();
    match &link.phase {
        Phase::Dialing(_) => format!("dialling {server}, for {left} ms at most"),
        Phase::UpgradingTls(_) => format!("TLS handshake with {server}, for {left} ms at most"),
        Phase::AwaitingInfo => format!("waiting for INFO of {server}, for {left} ms at most"),
        Phase::Authenticating => format!("waiting for credentials for {server}, for {left} ms at most"),
        Phase::AwaitingPong => format!("waiting for {server} to accept CONNECT, for {left} ms at most"),
        Phase::Ready(session) => {
            let extra = match (session.departure, session.restore) {
                (Departure::Scheduled(at), _) => {
                    format!(
                        "; it is in lame duck mode, and is left in {} ms if a better server is known then",
                        at.since(now).as_millis()
                    )
                }
                (Departure::Confirming { .. } | Departure::AwaitingReplies { .. }, _) => {
                    String::from("; it is in lame duck mode, and is being left")
                }
                (Departure::None, Restore::Writing { .. } | Restore::Awaiting { .. }) => {
                    String::from("; restoring subscriptions")
                }
                (Departure::None, Restore::Done) => String::new(),
            };
            format!("connected to {server}{extra}")
        }
    }
}
