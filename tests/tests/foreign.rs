//! Other NATS clients (`foreign/`) run against the model server as against real ones, and what real servers accept from
//! any client the model server accepts, too. A client that is not installed is skipped with a message: see `tests/run`.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nats_conn_tests::model_server::{Fault, Op};
use nats_conn_tests::on_every_server;
use nats_conn_tests::real_server::{RealServer, ServerConfig};
use nats_conn_tests::tcp_server::TcpCluster;

/// Whose client it is.
#[derive(Clone, Copy, Debug)]
enum Client {
    Python,
    Node,
    Rust,
}

impl Client {
    /// The folder in `target/foreign`, and its word in `FOREIGN_CLIENTS`.
    fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Rust => "rust",
        }
    }

    /// The command that lives its life, if it is installed. It has to be if `FOREIGN_CLIENTS` names it.
    fn command(self) -> Option<Command> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (source, installed) = (
            here.join("foreign"),
            here.join("../target/foreign").join(self.name()),
        );
        let (program, script): (PathBuf, Option<PathBuf>) = match self {
            Self::Python => (installed.join("bin/python"), Some(source.join("client.py"))),
            // Modules are looked for beside the script.
            Self::Node => (installed.join("node_modules"), Some(installed.join("client.mjs"))),
            Self::Rust => (installed.join("debug/nats-conn-foreign"), None),
        };
        if !program.exists() {
            let wanted = std::env::var("FOREIGN_CLIENTS").unwrap_or_default();
            let wanted = wanted.split_whitespace().any(|name| name == self.name());
            assert!(!wanted, "{} is not there: run tests/run", program.display());
            eprintln!(
                "NOT RUN: the {} client is not installed: run tests/run",
                self.name()
            );
            return None;
        }
        let mut command = match self {
            Self::Node => Command::new("node"),
            Self::Python | Self::Rust => Command::new(program),
        };
        if let (Self::Node, Some(script)) = (self, &script) {
            fs::copy(source.join("client.mjs"), script).expect("copied");
        }
        command.args(script);
        Some(command)
    }

    /// Lives its life on a server that `cut` cuts off and brings back. Whether it was there to do so.
    fn live(self, url: &str, cut: impl FnOnce()) -> bool {
        let Some(mut command) = self.command() else {
            return false;
        };
        let mut process = command
            .arg(url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut line = || lines.next().transpose().expect("text");
        let first = line();
        if first.as_deref() == Some("cut") {
            cut();
        }
        let reported = [first, line(), line()];
        let status = process.wait().expect("it ends");
        assert!(status.success(), "{self:?}: {status}, printed {reported:?}");
        assert_eq!(
            reported,
            [Some("cut".to_owned()), Some("done".to_owned()), None],
            "{self:?}"
        );
        true
    }

    fn live_on_the_model(self) {
        let cluster = TcpCluster::start(1).expect("a free port");
        let server = cluster.server(0);
        let lived = self.live(&server.url(), || {
            server.crash();
            server.restart().expect("the same port");
        });
        if !lived {
            return;
        }
        let violations = cluster.violations();
        let serious: Vec<_> = violations
            .iter()
            .filter(|violation| !violation.fault.is_tolerated())
            .collect();
        assert!(serious.is_empty(), "no real server takes that: {serious:?}");
        let logs = cluster.logs();
        let published = |subject: &str| {
            let all = logs.iter().flat_map(|log| log.publishes());
            all.filter(|(to, _)| *to == subject).count()
        };
        assert_eq!((published("day.one"), published("day.two")), (1, 1));
        let queue = logs
            .iter()
            .flat_map(|log| &log.frames)
            .any(|frame| matches!(&frame.op, Op::Subscribe { queue: Some(queue), .. } if queue == "workers"));
        assert!(
            queue && logs.len() >= 2,
            "it subscribed in a group, and came back"
        );
    }
}

#[test]
fn nats_py_lives_on_the_model_server() {
    Client::Python.live_on_the_model();
}

#[test]
fn nats_js_lives_on_the_model_server() {
    Client::Node.live_on_the_model();
}

#[test]
fn async_nats_lives_on_the_model_server() {
    Client::Rust.live_on_the_model();
}

const HELLO: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\nPING\r\n";

