//! A console that runs: commands in, lines out.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::lines;

/// How long a line, or the end, may take by default.
const SOON: Duration = Duration::from_secs(15);

/// Whose console.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Tokio,
    AsyncStd,
    Std,
}

/// One test for each adapter.
macro_rules! each_adapter {
    ($scenario:ident) => {
        #[test]
        fn tokio() {
            $scenario($crate::process::Adapter::Tokio);
        }

        #[test]
        fn async_std() {
            $scenario($crate::process::Adapter::AsyncStd);
        }

        #[test]
        fn std() {
            $scenario($crate::process::Adapter::Std);
        }
    };
}
pub(crate) use each_adapter as adapters;

impl Adapter {
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::AsyncStd => "async-std",
            Self::Std => "std",
        }
    }

    /// This example of it, which is built if it never was. All adapters call theirs by the same names, so that only the
    /// files that list what a program was built from distinguish them.
    pub(crate) fn program(self, example: &str) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _building = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        self.built(example).unwrap_or_else(|| {
            let package = format!("nats-conn-{}", self.folder());
            let status = Command::new(env!("CARGO"))
                .args(["build", "--example", example, "-p", &package])
                .status()
                .expect("cargo");
            assert!(status.success(), "the {example} of {package} does not build");
            self.built(example)
                .expect("examples lie beside the tests once they are built")
        })
    }

    /// The newest that was built of it.
    fn built(self, example: &str) -> Option<PathBuf> {
        let test = std::env::current_exe().ok()?;
        let examples = test.parent()?.parent()?.join("examples");
        let source = format!("adapters/{}/examples/{example}.rs", self.folder());
        let mut newest: Option<(SystemTime, PathBuf)> = None;
        for entry in fs::read_dir(examples).ok()?.flatten() {
            let list = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let program = list.with_extension("");
            if !name.starts_with(&format!("{example}-")) || !name.ends_with(".d") || !program.is_file() {
                continue;
            }
            if !fs::read_to_string(&list).unwrap_or_default().contains(&source) {
                continue;
            }
            let made = program.metadata().and_then(|metadata| metadata.modified()).ok()?;
            if newest.as_ref().is_none_or(|(known, _)| made > *known) {
                newest = Some((made, program));
            }
        }
        newest.map(|(_, program)| program)
    }

    /// A console that prints JSON lines.
    pub(crate) fn start(self, flags: &str) -> Console {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        self.start_with(&flags)
    }

    /// The same for flags with blanks in them.
    pub(crate) fn start_with(self, flags: &[&str]) -> Console {
        let mut all = vec!["--json"];
        all.extend(flags);
        self.spawn(&all, true)
    }

    /// A console that prints for people.
    pub(crate) fn start_for_people(self, flags: &str) -> Console {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        self.spawn(&flags, false)
    }

    fn spawn(self, flags: &[&str], json: bool) -> Console {
        let mut child = Command::new(self.program("console"))
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the console starts");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8(line).expect("lines are UTF-8");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Console {
            stdin: child.stdin.take(),
            stderr: child.stderr.take(),
            child,
            output: lines,
            json,
            seen: Vec::new(),
            commands: Vec::new(),
        }
    }
}

/// A running console. Dropped, it is killed; what it printed is checked with [`lines`] in any case.
pub(crate) struct Console {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: Option<ChildStderr>,
    output: Receiver<String>,
    json: bool,
    seen: Vec<String>,
    commands: Vec<String>,
}

/// The output and exit status of a console.
#[derive(Debug)]
pub(crate) struct End {
    /// The exit status.
    pub(crate) status: i32,
    /// Every line from the first on.
    pub(crate) lines: Vec<Value>,
    /// Standard error.
    pub(crate) errors: String,
}

impl Console {
    /// Gives a command.
    pub(crate) fn send(&mut self, command: &str) {
        self.send_bytes(command.as_bytes());
    }

    /// Gives a command that need not be UTF-8.
    pub(crate) fn send_bytes(&mut self, command: &[u8]) {
        self.commands.push(String::from_utf8_lossy(command).into_owned());
        let stdin = self.stdin.as_mut().expect("input has not ended");
        let mut line = command.to_vec();
        line.push(b'\n');
        // A console that has ended takes no commands; the lines show that.
        let _ = stdin.write_all(&line).and_then(|()| stdin.flush());
    }

