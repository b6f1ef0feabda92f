//! The bar chart: a picture for each cell, and in it a bar for each client. Shorter is better.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Outcome;
use crate::cells::Work;
use crate::clients::Client;
use crate::measure::Measured;
use crate::report::table::number;
use crate::run::{CellResults, ClientResults, Results};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const COLUMNS: usize = 3;
const WIDTH: i32 = 420;
/// From one bar to the next.
const STEP: i32 = 19;
const BAR: i32 = 13;
/// Where the bars begin, and how long the longest is.
const LEFT: i32 = 112;
const LONGEST: f64 = 230.0;
const TOP: i32 = 34;
const HEAD: u32 = 64;

const OWN: RGBColor = RGBColor(31, 111, 180);
const OTHER: RGBColor = RGBColor(150, 150, 150);
const FLOOR: RGBColor = RGBColor(205, 205, 205);

/// Draws all cells.
pub(crate) fn draw(results: &Results, file: &Path) -> Outcome<()> {
    let most = results
        .cells
        .iter()
        .map(|cell| cell.clients.len())
        .max()
        .unwrap_or(0);
    let height = TOP + STEP * i32::try_from(most)? + 14;
    let rows = results.cells.len().div_ceil(COLUMNS).max(1);
    let (across, down) = (
        u32::try_from(WIDTH)? * u32::try_from(COLUMNS)?,
        u32::try_from(height)?,
    );
    let size = (across, HEAD + down * u32::try_from(rows)?);
    let root = SVGBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    let title = ("sans-serif", 20).into_text_style(&head);
    head.draw_text(
        "CPU time of the client's process for each message; shorter is better",
        &title,
        (12, 12),
    )?;
    let grey = BLACK.mix(0.6);
    let under = ("sans-serif", 13).into_text_style(&head).color(&grey);
    let text = format!(
        "blue: this repository; grey: other clients; light grey: a bare socket. Medians of {} rounds, each picture to a scale of its own.",
        results.rounds
    );
    head.draw_text(&text, &under, (12, 40))?;
    for (area, cell) in body.split_evenly((rows, COLUMNS)).iter().zip(&results.cells) {
        draw_cell(area, cell)?;
    }
    root.present()?;
    Ok(())
}

fn draw_cell(area: &Area<'_>, cell: &CellResults) -> Outcome<()> {
    let (unit, value): (&str, fn(&Measured) -> Option<f64>) = match cell.cell.work {
        Work::Restore => ("ms", |measured| Some((measured.user + measured.system) * 1e3)),
        Work::Connections => ("KB each", |measured| measured.bytes_each.map(|bytes| bytes / 1e3)),
        _ => ("us", |measured| Some(measured.cpu_each())),
    };
    let title = ("sans-serif", 15).into_text_style(area);
    area.draw_text(&format!("{}, {unit}", cell.cell.title), &title, (12, 10))?;
    let shown = |results: &ClientResults| {
        results
            .median(value)
            .filter(|_| !results.is_lossy() && results.failure().is_none())
    };
    let others = cell
        .clients
        .iter()
        .filter(|results| results.client != Client::Nats)
        .filter_map(shown);
    let others = others.fold(f64::MIN_POSITIVE, f64::max);
    let all = cell.clients.iter().filter_map(shown).fold(others, f64::max);
    // A bar that would make all others invisible is cut off.
    let longest = if all > others * 2.0 { others } else { all };
    for (row, results) in (0..).zip(&cell.clients) {
        let top = TOP + row * STEP;
        let name = ("sans-serif", 13)
            .into_text_style(area)
            .pos(Pos::new(HPos::Right, VPos::Center));
        area.draw_text(results.client.name(), &name, (LEFT - 6, top + BAR / 2))?;
        let colour = match results.client {
            Client::TokioCt | Client::TokioMt | Client::AsyncStd | Client::Std => OWN,
            Client::Raw => FLOOR,
            _ => OTHER,
        };
        let (length, label) = match shown(results) {
            Some(value) if value > longest => (LONGEST, format!("{} (cut off)", number(Some(value)))),
            Some(value) => (LONGEST * value / longest, number(Some(value))),
            None if results.is_lossy() => (0.0, "lossy".to_string()),
            None => (0.0, "failed".to_string()),
        };
        let right = LEFT + length.round() as i32;
        area.draw(&Rectangle::new(
            [(LEFT, top), (right, top + BAR)],
            colour.filled(),
        ))?;
        let value = ("sans-serif", 13)
            .into_text_style(area)
            .pos(Pos::new(HPos::Left, VPos::Center));
        area.draw_text(&label, &value, (right + 5, top + BAR / 2))?;
    }
    Ok(())
}
