//! The table that a person reads.

use std::fmt::Write;

use crate::cells::Work;
use crate::clients::Client;
use crate::instructions::Instructions;
use crate::measure::Measured;
use crate::run::{CellResults, ClientResults, Results};
use crate::statistics::spread;
use crate::targets::Verdict;

/// All cells, one after the other.
pub(crate) fn of(results: &Results) -> String {
    let mut text = String::new();
    for cell in &results.cells {
        let _ = writeln!(
            text,
            "{} ({} each)",
            cell.cell.title,
            cell.cell.count_when(results.short)
        );
        let rows: Vec<Vec<String>> = match cell.cell.work {
            Work::Restore => std::iter::once(head(&RESTORE))
                .chain(cell.clients.iter().map(restored))
                .collect(),
            Work::Connections => std::iter::once(head(&CONNECTIONS))
                .chain(cell.clients.iter().map(connected))
                .collect(),
            Work::Publish { .. } | Work::Receive { .. } | Work::Request { .. } => {
                std::iter::once(head(&MESSAGES))
                    .chain(cell.clients.iter().map(|client| messages(cell, client)))
                    .collect()
            }
        };
        text.push_str(&aligned(&rows));
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "CPU is that of the client's process, user and system together; medians of {} rounds, ratios of clients that ran one \
         right after the other. ± is the distance of the quartiles of the rounds. Measured in {:.0} s.",
        results.rounds, results.seconds
    );
    text
}

/// What each target wants and what was reached. What was not measured stands last.
pub(crate) fn of_targets(verdicts: &[Verdict]) -> String {
    let mut rows = vec![head(&["", "target", "reached", "of target", ""])];
    let mut unmeasured = Vec::new();
    for verdict in verdicts {
        let what = format!("{:<4} {}", verdict.number, verdict.what);
        let Some(reached) = verdict.reached else {
            // Of those that are measured in other ways it is said how.
            let missing = if verdict.limit.is_none() {
                what
            } else {
                verdict.number.to_string()
            };
            if !unmeasured.contains(&missing) {
                unmeasured.push(missing);
            }
            continue;
        };
        let sign = if verdict.at_least { "≥" } else { "≤" };
        rows.push(vec![
            what,
            format!("{sign} {}", number(verdict.limit)),
            number(Some(reached)),
            verdict
                .to_target
                .map(|times| format!("{times:.2}x"))
                .unwrap_or_default(),
            if verdict.met == Some(true) {
                "met"
            } else {
                "NOT MET"
            }
            .to_string(),
        ]);
    }
    let met = verdicts
        .iter()
        .filter(|verdict| verdict.met == Some(true))
        .count();
    let mut text = format!(
        "Targets: {met} of {} that were measured are met\n",
        rows.len() - 1
    );
    text.push_str(&aligned(&rows));
    if !unmeasured.is_empty() {
        let _ = writeln!(
            text,
            "not or not wholly measured in this run: {}",
            unmeasured.join("; ")
        );
    }
    text
}

/// Instructions: a row for each cell, a column for each client.
pub(crate) fn of_instructions(instructions: &Instructions) -> String {
    let (mut cells, mut clients) = (Vec::new(), Vec::new());
    for one in &instructions.counted {
        if !cells.contains(&one.cell.as_str()) {
            cells.push(&one.cell);
        }
        if !clients.contains(&one.client) {
            clients.push(one.client);
        }
    }
    let mut rows = vec![head(&["user instructions of each"])];
    rows[0].extend(clients.iter().map(|client| (*client).to_string()));
    for cell in cells {
        let mut row = vec![cell.to_string()];
        for client in &clients {
            let found = instructions
                .counted
                .iter()
                .find(|one| one.cell == cell && one.client == *client);
            row.push(match found.map(|one| &one.each) {
                None => String::new(),
                Some(Ok(each)) => format!("{each:.0}"),
                Some(Err(_)) => "failed".to_string(),
            });
        }
        rows.push(row);
    }
    let mut text = aligned(&rows);
    for one in &instructions.counted {
        if let Err(why) = &one.each {
            let _ = writeln!(text, "  {}, {}: {why}", one.cell, one.client);
        }
    }
    text
}

const MESSAGES: [&str; 12] = [
    "", "CPU us", "user", "system", "±", "ratio", "to", "k/s", "p50 us", "p99 us", "fair", "peak MiB",
];
const RESTORE: [&str; 6] = ["", "B each", "CPU ms", "±", "to last SUB ms", "SUB bytes"];
const CONNECTIONS: [&str; 4] = ["", "KB each", "±", "CPU us each"];

