//! A recording as text: each input of a machine and its outputs, one line each.

use std::fmt::Write;

use bytes::Bytes;
use nats_conn_sm::recording::{
    Input, Outgoing, Output, Piece, Received, Recording, ReplayError, Replayer, Step, Unsent,
};
use nats_conn_sm::{ConnectionEvent, DisconnectReason, Event, Session, Timestamp};

use crate::story;

/// Replays a recording: one line for each of its inputs, with the time, the outputs, and the next deadline of the
/// machine. Times count from the construction of the machine.
///
/// # Errors
/// If the recording cannot be read, or an input gives other outputs than were recorded; with the lines before.
pub fn transcript(recording: impl Into<Bytes>) -> Result<String, (String, ReplayError)> {
    let recording = Recording::read(recording).map_err(|error| (String::new(), error.into()))?;
    let start = recording.start();
    let mut replayer = Replayer::new(recording).map_err(|error| (String::new(), error))?;
    let mut text = String::new();
    while let Some(step) = replayer.step() {
        match step {
            Ok(step) => text.push_str(&line(&step, start)),
            Err(error) => return Err((text, error)),
        }
    }
    Ok(text)
}

/// The first difference of two transcripts, with the lines before.
pub fn first_difference(kept: &str, found: &str) -> Option<String> {
    const BEFORE: usize = 3;
    let (mut kept_lines, mut found_lines) = (kept.lines(), found.lines());
    let mut before: Vec<&str> = Vec::new();
    loop {
        let (kept, found) = (kept_lines.next(), found_lines.next());
        match (kept, found) {
            (None, None) => return None,
            (Some(kept), Some(found)) if kept == found => before.push(kept),
            (kept, found) => {
                let mut text = format!("line {}:\n", before.len() + 1);
                for line in before.iter().skip(before.len().saturating_sub(BEFORE)) {
                    let _ = writeln!(text, "    {line}");
                }
                let _ = writeln!(text, "  - {}", kept.unwrap_or("nothing"));
                let _ = writeln!(text, "  + {}", found.unwrap_or("nothing"));
                return Some(text);
            }
        }
    }
}

fn line(step: &Step, start: Timestamp) -> String {
    let deadline = step
        .timeout
        .map_or_else(|| String::from("-"), |at| since(start, at));
    format!(
        "{} {} => {} | {deadline}\n",
        since(start, step.at),
        input(&step.input),
        output(&step.output)
    )
}

