//! The targets: what is to be reached, and how far it is from there.

use serde::Serialize;

use crate::clients::Client;
use crate::clients::Client::{AsyncNatsCt, AsyncNatsMt, Nats, Raw, Std, TokioCt, TokioMt, WatermelonCt};
use crate::instructions::Instructions;
use crate::measure::Measured;
use crate::run::Results;

/// What is looked at.
#[derive(Clone, Copy, Debug)]
enum Metric {
    /// CPU time of each, ours to theirs.
    Cpu(Client, Client),
    /// Messages each second, ours to theirs.
    Rate(Client, Client),
    /// Median latency, ours to theirs.
    Latency(Client, Client),
    /// CPU microseconds of each.
    CpuEach(Client),
    /// The same, in the process's own code.
    UserEach(Client),
    /// Million messages each second.
    Millions(Client),
    /// CPU milliseconds of it all.
    CpuMillis(Client),
    /// Resident bytes of each.
    Memory(Client),
    /// Instructions of each.
    Instructions(Client),
    /// Not measured here, but as this says.
    Elsewhere(&'static str),
}

/// Which side is the good one.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

struct Target {
    number: &'static str,
    cell: &'static str,
    metric: Metric,
    limit: Limit,
}

const fn most(number: &'static str, cell: &'static str, metric: Metric, limit: f64) -> Target {
    let limit = Limit::AtMost(limit);
    Target {
        number,
        cell,
        metric,
        limit,
    }
}

const fn least(number: &'static str, cell: &'static str, metric: Metric, limit: f64) -> Target {
    let limit = Limit::AtLeast(limit);
    Target {
        number,
        cell,
        metric,
        limit,
    }
}

const TARGETS: &[Target] = {
    use Metric::*;
    &[
        most("P1", "publish-16", Cpu(TokioCt, AsyncNatsCt), 0.30),
        most("P1", "publish-128", Cpu(TokioCt, AsyncNatsCt), 0.30),
        most("P1", "publish-128", Instructions(TokioCt), 550.0),
        most("P2", "publish-16", Cpu(TokioMt, AsyncNatsMt), 0.35),
        most("P2", "publish-128", Cpu(TokioMt, AsyncNatsMt), 0.35),
        least("P2", "publish-128", Rate(TokioMt, AsyncNatsMt), 2.5),
        most("P3", "publish-16", Cpu(Std, Nats), 1.2),
        most("P3", "publish-128", Cpu(Std, Nats), 1.2),
        most("P3", "publish-128", Instructions(Std), 450.0),
        least("P3", "publish-128", Millions(Std), 5.0),
        most("P4", "publish-1k", Cpu(TokioCt, AsyncNatsCt), 0.55),
        most("P4", "publish-1k", Cpu(Std, Nats), 1.1),
        most("P5", "publish-64k", Cpu(TokioCt, AsyncNatsCt), 0.95),
        most("P5", "publish-64k", Cpu(TokioCt, Raw), 1.0),
        most("P5", "publish-64k", UserEach(TokioCt), 0.8),
        most("P6", "request", Cpu(TokioCt, AsyncNatsCt), 0.70),
        most("P6", "request", Instructions(TokioCt), 9000.0),
        most("P6", "request", Latency(TokioCt, WatermelonCt), 0.9),
        most("P7", "request", Cpu(Std, AsyncNatsCt), 0.50),
        most("P7", "request", Instructions(Std), 4000.0),
        most("P8", "request-64", Cpu(Std, AsyncNatsCt), 1.0),
        most("P9", "receive-128", Instructions(Std), 900.0),
        most("P9", "receive-128", CpuEach(Std), 0.28),
        most("P10", "receive-64k", Cpu(TokioCt, Raw), 1.25),
        most("P10", "receive-64k", Cpu(TokioMt, Raw), 1.25),
        most("P10", "receive-64k", Cpu(Std, Raw), 1.25),
        most("P11", "receive-128", Cpu(TokioCt, AsyncNatsCt), 0.20),
        most("P11", "receive-128", Instructions(TokioCt), 750.0),
        most("P12", "restore", Memory(TokioCt), 300.0),
        most("P12", "restore", Memory(Std), 300.0),
        most("P13", "restore", CpuMillis(TokioCt), 20.0),
        most("P14", "connections", Memory(Std), 24_000.0),
        most(
            "P15",
            "",
            Elsewhere("the byte-wise feed: tests/instructions, cell decode-bytewise"),
            0.0,
        ),
        most(
            "P16",
            "",
            Elsewhere("decoding: tests/instructions, cells decode and decode-headers"),
            0.0,
        ),
        most(
            "P17",
            "",
            Elsewhere("the first command of the README: by the clock, after cargo clean"),
            0.0,
        ),
        most("P18", "publishers-2", Cpu(TokioCt, AsyncNatsCt), 0.5),
        most("P18", "publishers-4", Cpu(TokioCt, AsyncNatsCt), 0.5),
        most("P18", "publishers-8", Cpu(TokioCt, AsyncNatsCt), 0.5),
        most("P18", "publishers-2", Cpu(TokioMt, AsyncNatsMt), 0.5),
        most("P18", "publishers-4", Cpu(TokioMt, AsyncNatsMt), 0.5),
        most("P18", "publishers-8", Cpu(TokioMt, AsyncNatsMt), 0.5),
        most("P18", "publishers-8", Cpu(Std, AsyncNatsMt), 0.5),
        most("P18", "subscriptions-100", Cpu(TokioCt, AsyncNatsCt), 0.5),
        most("P18", "subscriptions-10000", Cpu(TokioCt, AsyncNatsCt), 0.5),
        most("P18", "subscriptions-10000", Cpu(TokioMt, AsyncNatsMt), 0.5),
        most("P18", "subscriptions-10000", Cpu(Std, AsyncNatsCt), 0.5),
        most("P18", "tls-publish-128", Cpu(TokioCt, AsyncNatsCt), 0.5),
        most("P18", "tls-receive-128", Cpu(TokioCt, AsyncNatsCt), 0.5),
        most("P18", "tls-publish-128", Cpu(Std, AsyncNatsCt), 0.5),
        most("P18", "tls-receive-128", Cpu(Std, AsyncNatsCt), 0.5),
    ]
};

/// How a target stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) number: &'static str,
    pub(crate) what: String,
    /// `at most` or `at least`, and how much; nothing where it is measured elsewhere.
    pub(crate) limit: Option<f64>,
    pub(crate) at_least: bool,
    pub(crate) reached: Option<f64>,
    /// What was reached to what was wanted.
    pub(crate) to_target: Option<f64>,
    pub(crate) met: Option<bool>,
}

