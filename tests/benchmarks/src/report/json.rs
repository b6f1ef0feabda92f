//! Everything that was measured, for machines.

use serde_json::{Value, json};

use crate::instructions::Instructions;
use crate::measure::Measured;
use crate::run::{CellResults, Results};
use crate::targets::Verdict;

/// All of it: medians and ratios as they are in the table, and each round.
pub(crate) fn of(
    results: Option<&Results>,
    instructions: Option<&Instructions>,
    targets: &[Verdict],
) -> Value {
    json!({
        "rounds": results.map(|results| results.rounds),
        "short": results.map(|results| results.short),
        "seconds": results.map(|results| results.seconds),
        "cells": results.map(|results| results.cells.iter().map(cell).collect::<Vec<_>>()),
        "instructions": instructions,
        "targets": targets,
    })
}

fn cell(results: &CellResults) -> Value {
    let cpu = |measured: &Measured| Some(measured.cpu_each());
    let clients: Vec<Value> = results
        .clients
        .iter()
        .map(|client| {
            let peer = client
                .client
                .peer(&results.cell)
                .and_then(|peer| results.of(peer));
            json!({
                "client": client.client.name(),
                "cpu_us": client.median(cpu),
                "ratio": peer.and_then(|peer| client.ratio(peer, cpu)),
                "ratio_to": peer.map(|peer| peer.client.name()),
                "lossy": client.is_lossy(),
                "failure": client.failure(),
                "rounds": client.rounds.iter().map(|round| round.as_ref().ok()).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({ "name": results.cell.name, "title": results.cell.title, "clients": clients })
}
