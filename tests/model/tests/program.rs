//! The program, from outside: what it says, and what clients see of the faults that it is told to have.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nats_conn_std::{Backoff, Client, ConnectOptions, Events, Subject, SubjectFilter};

/// No machine takes so long for anything here.
const LIMIT: Duration = Duration::from_secs(20);

/// The program, running.
struct Program {
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    urls: Vec<String>,
}

impl Program {
    /// It listens already. It ends with this.
    #[track_caller]
    fn start(flags: &[&str]) -> Self {
        let mut process = program()
            .args(["--port", "0", "--until-eof"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (sender, lines) = channel();
        let output = process.stdout.take().expect("a pipe");
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let servers = flags.iter().position(|flag| *flag == "--servers");
        let servers = servers.map_or(1, |at| flags[at + 1].parse().expect("a number"));
        let mut program = Self {
            input: process.stdin.take(),
            process,
            lines,
            urls: Vec::new(),
        };
        for _ in 0..servers {
            let line = program.line();
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!((words.len(), words[0]), (3, "listening"), "{line}");
            program.urls.push(words[2].to_owned());
        }
        program
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line")
    }

    /// Says a command, and gives what is answered.
    #[track_caller]
    fn tell(&mut self, command: &str) -> String {
        let input = self.input.as_mut().expect("it is open");
        writeln!(input, "{command}").expect("it reads");
        self.line()
    }

    #[track_caller]
    fn told(&mut self, command: &str) {
        assert_eq!(self.tell(command), format!("ok {command}"));
    }

    /// A client that keeps trying, and all that happens to it.
    #[track_caller]
    fn client(&self) -> (Client, Life) {
        self.client_with(|options| options)
    }

    #[track_caller]
    fn client_with(&self, set: impl FnOnce(ConnectOptions) -> ConnectOptions) -> (Client, Life) {
        let mut backoff = Backoff::default();
        backoff.jitter = Some(Duration::ZERO);
        backoff.base = Duration::from_millis(10);
        backoff.max = Duration::from_millis(50);
        let options = ConnectOptions::from_url(&self.urls.join(",")).expect("URLs");
        let options = options.retry_initial(true).randomize(false).backoff(backoff);
        let (client, events) = set(options).start().expect("it starts");
        (client, Life(events))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// What happens to a client.
struct Life(Events);

impl Life {
    /// The next event in whose text this is.
    #[track_caller]
    fn until(&mut self, wanted: &str) -> String {
        let mut seen = Vec::new();
        let until = Instant::now() + LIMIT;
        while let Ok(event) = self
            .0
            .next_timeout(until.saturating_duration_since(Instant::now()))
        {
            let text = format!("{event:?}");
            if text.contains(wanted) {
                return text;
            }
            seen.push(text);
        }
        panic!("no {wanted} among {seen:#?}");
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_nats-conn-model-server"))
}

fn output(flags: &[&str]) -> Output {
    program()
        .args(flags)
        .stdin(Stdio::null())
        .output()
        .expect("it runs")
}

#[test]
fn it_says_how_it_is_used() {
    let help = output(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("--fault 'WHEN: WHAT, ...'"));
    let wrong = output(&["--fault", "sometimes: close"]);
    assert_eq!(wrong.status.code(), Some(2));
    let text = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        text.contains("--fault: \"sometimes\" is no moment: write accept") && text.contains("--help"),
        "{text}"
    );
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let first = Program::start(&[]);
    let port = first.urls[0].rsplit(':').next().expect("a port");
    let second = output(&["--port", port]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("cannot listen"));
}

#[test]
fn without_faults_it_serves() {
    let mut program = Program::start(&["--name", "east", "--max-payload", "100"]);
    let (client, mut life) = program.client();
    life.until("Connected");
    let info = client.server_info().expect("a session");
    assert_eq!(
        (info.server_name.as_deref(), info.max_payload),
        (Some("east"), Some(100))
    );
    let mut orders = client
        .subscribe(SubjectFilter::from_static("orders.>"))
        .expect("open");
    client.publish("orders.eu", "42").wait().expect("room");
    assert_eq!(orders.next_timeout(LIMIT).expect("it comes").payload(), b"42");
    program.told("publish orders.us from elsewhere");
    assert_eq!(
        orders.next_timeout(LIMIT).expect("it comes").payload(),
        b"from elsewhere"
    );
    assert_eq!(program.tell("links"), "links east 1");
    client.close().wait();
    program.told("quit");
    assert!(program.process.wait().expect("it ends").success());
}

#[test]
fn a_user_a_token_or_nobody_is_taken() {
    let program = Program::start(&["--user", "ann", "--pass", "s3cret"]);
    let (_client, mut life) = program.client_with(|options| options.user_password("ann", "s3cret"));
    life.until("Connected");
    let (_client, mut life) = program.client();
    life.until("Authorization Violation");
    let program = Program::start(&["--token", "t0ken"]);
    let (_client, mut life) = program.client_with(|options| options.token("t0ken"));
    life.until("Connected");
    let mut program = Program::start(&["--refuse", "max-connections"]);
    let (_client, mut life) = program.client();
    life.until("maximum connections exceeded");
    program.told("welcome");
    let (_client, mut life) = program.client();
    life.until("maximum connections exceeded");
}

/// The first link fails, the next one does not.
#[test]
fn a_handshake_fails_as_it_is_told() {
    for (fault, expected) in [
        ("accept: close", "the server closed the connection"),
        ("accept: reset", "ConnectFailed"),
        ("accept: nothing", "timed out"),
        ("accept: garbage, close", "ConnectFailed"),
        ("accept: err=shutdown, close", "Server Shutdown"),
        ("accept: silence", "timed out"),
        ("connect: err=auth, close", "Authorization Violation"),
        ("connect: close", "the server closed the connection"),
        ("after=1ping: nothing", "timed out"),
        ("after=1ping: err='so, no', close", "so, no"),
    ] {
        let program = Program::start(&["--next-fault", fault]);
        let (_client, mut life) =
            program.client_with(|options| options.connect_timeout(Duration::from_millis(500)));
        let failed = life.until("ConnectFailed");
        assert!(failed.contains(expected), "{fault}: {failed}");
        life.until("Connected");
    }
}

#[test]
fn a_session_goes_wrong_as_it_is_told() {
    for (fault, expected) in [
        ("after=1subs: close", "the server closed the connection"),
        ("after=1subs: reset", "Disconnected"),
        ("after=1subs: garbage", "reason: protocol: "),
        ("after=1subs: silence", "the server does not answer"),
        ("from=2pings: nothing", "the server does not answer"),
        ("after=1subs: err=stale, close", "Stale Connection"),
        ("after=1subs: err=slow", "Slow Consumer"),
        ("after=1subs: ldm", "LameDuck"),
        ("after=1subs: urls='10.1.2.3:4222 10.1.2.4:4222'", "10.1.2.4:4222"),
        ("after=200ms: close", "the server closed the connection"),
        ("after=1subs: wait=100ms, send=-ERR\\x20'late'\\r\\n", "late"),
    ] {
        let program = Program::start(&["--fault", fault]);
        let (client, mut life) =
            program.client_with(|options| options.ping_interval(Duration::from_millis(200)));
        life.until("Connected");
        let _subscription = client.subscribe(SubjectFilter::from_static("a")).expect("open");
        life.until(expected);
    }
}

#[test]
fn a_link_ends_after_a_hundred_messages() {
    let program = Program::start(&["--fault", "after=100msgs:close"]);
    let (client, mut life) = program.client();
    life.until("Connected");
    let subject = Subject::from_static("a");
    let mut subscription = client.subscribe(subject.clone()).expect("open");
    for _ in 0..100 {
        client.publish(&subject, "").wait().expect("room");
    }
    life.until("Disconnected");
    life.until("Reconnected");
    let mut came = 0;
    while subscription.try_next().is_some() {
        came += 1;
    }
    assert_eq!(came, 100);
}

#[test]
fn a_publish_gets_lost_as_it_is_told() {
    let program = Program::start(&["--fault", "after=2pubs: nothing"]);
    let (client, mut life) = program.client();
    life.until("Connected");
    let subject = Subject::from_static("a");
    let mut subscription = client.subscribe(subject.clone()).expect("open");
    for text in ["1", "2", "3"] {
        client.publish(&subject, text).wait().expect("room");
    }
    let mut next = || {
        subscription
            .next_timeout(LIMIT)
            .expect("it comes")
            .payload()
            .to_vec()
    };
    assert_eq!((next(), next()), (b"1".to_vec(), b"3".to_vec()));
}

/// Each is sent as a real server sends it, and the client knows all of them.
#[test]
fn every_error_of_a_server_can_be_sent() {
    let help = String::from_utf8(output(&["--help"]).stdout).expect("a text");
    let names = help.split("ERROR is a text").nth(1).expect("the list");
    let names = names.split("Commands").next().expect("the list");
    let names: Vec<&str> = names.lines().skip(1).flat_map(str::split_whitespace).collect();
    assert_eq!(names.len(), 25);
    let mut program = Program::start(&[]);
    let (_client, mut life) = program.client();
    life.until("Connected");
    for name in names {
        program.told(&format!("do err={name}"));
        life.until("ServerError");
    }
    assert!(
        program
            .tell("do err=nonsense")
            .contains("is no error of a server")
    );
}

#[test]
fn bytes_arrive_one_by_one_where_that_is_wanted() {
    let program = Program::start(&["--split", "1", "--split-pause", "1ms"]);
    let start = Instant::now();
    let mut stream = TcpStream::connect(program.urls[0].trim_start_matches("nats://")).expect("it listens");
    let mut seen = [0; 64];
    stream.set_read_timeout(Some(LIMIT)).expect("a time");
    stream.read_exact(&mut seen).expect("INFO");
    assert!(seen.starts_with(b"INFO {"));
    assert!(start.elapsed() >= Duration::from_millis(63));
    let (_client, mut life) = program.client();
    life.until("Connected");
}

#[test]
fn a_server_that_stops_reading_holds_publishers_up() {
    let mut program = Program::start(&[]);
    let (client, mut life) = program.client_with(|options| {
        options
            .send_buffer(1 << 20)
            .publish_timeout(Duration::from_millis(300))
    });
    life.until("Connected");
    program.told("stop-reading");
    let (subject, payload) = (Subject::from_static("a"), vec![0_u8; 256 << 10]);
    // Some of it lies in the buffers of the system.
    let full = (0..1000).any(|_| client.publish(&subject, &payload[..]).wait().is_err());
    assert!(full);
    program.told("read");
    client.flush().wait().expect("it reads again");
}

#[test]
fn servers_come_and_go_and_announce_each_other() {
    let mut program = Program::start(&["--servers", "2"]);
    let (client, mut life) = program.client();
    life.until("Connected");
    let name = |client: &Client| client.server_info().and_then(|info| info.server_name.clone());
    assert_eq!(name(&client).as_deref(), Some("n1"));
    program.told("@1 crash");
    life.until("Reconnected");
    assert_eq!(name(&client).as_deref(), Some("n2"));
    program.told("@1 restart");
    program.told("@2 lame-duck 10s");
    life.until("LameDuck");
    life.until("Reconnected");
    assert_eq!(name(&client).as_deref(), Some("n1"));
    assert_eq!(program.tell("@3 crash"), "error there are 2 servers");
}

#[test]
fn a_client_may_give_commands_over_the_control_subject() {
    let program = Program::start(&[
        "--control",
        "model.control",
        "--fault",
        "after=1subs: wait=10ms, ping",
    ]);
    let (client, mut life) = program.client();
    life.until("Connected");
    let control = Subject::from_static("model.control");
    let answer = |command: &'static str| {
        client
            .request(&control, command)
            .wait()
            .expect("an answer")
            .payload()
            .to_vec()
    };
    assert_eq!(answer("links"), b"links n 1");
    assert_eq!(answer("do err='by order'"), b"ok do err='by order'");
    life.until("by order");
    assert!(answer("dance").starts_with(b"error \"dance\" is no command"));
    client.publish(&control, "crash").wait().expect("room");
    life.until("Disconnected");
}

#[test]
fn commands_are_done_at_their_time() {
    let program = Program::start(&["--at", "500ms: crash", "--at", "600ms: restart"]);
    let (_client, mut life) = program.client();
    life.until("Connected");
    life.until("Disconnected");
    life.until("Reconnected");
    assert_eq!([program.line(), program.line()], ["ok crash", "ok restart"]);
}

#[test]
fn what_no_server_takes_is_printed_and_with_strict_the_exit_status_says_so() {
    for (flags, status) in [(&["--strict"][..], 1), (&[], 0)] {
        let mut program = Program::start(flags);
        let mut stream =
            TcpStream::connect(program.urls[0].trim_start_matches("nats://")).expect("it listens");
        stream.write_all(b"PING\r\n").expect("it reads");
        assert_eq!(program.line(), "odd link 0: ConnectNotFirst(\"PING\")");
        stream.write_all(b"HELLO\r\n").expect("it reads");
        assert!(program.line().starts_with("violation link 0: Malformed"));
        program.told("quit");
        assert_eq!(program.process.wait().expect("it ends").code(), Some(status));
    }
}

/// The interpreter with nats-py, where `tests/run` has installed it.
fn python() -> Option<Command> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/foreign/python/bin/python");
    if python.exists() {
        return Some(Command::new(python));
    }
    let wanted = std::env::var("FOREIGN_CLIENTS").unwrap_or_default();
    assert!(!wanted.contains("python"), "{} is not there", python.display());
    eprintln!("NOT RUN: the python client is not installed: run tests/run");
    None
}

/// The program of the read-me, as it stands there.
#[test]
fn the_example_with_nats_py_runs() {
    let Some(mut python) = python() else { return };
    let page = include_str!("../README.md");
    let example = page
        .split("```python\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let example = example.expect("the example");
    let name = "\"nats-conn-model-server\"";
    assert!(example.contains(name));
    let here = format!("{:?}", env!("CARGO_BIN_EXE_nats-conn-model-server"));
    let output = python
        .arg("-c")
        .arg(example.replace(name, &here))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
}

/// Every row of the table of the read-me is flags that the program takes.
#[test]
fn the_flags_of_the_read_me_are_taken() {
    let rows = include_str!("../README.md")
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("`--"));
    let mut count = 0;
    for row in rows {
        let line = row.split('`').nth(1).expect("flags");
        let flags: Vec<&str> = line
            .split('\'')
            .enumerate()
            .flat_map(|(index, part)| match index % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            })
            .collect();
        drop(Program::start(&flags));
        count += 1;
    }
    assert!(count > 10);
}

/// nats-py, where `tests/run` has installed it: it connects, is cut off, comes back, and drains.
#[test]
fn nats_py_lives_on_it() {
    let Some(mut python) = python() else { return };
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("../foreign/client.py");
    let mut program = Program::start(&["--strict", "--split", "3"]);
    let mut process = python
        .arg(client)
        .arg(&program.urls[0])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let mut line = || lines.next().transpose().expect("text");
    assert_eq!(line().as_deref(), Some("cut"));
    for command in ["crash", "restart"] {
        let mut answer = program.tell(command);
        // What nats-py does and ours must not.
        while answer.starts_with("odd ") {
            answer = program.line();
        }
        assert_eq!(answer, format!("ok {command}"));
    }
    assert_eq!(line().as_deref(), Some("done"));
    assert!(process.wait().expect("it ends").success());
    drop(program.input.take());
    assert!(
        program.process.wait().expect("it ends").success(),
        "nothing that no server takes"
    );
}