    /// Gives these bytes, without the end of a line.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.commands.push(String::from_utf8_lossy(bytes).into_owned());
        let stdin = self.stdin.as_mut().expect("input has not ended");
        let _ = stdin.write_all(bytes).and_then(|()| stdin.flush());
    }

    /// Ends its input.
    pub(crate) fn end_input(&mut self) {
        self.commands.push("end of input".into());
        self.stdin = None;
    }

    /// The next line.
    pub(crate) fn next(&mut self) -> Value {
        let line = self.next_within(SOON);
        line.unwrap_or_else(|| panic!("no further line came\n{}", self.story()))
    }

    fn next_within(&mut self, limit: Duration) -> Option<Value> {
        let line = self.next_text(limit)?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The next line as it was printed; `None` after the last one, or if it takes longer.
    pub(crate) fn next_text(&mut self, limit: Duration) -> Option<String> {
        match self.output.recv_timeout(limit) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// The next line of this name; others before it are skipped.
    pub(crate) fn until(&mut self, ev: &str) -> Value {
        self.until_where(ev, |line| line["ev"] == ev)
    }

    /// The next line for which this holds.
    pub(crate) fn until_where(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + SOON;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.next_within(left) {
                Some(line) if holds(&line) => return line,
                Some(_) => {}
                None => panic!("no {what} came\n{}", self.story()),
            }
        }
    }

    /// What a command makes it print: the next line of the same name, or that the command was refused.
    pub(crate) fn ask(&mut self, command: &str) -> Value {
        self.send(command);
        let name = command.split(' ').next().expect("a word").to_owned();
        self.until_where(command, |line| {
            line["ev"] == name || (line["ev"] == "error" && line["command"] == name)
        })
    }

    /// A command that is refused with this code.
    pub(crate) fn refused(&mut self, command: &str, code: &str) -> Value {
        self.send(command);
        let line = self.until("error");
        assert_eq!(line["error"], code, "{command}: {line}");
        line
    }

    /// Every command so far is executed: none of them printed a line of this name, nor was one left unread.
    pub(crate) fn nothing_of(&mut self, ev: &str) {
        self.send("state");
        let line = self.until_where("state", |line| line["ev"] == "state" || line["ev"] == ev);
        assert_eq!(line["ev"], "state", "{line}\n{}", self.story());
    }

    /// The payloads of the messages of a subscription, of the lines that were read.
    pub(crate) fn seen_messages(&self, name: &str) -> Vec<String> {
        let parsed = self.parsed().into_iter();
        let of = parsed.filter(|line| line["ev"] == "message" && line["sub"] == name);
        of.map(|line| line["payload"].as_str().expect("text").to_owned())
            .collect()
    }

    /// How many of the lines that were read have this name.
    pub(crate) fn count(&self, ev: &str) -> usize {
        let mark = format!("{{\"ev\":\"{ev}\"");
        self.seen.iter().filter(|line| line.starts_with(&mark)).count()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> End {
        let end = Instant::now() + SOON;
        loop {
            match self
                .output
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end\n{}", self.story()),
            }
        }
        let status = self.child.wait().expect("a child").code().expect("no signal");
        let mut errors = String::new();
        if let Some(mut stderr) = self.stderr.take() {
            stderr
                .read_to_string(&mut errors)
                .expect("standard error is UTF-8");
        }
        let lines = if self.json { self.parsed() } else { Vec::new() };
        if self.json && status != 2 {
            let quit = self.commands.last().is_some_and(|last| last == "quit");
            lines::check_end(&lines, quit).unwrap_or_else(|error| panic!("{error}\n{}", self.story()));
        }
        End {
            status,
            lines,
            errors,
        }
    }

    /// Asks it to close, and waits for its end.
    pub(crate) fn close(mut self) -> End {
        self.send("close");
        let story = self.story();
        let end = self.end();
        assert_eq!(end.status, 0, "{}\n{story}", end.errors);
        end
    }

    fn parsed(&self) -> Vec<Value> {
        let parse =
            |line: &String| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.seen.iter().map(parse).collect()
    }

    fn story(&self) -> String {
        format!(
            "commands: {}\nprinted:\n{}",
            self.commands.join(" | "),
            self.seen.join("\n")
        )
    }

    fn cuts(&self) -> usize {
        let cut = |command: &&String| command.starts_with("reconnect") || command.starts_with("set-servers");
        self.commands.iter().filter(cut).count()
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.json || thread::panicking() {
            return;
        }
        while let Ok(line) = self.output.recv_timeout(Duration::from_secs(1)) {
            self.seen.push(line);
        }
        // A line that was cut off by the kill does not count.
        if self.seen.last().is_some_and(|line| !line.ends_with('}')) {
            self.seen.pop();
        }
        let checked = lines::check(&self.parsed(), self.cuts());
        if let Err(error) = checked {
            panic!("{error}\n{}", self.story());
        }
    }
}