/// What a client may write after the handshake.
const LINES: &[&str] = &[
    "SUB a  1\r\n",
    "SUB  a 1\r\n",
    "SUB a 1 \r\n",
    "SUB\ta\t1\r\n",
    "SUB a  q  1\r\n",
    "sub a 1\r\n",
    "Sub a 01\r\n",
    "SUB a 1\n",
    "SUB a q 1 2\r\n",
    "SUB a\r\n",
    "SUB\r\n",
    "SUB a..b 1\r\n",
    "SUB a.>.b 1\r\n",
    "UNSUB 9\r\n",
    "UNSUB 9 \r\n",
    "UNSUB  9  3\r\n",
    "UNSUB 9 0\r\n",
    "UNSUB 9 x\r\n",
    "UNSUB 9 3 4\r\n",
    "UNSUB\r\n",
    "PUB  a 0\r\n\r\n",
    "PUB a  0\r\n\r\n",
    "PUB\ta\tr\t2\r\nhi\r\n",
    "pub a 00\r\n\r\n",
    "PUB a 2\nhi\r\n",
    "PUB a 2\r\nhi\n",
    "PUB a 2\r\nhi!\r\n",
    "PUB a.* 0\r\n\r\n",
    "PUB a..b 0\r\n\r\n",
    "PUB a x\r\n",
    "PUB a -1\r\n",
    "PUB a b c 0\r\n\r\n",
    "PUB 0\r\n\r\n",
    "HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
    "HPUB  a  12  14\r\nNATS/1.0\r\n\r\nhi\r\n",
    "hpub a r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    "HPUB a 4 6\r\nhehehi\r\n",
    "HPUB a 14 12\r\nNATS/1.0\r\n\r\n\r\n",
    "PING \r\n",
    "ping\r\n",
    "PING and more\r\n",
    "PING\n",
    "PONG\r\n",
    "pong \r\n",
    "CONNECT {\"verbose\":false}\r\n",
    "CONNECT  {\"lang\":\"x\",\"surprise\":1}\r\n",
    "connect {}\r\n",
    "CONNECT {\r\n",
    "\r\n",
    "MSG a 1 0\r\n\r\n",
    "PUBLISH a 0\r\n\r\n",
    "-ERR 'x'\r\n",
];

/// Whether the link is still there after this, and which `-ERR` came.
fn outcome(address: SocketAddr, line: &str) -> (bool, Vec<String>) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    // It may be closed in between.
    let _ = stream.write_all(format!("{HELLO}{line}PING\r\n").as_bytes());
    let _ = stream.write_all(b"PUB end 0\r\n\r\nSUB the.end 77\r\nPUB the.end 0\r\n\r\n");
    let mut heard = Vec::new();
    let mut bytes = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        let there = text.contains("MSG the.end 77 0\r\n");
        let errors = || {
            text.lines()
                .filter(|line| line.starts_with("-ERR"))
                .map(str::to_owned)
                .collect()
        };
        if there {
            return (true, errors());
        }
        match stream.read(&mut bytes) {
            Ok(0) => return (false, Vec::new()),
            Ok(count) => heard.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (false, Vec::new()),
            Err(error) => panic!("{line:?}: {error}, received {text}"),
        }
    }
}

on_every_server! {
    fn the_model_server_reads_what_this_server_reads(version) {
        let real = RealServer::start(version, ServerConfig::new());
        let cluster = TcpCluster::start(1).expect("a free port");
        let model = cluster.server(0);
        let wrong: Vec<String> = LINES
            .iter()
            .map(|line| (line, outcome(real.address(), line), outcome(model.address(), line)))
            .filter(|(_, real, model)| real != model)
            .map(|(line, real, model)| format!("{line:?}: real {real:?}, model {model:?}"))
            .collect();
        assert!(wrong.is_empty(), "{version} and the model differ:\n{}", wrong.join("\n"));
        let odd = cluster.violations().iter().filter(|v| matches!(v.fault, Fault::Spelling(_))).count();
        assert!(odd > 20, "what our client must not write is still written down: {odd}");
    }

    fn other_clients_live_on_this_server(version) {
        for client in [Client::Python, Client::Node, Client::Rust] {
            let server = RealServer::start(version, ServerConfig::new());
            client.live(&server.url(), || server.restart());
        }
    }
}