/// All targets; of those that were not measured it is said what they are.
pub(crate) fn verdicts(results: Option<&Results>, instructions: Option<&Instructions>) -> Vec<Verdict> {
    TARGETS
        .iter()
        .map(|target| target.verdict(results, instructions))
        .collect()
}

impl Target {
    fn verdict(&self, results: Option<&Results>, instructions: Option<&Instructions>) -> Verdict {
        let reached = self.reached(results, instructions);
        let (limit, at_least) = match self.limit {
            Limit::AtMost(limit) => (limit, false),
            Limit::AtLeast(limit) => (limit, true),
        };
        let elsewhere = matches!(self.metric, Metric::Elsewhere(_));
        Verdict {
            number: self.number,
            what: self.what(),
            limit: (!elsewhere).then_some(limit),
            at_least,
            reached,
            to_target: reached.map(|reached| reached / limit),
            met: reached.map(|reached| {
                if at_least {
                    reached >= limit
                } else {
                    reached <= limit
                }
            }),
        }
    }

    fn what(&self) -> String {
        let cell = self.cell;
        let compared = |what: &str, ours: Client, theirs: Client| {
            format!("{cell}: {what}, {} to {}", ours.name(), theirs.name())
        };
        let alone = |what: &str, client: Client| format!("{cell}: {what}, {}", client.name());
        match self.metric {
            Metric::Cpu(ours, theirs) => compared("CPU", ours, theirs),
            Metric::Rate(ours, theirs) => compared("rate", ours, theirs),
            Metric::Latency(ours, theirs) => compared("p50", ours, theirs),
            Metric::CpuEach(client) => alone("CPU us", client),
            Metric::UserEach(client) => alone("user us", client),
            Metric::Millions(client) => alone("million/s", client),
            Metric::CpuMillis(client) => alone("CPU ms", client),
            Metric::Memory(client) => alone("bytes each", client),
            Metric::Instructions(client) => alone("instructions", client),
            Metric::Elsewhere(what) => what.to_string(),
        }
    }

