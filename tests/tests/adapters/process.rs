//! Scenarios that need a process of their own: their environment, their end, or all of their threads are tested.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::scene::*;

/// Runs a test of this binary again in another process, with this in its environment. Gives what it wrote.
///
/// # Panics
/// If it fails, or does not end within [`LIMIT`]; it is killed then.
pub(crate) async fn another_process(test: &str, variable: &str, value: impl AsRef<OsStr>) -> String {
    let mut process = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", test])
        .env(variable, value)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut output = process.stdout.take().expect("a pipe");
    let output = elsewhere(move || {
        let mut output_text = String::new();
        output.read_to_string(&mut output_text).map(|_| output_text)
    });
    let deadline = Instant::now() + LIMIT;
    while process.try_wait().expect("a process").is_none() {
        if Instant::now() > deadline {
            process.kill().expect("ours");
            process.wait().expect("ours");
            panic!("{test} does not end in a process of its own");
        }
        pause(Duration::from_millis(5)).await;
    }
    let output = soon(output).await.expect("text");
    assert!(process.wait().expect("it has ended").success(), "{output}");
    output
}
