//! Counts what was published, confirmed and received, and judges whether the client kept its promises.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nats_conn_client::{ClientEvent, ConnectionEvent, PublishFates, PublishSeq, SeqRanges};

/// The tally.
#[derive(Default)]
pub(crate) struct Tally {
    /// Which number was published as which.
    published: BTreeMap<u64, PublishSeq>,
    received: BTreeSet<u64>,
    repeated: u64,
    unconfirmed: Vec<SeqRanges>,
    dropped: Vec<SeqRanges>,
    reconnects: u64,
    without_link: Duration,
    lost_at: Option<Instant>,
    steps: Vec<String>,
}

impl Tally {
    pub(crate) fn publish(&mut self, number: u64, seq: PublishSeq) {
        self.published.insert(number, seq);
    }

    pub(crate) fn receive(&mut self, number: u64) {
        if !self.received.insert(number) {
            self.repeated += 1;
        }
    }

    pub(crate) fn event(&mut self, event: &ClientEvent) {
        let ClientEvent::Connection(event) = event else {
            return;
        };
        match event {
            ConnectionEvent::Disconnected { unconfirmed, .. } => {
                self.lost_at = Some(Instant::now());
                self.unconfirmed.push(unconfirmed.clone());
            }
            ConnectionEvent::Reconnected(_) => {
                self.reconnects += 1;
                self.without_link += self.lost_at.take().map_or(Duration::ZERO, |at| at.elapsed());
            }
            ConnectionEvent::PublishDropped { publishes, .. } => self.dropped.push(publishes.clone()),
            _ => {}
        }
        if let Some(step) = step(event) {
            self.steps.push(step);
        }
    }

    /// How often this step was seen.
    pub(crate) fn count(&self, step: &str) -> usize {
        self.steps.iter().filter(|seen| *seen == step).count()
    }

    /// Numbers that should have been received and were not: all but those that the client itself declared
    /// unconfirmed or dropped.
    pub(crate) fn missing(&self) -> Vec<u64> {
        let excused = |seq: PublishSeq| {
            self.unconfirmed
                .iter()
                .chain(&self.dropped)
                .any(|ranges| ranges.contains(seq))
        };
        let missing = self
            .published
            .iter()
            .filter(|(number, seq)| !self.received.contains(number) && !excused(**seq));
        missing.map(|(&number, _)| number).collect()
    }

    pub(crate) fn print(&self, fates: PublishFates) {
        let rows = [
            ("published", fates.accepted.to_string()),
            ("confirmed", fates.confirmed.to_string()),
            ("unconfirmed", fates.unconfirmed.to_string()),
            ("dropped", fates.dropped.to_string()),
            ("received", self.received.len().to_string()),
            ("reconnects", self.reconnects.to_string()),
            (
                "time without connection",
                format!("{:.3} s", self.without_link.as_secs_f64()),
            ),
        ];
        println!("\n{:-<40}", "");
        for (name, value) in rows {
            println!("{name:<26}{value:>14}");
        }
        println!("{:-<40}", "");
    }

    /// What was not as promised; nothing if all was well.
    pub(crate) fn verdict(&self, fates: PublishFates, expected: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = self.steps.iter();
        if let Some(absent) = expected.iter().find(|step| !seen.any(|seen| seen == *step)) {
            faults.push(format!(
                "expected `{absent}` in the order {expected:?}, but saw {:?}",
                self.steps
            ));
        }
        if self.steps.last().is_none_or(|last| last != "closed requested") {
            faults.push(format!(
                "the last event is not `closed requested`: {:?}",
                self.steps.last()
            ));
        }
        let missing = self.missing();
        if !missing.is_empty() {
            faults.push(format!(
                "published, not declared lost, and never received: {missing:?}"
            ));
        }
        if self.repeated > 0 {
            faults.push(format!("{} messages came twice", self.repeated));
        }
        let sum = fates.queued + fates.written + fates.confirmed + fates.unconfirmed + fates.dropped;
        if sum != fates.accepted {
            faults.push(format!("the fates do not add up: {fates:?}"));
        }
        faults
    }
}

/// The name of a step in the life of the connection.
fn step(event: &ConnectionEvent) -> Option<String> {
    Some(match event {
        ConnectionEvent::Connected(_) => "connected".into(),
        ConnectionEvent::Reconnected(_) => "reconnected".into(),
        ConnectionEvent::Resubscribed { .. } => "resubscribed".into(),
        ConnectionEvent::LameDuck { .. } => "lame_duck".into(),
        ConnectionEvent::BackoffWait { .. } => "backoff_wait".into(),
        ConnectionEvent::DiscoveredServers { .. } => "discovered_servers".into(),
        ConnectionEvent::Disconnected { reason, .. } => match reason.code() {
            "lame_duck" | "closed" => format!("disconnected {}", reason.code()),
            _ => "disconnected".into(),
        },
        ConnectionEvent::ConnectFailed { phase, .. } => format!("connect_failed {}", phase.code()),
        ConnectionEvent::Closed { reason } => format!("closed {}", reason.code()),
        _ => return None,
    })
}
