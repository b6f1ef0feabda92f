//! Golden rows: what the machine did in every recorded story of the tests, as hashes that are kept in `tests/golden`.
//!
//! A recording holds every input of a machine and a digest of the outputs of each, so that two lives with the same
//! recording had the same events, actions, bytes and deadlines. `tests/golden/README.md` says how to read a
//! difference and when rows may change.

mod transcript;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use sha2::{Digest, Sha256};

pub use transcript::{first_difference, transcript};

/// Rows are written into the folder that this variable names, instead of being compared.
const WRITE: &str = "GOLDEN_WRITE";
/// The transcript of every story is written into the folder that this variable names, to be compared by people.
const TRANSCRIPTS: &str = "GOLDEN_TRANSCRIPTS";

/// The rows of all tests: the name of a test, and the hash of each of its stories.
type Rows = HashMap<String, Vec<String>>;

thread_local! {
    /// The hashes of the stories of the test of this thread so far.
    static HASHES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Where golden rows and recordings are kept.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// The folder that rows are written into, if they are to be written: `GOLDEN_WRITE`.
pub fn written_to() -> Option<PathBuf> {
    folder_named_by(WRITE)
}

fn folder_named_by(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).filter(|folder| !folder.is_empty())?;
    Some(PathBuf::from(folder))
}

/// Compares the next story of the running test with its golden row. A test without a row is new, and may do what it
/// will.
///
/// # Panics
/// If the machine did something else than what is kept, or if the story cannot be written.
pub fn check_story(recording: &[u8]) {
    let Some(test) = running_test() else {
        return;
    };
    let hash = hash_of(recording);
    let fault = HASHES.with_borrow_mut(|reported| {
        reported.push(hash);
        show(&format!("{test}.{}", reported.len()), recording);
        if let Some(folder) = written_to() {
            write_row(&folder, &test, reported);
            return None;
        }
        fault_of(kept_stories().get(&test)?, reported)
    });
    if let Some(fault) = fault {
        panic!("{test}: {fault}; see tests/golden/README.md");
    }
}

/// What is wrong with the last of the stories so far; those before it were checked before.
fn fault_of(kept: &[String], reported: &[String]) -> Option<String> {
    let number = reported.len();
    let last = reported.last()?;
    match kept.get(number.saturating_sub(1)) {
        Some(expected) if expected == last => None,
        Some(expected) => Some(format!(
            "story {number} of {} is another one: its hash is {last}, and {expected} is kept. The machine was given \
             other inputs, or another event, action, byte or deadline came of them",
            kept.len()
        )),
        None => Some(format!(
            "story {number} is one more than the {} that are kept",
            kept.len()
        )),
    }
}

/// The hash of a recorded life.
pub fn hash_of(recording: &[u8]) -> String {
    short(Sha256::new_with_prefix(recording))
}

/// One hash of several, in order.
pub fn hash_of_all(hashes: &[String]) -> String {
    let mut hash = Sha256::new();
    for one in hashes {
        hash.update(one.as_bytes());
        hash.update(b"\n");
    }
    short(hash)
}

/// Twelve hexadecimal digits of a hash: enough to notice a difference.
fn short(hash: Sha256) -> String {
    let mut text = String::new();
    for byte in hash.finalize().iter().take(6) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The lines of a golden file, without comments; none if there is no such file.
pub fn kept_lines(name: &str) -> Vec<String> {
    let text = fs::read_to_string(folder().join(name)).unwrap_or_default();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn kept_stories() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| {
        let row = |line: String| {
            let mut words = line.split(' ').map(str::to_owned);
            Some((words.next()?, words.collect()))
        };
        kept_lines("stories.txt").into_iter().filter_map(row).collect()
    })
}

/// One file a test: tests run side by side.
fn write_row(folder: &Path, test: &str, hashes: &[String]) {
    write_file(
        &folder.join("stories"),
        test,
        &format!("{test} {}\n", hashes.join(" ")),
    );
}

/// Writes the transcript of a recorded life to a file of this name, where `GOLDEN_TRANSCRIPTS` asks for that.
///
/// # Panics
/// If it cannot be replayed or written.
pub fn show(name: &str, recording: &[u8]) {
    if let Some(folder) = folder_named_by(TRANSCRIPTS) {
        let text = transcript(recording.to_vec())
            .unwrap_or_else(|(text, error)| panic!("{name}: {error}, after\n{text}"));
        write_file(&folder, &format!("{name}.txt"), &text);
    }
}

fn write_file(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name.replace('/', ".").replace("::", "."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, text))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// The test that this thread runs, as `tests/README.md` writes it: `machine/drain::closing_again_changes_nothing`.
/// None outside of a test, and in a thread that a test started.
fn running_test() -> Option<String> {
    let thread = thread::current();
    let name = thread.name().filter(|name| *name != "main")?;
    let program = std::env::current_exe().ok()?;
    let program = program.file_stem()?.to_str()?;
    // What Cargo adds to the name of a program differs from build to build.
    let (binary, _) = program.rsplit_once('-')?;
    Some(format!("{binary}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_story_that_is_another_one_or_one_too_many_is_a_fault_and_a_kept_one_is_not() {
        let kept = words("one two");
        assert_eq!(fault_of(&kept, &words("one")), None);
        assert_eq!(fault_of(&kept, &words("one two")), None);
        let other = fault_of(&kept, &words("one three")).expect("a fault");
        assert!(
            other.contains("story 2 of 2") && other.contains("three") && other.contains("two"),
            "{other}"
        );
        let more = fault_of(&kept, &words("one two three")).expect("a fault");
        assert!(more.contains("story 3"), "{more}");
    }

    #[test]
    fn a_test_knows_its_name() {
        let name = running_test().expect("a test");
        assert_eq!(name, "nats_conn_tests/golden::tests::a_test_knows_its_name");
        let elsewhere = thread::spawn(running_test).join().expect("no panic");
        assert_eq!(elsewhere, None, "a thread without a name is not a test");
    }

    #[test]
    fn one_different_byte_changes_the_hash() {
        let life = |seed| Scenario::new(1).seed(seed).connected().recording().to_vec();
        let one = life(1);
        assert_eq!(hash_of(&one), hash_of(&life(1)));
        assert_ne!(hash_of(&one), hash_of(&life(2)));
        let mut other = one.clone();
        *other.last_mut().expect("not empty") ^= 1;
        assert_ne!(hash_of(&other), hash_of(&one));
    }

    #[test]
    fn hashes_of_several_depend_on_their_order() {
        assert_ne!(hash_of_all(&words("a b")), hash_of_all(&words("b a")));
        assert_eq!(hash_of_all(&words("a b")).len(), 12);
    }
}
