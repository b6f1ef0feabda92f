//! The kept inputs of every fuzz target: each is lived again by every test run, and they stay few and small.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nats_conn_tests::{any_order, try_driver};

type Body = fn(&[u8]);

/// The bodies, by the names of the targets.
const BODIES: [(&str, Body); 8] = [
    ("calls", |data| _ = any_order::sample(data)),
    ("connection", |data| _ = try_driver::connection(data)),
    ("decode", nats_proto::fuzzing::decode),
    ("headers", nats_proto::fuzzing::headers),
    ("replay", nats_conn_sm::fuzzing::replay),
    ("roundtrip", nats_proto::fuzzing::roundtrip),
    ("server_decode", nats_proto::fuzzing::server_decode),
    ("url", nats_proto::fuzzing::url),
];
/// Inputs of one target at most, and their bytes in all.
const FILES: usize = 256;
const BYTES: usize = 300 * 1024;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = root().join("corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).expect("it can be read");
        (path, bytes)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn every_kept_input_of_every_target_keeps_every_promise() {
    for (target, body) in BODIES {
        for (path, bytes) in corpus(target) {
            if std::panic::catch_unwind(|| body(&bytes)).is_err() {
                panic!("{target} fails with {}", path.display());
            }
        }
    }
}

#[test]
fn every_target_has_a_body_here_a_row_in_the_readme_and_a_small_corpus() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    let bins = manifest.split("[[bin]]\nname = \"").skip(1);
    let targets: BTreeSet<&str> = bins.filter_map(|bin| Some(bin.split_once('"')?.0)).collect();
    let bodies: BTreeSet<&str> = BODIES.iter().map(|(target, _)| *target).collect();
    assert_eq!(targets, bodies);
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    for target in targets {
        assert!(
            readme.contains(&format!("\n| `{target}` | ")),
            "{target} has no row"
        );
        let files = corpus(target);
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        println!("{target}: {} inputs, {bytes} bytes", files.len());
        assert!(
            !files.is_empty() && files.len() <= FILES,
            "{target}: {} files",
            files.len()
        );
        assert!(bytes <= BYTES, "{target}: {bytes} bytes");
    }
}
