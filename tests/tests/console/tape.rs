//! Recordings of consoles that are kept: see `tests/golden/README.md`.

use std::fs;
use std::path::PathBuf;

use nats_conn_tests::golden::{transcript, written_to};
use nats_conn_tests::real_server::{TestFolder, Version};

use crate::process::{Adapter, Console, End};

/// A recording is this large at most, in bytes: many are kept.
const LARGEST: usize = 32 * 1024;

/// The recording of one console.
pub(crate) struct Tape {
    name: String,
    folder: TestFolder,
}

impl Tape {
    /// Of this scenario.
    pub(crate) fn new(scenario: &str, adapter: Adapter, version: Version) -> Self {
        Self {
            name: format!("{scenario}-{}-{}", adapter.folder(), version.number()),
            folder: TestFolder::new("tape").expect("a folder"),
        }
    }

    /// What the console is to be started with.
    pub(crate) fn flag(&self) -> String {
        format!("--record {}", self.file().display())
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("console.rec")
    }

    /// Closes the console, and [ends](Self::end) the recording.
    pub(crate) fn close(self, console: Console, secrets: &[&str]) -> End {
        let end = console.close();
        self.end(secrets);
        end
    }

    /// The console has ended: what it recorded replays to the same and shows none of these secrets. It is kept with its
    /// transcript if that is asked for.
    pub(crate) fn end(self, secrets: &[&str]) {
        let recording = fs::read(self.file()).expect("the file was written");
        assert!(
            recording.len() <= LARGEST,
            "{}: {} bytes",
            self.name,
            recording.len()
        );
        let text = transcript(recording.clone())
            .unwrap_or_else(|(text, error)| panic!("{}: {error}, after\n{text}", self.name));
        for secret in secrets {
            let shown = recording
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!shown, "{}: {secret} is recorded", self.name);
        }
        let Some(folder) = written_to() else {
            return;
        };
        let folder = folder.join("consoles");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join(format!("{}.rec", self.name)), recording).expect("written");
        fs::write(folder.join(format!("{}.txt", self.name)), text).expect("written");
    }
}
