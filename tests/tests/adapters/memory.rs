//! How much memory a client needs at its worst: measured by the system, in a process of its own.

use std::io::{BufRead, Write};
use std::process::Command;

use crate::raw::{greet, raw_server};
use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("blast");
const MESSAGES: usize = 1_000_000;
/// Names the server to the process that is measured.
const SERVER: &str = "NATS_CONN_BLAST";

/// What a process may need, in MiB, this program and everything else counted. Where the consumer is a thread of its own
/// the scheduler may let it wait until its mailbox is full, which holds 65 536 messages: some 14 MiB of these.
fn limit(adapter: Adapter) -> u64 {
    match adapter {
        Adapter::TokioCurrentThread => 20,
        Adapter::TokioMultiThread | Adapter::AsyncStd | Adapter::Std => 32,
    }
}

/// A server that sends a million messages of 128 bytes as fast as they are taken, as soon as there is a subscription.
fn blasting_server() -> String {
    raw_server(|_, stream| {
        let mut reader = greet(stream);
        let mut line = String::new();
        while line != "SUB blast 1\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a client that subscribes");
        }
        let mut hundred = Vec::new();
        for _ in 0..100 {
            write!(hundred, "MSG blast 1 128\r\n{:128}\r\n", "").expect("written");
        }
        for _ in 0..MESSAGES / 100 {
            reader.get_mut().write_all(&hundred).expect("a client that reads");
        }
        // The client closes the link.
        let _ = reader.read_line(&mut line);
    })
}

/// Runs this scenario in a process of its own, and gives the most memory that it had, in MiB.
fn peak_of(scenario: &str, adapter: Adapter) -> u64 {
    let test = format!("memory::{scenario}::{}", adapter.name());
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &test, "--nocapture", "--test-threads", "1"])
        .env(SERVER, blasting_server())
        .output()
        .expect("another process");
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{output_text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let peak = output_text
        .lines()
        .find_map(|line| line.split("peak of ").nth(1)?.strip_suffix(" KiB"));
    let peak: u64 = peak
        .and_then(|kibibytes| kibibytes.parse().ok())
        .expect("it says its peak");
    eprintln!("{adapter:?}: {peak} KiB at most");
    peak.div_ceil(1024)
}

/// Prints the most memory that this process had so far.
fn say_peak() {
    let status = std::fs::read_to_string("/proc/self/status").expect("what Linux says of a process");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    println!("\npeak of {} KiB", peak.expect("its peak").trim());
}

/// Takes everything of a server, with the default settings, and does this with each message.
async fn take_everything(adapter: Adapter, url: &str, mut take: impl FnMut(Message)) {
    let client = soon(adapter.connect(Options::from_url(url).expect("a URL")))
        .await
        .expect("a server");
    let mut subscription = client.subscribe(&SUBJECT).expect("open");
    for _ in 0..MESSAGES {
        take(subscription.next().await.expect("all of them"));
    }
    assert_eq!(subscription.dropped(), 0);
    say_peak();
}

scenarios! {
    async fn a_million_messages_are_counted_in_little_memory(adapter) {
        if let Ok(url) = std::env::var(SERVER) {
            return take_everything(adapter, &url, drop).await;
        }
        let peak = soon(elsewhere(move || peak_of("a_million_messages_are_counted_in_little_memory", adapter))).await;
        assert!(peak <= limit(adapter), "{peak} MiB");
    }

    /// The measurement works: a consumer that keeps one message of ten does not pass.
    async fn what_is_kept_is_seen_by_the_measure(adapter) {
        if let Ok(url) = std::env::var(SERVER) {
            let (mut number, mut kept) = (0, Vec::new());
            let keep = |message| {
                number += 1;
                if number % 10 == 0 {
                    kept.push(message);
                }
            };
            return take_everything(adapter, &url, keep).await;
        }
        let peak = soon(elsewhere(move || peak_of("what_is_kept_is_seen_by_the_measure", adapter))).await;
        assert!(peak > limit(adapter), "{peak} MiB");
    }
}
