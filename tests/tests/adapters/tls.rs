//! Every kind of TLS, against real servers.

use std::path::Path;
use std::process::Command;

use nats_conn_client::machine::{AttemptFailure, ConnectError, LinkEnd, Phase};
use nats_conn_client::{TlsOptions, rustls};
use nats_conn_tests::real_server::{ServerTls, TlsFiles};

use crate::scene::*;

/// Names the server to a process whose system trusts it.
const SERVER: &str = "NATS_CONN_TRUSTED";

/// Connects, and has the server confirm it.
async fn enters(home: Home, options: Options) {
    let client = soon(home.connect(options)).await.expect("a session");
    soon(client.flush()).await.expect("a session");
    soon(client.close()).await;
}

/// Why the one attempt with one server failed.
async fn refusal(home: Home, options: Options) -> AttemptFailure {
    match soon(home.connect(options)).await {
        Err(ConnectFailure::Unreachable { failures }) => {
            assert_eq!(failures.len(), 1, "{failures:?}");
            failures[0].clone()
        }
        other => panic!("{other:?}"),
    }
}

/// The handshake failed here, and why.
async fn mistrust(home: Home, options: Options) -> String {
    let failure = refusal(home, options).await;
    assert_eq!(failure.phase, Phase::Tls, "{failure:?}");
    match failure.error {
        ConnectError::Tls { detail } | ConnectError::Link(LinkEnd::Tls { detail }) => detail.into(),
        other => panic!("{other:?}"),
    }
}

fn tls_server(version: Version, files: &TlsFiles) -> Arc<RealServer> {
    real_server(version, ServerConfig::new().tls(ServerTls::new(files)))
}

fn trusting(ca: &Path) -> TlsOptions {
    TlsOptions::new().with_ca_file(ca)
}

