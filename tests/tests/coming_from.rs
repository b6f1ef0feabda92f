//! The page for those who come from another client is complete, and what it and other pages claim to be tested is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Pages whose tables name tests.
const PAGES: [&str; 2] = ["adapters/client/docs/coming-from.md", "SECURITY.md"];
/// The languages of the programs, in the order of the page.
const LANGUAGES: [&str; 8] = [
    "go",
    "java",
    "javascript",
    "python",
    "csharp",
    "ruby",
    "c",
    "rust",
];
/// Rows whose tests show what is ours without its name: by a name of the wire, of the harness, or by what comes of it.
const TESTED_OTHERWISE: &[(&str, &str)] = &[
    (
        "`Config::close_timeout`",
        "machine/drain::close_writes_for_half_a_second_at_most_and_reports_the_rest_as_dropped",
    ),
    (
        "`Config::connect_timeout`",
        "machine/attempts::one_deadline_over_all_phases_is_counted_from_the_dial",
    ),
    (
        "`Config::drain_timeout`",
        "machine/drain::a_drain_takes_25_seconds_at_most_and_reports_what_was_left",
    ),
    (
        "`Config::lang`",
        "machine/handshake::connect_holds_the_allowed_fields_only_and_json_escapes_what_is_in_them",
    ),
    (
        "`Config::max_control_line`",
        "machine/publishing::a_control_line_above_4096_bytes_is_refused_and_one_of_4096_is_taken",
    ),
    (
        "`Config::version`",
        "machine/handshake::connect_holds_the_allowed_fields_only_and_json_escapes_what_is_in_them",
    ),
    (
        "`ConnectOptions::connect_timeout`, over the whole attempt",
        "machine/attempts::one_deadline_over_all_phases_is_counted_from_the_dial",
    ),
    (
        "`ConnectOptions::connect_timeout`, over the whole attempt; 5 s",
        "machine/attempts::one_deadline_over_all_phases_is_counted_from_the_dial",
    ),
    (
        "`ConnectOptions::connect_timeout`, over the whole attempt; 5 s, not 20 s",
        "machine/attempts::one_deadline_over_all_phases_is_counted_from_the_dial",
    ),
    (
        "`ConnectOptions::library`",
        "machine/handshake::connect_holds_the_allowed_fields_only_and_json_escapes_what_is_in_them",
    ),
    (
        "`ConnectOptions::max_control_line`",
        "adapters/messages::a_control_line_that_would_end_the_link_is_refused",
    ),
    (
        "`ConnectOptions::nkey_seed_file`, read at every attempt",
        "adapters/identity::a_file_that_was_rotated_is_read_at_the_next_attempt",
    ),
    (
        "`ConnectOptions::nkey_seed_file`, read at every attempt; or `ConnectOptions::nkey_seed`",
        "adapters/identity::a_file_that_was_rotated_is_read_at_the_next_attempt",
    ),
    (
        "an adapter of yours, on `nats_conn_client::driver` or on the machine",
        "machine/documented_loop::the_loop_of_the_documentation_holds_with_every_setting_and_whatever_goes_wrong",
    ),
    (
        "the default: what was written fails at once, see `ConnectOptions::requests_survive`",
        "adapters/requests::a_lost_link_fails_what_was_written_and_keeps_what_was_not",
    ),
];
/// What is done with options that are complete.
const NO_OPTIONS: [&str; 3] = ["connect", "prepare", "start"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: impl AsRef<Path>) -> String {
    let path = root().join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page() -> String {
    read(PAGES[0])
}

/// All sources in a folder, one after another.
fn sources(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(path).expect("a source"));
            }
        }
    }
    found
}

/// What stands between the braces that follow `head`; several blocks may have the same head.
fn blocks<'a>(source: &'a str, head: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(place) = rest.find(head) {
        let block = &rest[place + head.len()..];
        // The formatter puts the brace that ends an item at the beginning of a line.
        let end = block.find("\n}").unwrap_or(block.len());
        found.push(&block[..end]);
        rest = &block[end..];
    }
    found
}

