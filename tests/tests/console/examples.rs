//! The other examples of every adapter as processes of their own: documentation that is copied. Whatever is wrong with
//! their arguments or with their server, they end, and report why in one readable line.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nats_conn_tests::model_server::{Auth, Settings, Tls};
use nats_conn_tests::tcp_server::TcpCluster;

use crate::scene::*;

/// How long one may take that has to end: an attempt has 5 s, and a server that refuses is tried for 10 s.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// An example that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    name: String,
    pub(crate) lines: Receiver<String>,
    errors: Option<thread::JoinHandle<String>>,
}

/// The output and exit status of one.
pub(crate) struct Ended {
    name: String,
    status: Option<i32>,
    pub(crate) lines: Vec<String>,
    errors: String,
}

impl Running {
    pub(crate) fn start(adapter: Adapter, example: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(adapter.program(example))
            .args(arguments)
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.into_iter().for_each(|line| drop(sender.send(line)));
        });
        let mut stderr = child.stderr.take().expect("piped");
        let errors = thread::spawn(move || {
            let mut errors = String::new();
            stderr.read_to_string(&mut errors).expect("UTF-8");
            errors
        });
        Self {
            child,
            name: format!("{example} {arguments:?}"),
            lines,
            errors: Some(errors),
        }
    }

    /// Asks it to end, as a person would.
    pub(crate) fn ask_to_end(&mut self, adapter: Adapter) {
        if matches!(adapter, Adapter::Std) {
            return drop(self.child.stdin.take());
        }
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let until = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(
                Instant::now() < until,
                "{} does not end: {:?}",
                self.name,
                self.lines.try_iter().collect::<Vec<_>>()
            );
            thread::sleep(ms(5));
        };
        let errors = self.errors.take().expect("once").join().expect("read");
        Ended {
            name: self.name.clone(),
            status: status.code(),
            lines: self.lines.iter().collect(),
            errors,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// It has succeeded.
    pub(crate) fn went_well(&self) {
        assert_eq!(
            (self.status, self.errors.as_str()),
            (Some(0), ""),
            "{}: {:?}",
            self.name,
            self.lines
        );
    }

    /// It has failed, with a line that contains this.
    fn failed(&self, why: &str) {
        let Self { name, errors, .. } = self;
        assert_eq!(self.status, Some(1), "{name}: {errors}");
        assert!(
            errors.starts_with("Error: ") && errors.lines().count() == 1,
            "{name}: {errors}"
        );
        assert!(errors.contains(why), "{name}: {errors}");
        // Neither what a structure prints as, nor a secret.
        assert!(
            !errors.contains("{ ") && !errors.contains("s3cret"),
            "{name}: {errors}"
        );
        assert!(
            self.lines.iter().all(|line| !line.contains("s3cret")),
            "{name}: {:?}",
            self.lines
        );
    }
}

/// An example, its arguments before the URL, and whether it continues without a server.
const ALL: [(&str, &[&str]); 9] = [
    ("publish", &["ex.a", "x"]),
    ("confirmed", &["ex.a", "x"]),
    ("request", &["ex.a", "x"]),
    ("drain", &[]),
    ("headers", &[]),
    ("queue_group", &[]),
    ("several_replies", &[]),
    ("reply", &["ex.a"]),
    ("subscribe", &["ex.a"]),
];

fn run(adapter: Adapter, (example, arguments): (&str, &[&str]), url: &str) -> Running {
    let arguments: Vec<&str> = arguments.iter().copied().chain([url]).collect();
    Running::start(adapter, example, &arguments)
}

pub(crate) fn cluster(settings: Settings) -> TcpCluster {
    TcpCluster::start_with(vec![Settings { port: 0, ..settings }]).expect("a free port")
}

pub(crate) fn until(mut ready: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !ready() {
        assert!(Instant::now() < end, "timed out");
        thread::sleep(ms(5));
    }
}

/// The same URL with userinfo.
fn with(userinfo: &str, url: &str) -> String {
    url.replace("nats://", &format!("nats://{userinfo}@"))
}

