//! Recordings that consoles write, replayed.

use nats_conn_sm::recording::{Output, Recording, Replayer};
use nats_conn_tests::real_server::{RealServer, ServerConfig, User};
use nats_conn_tests::story;

use crate::scene::*;

/// The names of the events that a replay of this file emits.
fn replayed(bytes: Vec<u8>) -> Vec<&'static str> {
    let mut replayer = Replayer::new(Recording::read(bytes).expect("a recording")).expect("usable settings");
    let mut names = Vec::new();
    while let Some(step) = replayer.step() {
        if let Output::Event(event) = step.expect("the same came of it").output {
            names.push(story::name(&event));
        }
    }
    names
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

consoles! {
    // behaviour: 13.1
    fn a_recording_of_a_life_with_a_real_server_replays_to_the_same_events_and_shows_no_secret(adapter, version) {
        let server = RealServer::start(version, ServerConfig::new().user(User::with_password("annika", "hunter2")));
        let file = server.folder().join(format!("{version:?}.rec"));
        let flags = format!(
            "--server {} --user annika --password hunter2 --record {} {QUICK}",
            server.url(),
            file.display()
        );
        let mut console = adapter.start(&flags);
        console.until("connected");
        console.send("sub s day.>");
        console.send("pub day.one -- payloadsecret");
        console.until("message");
        console.send("flush f");
        console.until("flushed");
        server.kill();
        console.until("disconnected");
        console.send("pub day.two -- payloadsecret");
        server.restart();
        console.until("resubscribed");
        console.until("message");
        let end = console.close();
        let bytes = std::fs::read(&file).expect("the file was written");
        let names = replayed(bytes.clone());
        for name in ["connected", "disconnected", "reconnected", "resubscribed", "message", "closed"] {
            let printed = end.lines.iter().filter(|line| line["ev"] == name).count();
            let reported = names.iter().filter(|other| **other == name).count();
            assert_eq!(reported, printed, "{name}: {names:?}");
        }
        for secret in ["hunter2", "annika", "payloadsecret"] {
            assert!(!contains(&bytes, secret), "{secret} is recorded");
        }
        assert!(contains(&bytes, "day.one"));
    }

    fn a_file_that_cannot_be_written_is_reported_in_one_line(adapter) {
        let end = adapter.start("--record /nowhere/at/all.rec").end();
        assert_eq!(end.status, 2);
        assert!(end.errors.starts_with("console: --record /nowhere/at/all.rec: "), "{}", end.errors);
    }
}