fn head(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_string()).collect()
}

fn messages(cell: &CellResults, results: &ClientResults) -> Vec<String> {
    if let Some(row) = failure(results) {
        return row;
    }
    let cpu = |measured: &Measured| Some(measured.cpu_each());
    let peer = results.client.peer(&cell.cell).and_then(|peer| cell.of(peer));
    let ratio = peer.and_then(|peer| results.ratio(peer, cpu));
    let mut row = vec![
        results.client.name().to_string(),
        number(results.median(cpu)),
        number(results.median(|measured| Some(measured.user_each()))),
        number(results.median(|measured| Some(measured.cpu_each() - measured.user_each()))),
        percent(spread(&values(results, cpu))),
        ratio.map(|ratio| format!("{ratio:.2}x")).unwrap_or_default(),
        ratio
            .and(peer)
            .map(|peer| peer.client.name().to_string())
            .unwrap_or_default(),
        number(results.median(|measured| Some(measured.rate() / 1e3))),
        number(results.median(|measured| measured.p50)),
        number(results.median(|measured| measured.p99)),
        number(results.median(|measured| measured.fairness)),
        number(results.median(|measured| Some(measured.peak_kib as f64 / 1024.0))),
    ];
    if results.is_lossy() {
        let share = results
            .median(|measured| Some(measured.delivered_share()))
            .unwrap_or(0.0);
        row.push(format!("lossy: {:.1} % delivered", share * 100.0));
    }
    row
}

fn restored(results: &ClientResults) -> Vec<String> {
    failure(results).unwrap_or_else(|| {
        let cpu = |measured: &Measured| Some((measured.user + measured.system) * 1e3);
        vec![
            results.client.name().to_string(),
            number(results.median(|measured| measured.bytes_each)),
            number(results.median(cpu)),
            percent(spread(&values(results, cpu))),
            number(results.median(|measured| measured.restored_after.map(|seconds| seconds * 1e3))),
            number(results.median(|measured| measured.restored_bytes.map(|bytes| bytes as f64))),
        ]
    })
}

fn connected(results: &ClientResults) -> Vec<String> {
    failure(results).unwrap_or_else(|| {
        let memory = |measured: &Measured| measured.bytes_each.map(|bytes| bytes / 1e3);
        vec![
            results.client.name().to_string(),
            number(results.median(memory)),
            percent(spread(&values(results, memory))),
            number(results.median(|measured| Some(measured.cpu_each()))),
        ]
    })
}

fn failure(results: &ClientResults) -> Option<Vec<String>> {
    let why = results.failure()?;
    Some(vec![results.client.name().to_string(), format!("failed: {why}")])
}

fn values(results: &ClientResults, value: impl Fn(&Measured) -> Option<f64>) -> Vec<f64> {
    results.each(value).into_iter().flatten().collect()
}

/// Three digits, more of what is large.
pub(crate) fn number(value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.abs() >= 99.95 => format!("{value:.0}"),
        Some(value) if value.abs() >= 9.995 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn percent(share: Option<f64>) -> String {
    share
        .map(|share| format!("{:.0} %", share * 100.0))
        .unwrap_or_default()
}

/// The first column to the left, the others to the right. A sentence at the end of a row takes the room that it needs.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows
                .iter()
                .filter(|row| row.len() >= columns)
                .filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            if column == 0 {
                widest.max(longest_name())
            } else {
                widest
            }
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from("  ");
        for (column, cell) in row.iter().enumerate() {
            let sentence = column + 1 == row.len() && row.len() != columns;
            match widths.get(column) {
                Some(width) if column == 0 => {
                    let _ = write!(line, "{cell:<width$}");
                }
                Some(width) if !sentence => {
                    let _ = write!(line, "  {cell:>width$}");
                }
                _ => {
                    let _ = write!(line, "  {cell}");
                }
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn longest_name() -> usize {
    Client::ALL
        .iter()
        .map(|client| client.name().len())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        assert_eq!(number(Some(0.123)), "0.12");
        assert_eq!(number(Some(9.999)), "10.0");
        assert_eq!(number(Some(12.34)), "12.3");
        assert_eq!(number(Some(2_977_985.0)), "2977985");
        assert_eq!(number(None), "");
    }

    #[test]
    fn a_sentence_does_not_widen_a_column() {
        let rows = [
            vec!["".to_string(), "a".into()],
            vec!["raw".into(), "1".into()],
            vec!["std".into(), "2".into(), "lossy".into()],
        ];
        assert_eq!(
            aligned(&rows),
            "                 a\n  raw            1\n  std            2  lossy\n"
        );
    }
}