/// The names of the variants of a public enum.
fn variants(folder: &str, name: &str) -> BTreeSet<String> {
    let sources = sources(folder);
    let head = format!("pub enum {name} {{");
    let found: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| blocks(source, &head))
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(word)
        .collect();
    assert!(!found.is_empty(), "{name} is read");
    found
}

/// The names of the public methods of a type, in whatever blocks they stand.
fn methods(folder: &str, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources(folder) {
        let heads = source.lines().filter(|line| {
            let of_type = line
                .split(' ')
                .any(|word| word == name || word.starts_with(&format!("{name}<")));
            line.starts_with("impl") && of_type && !line.contains(" for ") && line.ends_with('{')
        });
        for block in heads.flat_map(|head| blocks(&source, head)) {
            for line in block.lines().filter_map(|line| line.strip_prefix("    pub ")) {
                let line = line.trim_start_matches("const ").trim_start_matches("async ");
                if let Some(name) = line.strip_prefix("fn ") {
                    found.insert(word(name));
                }
            }
        }
    }
    assert!(!found.is_empty(), "{name} is read");
    found
}

/// The names of all options.
fn options() -> BTreeSet<String> {
    let mut options = methods("adapters/client/src", "ConnectOptions");
    for other in NO_OPTIONS {
        assert!(options.remove(other), "{other}");
    }
    options
}

/// The names of the public fields of a struct.
fn fields(folder: &str, name: &str) -> BTreeSet<String> {
    let sources = sources(folder);
    let head = format!("pub struct {name} {{");
    let found: BTreeSet<String> = sources
        .iter()
        .flat_map(|source| blocks(source, &head))
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("    pub "))
        .filter(|line| !line.starts_with('('))
        .map(word)
        .collect();
    assert!(!found.is_empty(), "{name} is read");
    found
}

fn word(text: &str) -> String {
    let end = text.find(|character: char| !character.is_alphanumeric() && character != '_');
    text[..end.unwrap_or(text.len())].to_owned()
}

/// The rows of all tables of a page: their cells, without the head and the line below it.
fn rows(page: &str) -> Vec<(usize, Vec<&str>)> {
    let lines: Vec<&str> = page.lines().collect();
    let mut rows = Vec::new();
    let mut fenced = false;
    for (number, line) in lines.iter().enumerate() {
        fenced ^= line.starts_with("```");
        let below = lines.get(number + 1).copied().unwrap_or_default();
        if fenced || !line.starts_with('|') || line.starts_with("|-") || below.starts_with("|-") {
            continue;
        }
        let cells = line.trim_matches('|').split('|').map(str::trim).collect();
        rows.push((number + 1, cells));
    }
    rows
}

/// The names of tests in a text: `machine/pool::name`, each in a pair of backticks.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|name| name.rsplit_once("::"))
        .filter(|(file, test)| {
            let known = root().join(format!("tests/tests/{file}.rs")).is_file();
            let plain = |text: &str| {
                text.chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-/".contains(c))
            };
            (known || file.contains('/')) && plain(file) && plain(test)
        })
        .collect()
}

/// Whether there is a function of this name in the file that is meant.
fn exists(file: &str, test: &str) -> bool {
    let places = [format!("tests/tests/{file}.rs"), format!("{file}.rs")];
    let source = places
        .iter()
        .find_map(|place| fs::read_to_string(root().join(place)).ok());
    source.is_some_and(|source| source.contains(&format!("fn {test}(")))
}

/// The source that has a test of this name.
fn source_of(file: &str) -> String {
    let places = [format!("tests/tests/{file}.rs"), format!("{file}.rs")];
    let mut found = places
        .iter()
        .filter_map(|place| fs::read_to_string(root().join(place)).ok());
    found.next().unwrap_or_default()
}