consoles! {
    fn each_example_works_with_and_without_a_password_and_ends_when_asked_to(adapter) {
        let auth = Auth::Password { user: "ann".into(), password: "s3cret".into() };
        let cluster = cluster(Settings { auth, ..Settings::new("n1") });
        let url = with("ann:s3cret", &cluster.server(0).url());
        let mut readers = [("reply", ["ex.ask"]), ("subscribe", ["ex.a"])].map(|(example, filter)| run(adapter, (example, &filter), &url));
        until(|| cluster.server(0).connections() == 2);
        let subscribed = || cluster.logs().iter().map(|log| log.frames.len()).sum::<usize>();
        until(|| subscribed() >= 6);
        run(adapter, ("publish", &["ex.a", "hello"]), &url).end().went_well();
        let confirmed = run(adapter, ("confirmed", &["ex.b", "hello"]), &url).end();
        confirmed.went_well();
        assert_eq!(confirmed.lines, ["the server has processed 100 messages", "ex.b: hello"]);
        let asked = run(adapter, ("request", &["ex.ask", "hello"]), &url).end();
        asked.went_well();
        assert_eq!(asked.lines, ["HELLO"]);
        let nobody = run(adapter, ("request", &["ex.nobody", "hello"]), &url).end();
        nobody.went_well();
        assert_eq!(nobody.lines, ["nobody listens on ex.nobody"]);
        run(adapter, ("drain", &[]), &url).end().went_well();
        readers.iter_mut().for_each(|reader| reader.ask_to_end(adapter));
        let [_, subscribe] = readers.map(|reader| {
            let ended = reader.end();
            ended.went_well();
            ended
        });
        assert!(subscribe.lines.contains(&"ex.a: hello".into()), "{:?}", subscribe.lines);
    }

    // behaviour: 9.2
    fn a_reader_ends_with_the_reason_when_its_connection_closes(adapter) {
        let cluster = cluster(Settings::new("n1"));
        let server = cluster.server(0);
        let readers = [("reply", &["ex.a"][..]), ("subscribe", &["ex.a"])].map(|example| run(adapter, example, &server.url()));
        until(|| server.connections() == 2);
        // Who has no password any more is tried for 10 s.
        server.refuse_auth(true);
        server.expel("User Authentication Expired");
        for reader in readers {
            let ended = reader.end();
            ended.failed("the connection is closed: every server was removed for its authentication errors");
        }
    }

    fn a_reader_that_may_not_subscribe_says_so(adapter) {
        let cluster = cluster(Settings { deny_subscribe: vec!["ex.a".into()], ..Settings::new("n1") });
        for example in [("reply", &["ex.a"][..]), ("subscribe", &["ex.a"])] {
            run(adapter, example, &cluster.server(0).url()).end().failed("does not permit");
        }
        let refused = run(adapter, ("confirmed", &["ex.a", "x"]), &cluster.server(0).url()).end();
        refused.failed("the server refused the subscription (Permissions Violation for Subscription to \"ex.a\")");
    }

    fn each_example_reports_what_is_wrong_with_its_arguments(adapter) {
        for arguments in [&["--nonsense"][..], &["--server"]] {
            let tour = Running::start(adapter, "tour", arguments).end();
            assert_eq!((tour.status, tour.errors.as_str()), (Some(2), "usage: tour [--server URL…]\n"));
        }
        for (example, arguments) in ALL {
            if !arguments.is_empty() {
                let bare = Running::start(adapter, example, &[]).end();
                assert!(bare.status == Some(2) && bare.errors.starts_with(&format!("usage: {example} ")), "{}", bare.errors);
                let bad: Vec<&str> = arguments.iter().map(|word| word.strip_suffix("a").map_or(*word, |_| "ex..a")).collect();
                let cluster = cluster(Settings::new("n1"));
                run(adapter, (example, &bad), &cluster.server(0).url()).end().failed("empty token at byte 3");
            }
            for (url, why) in [
                ("http://127.0.0.1:1", "`http://` is not a scheme of NATS"),
                ("ws://127.0.0.1:1", "not supported yet"),
                ("nats://ann:s3cret@127.0.0.1:99999", "port"),
                ("nats://ann:s3cret@", "no usable host"),
                ("", "empty"),
            ] {
                run(adapter, (example, arguments), url).end().failed(why);
            }
        }
    }

    fn each_example_reports_what_is_wrong_with_its_server(adapter) {
        let auth = Auth::Password { user: "ann".into(), password: "other".into() };
        let strict = cluster(Settings { auth, ..Settings::new("n1") });
        let clear = cluster(Settings::new("n1"));
        let tls = cluster(Settings { tls: Tls::Required, ..Settings::new("n1") });
        let wrong = [
            (dead_url(), "is a server running there"),
            (with("ann:s3cret", &strict.server(0).url()), "check user, password, token"),
            (clear.server(0).url().replace("nats://", "tls://"), "TLS"),
            (tls.server(0).url(), "TLS"),
        ];
        for (url, why) in wrong {
            // The last waits for a server, however long it takes.
            let running: Vec<Running> = ALL[..8].iter().map(|example| run(adapter, *example, &url)).collect();
            running.into_iter().for_each(|running| running.end().failed(why));
        }
    }
}

/// Asks a program that answers HTTP: the status line, and what follows the head.
fn ask(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.lines().next().unwrap_or_default().into(), body.into())
}

/// An example that answers HTTP, and where.
fn serving(example: &str, url: &str) -> (Running, String) {
    let running = Running::start(Adapter::Tokio, example, &[url, "127.0.0.1:0"]);
    let line = running.lines.recv_timeout(LIMIT).expect("its first line");
    let address = line.trim_start_matches("http://").split('/').next();
    let address = address.expect("an address").to_owned();
    (running, address)
}

fn ends_when_asked_to(mut running: Running) {
    running.ask_to_end(Adapter::Tokio);
    running.end().went_well();
}

#[test]
fn the_example_metrics_answers_a_scrape() {
    let cluster = cluster(Settings::new("n1"));
    let (running, address) = serving("metrics", &cluster.server(0).url());
    let page = || ask(&address, "/metrics");
    until(|| {
        page()
            .1
            .contains("\nnats_client_connected{connection=\"example\"} 1\n")
    });
    assert_eq!(page().0, "HTTP/1.1 200 OK");
    assert_eq!(ask(&address, "/").0, "HTTP/1.1 404 Not Found");
    ends_when_asked_to(running);
}

#[test]
fn the_example_health_is_live_without_a_server_and_ready_with_one() {
    let cluster = cluster(Settings::new("n1"));
    let (running, address) = serving("health", &cluster.server(0).url());
    let is_fine = |path: &str| ask(&address, path).0 == "HTTP/1.1 200 OK";
    until(|| is_fine("/readyz"));
    assert!(ask(&address, "/readyz").1.starts_with("connected to "));
    cluster.server(0).crash();
    until(|| !is_fine("/readyz"));
    assert!(is_fine("/healthz"), "a restart would not help");
    cluster.server(0).restart().expect("its port is free");
    until(|| is_fine("/readyz"));
    ends_when_asked_to(running);
}
