//! The planted bugs still apply to the sources: `planted/README.md` says what they are for.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn patches() -> Vec<(String, String)> {
    let folder = root().join("tests/planted");
    let mut patches: Vec<(String, String)> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch"))
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("it can be read"))
        })
        .collect();
    patches.sort();
    patches
}

/// A change of a patch: the file, and the lines that have to be there.
fn changes(patch: &str) -> Vec<(String, String)> {
    let mut changes: Vec<(String, String)> = Vec::new();
    let mut file = String::new();
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            name.clone_into(&mut file);
        } else if line.starts_with("--- ") {
            file.clear();
        } else if line.starts_with("@@ ") {
            changes.push((file.clone(), String::new()));
        } else if let Some((_, before)) = changes.last_mut().filter(|_| !file.is_empty()) {
            // Editors take blanks from the ends of lines.
            if let Some(text) = line.strip_prefix([' ', '-']).or(line.is_empty().then_some("")) {
                before.push_str(text);
                before.push('\n');
            }
        }
    }
    changes
}

#[test]
fn every_planted_bug_still_applies_in_one_place() {
    let patches = patches();
    assert!(patches.len() >= 20, "{} planted bugs", patches.len());
    for (name, patch) in patches {
        let changes = changes(&patch);
        assert!(!changes.is_empty(), "{name} changes nothing");
        for (file, before) in changes {
            let source = fs::read_to_string(root().join(&file)).unwrap_or_default();
            let places = source.matches(&before).count();
            assert_eq!(
                places, 1,
                "{name} has to be brought up to date with {file}:\n{before}"
            );
        }
    }
}

#[test]
fn every_planted_bug_says_what_it_is_and_where_it_was() {
    for (name, patch) in patches() {
        let head: Vec<&str> = patch.lines().take(4).collect();
        let is_good = matches!(head[..], [bug, client, source, ""]
            if bug.starts_with("Bug: ") && client.starts_with("Client: ") && source.starts_with("Source: "));
        assert!(is_good, "{name}: {head:?}");
    }
}

#[test]
fn the_table_has_every_planted_bug_and_each_of_them_was_found() {
    let readme = fs::read_to_string(root().join("tests/planted/README.md")).expect("it can be read");
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let found_by = |columns: std::ops::Range<usize>| {
        let cells = |row: &str| row.split(" | ").map(str::to_owned).collect::<Vec<_>>();
        let is_found = |row: &&str| {
            columns
                .clone()
                .any(|column| !cells(row)[column].trim().is_empty())
        };
        rows.clone().filter(is_found).count()
    };
    let [explorer, simulation, fuzzing] = [found_by(2..6), found_by(6..9), found_by(9..11)];
    assert!(explorer >= 20, "the explorer finds {explorer}");
    assert!(simulation >= 5 && fuzzing >= 5, "{simulation}, {fuzzing}");
    for (name, _) in patches() {
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}`")));
        let row = row.unwrap_or_else(|| panic!("{name} has no row: run tests/planted/run"));
        assert!(!row.contains("**not found**"), "{row}");
    }
}
