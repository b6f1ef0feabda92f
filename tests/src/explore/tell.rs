//! A life as a story that a person can read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use nats_conn_sm::Event;

use super::input::Input;
use super::scope::Scope;
use super::search::{BEGINNING, caught};
use super::world::World;
use crate::story;

/// Lives this life again, and tells it: a line for each input, with what the connection reports and what it writes.
pub fn tell(scope: &Arc<Scope>, inputs: &[Input]) -> String {
    let mut story = String::new();
    let mut world = match caught(|| World::begin(scope, BEGINNING)) {
        Ok(world) => world,
        Err(what) => return format!("   0. the connection is made\n      WRONG: {what}\n"),
    };
    line(&mut story, 0, &world, "the connection is made", Duration::ZERO);
    for (number, input) in inputs.iter().enumerate() {
        let before = world.now();
        let mut after = world.clone();
        let what = caught(|| after.apply(*input).and_then(|()| after.verify()));
        line(
            &mut story,
            number + 1,
            &after,
            &input.to_string(),
            after.now().since(before),
        );
        if let Err(what) = what {
            let _ = writeln!(story, "      WRONG: {what}");
            break;
        }
        world = after;
    }
    story
}

/// Tells a life where the machine does not return from the last of these inputs.
pub fn tell_hang(scope: &Arc<Scope>, inputs: &[Input]) -> String {
    let Some((last, before)) = inputs.split_last() else {
        return String::from("   0. the connection is made\n      WRONG: the machine does not return\n");
    };
    let number = inputs.len();
    let before = tell(scope, before);
    format!("{before}{number:>4}. {last}\n      WRONG: the machine does not return\n")
}

/// Tells a life, and what a world does then that cooperates, until it has nothing left to do or for so many steps.
pub fn tell_cooperation(scope: &Arc<Scope>, inputs: &[Input], steps: usize) -> String {
    let mut inputs = inputs.to_vec();
    let told = inputs.len();
    if let Ok(mut world) = World::begin(scope, BEGINNING) {
        let lives = |world: &mut World, input: Input| caught(|| world.apply(input)).is_ok();
        let mut is_alive = inputs.iter().all(|input| lives(&mut world, *input));
        while let Some(input) = world
            .cooperate()
            .filter(|_| is_alive && inputs.len() < told + steps)
        {
            inputs.push(input);
            is_alive = lives(&mut world, input);
        }
    }
    let story = tell(scope, &inputs);
    let (before, after) = story.split_at(place_of(&story, told + 1));
    format!("{before}      ... and from here on the world cooperates:\n{after}")
}

/// Where the line with this number begins.
fn place_of(story: &str, number: usize) -> usize {
    let line = format!("{number:>4}. ");
    let found = story.match_indices('\n').map(|(place, _)| place + 1);
    let mut found = found.filter(|place| story[*place..].starts_with(&line));
    found.next().unwrap_or(story.len())
}

fn line(story: &mut String, number: usize, world: &World, what: &str, passed: Duration) {
    let _ = write!(story, "{number:>4}. {what}");
    if !passed.is_zero() {
        let _ = write!(story, " ({passed:?})");
    }
    story.push('\n');
    for consequence in consequences(world) {
        let _ = writeln!(story, "      {consequence}");
    }
}

/// What came of the last input: events, and what is to be written.
pub fn consequences(world: &World) -> Vec<String> {
    let events = world.events().iter().map(|event| format!("-> {}", name(event)));
    let blocks = world.handed().iter().map(|text| {
        let lines: Vec<String> = text.lines().map(short).collect();
        format!("writes {}", lines.join(" | "))
    });
    events.chain(blocks).collect()
}

/// The line of an event.
pub(super) fn name(event: &Event) -> String {
    story::line(event).unwrap_or_else(|| match event {
        Event::Flushed { result, .. } => format!(
            "flushed {}",
            code(result.as_ref().err().map(|error| error.code()))
        ),
        Event::RoundTrip { result, .. } => {
            format!(
                "round_trip {}",
                code(result.as_ref().err().map(|error| error.code()))
            )
        }
        Event::Response { result, .. } => {
            format!(
                "response {}",
                code(result.as_ref().err().map(|error| error.code()))
            )
        }
        Event::RepliesEnded { result, .. } => match result {
            Ok(end) => format!("replies_ended {}", end.code()),
            Err(error) => format!("replies_ended {}", error.code()),
        },
        Event::SubscriptionEnded { reason, .. } => format!("subscription_ended {}", reason.code()),
        _ => story::name(event).to_owned(),
    })
}

fn code(error: Option<&'static str>) -> &'static str {
    error.unwrap_or("ok")
}

/// CONNECT is long and says nothing new.
fn short(line: &str) -> String {
    let text = if line.starts_with("CONNECT ") {
        "CONNECT"
    } else {
        line
    };
    text.to_owned()
}
