//! Random calls in any order, with any arguments, and what they must never break (behaviour 1.4, 6.2, 14).
//!
//! Some thousands of lives in an ordinary run; `ANY_ORDER_CASES=100000` makes it a long one. A life that fails is
//! shrunk, and printed as the bytes that it was made of.

use std::cell::Cell;
use std::time::Instant;

use nats_conn_tests::any_order::{Reached, golden_life, run};
use nats_conn_tests::golden;
use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Lives of an ordinary run.
const CASES: u32 = 2_000;
/// Golden lives of an ordinary run; `GOLDEN_LIVES=100000` makes it a long one.
const GOLDEN_LIVES: u64 = 2_000;
/// So many lives have one hash.
const LIVES_A_ROW: u64 = 1_000;

// behaviour: 1.1, 1.2, 1.4, 5.1, 5.4, 6.2, 6.6, 14; edge: 94, 99, 100, 102, 146, 151
#[test]
fn random_calls_break_no_promise_and_most_of_them_connect_and_reconnect() {
    let cases = std::env::var("ANY_ORDER_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let config = Config {
        cases: cases.unwrap_or(CASES),
        failure_persistence: None,
        max_shrink_iters: 4_000,
        ..Config::default()
    };
    let began = Instant::now();
    let seen = Seen::default();
    let mut runner = match cases {
        // A long run tries new lives; an ordinary one is the same every time.
        Some(_) => TestRunner::new(config.clone()),
        None => TestRunner::new_with_rng(config.clone(), TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    runner
        .run(&vec(any::<u8>(), 150..450), |bytes| {
            seen.note(run(&bytes));
            Ok(())
        })
        .unwrap_or_else(|fault| match fault {
            TestError::Fail(why, bytes) => panic!("{why}\nthe life of {bytes:?}"),
            TestError::Abort(why) => panic!("{why}"),
        });
    let [
        lives,
        connected,
        reconnected,
        closed,
        confirmed,
        events,
        replayed,
        inputs,
    ] = seen.0.map(|count| count.get());
    println!(
        "{lives} lives in {:?}: {connected} connected, {reconnected} reconnected, {closed} closed, {confirmed} \
         with confirmed publishes, {events} events; {replayed} replayed, {inputs} inputs",
        began.elapsed()
    );
    assert!(connected * 100 >= lives * 60, "{connected} of {lives} connect");
    assert!(
        reconnected * 100 >= lives * 30,
        "{reconnected} of {lives} reconnect"
    );
    assert!(
        closed * 100 >= lives * 5 && closed * 100 <= lives * 70,
        "{closed} of {lives} are closed"
    );
    assert!(
        confirmed * 100 >= lives * 30,
        "{confirmed} of {lives} have confirmed publishes"
    );
    assert_eq!(
        replayed, lives,
        "every life is recorded, and its recording replays to the same"
    );
}

/// How many lives came to which state.
#[derive(Default)]
struct Seen([Cell<usize>; 8]);

impl Seen {
    fn note(&self, reached: Reached) {
        let counts = [
            1,
            usize::from(reached.connected),
            usize::from(reached.reconnected),
            usize::from(reached.closed),
            usize::from(reached.confirmed),
            reached.events,
            usize::from(reached.replayed > 0),
            usize::try_from(reached.replayed).unwrap_or(usize::MAX),
        ];
        for (seen, count) in self.0.iter().zip(counts) {
            seen.set(seen.get() + count);
        }
    }
}

// behaviour: 1.4
#[test]
fn no_bytes_and_one_byte_are_valid_lives() {
    assert_eq!(run(&[]).events, run(&[]).events);
    for byte in 0..=255 {
        run(&[byte; 300]);
    }
}

// behaviour: 1.2
#[test]
fn the_lives_of_the_golden_row_are_what_they_were() {
    let lives = std::env::var("GOLDEN_LIVES")
        .ok()
        .and_then(|lives| lives.parse().ok());
    let lives = lives.unwrap_or(GOLDEN_LIVES);
    let kept = golden::kept_lines("lives.txt");
    let (mut rows, mut each) = (String::new(), String::new());
    for first in (0..lives).step_by(usize::try_from(LIVES_A_ROW).unwrap_or(usize::MAX)) {
        let numbers = first..first + LIVES_A_ROW;
        let hashes: Vec<String> = numbers.clone().map(golden_life).collect();
        for (number, hash) in numbers.zip(&hashes) {
            each.push_str(&format!("{number} {hash}\n"));
        }
        let row = format!("{first} {}", golden::hash_of_all(&hashes));
        let place = format!("{first} ");
        let expected = kept.iter().find(|kept| kept.starts_with(&place));
        if golden::written_to().is_none()
            && let Some(expected) = expected
        {
            assert_eq!(
                &row, expected,
                "one of the {LIVES_A_ROW} lives from {first} on is another one; see tests/golden/README.md"
            );
        }
        rows.push_str(&row);
        rows.push('\n');
    }
    if let Some(folder) = golden::written_to() {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("lives.txt"), rows).expect("written");
        std::fs::write(folder.join("lives-each.txt"), each).expect("written");
    }
}