/// What a function says, and what those of the same file say that it calls.
fn says(source: &str, name: &str, seen: &mut BTreeSet<String>) -> String {
    if !seen.insert(name.to_owned()) {
        return String::new();
    }
    let lines: Vec<&str> = source.lines().collect();
    let head = [format!("fn {name}("), format!("fn {name}<")];
    let Some(first) = lines
        .iter()
        .position(|line| head.iter().any(|head| line.contains(head)))
    else {
        return String::new();
    };
    let depth = lines[first].len() - lines[first].trim_start().len();
    let end = format!("{}}}", " ".repeat(depth));
    let body = lines[first..].iter().skip(1).take_while(|line| **line != end);
    let body = body.fold(lines[first].to_owned(), |body, line| body + "\n" + line);
    let called: BTreeSet<String> = source
        .split("fn ")
        .skip(1)
        .map(word)
        .filter(|other| {
            !other.is_empty()
                && (body.contains(&format!("{other}(")) || body.contains(&format!("{other}::<")))
        })
        .collect();
    called
        .into_iter()
        .fold(body.clone(), |all, other| all + &says(source, &other, seen))
}

/// A name however it is spelled: `LameDuck`, `lame_duck`, `--lame-duck`.
fn plain(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '\n');
    kept.collect::<String>().to_lowercase()
}

/// The names that a cell quotes, without the types that have them.
fn quoted_names(cell: &str) -> BTreeSet<String> {
    const TYPES: [&str; 10] = [
        "Backoff",
        "Client",
        "ClientEvent",
        "Config",
        "ConnectOptions",
        "ConnectionEvent",
        "ServerUrl",
        "Statistics",
        "Subscription",
        "TlsOptions",
    ];
    let quoted = cell.split('`').skip(1).step_by(2);
    let words = quoted.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words
        .filter(|name| name.len() > 2 && !TYPES.contains(name) && !["true", "false"].contains(name))
        .map(str::to_owned)
        .collect()
}

/// The rows whose tests do not name what the row says is ours.
fn unnamed(page: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let (others, ours) = page.split_once("# Everything here").expect("the last part");
    for (page, column) in [(others, 1), (ours, 0)] {
        for (_, cells) in rows(page).into_iter().filter(|(_, cells)| cells.len() == 3) {
            let names = quoted_names(cells[column]);
            let tests = named_tests(cells[2]);
            let is_named = |(file, test): &(&str, &str)| {
                let said = plain(&says(&source_of(file), test, &mut BTreeSet::new()));
                names.iter().any(|name| said.contains(&plain(name)))
            };
            if !names.is_empty() && !tests.is_empty() && !tests.iter().any(is_named) {
                let tests = tests.iter().map(|(file, test)| format!("{file}::{test}"));
                found.insert((cells[column].to_owned(), tests.collect::<Vec<_>>().join(", ")));
            }
        }
    }
    found
}

#[test]
fn a_test_of_a_row_names_what_is_ours() {
    let page = page();
    let found = unnamed(&page);
    let listed: BTreeSet<(String, String)> = TESTED_OTHERWISE
        .iter()
        .map(|(ours, test)| ((*ours).to_owned(), (*test).to_owned()))
        .collect();
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(
        new.is_empty(),
        "the tests of these rows do not name what is ours: {new:#?}"
    );
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "these are no exceptions any more: {gone:#?}");
}

#[test]
fn every_event_and_every_option_is_on_the_page() {
    let page = page();
    let ours = page.split("# Everything here").nth(1).expect("the last part");
    let mut missing = Vec::new();
    let mut wanted = |name: String| {
        if !ours.contains(&format!("`{name}`")) && !ours.contains(&format!("`{name},")) {
            missing.push(name);
        }
    };
    for event in variants("nats-conn-sm/src", "ConnectionEvent") {
        wanted(format!("ConnectionEvent::{event}"));
    }
    for event in variants("adapters/client/src", "ClientEvent") {
        if event != "Connection" {
            wanted(format!("ClientEvent::{event}"));
        }
    }
    for option in options() {
        wanted(format!("ConnectOptions::{option}"));
    }
    for option in methods("adapters/client/src", "TlsOptions") {
        wanted(format!("TlsOptions::{option}"));
    }
    for field in fields("nats-conn-sm/src", "Config") {
        wanted(format!("Config::{field}"));
    }
    for field in fields("nats-conn-sm/src", "Statistics") {
        wanted(format!("Statistics::{field}"));
    }
    assert!(missing.is_empty(), "no row for {missing:#?}");
}

