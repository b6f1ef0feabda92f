//! The first command of the README does what it says.

use std::process::{Command, Output};

fn tour(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nats-conn-tour"));
    command.args(arguments);
    command
}

fn output(arguments: &[&str]) -> Output {
    tour(arguments).output().expect("it starts")
}

#[test]
fn it_sees_everything_that_the_client_promises_in_this_order() {
    let output = output(&[]);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().last(), Some("everything was as promised"), "{text}");
    let mut rest = text.as_str();
    for stage in [
        "two servers: ",
        "the first server goes into lame duck mode",
        "now the second one crashes",
        "nobody is left",
        "lets nobody in",
        "lets everybody in again",
        "the application closes the connection",
    ] {
        let place = rest.find(stage);
        let place = place.unwrap_or_else(|| panic!("{stage}, in its place: {text}"));
        rest = &rest[place..];
    }
}

#[test]
fn what_it_does_not_understand_is_answered_with_its_usage() {
    for arguments in [&["--nonsense"][..], &["--server"]] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stderr, "usage: tour [--server URL…]\n".as_bytes());
    }
}

/// Whoever is at the keyboard is a signal here.
#[cfg(unix)]
mod by_hand {
    use std::io::Read;
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use nats_conn_model_server::tcp_server::TcpCluster;

    use super::*;

    /// How long it may take that has to happen.
    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn it_watches_other_servers_until_ctrl_c() {
        let cluster = TcpCluster::start(1).expect("a free port");
        let url = cluster.server(0).url();
        let mut child = tour(&["--server", &url])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut output = child.stdout.take().expect("piped");
        // Its publishes come back to it: the handler of Ctrl-C is in place, and the connection up.
        let start = Instant::now();
        while cluster.logs().iter().all(|log| log.frames.len() < 5) {
            assert!(start.elapsed() < LIMIT, "timed out");
            std::thread::sleep(Duration::from_millis(5));
        }
        interrupt(&child);
        let mut text = String::new();
        output.read_to_string(&mut text).expect("text");
        assert!(child.wait().expect("a child").success(), "{text}");
        assert!(
            text.lines()
                .next()
                .is_some_and(|line| line.ends_with("Ctrl-C ends it")),
            "{text}"
        );
        assert_eq!(text.lines().last(), Some("everything was as promised"), "{text}");
    }

    fn interrupt(child: &Child) {
        let pid = child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status();
        assert!(status.expect("there is a `kill`").success());
    }
}
