//! Callbacks of the application that panic: each fails what it was called for, with the text of its panic.

use std::sync::atomic::{AtomicUsize, Ordering};

use nats_conn_client::{AuthError, Backoff, Credentials};

use crate::scene::*;

/// Panics the first time it is called.
#[derive(Clone, Default)]
struct Once(Arc<AtomicUsize>);

impl Once {
    fn call(&self) {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("on purpose");
        }
    }
}

/// Settings that continue after a failed attempt, without a wait.
fn stubborn(urls: &str) -> Options {
    options(urls).retry_initial(true).backoff(Backoff::NONE)
}

/// The attempt failed in this phase, with the text of the panic, and the next one connects.
async fn assert_fails_once(watch: &mut Watch, wanted: &str, who: &str) {
    let (phase, text) = watch
        .find("connect_failed", |event| match event {
            ClientEvent::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) => {
                Some((phase.code(), error.to_string()))
            }
            _ => None,
        })
        .await;
    assert_eq!(phase, wanted, "{text}");
    assert!(text.contains(&format!("{who} panicked: on purpose")), "{text}");
    watch.until("connected").await;
}

scenarios! {
    // behaviour: 9.5
    async fn a_credentials_callback_that_panics_fails_its_attempt(adapter) {
        let (cluster, once) = (Model::start(1), Once::default());
        let options = stubborn(&cluster.urls()).credentials_callback(move |_| {
            once.call();
            async { Ok::<_, AuthError>(Credentials::default()) }
        });
        let (_client, mut watch) = adapter.start(options);
        assert_fails_once(&mut watch, "auth", "the credentials callback").await;
    }

    async fn credentials_that_panic_on_their_way_fail_their_attempt(adapter) {
        let (cluster, once) = (Model::start(1), Once::default());
        let options = stubborn(&cluster.urls()).credentials_callback(move |_| {
            let once = once.clone();
            async move {
                pause(Duration::from_millis(1)).await;
                once.call();
                Ok::<_, AuthError>(Credentials::default())
            }
        });
        let (_client, mut watch) = adapter.start(options);
        assert_fails_once(&mut watch, "auth", "the credentials callback").await;
    }

    async fn a_selector_that_panics_fails_the_attempt_that_it_was_asked_about(adapter) {
        let (cluster, once) = (Model::start(1), Once::default());
        let options = stubborn(&cluster.urls()).server_selector(move |choice| {
            once.call();
            (choice.default, choice.default_delay)
        });
        let (_client, mut watch) = adapter.start(options);
        assert_fails_once(&mut watch, "dial", "the server selector").await;
    }

    async fn a_delay_that_panics_fails_the_attempt_that_it_was_asked_about(adapter) {
        let (cluster, once) = (Model::start(1), Once::default());
        let options = stubborn(&cluster.urls()).reconnect_delay(move |_, _| {
            once.call();
            Duration::ZERO
        });
        let (_client, mut watch) = adapter.start(options);
        assert_fails_once(&mut watch, "dial", "the reconnect delay").await;
    }

    async fn a_selector_that_panicked_about_an_attempt_that_was_called_off_fails_no_other(adapter) {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
        let (cluster, calls) = (Model::start(1), AtomicUsize::new(0));
        let options = options(&nobody.to_string()).retry_initial(true).server_selector(move |choice| {
            // The second is about an attempt after a wait.
            match calls.fetch_add(1, Ordering::SeqCst) {
                1 => panic!("on purpose"),
                _ => (choice.default, choice.default_delay),
            }
        });
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max) = (Duration::from_secs(60), Duration::from_secs(60));
        let (client, mut watch) = adapter.start(options.backoff(backoff));
        watch.until("backoff_wait").await;
        client.set_servers(cluster.urls()).expect("open");
        let failed = watch.count("connect_failed");
        watch.until("connected").await;
        assert_eq!(watch.count("connect_failed"), failed, "{:?}", watch.seen());
    }

    async fn a_connector_that_panics_fails_its_attempt(adapter) {
        let (cluster, once) = (Model::start(1), Once::default());
        let address = cluster.server(0).address();
        let (_client, mut watch) = adapter.start_over(stubborn(&cluster.urls()), move |_| {
            once.call();
            Ok(Made::Tcp(std::net::TcpStream::connect(address)?))
        });
        assert_fails_once(&mut watch, "dial", "what dials").await;
    }

    async fn a_resolver_that_panics_fails_its_attempt(adapter) {
        let (cluster, once) = (Model::start(1), Once::default());
        let address = cluster.server(0).address();
        let options = stubborn(&format!("nats://name.test:{}", address.port())).resolver(move |_, _| {
            once.call();
            async move { Ok(vec![address]) }
        });
        let (_client, mut watch) = adapter.start(options);
        assert_fails_once(&mut watch, "dial", "what dials").await;
    }

    async fn a_recording_whose_writer_panics_ends_and_the_connection_continues(adapter) {
        struct Panicking;
        impl std::io::Write for Panicking {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                panic!("on purpose")
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let cluster = Model::start(1);
        let (client, mut watch) = adapter.start(options(&cluster.urls()).record(Panicking));
        watch.until("connected").await;
        assert_eq!(soon(client.flush()).await, Ok(()));
        assert_eq!(soon(client.close()).await, ClosedReason::Requested);
    }
}