#[test]
fn every_option_is_in_the_list_that_the_pages_of_adapters_show() {
    let list = read("adapters/client/src/options/page.rs");
    let missing: Vec<String> = options()
        .into_iter()
        .filter(|option| !list.contains(&format!("`{option}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    for adapter in ["tokio", "std", "async-std"] {
        let source = read(format!("adapters/{adapter}/src/lib.rs"));
        let shown = "#[doc = nats_conn_client::options_page!()]\npub type ConnectOptions =";
        assert!(source.contains(shown), "{adapter}");
    }
}

#[test]
fn every_row_has_all_cells_and_a_test_or_a_reason() {
    for file in PAGES {
        let page = read(file);
        let rows = rows(&page);
        assert!(rows.len() > 20, "{file} has tables");
        for (line, cells) in rows {
            assert!(
                cells.iter().all(|cell| !cell.is_empty()),
                "{file}:{line}: a cell is empty"
            );
            if cells.len() == 3 {
                let last = cells[2];
                let why_not = last.strip_prefix("none: ").is_some_and(|reason| reason.len() > 5);
                assert!(
                    why_not || !named_tests(last).is_empty(),
                    "{file}:{line}: neither a test nor `none: ` with a reason: {last}"
                );
            }
        }
    }
}

#[test]
fn every_test_that_a_page_names_exists() {
    for file in PAGES {
        let page = read(file);
        let named = named_tests(&page);
        assert!(named.len() > 20, "{file} names tests");
        let missing: BTreeSet<_> = named
            .into_iter()
            .filter(|(file, test)| !exists(file, test))
            .collect();
        assert!(missing.is_empty(), "{file}: {missing:#?}");
    }
}

#[test]
fn every_client_has_its_section_with_calls_events_statuses_and_options() {
    let page = page();
    let clients = ["Go", "Java", "JavaScript", "Python", ".NET", "Ruby", "C", "Rust"];
    for client in clients {
        let heads = page
            .lines()
            .filter(|line| line.starts_with(&format!("## {client}: ")));
        assert_eq!(heads.count(), 4, "{client}");
        assert!(page.contains(&format!("\n## {client}: calls\n")), "{client}");
    }
}

#[test]
fn the_programs_on_the_page_are_the_examples() {
    let page = page();
    let shown: Vec<&str> = page
        .split("\n```rust,no_run\n")
        .skip(1)
        .filter_map(|rest| rest.split("```\n").next())
        .collect();
    assert_eq!(shown.len(), LANGUAGES.len());
    for (language, shown) in LANGUAGES.iter().zip(shown) {
        let example = read(format!("adapters/tokio/examples/coming_from_{language}.rs"));
        assert_eq!(shown, example, "{language}");
    }
}

#[test]
fn every_event_is_in_the_chapter_about_events() {
    let chapter = read("adapters/client/docs/events.md");
    for event in variants("nats-conn-sm/src", "ConnectionEvent") {
        assert!(chapter.contains(&format!("| `{event}` |")), "{event}");
    }
    for event in variants("adapters/client/src", "ClientEvent") {
        assert!(
            event == "Connection" || chapter.contains(&format!("| `{event}` |")),
            "{event}"
        );
    }
}

#[test]
fn an_option_or_event_without_a_row_is_found() {
    let variants = blocks(
        "pub enum E {\n    A,\n    B {\n        C: u8,\n    },\n}\n",
        "pub enum E {",
    );
    assert_eq!(variants, ["\n    A,\n    B {\n        C: u8,\n    },"]);
    assert_eq!(
        rows("| a | b |\n|---|---|\n| c | |\n```\n| d |\n```\n"),
        [(3, vec!["c", ""])]
    );
    let source =
        "fn a() {\n    help();\n}\nfn help() {\n    x.max_reconnects(1);\n}\nfn b() {\n    x.echo();\n}\n";
    let said = plain(&says(source, "a", &mut BTreeSet::new()));
    assert!(said.contains(&plain("max_reconnects")) && !said.contains("echo"));
    assert_eq!(
        named_tests("`machine/pool::x`, `A::b`, `budgets::y`"),
        [("machine/pool", "x"), ("budgets", "y")]
    );
    assert!(
        exists("coming_from", "an_option_or_event_without_a_row_is_found")
            && !exists("coming_from", "nothing")
    );
}