scenarios! {
    async fn a_url_or_a_server_may_ask_for_it(home, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        enters(home, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        enters(home, options(&server.url()).tls(trusting(&files.ca))).await;
        let other = TlsFiles::new();
        let both = trusting(&other.ca).with_ca_file(&files.ca);
        enters(home, options(&server.tls_url()).tls(both)).await;
    }

    async fn the_application_may_ask_for_what_is_only_offered(home, version) {
        let files = TlsFiles::new();
        let server = real_server(version, ServerConfig::new().tls(ServerTls::new(&files).allow_plain()));
        // Nobody is trusted, so this is a plain connection.
        enters(home, options(&server.url())).await;
        enters(home, options(&server.url()).tls_required(true).tls(trusting(&files.ca))).await;
        enters(home, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        mistrust(home, options(&server.url()).tls_required(true)).await;
    }

    async fn a_server_without_it_is_not_used_where_it_is_required(home, version) {
        let files = TlsFiles::new();
        let server = real_server(version, ServerConfig::new());
        let by_url = options(&server.tls_url()).tls(trusting(&files.ca));
        let by_option = options(&server.url()).tls(trusting(&files.ca)).tls_required(true);
        for options in [by_url, by_option] {
            let failure = refusal(home, options).await;
            assert_eq!((failure.phase, failure.error), (Phase::Tls, ConnectError::TlsNotOffered));
        }
    }

    async fn who_is_not_trusted_is_not_told_anything(home, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        let other = TlsFiles::new();
        let why = mistrust(home, options(&server.tls_url()).tls(trusting(&other.ca))).await;
        assert!(why.contains("UnknownIssuer") || why.contains("BadSignature"), "{why}");
        let why = mistrust(home, options(&server.tls_url())).await;
        assert!(why.contains("no authority is trusted"), "{why}");
        let why = mistrust(home, options(&server.tls_url()).tls(trusting(Path::new("/nowhere/ca.pem")))).await;
        assert!(why.contains("cannot read /nowhere/ca.pem"), "{why}");
        let why = mistrust(home, options(&server.tls_url()).tls(trusting(&files.key))).await;
        assert!(why.contains("no PEM certificate"), "{why}");
    }

    async fn a_certificate_has_to_be_for_the_name_that_was_dialled(home, version) {
        let files = TlsFiles::for_hosts(&["elsewhere.example"]);
        let server = tls_server(version, &files);
        let why = mistrust(home, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        assert!(why.contains("not valid for name"), "{why}");
    }

    async fn a_certificate_that_expired_is_refused(home, version) {
        let files = TlsFiles::expired();
        let server = tls_server(version, &files);
        let why = mistrust(home, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        assert!(why.to_lowercase().contains("expired"), "{why}");
    }

    async fn an_authority_that_was_replaced_is_read_at_the_next_attempt(home, version) {
        let (files, other) = (TlsFiles::new(), TlsFiles::new());
        let server = tls_server(version, &files);
        let options = options(&server.tls_url()).tls(trusting(&other.ca)).retry_initial(true);
        let (client, mut watch) = home.start(options);
        watch.until("connect_failed").await;
        std::fs::copy(&files.ca, &other.ca).expect("a file");
        watch.until("connected").await;
        soon(client.flush()).await.expect("a session");
    }

    async fn a_client_shows_its_certificate_where_one_is_wanted(home, version) {
        let files = TlsFiles::new();
        let server = real_server(version, ServerConfig::new().tls(ServerTls::new(&files).verify_clients()));
        let showing = trusting(&files.ca).with_client_certificate(&files.client_cert, &files.client_key);
        enters(home, options(&server.tls_url()).tls(showing)).await;

        // A server says no after the client's part of the handshake, when CONNECT has left.
        let of_another = TlsFiles::new();
        let wrong = trusting(&files.ca).with_client_certificate(&of_another.client_cert, &of_another.client_key);
        for tls in [trusting(&files.ca), wrong] {
            let failure = refusal(home, options(&server.tls_url()).tls(tls)).await;
            assert!(matches!(failure.phase, Phase::Tls | Phase::Connect), "{failure:?}");
            let text = failure.error.to_string();
            assert!(text.contains("ertificate") || text.contains("UnknownCA"), "{text}");
        }
        let mismatched = trusting(&files.ca).with_client_certificate(&files.client_cert, &of_another.client_key);
        let why = mistrust(home, options(&server.tls_url()).tls(mismatched)).await;
        assert!(why.contains("client certificate"), "{why}");
    }

    async fn a_certificate_may_be_the_user(home, version) {
        let files = TlsFiles::new();
        let config = ServerConfig::new().user(User::with_certificate("client@localhost"));
        let server = real_server(version, config.tls(ServerTls::new(&files).verify_and_map()));
        let showing = trusting(&files.ca).with_client_certificate(&files.client_cert, &files.client_key);
        enters(home, options(&server.tls_url()).tls(showing)).await;
    }

    async fn it_may_come_before_anything_is_said(home, version) {
        let files = TlsFiles::new();
        let plain = real_server(version, ServerConfig::new());
        let failure = refusal(home, options(&plain.tls_url()).tls(trusting(&files.ca)).tls_first(true)).await;
        // INFO comes before or within the handshake.
        assert_eq!(failure.phase, Phase::Tls, "{failure:?}");
        if version.has_tls_first() {
            let tls = ServerTls::new(&files).handshake_first();
            let server = real_server(version, ServerConfig::new().tls(tls));
            enters(home, options(&server.tls_url()).tls(trusting(&files.ca)).tls_first(true)).await;
            let waiting = options(&server.tls_url()).tls(trusting(&files.ca));
            let failure = refusal(home, waiting.connect_timeout(Duration::from_secs(1))).await;
            assert_eq!((failure.phase, failure.error), (Phase::Info, ConnectError::TimedOut));
        }
    }

    /// The certificate is for the name alone, and servers announce each other by address.
    async fn an_announced_address_is_trusted_by_the_name_of_who_announced_it(home, version) {
        let files = TlsFiles::for_hosts(&["localhost"]);
        let cluster = elsewhere({
            let files = files.clone();
            move || Cluster::start(version, 2, ServerConfig::new().tls(ServerTls::new(&files)))
        });
        let cluster = Arc::new(soon(cluster).await);
        let options = options(&cluster.node(0).tls_url()).tls(trusting(&files.ca));
        let (client, mut watch) = home.start(options);
        watch.until("connected").await;
        let other = cluster.node(1).host_and_port();
        until(|| client.servers().iter().any(|status| status.server.to_string().contains(&other))).await;
        let leaving = cluster.clone();
        soon(elsewhere(move || leaving.node(0).kill())).await;
        let server = watch.session().await;
        assert!(server.contains(&other), "{server}");
        soon(client.flush()).await.expect("a session");
    }

    async fn a_ready_configuration_goes_before_everything_else(home, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        let ready = trusting(&files.ca).client_config().expect("a configuration");
        let tls = trusting(Path::new("/nowhere/ca.pem")).with_config(ready);
        enters(home, options(&server.tls_url()).tls(tls)).await;
    }

    /// What another process takes for the system's certificates can be said; in this one it cannot be changed.
    async fn the_system_is_trusted_when_that_is_asked_for(home, version) {
        if let Ok(url) = std::env::var(SERVER) {
            mistrust(home, options(&url)).await;
            return enters(home, options(&url).tls(TlsOptions::new().with_system_roots())).await;
        }
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        mistrust(home, options(&server.tls_url()).tls(TlsOptions::new().with_system_roots())).await;
        let version = if version == Version::V2_9 { "v2_9" } else { "v2_15" };
        let test = format!("tls::the_system_is_trusted_when_that_is_asked_for::{}::{version}", home.name());
        let output = elsewhere(move || {
            Command::new(std::env::current_exe().expect("this program"))
                .args(["--exact", &test, "--nocapture"])
                .env(SERVER, server.tls_url())
                .env("SSL_CERT_FILE", &files.ca)
                .env_remove("SSL_CERT_DIR")
                .output()
                .expect("another process")
        });
        let output = soon(output).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{output:?}");
    }

    async fn nothing_is_read_for_a_plain_connection(home, version) {
        let server = real_server(version, ServerConfig::new());
        let nowhere = Path::new("/nowhere/file.pem");
        let tls = trusting(nowhere).with_client_certificate(nowhere, nowhere);
        enters(home, options(&server.url()).tls(tls)).await;
    }

    async fn the_provider_of_the_process_is_neither_used_nor_set(home, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        enters(home, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }

    async fn large_messages_pass_in_both_directions_at_once(home, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        let client = soon(home.connect(options(&server.tls_url()).tls(trusting(&files.ca)))).await.expect("a session");
        let large = subject("large");
        let mut subscription = client.subscribe(&large).expect("open");
        let payload = vec![7_u8; 1 << 20];
        for _ in 0..32 {
            soon(client.publish(&large, &payload[..])).await.expect("room");
        }
        for _ in 0..32 {
            assert!(message(&mut subscription).await.payload() == payload);
        }
    }

    async fn a_server_that_comes_back_is_shown_everything_again(home, version) {
        let files = TlsFiles::new();
        let config = ServerConfig::new().user(User::with_password("ann", "s3cret"));
        let server = real_server(version, config.tls(ServerTls::new(&files).verify_clients()));
        let showing = trusting(&files.ca).with_client_certificate(&files.client_cert, &files.client_key);
        let options = options(&server.tls_url()).tls(showing).user_password("ann", "s3cret");
        let (client, mut watch) = home.start(options);
        watch.until("connected").await;
        let again = server.clone();
        soon(elsewhere(move || again.restart())).await;
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
    }
}