fn since(start: Timestamp, at: Timestamp) -> String {
    let nanos = at.as_nanos().saturating_sub(start.as_nanos());
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

fn input(input: &Input) -> String {
    match input {
        Input::Event(received) => format!("poll_event{}", read(received)),
        Input::Transmit(buffer) => format!("poll_transmit {}", unsent(buffer)),
        Input::Written(buffer) => format!("handle_written {}", unsent(buffer)),
        Input::LinkClosed(link, end, buffer) => {
            format!("link_closed {link} {} ({end}) {}", end.code(), unsent(buffer))
        }
        Input::Publish(message) => format!("Publish {}", outgoing(message)),
        Input::Request(message, timeout) => format!("Request {} {timeout:?}", outgoing(message)),
        Input::RequestMany(message, many) => format!("RequestMany {} {many:?}", outgoing(message)),
        other => format!("{other:?}"),
    }
}

fn outgoing(message: &Outgoing) -> String {
    let mut text = message.subject.to_string();
    if let Some(reply) = &message.reply {
        let _ = write!(text, " reply to {reply}");
    }
    if let Some(headers) = &message.headers {
        let _ = write!(text, " headers \"{}\"", headers.escape_ascii());
    }
    let shared = if message.shared { " shared" } else { "" };
    let _ = write!(text, "{}{shared}", piece(&message.payload));
    text
}

/// What had arrived, and whether it was in another buffer than before.
fn read(received: &Received) -> String {
    let mut text = String::new();
    if let Some((link, seen)) = received.buffer {
        let _ = write!(text, " buffer of {link}, {seen} seen");
    }
    text.extend(received.pieces.iter().map(piece));
    text
}

fn piece(piece: &Piece) -> String {
    match piece {
        Piece::Bytes(bytes) => format!(" \"{}\"", bytes.escape_ascii()),
        other => format!(" <{} bytes>", other.len()),
    }
}

fn unsent(buffer: &Unsent) -> String {
    let Unsent {
        link,
        len,
        remaining,
        uncertain,
        ..
    } = buffer;
    let doubt = if *uncertain { ", uncertain" } else { "" };
    format!("buffer of {link}, {remaining} of {len} left{doubt}")
}

fn output(output: &Output) -> String {
    match output {
        Output::Nothing => String::from("nothing"),
        Output::Event(event) => format!("event {}", described(event)),
        Output::Action(action) => format!("action {action:?}"),
        Output::Bytes(bytes) => format!("bytes \"{}\"", bytes.escape_ascii()),
        Output::Answer(answer) => answer.clone(),
        other => format!("{other:?}"),
    }
}

/// INFO was read some lines before, so that it is not written again.
fn described(event: &Event) -> String {
    match event {
        Event::Connection(event) => described_connection(event),
        other => format!("{} {other:?}", story::name(other)),
    }
}

fn described_connection(event: &ConnectionEvent) -> String {
    let name = story::connection_name(event);
    match event {
        ConnectionEvent::Connected(session) | ConnectionEvent::Reconnected(session) => {
            let Session {
                server,
                link,
                max_payload,
                ..
            } = session;
            format!("{name} {server:?} link {link} max_payload {max_payload:?}")
        }
        ConnectionEvent::ServerInfoChanged { .. } => name.to_owned(),
        // What the text of an error does not say.
        ConnectionEvent::ConnectFailed { error, .. } => format!("{name} {event:?} {}", error.code()),
        ConnectionEvent::Disconnected { reason, .. } => match &**reason {
            DisconnectReason::Io(end) => format!("{name} {event:?} {} {}", reason.code(), end.code()),
            reason => format!("{name} {event:?} {}", reason.code()),
        },
        other => format!("{name} {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn a_transcript_shows_inputs_events_actions_bytes_and_deadlines() {
        let mut world = Scenario::new(1).connected();
        world.publish("a", b"secret").expect("room");
        world.run_for(std::time::Duration::from_secs(1));
        let text = transcript(world.recording().to_vec()).expect("the same life");
        for part in [
            "0.000000000 Action => action Connect",
            "poll_event \"INFO {",
            "=> event connected Server(",
            "Publish a <6 bytes> => Ok(PublishSeq(1)) | ",
            "=> bytes \"CONNECT {",
            "=> bytes \"PUB a 6\\r\\n......\\r\\n\" | ",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_transcript_ends_where_the_replay_differs() {
        let mut world = Scenario::new(1).connected();
        let mut bytes = world.recording().to_vec();
        let whole = transcript(bytes.clone()).expect("the same life");
        *bytes.last_mut().expect("not empty") ^= 1;
        let (text, error) = transcript(bytes).expect_err("the last digest is wrong");
        assert!(matches!(error, ReplayError::Diverged { .. }), "{error}");
        assert_eq!(text.lines().count() + 1, whole.lines().count());
        assert!(whole.starts_with(&text));
    }

    #[test]
    fn the_first_difference_is_shown_with_the_lines_before() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let shown = first_difference("a\nb\nc\nd\ne\n", "a\nb\nc\nd\nx\n");
        assert_eq!(
            shown.as_deref(),
            Some("line 5:\n    b\n    c\n    d\n  - e\n  + x\n")
        );
        let shown = first_difference("a\n", "");
        assert_eq!(shown.as_deref(), Some("line 1:\n  - a\n  + nothing\n"));
    }
}
