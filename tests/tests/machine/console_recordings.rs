//! Recordings of consoles connected to real servers replay to the same results: see `tests/golden/consoles`.
//!
//! `tests/golden/README.md` says how to read a difference, and when recordings may change.

use std::fs;
use std::path::{Path, PathBuf};

use nats_conn_tests::golden::{first_difference, folder, transcript};

/// So many recordings at least, so that none is lost unnoticed.
const RECORDINGS: usize = 30;

/// The recordings, in the order of their names; none where there is no such folder.
fn recordings() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder().join("consoles")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("readable").path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "rec"))
        .collect();
    paths.sort();
    paths
}

/// What is wrong with the replay of this recording.
fn fault_of(recording: &[u8], kept: &str) -> Option<String> {
    match transcript(recording.to_vec()) {
        Ok(found) => first_difference(kept, &found),
        Err((found, error)) => {
            // The step that failed is not in it; what it should have given is.
            let place = found.lines().count();
            let expected = kept.lines().nth(place).unwrap_or("nothing");
            let same: String = kept.split_inclusive('\n').take(place).collect();
            let differs = first_difference(&same, &found);
            let before = differs.map(|differs| format!("; before that, {differs}"));
            Some(format!(
                "{error}\nline {}, which is kept, is no longer its output:\n  - {expected}\n{}",
                place + 1,
                before.unwrap_or_default()
            ))
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

// behaviour: 1.2, 13.1
#[test]
fn recordings_of_consoles_replay_to_the_same_outputs() {
    let faults: Vec<String> = recordings()
        .iter()
        .filter_map(|path| {
            let text = String::from_utf8(read(&path.with_extension("txt"))).expect("text");
            let fault = fault_of(&read(path), &text)?;
            Some(format!("{}: {fault}", path.display()))
        })
        .collect();
    assert!(
        faults.is_empty(),
        "{}\nsee tests/golden/README.md",
        faults.join("\n")
    );
}

#[test]
fn golden_recordings_are_of_both_versions_and_as_many_as_there_were() {
    if !folder().join("consoles").is_dir() {
        println!("nothing was recorded yet: tests/run --golden");
        return;
    }
    let paths = recordings();
    let names: Vec<_> = paths
        .iter()
        .filter_map(|path| path.file_stem()?.to_str())
        .collect();
    assert!(names.len() >= RECORDINGS, "{} recordings: {names:?}", names.len());
    for version in ["2.9.10", "2.15.1"] {
        let of_it = names.iter().filter(|name| name.ends_with(version)).count();
        assert!(
            of_it * 3 >= names.len(),
            "{of_it} recordings with {version}: {names:?}"
        );
    }
    for adapter in ["tokio", "async-std", "std"] {
        let of_it = names
            .iter()
            .filter(|name| name.contains(&format!("-{adapter}-")))
            .count();
        assert!(of_it > 0, "no recording of {adapter}: {names:?}");
    }
}

#[test]
fn a_recording_that_does_not_replay_and_a_transcript_that_differs_are_faults() {
    let mut world = nats_conn_tests::scenario::Scenario::new(1).connected();
    let mut recording = world.recording().to_vec();
    let kept = transcript(recording.clone()).expect("the same life");
    assert_eq!(fault_of(&recording, &kept), None);
    let shorter = kept.rsplit_once("\n0").expect("lines").0;
    let fault = fault_of(&recording, shorter).expect("a fault");
    assert!(fault.contains("  - nothing\n"), "{fault}");
    *recording.last_mut().expect("not empty") ^= 1;
    let fault = fault_of(&recording, &kept).expect("a fault");
    let last = kept.lines().last().expect("lines");
    assert!(fault.ends_with(&format!("  - {last}\n")), "{fault}");
}
