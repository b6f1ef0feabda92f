//! Finding the addresses of a name: with a custom resolver, and with one that hangs.

use std::io;
use std::sync::Mutex;

use nats_conn_client::machine::{AttemptError, LinkEnd, Phase};

use crate::scene::*;

/// Why one attempt at a name failed.
async fn failure(watch: &mut Watch) -> (Phase, AttemptError) {
    watch
        .find("connect_failed", |event| match event {
            ClientEvent::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) => {
                Some((*phase, (**error).clone()))
            }
            _ => None,
        })
        .await
}

scenarios! {
    async fn a_custom_resolver_is_asked_for_names_at_every_attempt_and_for_nothing_else(adapter) {
        let cluster = Model::start(1);
        let (asked, address) = (Arc::new(Mutex::new(Vec::new())), cluster.server(0).address());
        let ask = asked.clone();
        let options = options(&format!("nats://user.test:4333,{}", cluster.urls()))
            .randomize(false)
            .resolver(move |host, port| {
                ask.lock().expect("nobody panics").push(format!("{host}:{port}"));
                async move { Ok(vec![address]) }
            });
        let (client, mut watch) = adapter.start(options);
        assert_eq!(watch.session().await, "nats://user.test:4333");
        client.force_reconnect().expect("open");
        assert_eq!(watch.session().await, cluster.urls());
        client.force_reconnect().expect("open");
        watch.session().await;
        assert_eq!(*asked.lock().expect("nobody panics"), ["user.test:4333", "user.test:4333"]);
    }

    async fn the_error_of_a_custom_resolver_is_reported_with_the_phase(adapter) {
        let options = options("nats://user.test")
            .resolver(|_, _| async { Err(io::Error::other("the registry is down")) });
        let (_client, mut watch) = adapter.start(options);
        let (phase, error) = failure(&mut watch).await;
        let said = matches!(&error, AttemptError::Link(LinkEnd::Resolve { detail }) if &**detail == "the registry is down");
        assert!(phase == Phase::Resolve && said, "{phase:?} {error:?}");
    }

    async fn a_resolver_that_hangs_costs_its_attempt_and_holds_up_no_close(adapter) {
        let options = options("nats://user.test")
            .retry_initial(true)
            .connect_timeout(Duration::from_millis(100))
            .resolver(|_, _| std::future::pending());
        let (client, mut watch) = adapter.start(options);
        assert_eq!(failure(&mut watch).await, (Phase::Resolve, AttemptError::TimedOut));
        watch.until("connecting").await;
        let began = Instant::now();
        soon(client.close()).await;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

/// The resolver of the system that hangs.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod hanging {
    use std::net::ToSocketAddrs;
    use std::process::Command;
    use std::sync::mpsc::channel;

    use nats_conn_tests::real_server::TestFolder;

    use super::*;
    use crate::process::another_process;

    /// Where the C library looks for the aliases of names without a dot. It does not return from opening a pipe that
    /// nobody writes to.
    const ALIASES: &str = "HOSTALIASES";

    /// Whether the resolver of this process hangs. It does not on a machine that asks no name server.
    fn hangs() -> bool {
        let (answer, waiting) = channel();
        std::thread::spawn(move || answer.send(("hanging", 1).to_socket_addrs().is_ok()));
        waiting.recv_timeout(Duration::from_millis(500)).is_err()
    }

    /// How many threads of this process ask the resolver.
    fn threads() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "nats-conn names").count()
    }

    /// Runs one scenario in a process whose resolver hangs.
    async fn where_it_hangs(adapter: Adapter, scenario: &str) {
        let folder = TestFolder::new("resolver").expect("a folder");
        let pipe = folder.path().join("aliases");
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .expect("mkfifo")
                .success()
        );
        let test = format!("resolving::hanging::{scenario}::{}", adapter.name());
        let output = another_process(&test, ALIASES, &pipe).await;
        assert!(output.contains("1 passed"), "{output}");
    }

    scenarios! {
        /// The scenario returns while a name is being resolved: its runtime is dropped, and the process ends.
        async fn a_runtime_is_dropped_and_a_process_ends_while_a_name_is_resolved(adapter) {
            if std::env::var_os(ALIASES).is_none() {
                return where_it_hangs(adapter, "a_runtime_is_dropped_and_a_process_ends_while_a_name_is_resolved").await;
            }
            if !hangs() {
                return eprintln!("NOT RUN: this machine asks no name server");
            }
            let (_client, mut watch) = adapter.start(options("nats://hanging"));
            watch.until("connecting").await;
            until(|| threads() > 0).await;
        }

        async fn attempts_at_one_name_share_a_thread_and_all_names_eight(adapter) {
            if std::env::var_os(ALIASES).is_none() {
                return where_it_hangs(adapter, "attempts_at_one_name_share_a_thread_and_all_names_eight").await;
            }
            if !hangs() {
                return eprintln!("NOT RUN: this machine asks no name server");
            }
            let patient = |urls: &str| options(urls).retry_initial(true).connect_timeout(Duration::from_millis(50));
            let (first, mut watch) = adapter.start(patient("nats://hanging"));
            let (_second, mut other) = adapter.start(patient("nats://Hanging:1"));
            for _ in 0..3 {
                watch.until("connect_failed").await;
                other.until("connect_failed").await;
            }
            assert_eq!(threads(), 1, "whatever the case and the port, and however many attempts");
            let urls: Vec<String> = (0..20).map(|name| format!("nats://hanging{name}")).collect();
            let (_third, mut many) = adapter.start(patient(&urls.join(",")));
            for _ in 0..40 {
                many.until("connect_failed").await;
            }
            assert_eq!(threads(), 8);
            soon(first.close()).await;

            // The others still continue.
            let cluster = Model::start(1);
            let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("an address needs no resolver");
            soon(client.flush()).await.expect("a session");
        }
    }
}
