//! The bodies of the fuzz targets without a fuzzer: each takes the kept corpus, and then what random changes make of it.
//!
//! `cargo run --release -p nats-conn-tests --example bodies -- [--corpus FOLDER] [--target NAME] [--seconds N] [--seed N]`.
//! No coverage guides it, and no nightly toolchain is needed. What a body panics about is printed, with a shorter input that
//! it panics about too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use nats_conn_tests::any_order;
use nats_conn_tests::scenario::splitmix;
use nats_proto::fuzzing;

const USAGE: &str = "bodies [--corpus FOLDER] [--target NAME] [--seconds N] [--seed N]";

/// A target, and its body.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 6] = [
    ("calls", |data| _ = any_order::sample(data)),
    ("decode", fuzzing::decode),
    ("headers", fuzzing::headers),
    ("roundtrip", fuzzing::roundtrip),
    ("server_decode", fuzzing::server_decode),
    ("url", fuzzing::url),
];

/// Bytes of an input at most.
const LONGEST: usize = 600;
/// An input takes milliseconds at most.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a body is asked about a shorter input.
const SHORTER: usize = 2_000;

struct Wish {
    corpus: PathBuf,
    target: Option<String>,
    time: Duration,
    seed: u64,
}

/// What is being tried, and since when.
type Trying = Arc<Mutex<Option<(&'static str, Vec<u8>, Instant)>>>;

fn main() -> ExitCode {
    let Some(wish) = wish() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    std::panic::set_hook(Box::new(|_| ()));
    let trying = Trying::default();
    watch(&trying);
    let is_wanted = |(name, _): &&Target| wish.target.as_ref().is_none_or(|wanted| wanted == name);
    let mut all_hold = true;
    for target in TARGETS.iter().filter(is_wanted) {
        match try_all(target, &wish, &trying) {
            Ok(holds) => all_hold &= holds,
            Err(error) => {
                eprintln!("{}: {error}", wish.corpus.display());
                return ExitCode::from(2);
            }
        }
    }
    if all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn wish() -> Option<Wish> {
    let mut wish = Wish {
        corpus: Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus"),
        target: None,
        time: Duration::from_secs(10),
        seed: 1,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next()?;
        match argument.as_str() {
            "--corpus" => wish.corpus = value.into(),
            "--target" if TARGETS.iter().any(|(name, _)| *name == value) => wish.target = Some(value),
            "--seconds" => wish.time = Duration::from_secs(value.parse().ok()?),
            "--seed" => wish.seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(wish)
}

/// Whether what the target promises holds for everything that it is given.
fn try_all(&(name, body): &Target, wish: &Wish, trying: &Trying) -> io::Result<bool> {
    let corpus = read(&wish.corpus.join(name))?;
    let (began, mut dice, mut count) = (Instant::now(), wish.seed, 0_u64);
    let mut kept = corpus.iter();
    while began.elapsed() < wish.time || kept.len() > 0 {
        let data = kept.next().cloned().unwrap_or_else(|| change(&corpus, &mut dice));
        count += 1;
        if let Some(what) = fault(name, body, &data, trying) {
            let seconds = began.elapsed().as_secs_f64();
            println!("{name}: FAILED: {count} executions, {seconds:.1} s\n{name}: {what}");
            let short = shorter(data, |data| fault(name, body, data, trying).is_some());
            println!(
                "{name}: {} bytes are enough: {}",
                short.len(),
                short.escape_ascii()
            );
            return Ok(false);
        }
    }
    println!(
        "{name}: {count} executions, {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(true)
}

fn read(folder: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    paths.iter().map(fs::read).collect()
}

/// What the body panics about.
fn fault(name: &'static str, body: fn(&[u8]), data: &[u8], trying: &Trying) -> Option<String> {
    let now = |what| *trying.lock().unwrap_or_else(PoisonError::into_inner) = what;
    now(Some((name, data.to_vec(), Instant::now())));
    let outcome = catch_unwind(AssertUnwindSafe(|| body(data)));
    now(None);
    let panic = outcome.err()?;
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(text.unwrap_or_default())
}

/// One of four is of random bytes; the others are of the corpus, changed in a few places.
fn change(corpus: &[Vec<u8>], dice: &mut u64) -> Vec<u8> {
    let mut below = |end: usize| usize::try_from(splitmix(dice) % end.max(1) as u64).unwrap_or_default();
    if corpus.is_empty() || below(4) == 0 {
        return (0..below(LONGEST)).map(|_| below(256) as u8).collect();
    }
    let mut data = corpus[below(corpus.len())].clone();
    for _ in 0..=below(4) {
        let place = below(data.len() + 1);
        let end = (place + below(16)).min(data.len());
        match below(5) {
            0 if place < data.len() => data[place] ^= 1 << below(8),
            1 if place < data.len() => data[place] = below(256) as u8,
            2 => drop(data.drain(place..end)),
            3 => {
                let again = data[place..end].to_vec();
                data.splice(place..place, again);
            }
            _ => {
                let other = &corpus[below(corpus.len())];
                let from = below(other.len() + 1);
                data.truncate(place);
                data.extend_from_slice(&other[from..]);
            }
        }
    }
    data.truncate(LONGEST);
    data
}

/// Leaves out ever smaller parts for as long as it fails all the same.
fn shorter(mut data: Vec<u8>, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let (mut part, mut tried) = (data.len().div_ceil(2), 0);
    while part > 0 && tried < SHORTER {
        let mut place = 0;
        while place < data.len() && tried < SHORTER {
            let end = (place + part).min(data.len());
            let rest = [&data[..place], &data[end..]].concat();
            tried += 1;
            if fails(&rest) {
                data = rest;
            } else {
                place = end;
            }
        }
        part /= 2;
    }
    data
}

/// Ends the process if a body does not return.
fn watch(trying: &Trying) {
    let trying = Arc::clone(trying);
    thread::spawn(move || {
        loop {
            thread::sleep(Duration::from_millis(100));
            let trying = trying.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((name, data, began)) = &*trying
                && began.elapsed() > PATIENCE
            {
                println!("{name}: FAILED: it does not return\n{name}: the machine does not return");
                println!("{name}: {}", data.escape_ascii());
                std::process::exit(1);
            }
        }
    });
}
