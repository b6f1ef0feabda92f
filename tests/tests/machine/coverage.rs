//! Every paragraph of the behaviour page and every edge case that concerns the machine has a test that names it (what
//! concerns the adapters alone has scenarios in `adapters`),
//! and the table in this package's README names tests that exist.
//!
//! A test names what it proves in the comment above it: `// behaviour: 6.2, 6.6; edge: 127`. Run this test with
//! `BLESS=1` in the environment to write the table anew from these comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The paragraphs, a section each: how many it has, from `1.1` on; section 14 has no parts.
const PARAGRAPHS: [(u32, u32); 14] = [
    (1, 6),
    (2, 6),
    (3, 8),
    (4, 4),
    (5, 4),
    (6, 6),
    (7, 5),
    (8, 2),
    (9, 5),
    (10, 2),
    (11, 4),
    (12, 4),
    (13, 2),
    (14, 0),
];
/// The edge cases of handshake, reconnect, liveness, publishing, drain and adapters.
const EDGES: std::ops::RangeInclusive<u32> = 34..=155;
/// Edge cases that do not concern the machine, and why.
const ELSEWHERE: [(u32, &str); 2] = [
    (
        43,
        "bytes before TLS are the TLS library's: with `tls_first` the machine asks for TLS at once, and reads nothing before it is up",
    ),
    (
        154,
        "the machine owns no socket and no thread that a fork could share",
    ),
];
const BEGIN: &str = "<!-- table: begin -->\n";
const END: &str = "<!-- table: end -->\n";

/// `behaviour 6.2` and `edge 127`: the tests that name it, as `machine/pool::name`.
type Named = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_paragraph_and_every_edge_case_has_a_test_that_names_it() {
    let named = named_by_tests();
    let missing: Vec<String> = wanted()
        .into_iter()
        .filter(|number| !named.contains_key(number) && elsewhere(number).is_none())
        .collect();
    assert!(missing.is_empty(), "no test names {missing:?}");
    let wanted: BTreeSet<String> = wanted().into_iter().collect();
    let unknown: Vec<&String> = named
        .keys()
        .filter(|number| !wanted.contains(*number) && number.starts_with("behaviour"))
        .collect();
    assert!(unknown.is_empty(), "there is no {unknown:?}");
}

#[test]
fn the_table_of_the_readme_is_complete_and_names_tests_that_exist() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("a README");
    let named = named_by_tests();
    let (before, rest) = readme.split_once(BEGIN).expect("a table begins");
    let (table, rest) = rest.split_once(END).expect("a table ends");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{rest}", rendered(&named))).expect("written");
        return;
    }
    let rows: Vec<(String, Vec<&str>)> = table.lines().skip(2).map(row).collect();
    let numbers: Vec<&String> = rows.iter().map(|(number, _)| number).collect();
    assert_eq!(
        numbers,
        wanted().iter().collect::<Vec<_>>(),
        "a row for each number, in order"
    );
    for (number, tests) in &rows {
        if let Some(reason) = elsewhere(number) {
            assert_eq!(tests, &[reason], "{number}");
            continue;
        }
        assert!(!tests.is_empty(), "{number} has no test");
        for test in tests {
            let test = test.trim_matches('`');
            assert!(
                named.get(number).is_some_and(|tests| tests.contains(test)),
                "no test {test} names {number}: after a change run this test with BLESS=1"
            );
        }
    }
}

fn wanted() -> Vec<String> {
    let parts = PARAGRAPHS.iter().flat_map(|&(section, parts)| {
        let whole = (parts == 0).then(|| format!("behaviour {section}"));
        whole
            .into_iter()
            .chain((1..=parts).map(move |part| format!("behaviour {section}.{part}")))
    });
    parts.chain(EDGES.map(|edge| format!("edge {edge}"))).collect()
}

fn elsewhere(number: &str) -> Option<&'static str> {
    let (_, reason) = ELSEWHERE
        .iter()
        .find(|(edge, _)| number == format!("edge {edge}"))?;
    Some(reason)
}

fn row(line: &str) -> (String, Vec<&str>) {
    let mut cells = line.trim_matches('|').splitn(2, '|').map(str::trim);
    let number = cells.next().unwrap_or_default().to_owned();
    (number, cells.next().unwrap_or_default().split("<br>").collect())
}

fn rendered(named: &Named) -> String {
    let mut table = String::from("| number | tests |\n|---|---|\n");
    for number in wanted() {
        let cell = match (elsewhere(&number), named.get(&number)) {
            (Some(reason), _) => reason.to_owned(),
            (None, tests) => {
                let tests: Vec<String> = tests
                    .into_iter()
                    .flatten()
                    .map(|test| format!("`{test}`"))
                    .collect();
                tests.join("<br>")
            }
        };
        table.push_str(&format!("| {number} | {cell} |\n"));
    }
    table
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn named_by_tests() -> Named {
    let mut named = Named::new();
    visit(&root().join("tests"), &mut |path, source| {
        let module = path
            .strip_prefix(root().join("tests"))
            .expect("below it")
            .with_extension("");
        let module = module.to_string_lossy().replace('\\', "/");
        let mut comment = Vec::new();
        for line in source.lines() {
            if let Some(numbers) = line.trim_start().strip_prefix("// ").and_then(numbers_of) {
                comment = numbers;
            } else if let Some(name) = line.trim_start().trim_start_matches("async ").strip_prefix("fn ") {
                let name = name.split(['(', '<']).next().unwrap_or_default();
                for number in comment.drain(..) {
                    named
                        .entry(number)
                        .or_default()
                        .insert(format!("{module}::{name}"));
                }
            }
        }
    });
    named
}

/// `behaviour: 6.2, 6.6; edge: 127`.
fn numbers_of(comment: &str) -> Option<Vec<String>> {
    let mut numbers = Vec::new();
    for part in comment.split(';') {
        let (kind, list) = part.split_once(':')?;
        let kind = Some(kind.trim()).filter(|kind| matches!(*kind, "behaviour" | "edge"))?;
        numbers.extend(list.split(',').map(|number| format!("{kind} {}", number.trim())));
    }
    Some(numbers)
}

fn visit(folder: &Path, act: &mut impl FnMut(&Path, &str)) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            visit(&path, act);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            act(&path, &fs::read_to_string(&path).expect("a source"));
        }
    }
}
