//! The examples that show one thing each, and those for people who come from another client, as processes of their own.

use std::fs;

use nats_conn_tests::model_server::Settings;
use nats_conn_tests::real_server::{Operator, RealServer, ServerConfig, ServerTls, TlsFiles};

use crate::examples::{LIMIT, Running, cluster, until};
use crate::scene::*;

/// The seven languages in which the documentation of NATS shows how to listen for reconnects, and that of async-nats.
const LANGUAGES: [&str; 8] = [
    "go",
    "java",
    "javascript",
    "python",
    "csharp",
    "ruby",
    "c",
    "rust",
];

/// Runs one to its end, which is a success, and gives what it printed.
fn lines_of(adapter: Adapter, example: &str, arguments: &[&str]) -> Vec<String> {
    let ended = Running::start(adapter, example, arguments).end();
    ended.went_well();
    ended.lines
}

/// Waits until it prints a line that begins so, in any case.
fn until_printed(running: &Running, beginning: &str) {
    loop {
        let line = running.lines.recv_timeout(LIMIT).expect("another line");
        if line.to_lowercase().starts_with(beginning) {
            return;
        }
    }
}

consoles! {
    fn examples_about_messages_print_what_arrived(adapter) {
        let cluster = cluster(Settings::new("n1"));
        let url = cluster.server(0).url();
        assert_eq!(lines_of(adapter, "headers", &[&url]), ["Order-Id: 42", "Note: first", "Note: second"]);
        assert_eq!(lines_of(adapter, "queue_group", &[&url]).last().map(String::as_str), Some("together: 300"));
        let mut replies = lines_of(adapter, "several_replies", &[&url]);
        assert_eq!(replies.pop().as_deref(), Some("ended: Some(Ok(Stalled))"));
        replies.sort();
        assert_eq!(replies, ["shop 1 is open", "shop 2 is open", "shop 3 is open"]);
        let sent = lines_of(adapter, "at_least_once", &["10", &url]);
        assert_eq!(sent, ["accepted 10, confirmed 10, dropped 0; 1 sessions"]);
    }

    fn the_example_recording_writes_a_life_that_can_be_replayed(adapter) {
        let cluster = cluster(Settings::new("n1"));
        let file = std::env::temp_dir().join(format!("nats-example-{}-{}.rec", std::process::id(), adapter.folder()));
        lines_of(adapter, "recording", &[&file.display().to_string(), &cluster.server(0).url()]);
        let recording = nats_conn_sm::recording::Recording::read(fs::read(&file).expect("a file"));
        let replay = nats_conn_sm::recording::Replayer::run(recording.expect("a recording"));
        assert!(replay.is_ok(), "{replay:?}");
        fs::remove_file(file).expect("it is there");
    }

    fn the_example_events_prints_a_loss_and_a_return(adapter) {
        let cluster = cluster(Settings::new("n1"));
        let server = cluster.server(0);
        let mut running = Running::start(adapter, "events", &[&server.url()]);
        until_printed(&running, "connected");
        server.expel("Stale Connection");
        until_printed(&running, "disconnected");
        until_printed(&running, "reconnected");
        running.ask_to_end(adapter);
        running.end().went_well();
    }

    fn the_examples_tls_and_creds_enter_a_real_server(adapter, version) {
        let files = TlsFiles::new();
        let server = RealServer::start(version, ServerConfig::new().tls(ServerTls::new(&files)));
        let printed = lines_of(adapter, "tls", &[&server.tls_url(), &files.ca.display().to_string()]);
        assert!(printed[0].starts_with("round trip with TLS: "), "{printed:?}");

        let mut operator = Operator::new();
        let account = operator.account("A");
        let user = account.user("ann");
        let server = RealServer::start(version, operator.configure(ServerConfig::new()));
        let creds = std::env::temp_dir().join(format!("nats-example-{}-{}.creds", std::process::id(), server.port()));
        fs::write(&creds, user.creds()).expect("a file");
        let printed = lines_of(adapter, "creds", &[&creds.display().to_string(), &server.url()]);
        assert!(printed[0].starts_with("signed in"), "{printed:?}");
        fs::remove_file(creds).expect("it is there");
    }
}

#[test]
fn programs_for_people_from_other_clients_report_a_loss_and_a_return() {
    let clusters: Vec<_> = LANGUAGES.iter().map(|_| cluster(Settings::new("n1"))).collect();
    let servers: Vec<_> = clusters.iter().map(|cluster| cluster.server(0)).collect();
    let start = |(language, server): (_, &nats_conn_tests::tcp_server::TcpServer)| {
        let example = format!("coming_from_{language}");
        Running::start(Adapter::Tokio, &example, &[&server.url()])
    };
    let programs: Vec<Running> = LANGUAGES.iter().zip(&servers).map(start).collect();
    for server in &servers {
        until(|| server.connections() == 1);
        // All at once: that for people from Python waits for ten seconds between its attempts.
        server.expel("Stale Connection");
    }
    for mut program in programs {
        until_printed(&program, "reconnected");
        program.ask_to_end(Adapter::Tokio);
        program.end().went_well();
    }
}