    fn reached(&self, results: Option<&Results>, instructions: Option<&Instructions>) -> Option<f64> {
        let of = |client: Client| results.and_then(|results| results.of(self.cell, client));
        let median = |client: Client, value: fn(&Measured) -> Option<f64>| {
            let found = of(client).filter(|found| !found.is_lossy())?;
            found.median(value)
        };
        let ratio = |ours: Client, theirs: Client, value: fn(&Measured) -> Option<f64>| {
            of(ours)?.ratio(of(theirs)?, value)
        };
        match self.metric {
            Metric::Cpu(ours, theirs) => ratio(ours, theirs, |measured| Some(measured.cpu_each())),
            Metric::Rate(ours, theirs) => ratio(ours, theirs, |measured| Some(measured.rate())),
            Metric::Latency(ours, theirs) => ratio(ours, theirs, |measured| measured.p50),
            Metric::CpuEach(client) => median(client, |measured| Some(measured.cpu_each())),
            Metric::UserEach(client) => median(client, |measured| Some(measured.user_each())),
            Metric::Millions(client) => median(client, |measured| Some(measured.rate() / 1e6)),
            Metric::CpuMillis(client) => {
                median(client, |measured| Some((measured.user + measured.system) * 1e3))
            }
            Metric::Memory(client) => median(client, |measured| measured.bytes_each),
            Metric::Instructions(client) => instructions.and_then(|counted| counted.of(self.cell, client)),
            Metric::Elsewhere(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells;
    use crate::run::{CellResults, ClientResults};

    fn measured(client: Client, cpu: f64, delivered: u64) -> ClientResults {
        let round = Measured {
            count: 100,
            delivered,
            user: cpu,
            wall: 1.0,
            ..Measured::default()
        };
        ClientResults {
            client,
            rounds: vec![Ok(round)],
        }
    }

    fn results(ours: f64, theirs: f64, delivered: u64) -> Results {
        let cell = cells::named("publish-16").expect("a cell");
        let clients = vec![
            measured(TokioCt, ours, 100),
            measured(AsyncNatsCt, theirs, delivered),
        ];
        Results {
            short: true,
            rounds: 1,
            seconds: 1.0,
            cells: vec![CellResults { cell, clients }],
        }
    }

    fn first(results: &Results) -> Verdict {
        verdicts(Some(results), None).swap_remove(0)
    }

    #[test]
    fn every_target_names_a_cell_that_there_is() {
        for target in TARGETS
            .iter()
            .filter(|target| !matches!(target.metric, Metric::Elsewhere(_)))
        {
            assert!(
                cells::named(target.cell).is_some(),
                "{}: {}",
                target.number,
                target.cell
            );
        }
    }

    #[test]
    fn a_target_is_met_up_to_its_limit() {
        let met = first(&results(0.30, 1.0, 100));
        assert_eq!((met.met, met.reached), (Some(true), Some(0.30)));
        let missed = first(&results(0.45, 1.0, 100));
        assert_eq!(missed.met, Some(false));
        assert!(missed.to_target.is_some_and(|times| (times - 1.5).abs() < 1e-9));
    }

    #[test]
    fn a_peer_that_loses_messages_is_no_measure() {
        let verdict = first(&results(0.30, 1.0, 99));
        assert_eq!((verdict.met, verdict.reached), (None, None));
    }
}
