//! Lets many connections lose one of three servers, and lets all three be renewed in turn, with the reconnect policies of
//! this client and of others; prints how long that takes, and draws the attempts.
//!
//! `cargo run --release -p nats-conn-tests --example herd -- [--clients N] [--svg FILE]`

use std::error::Error;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nats_conn_tests::herd::{Outcome, Policy, Setup, Story, run};
use plotters::coord::Shift;
use plotters::prelude::*;

const USAGE: &str = "herd [--clients N] [--accepts A_SECOND] [--queue LENGTH] [--svg FILE]";
const SIZE: (u32, u32) = (1000, 1000);
/// One for each policy.
const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 130, 0),
    RGBColor(150, 60, 160),
    RGBColor(190, 190, 190),
];
const TENTH: Duration = Duration::from_millis(100);
/// The last second that is shown: what tries for longer is only counted.
const LONGEST: f64 = 150.0;

fn main() -> ExitCode {
    let mut setup = Setup::of(100_000);
    let (mut file, mut arguments) = (String::from("herd.svg"), std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let is_good = match argument.as_str() {
            "--clients" => value.parse().map(|number| setup = Setup::of(number)).is_ok(),
            "--accepts" => value.parse().map(|number| setup.accepts = number).is_ok(),
            "--queue" => value.parse().map(|number| setup.queue = number).is_ok(),
            "--svg" => {
                file = value;
                true
            }
            _ => false,
        };
        if !is_good {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    let began = Instant::now();
    println!(
        "{} connections, 3 servers, each {} handshakes a second and {} waiting\n",
        setup.clients, setup.accepts, setup.queue
    );
    let stories = live(setup);
    for (story, outcomes) in &stories {
        tell(*story, outcomes);
    }
    let drawn = draw(&file, &stories, setup);
    println!("{:.1} s in all; {file}", began.elapsed().as_secs_f64());
    match drawn {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{file}: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// What a story is called.
fn title(story: Story) -> &'static str {
    match story {
        Story::Crash => "One of three servers crashes at 5 s and is back at 25 s",
        Story::LameDucks => "Three servers are renewed in turn, each a lame duck for 30 s",
    }
}

/// Lets every policy live through every story: this client on one thread, and the models of others, which are as much work
/// together, on another one.
fn live(setup: Setup) -> [Told; 2] {
    let stories = [Story::Crash, Story::LameDucks];
    let (measured, begin) = mpsc::channel();
    let (own, others) = std::thread::scope(|threads| {
        let others = threads.spawn(move || {
            // What a connection costs is measured by the memory of the whole process.
            let _ = begin.recv();
            let others = Policy::ALL.into_iter().filter(|policy| *policy != Policy::Own);
            stories.map(|story| {
                others
                    .clone()
                    .map(|policy| (policy, one(policy, story, setup, || ())))
                    .collect()
            })
        });
        let own = stories.map(|story| {
            one(Policy::Own, story, setup, || {
                let _ = measured.send(());
            })
        });
        let others: [Vec<_>; 2] = others
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (own, others)
    });
    let ([crash, ducks], [crash_of_others, ducks_of_others]) = (own, others);
    [
        (
            Story::Crash,
            [vec![(Policy::Own, crash)], crash_of_others].concat(),
        ),
        (
            Story::LameDucks,
            [vec![(Policy::Own, ducks)], ducks_of_others].concat(),
        ),
    ]
}

/// Lets a policy live through a story. What is to be done once it has begun is done again each virtual second.
fn one(policy: Policy, story: Story, setup: Setup, begun: impl Fn()) -> Outcome {
    let (began, mut shown) = (Instant::now(), Instant::now());
    let outcome = run(policy, story, setup, |progress| {
        begun();
        if shown.elapsed() > Duration::from_secs(2) {
            shown = Instant::now();
            eprintln!(
                "{}: {:?} simulated, {} connections out, {} events, {:.0} s",
                policy.name(),
                progress.time,
                progress.out,
                progress.events,
                began.elapsed().as_secs_f64()
            );
        }
    });
    // Later ones take what earlier ones gave back.
    if let (Policy::Own, Story::Crash, Some(bytes)) = (policy, story, outcome.memory) {
        eprintln!(
            "{}: {bytes} bytes of memory for each simulated connection",
            policy.name()
        );
    }
    eprintln!(
        "{}: {:.1} s, {} events, {} left out",
        policy.name(),
        began.elapsed().as_secs_f64(),
        outcome.events,
        outcome.left_out
    );
    outcome
}

/// Prints how it went.
fn tell(story: Story, outcomes: &[(Policy, Outcome)]) {
    println!("{}", title(story));
    println!("| policy | lost or left | back: 50 % | 99 % | 100 % | peak on a server | refused | most out |");
    println!("|---|---|---|---|---|---|---|---|");
    for (policy, outcome) in outcomes {
        println!(
            "| {} | {} | {} | {} | {} | {} in 0.1 s | {} | {} |",
            policy.name(),
            outcome.outages,
            time(outcome.recovered[0]),
            time(outcome.recovered[1]),
            time(outcome.recovered[2]),
            outcome.peak,
            outcome.refused,
            outcome.most_out
        );
    }
    println!();
}

fn time(time: Duration) -> String {
    match time {
        Duration::MAX => String::from("never"),
        time => format!("{:.2} s", time.as_secs_f64()),
    }
}

type Told = (Story, Vec<(Policy, Outcome)>);

/// Attempts in each tenth of a second, one picture above the other.
fn draw(file: &str, stories: &[Told], setup: Setup) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let head = format!(
        "Reconnect attempts of {} connections (each server: {} handshakes a second, {} waiting)",
        setup.clients, setup.accepts, setup.queue
    );
    let root = root.titled(&head, ("sans-serif", 20))?;
    for (area, (story, outcomes)) in root.split_evenly((stories.len(), 1)).iter().zip(stories) {
        draw_story(area, *story, outcomes)?;
    }
    root.present()?;
    Ok(())
}

fn draw_story(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    story: Story,
    outcomes: &[(Policy, Outcome)],
) -> Result<(), Box<dyn Error>> {
    let length = outcomes.iter().map(|(_, outcome)| outcome.attempts.len()).max();
    let end = (length.unwrap_or_default() as f64 * TENTH.as_secs_f64()).min(LONGEST);
    let most = outcomes.iter().flat_map(|(_, outcome)| &outcome.attempts).max();
    let most = most.copied().unwrap_or(1) as f64;
    let range: Range<f64> = 1.0..most * 30.0;
    let mut chart = ChartBuilder::on(area)
        .caption(title(story), ("sans-serif", 17))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(75)
        .build_cartesian_2d(0.0..end, range.log_scale())?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc("attempts per 100 ms")
        .y_label_formatter(&|value| format!("{value:.0}"))
        .x_label_formatter(&|value| format!("{value:.0}"))
        .label_style(("sans-serif", 14))
        .light_line_style(TRANSPARENT)
        .draw()?;
    // This client is drawn last, above the others.
    for ((policy, outcome), colour) in outcomes.iter().zip(COLOURS).rev() {
        let points = outcome.attempts.iter().enumerate();
        let shown = points.take_while(|(tenth, _)| *tenth as f64 * TENTH.as_secs_f64() <= end);
        let points = shown.map(|(tenth, count)| {
            let height = (*count as f64).max(1.0);
            (tenth as f64 * TENTH.as_secs_f64(), height)
        });
        let label = format!(
            "{}: 50 % back within {}, 99 % {}, all {}; peak {} on one server",
            policy.name(),
            time(outcome.recovered[0]),
            time(outcome.recovered[1]),
            time(outcome.recovered[2]),
            outcome.peak
        );
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 14))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}
