//! Every kind of TLS, against real servers.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use nats_conn_client::machine::{AttemptError, AttemptFailure, LinkEnd, Phase};
use nats_conn_client::{ServerUrl, TlsOptions, rustls};
use nats_conn_tests::real_server::{ServerTls, TlsFiles};

use crate::raw::raw_server;
use crate::scene::*;

/// Names the server to a process whose system trusts it.
const SERVER: &str = "NATS_CONN_TRUSTED";

/// Connects, and has the server confirm it.
async fn is_accepted(adapter: Adapter, options: Options) {
    let client = soon(adapter.connect(options)).await.expect("a session");
    soon(client.flush()).await.expect("a session");
    soon(client.close()).await;
}

/// Why the one attempt with one server failed.
async fn refusal(adapter: Adapter, options: Options) -> AttemptFailure {
    match soon(adapter.connect(options)).await {
        Err(ConnectError::Unreachable { failures }) => {
            assert_eq!(failures.len(), 1, "{failures:?}");
            failures[0].clone()
        }
        other => panic!("{other:?}"),
    }
}

/// The handshake failed here, and why.
async fn mistrust(adapter: Adapter, options: Options) -> String {
    let failure = refusal(adapter, options).await;
    assert_eq!(failure.phase, Phase::Tls, "{failure:?}");
    match failure.error {
        AttemptError::Tls { detail } | AttemptError::Link(LinkEnd::Tls { detail }) => detail.into(),
        other => panic!("{other:?}"),
    }
}

fn tls_server(version: Version, files: &TlsFiles) -> Arc<RealServer> {
    real_server(version, ServerConfig::new().tls(ServerTls::new(files)))
}

/// A configuration that trusts the authority of these, and knows TLS 1.2 only.
fn tls_1_2(files: &TlsFiles) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject;

    let mut roots = rustls::RootCertStore::empty();
    let authority = rustls::pki_types::CertificateDer::from_pem_file(&files.ca).expect("a certificate");
    roots.add(authority).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .expect("a version");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn trusting(ca: &Path) -> TlsOptions {
    TlsOptions::new().with_ca_file(ca)
}

/// Runs this scenario in another process, which is told the URL and trusts the authorities in this file as those of the
/// system: in this one they cannot be changed. What it printed is the error.
async fn another_process(
    test: &str,
    adapter: Adapter,
    version: Version,
    url: &str,
    authorities: &Path,
) -> Result<(), String> {
    let version = if version == Version::V2_9 { "v2_9" } else { "v2_15" };
    let test = format!("tls::{test}::{}::{version}", adapter.name());
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", &test, "--nocapture"])
        .env(SERVER, url)
        .env("SSL_CERT_FILE", authorities)
        .env_remove("SSL_CERT_DIR");
    let output = soon(elsewhere(move || command.output().expect("another process"))).await;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() && text[0].contains("1 passed") {
        Ok(())
    } else {
        Err(text.concat())
    }
}

/// A file whose contents are handed to whoever opens it, once.
struct Pipe {
    path: PathBuf,
    opened: Arc<AtomicBool>,
}

impl Pipe {
    /// One beside these files.
    fn new(files: &TlsFiles, contents: &[u8]) -> Self {
        let path = files.ca.with_extension("pipe");
        let _ = std::fs::remove_file(&path);
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        let opened = Arc::new(AtomicBool::new(false));
        let (at, noting, contents) = (path.clone(), opened.clone(), contents.to_vec());
        std::thread::spawn(move || {
            // Waits until somebody reads.
            let mut pipe = std::fs::File::create(at).expect("a pipe");
            noting.store(true, Ordering::SeqCst);
            let _ = pipe.write_all(&contents);
        });
        Self { path, opened }
    }

    fn was_opened(self) -> bool {
        self.opened.load(Ordering::SeqCst)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if !self.opened.load(Ordering::SeqCst) {
            // So that the thread ends.
            let _ = std::fs::read(&self.path);
        }
    }
}

scenarios! {
    async fn a_url_or_a_server_may_ask_for_it(adapter, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        is_accepted(adapter, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        is_accepted(adapter, options(&server.url()).tls(trusting(&files.ca))).await;
        let other = TlsFiles::new();
        let both = trusting(&other.ca).with_ca_file(&files.ca);
        is_accepted(adapter, options(&server.tls_url()).tls(both)).await;
    }

    async fn tls_that_is_only_offered_is_used_if_configured(adapter, version) {
        let files = TlsFiles::new();
        let server = real_server(version, ServerConfig::new().tls(ServerTls::new(&files).allow_plain()));
        // No authority is trusted, so this is a plain connection.
        is_accepted(adapter, options(&server.url())).await;
        is_accepted(adapter, options(&server.url()).tls_required(true).tls(trusting(&files.ca))).await;
        is_accepted(adapter, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        mistrust(adapter, options(&server.url()).tls_required(true)).await;
    }

    async fn a_server_without_tls_is_not_used_if_tls_is_required(adapter, version) {
        let files = TlsFiles::new();
        let server = real_server(version, ServerConfig::new());
        let by_url = options(&server.tls_url()).tls(trusting(&files.ca));
        let by_option = options(&server.url()).tls(trusting(&files.ca)).tls_required(true);
        for options in [by_url, by_option] {
            let failure = refusal(adapter, options).await;
            assert_eq!((failure.phase, failure.error), (Phase::Tls, AttemptError::TlsNotOffered));
        }
    }

    async fn nothing_is_sent_to_a_server_that_is_not_trusted(adapter, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        let other = TlsFiles::new();
        let why = mistrust(adapter, options(&server.tls_url()).tls(trusting(&other.ca))).await;
        assert!(why.contains("UnknownIssuer") || why.contains("BadSignature"), "{why}");
        // What the system trusts, and how to trust more.
        let why = mistrust(adapter, options(&server.tls_url())).await;
        assert!(
            why.ends_with(
                "UnknownIssuer: no authority that is trusted has signed it; name the one that has with TlsOptions::with_ca_file"
            ),
            "{why}"
        );
        let why = mistrust(adapter, options(&server.tls_url()).tls(trusting(Path::new("/nowhere/ca.pem")))).await;
        assert!(why.contains("cannot read /nowhere/ca.pem"), "{why}");
        let why = mistrust(adapter, options(&server.tls_url()).tls(trusting(&files.key))).await;
        assert!(why.contains("no PEM certificate"), "{why}");
    }

    async fn a_certificate_has_to_be_for_the_name_that_was_dialled(adapter, version) {
        let files = TlsFiles::for_hosts(&["elsewhere.example"]);
        let server = tls_server(version, &files);
        let why = mistrust(adapter, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        assert!(why.contains("not valid for name"), "{why}");
    }

    async fn a_certificate_that_expired_is_refused(adapter, version) {
        let files = TlsFiles::expired();
        let server = tls_server(version, &files);
        let why = mistrust(adapter, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        assert!(why.to_lowercase().contains("expired"), "{why}");
    }

    async fn an_authority_that_was_replaced_is_read_at_the_next_attempt(adapter, version) {
        let (files, other) = (TlsFiles::new(), TlsFiles::new());
        let server = tls_server(version, &files);
        let options = options(&server.tls_url()).tls(trusting(&other.ca)).retry_initial(true);
        let (client, mut watch) = adapter.start(options);
        watch.until("connect_failed").await;
        std::fs::copy(&files.ca, &other.ca).expect("a file");
        watch.until("connected").await;
        soon(client.flush()).await.expect("a session");
    }

    async fn a_client_sends_its_certificate_where_one_is_required(adapter, version) {
        let files = TlsFiles::new();
        let server = real_server(version, ServerConfig::new().tls(ServerTls::new(&files).verify_clients()));
        let showing = trusting(&files.ca).with_client_certificate(&files.client_cert, &files.client_key);
        is_accepted(adapter, options(&server.tls_url()).tls(showing)).await;

        // A server refuses after the client's part of the handshake, when CONNECT has left.
        let of_another = TlsFiles::new();
        let wrong = trusting(&files.ca).with_client_certificate(&of_another.client_cert, &of_another.client_key);
        let failure = refusal(adapter, options(&server.tls_url()).tls(wrong)).await;
        assert_eq!(failure.phase, Phase::Tls, "{failure:?}");
        let text = failure.error.to_string();
        assert!(text.contains("ertificate") || text.contains("UnknownCA"), "{text}");
        let mismatched = trusting(&files.ca).with_client_certificate(&files.client_cert, &of_another.client_key);
        let why = mistrust(adapter, options(&server.tls_url()).tls(mismatched)).await;
        assert!(why.contains("client certificate"), "{why}");
    }

    async fn a_missing_client_certificate_fails_in_tls_and_the_error_suggests_one(adapter, version) {
        let files = TlsFiles::new();
        let upgraded = ServerTls::new(&files).verify_clients();
        let first = version.has_tls_first().then(|| (upgraded.clone().handshake_first(), true));
        for (tls, tls_first) in [Some((upgraded, false)), first].into_iter().flatten() {
            let server = real_server(version, ServerConfig::new().tls(tls));
            // Whether its alert or its end arrives first is a matter of luck.
            for _ in 0..5 {
                let options = options(&server.tls_url()).tls(trusting(&files.ca)).tls_first(tls_first);
                let failure = refusal(adapter, options).await;
                assert_eq!((failure.phase, &failure.error), (Phase::Tls, &AttemptError::ClosedAfterTls));
                assert_eq!(
                    failure.error.to_string(),
                    "the peer closed right after the TLS handshake: does it want a client certificate?"
                );
            }
            // TLS 1.2 asks within the handshake; newer servers report a missing certificate only as a failure.
            let old = tls_1_2(&files);
            let options = options(&server.tls_url()).tls(TlsOptions::new().with_config(old)).tls_first(tls_first);
            let failure = refusal(adapter, options).await;
            assert_eq!(failure.phase, Phase::Tls, "{failure:?}");
            let text = failure.error.to_string();
            let alerts = ["HandshakeFailure", "BadCertificate: does the peer want a client certificate?"];
            assert!(alerts.iter().any(|alert| text.ends_with(alert)), "{text}");
        }
    }

    /// However a peer ends a link with TLS, with or without close_notify, every adapter reports the same.
    async fn the_end_of_a_peer_is_reported_without_the_text_of_the_tls_library(adapter, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        let (client, mut watch) = adapter.start(options(&server.tls_url()).tls(trusting(&files.ca)));
        watch.until("connected").await;
        soon(client.flush()).await.expect("a session");
        let gone = server.clone();
        soon(elsewhere(move || gone.kill())).await;
        let reason = watch.disconnected().await;
        assert_eq!(reason, DisconnectReason::Eof);
        assert_eq!(reason.to_string(), "the server closed the connection");
        soon(client.close()).await;

        // In the middle of a handshake.
        let url = raw_server(|_, mut stream| {
            stream.write_all(b"INFO {\"tls_required\":true}\r\n").expect("a client");
            let _ = stream.read(&mut [0; 16]);
        });
        let failure = refusal(adapter, options(&url).tls(trusting(&files.ca))).await;
        assert_eq!(failure.phase, Phase::Tls, "{failure:?}");
        assert_eq!(failure.error.code(), "tls_failed");
        let text = failure.error.to_string();
        assert!(text.starts_with("TLS failed: ") && !text.contains("://"), "{text}");
    }

    async fn byte_order_marks_are_skipped_in_certificates_and_keys(adapter, version) {
        let files = TlsFiles::new();
        let server = real_server(version, ServerConfig::new().tls(ServerTls::new(&files).verify_clients()));
        let with_marks = files.clone();
        // The authority's file is joined of two, each with a mark of its own.
        let other = std::fs::read_to_string(&TlsFiles::new().ca).expect("a file");
        for (path, first) in [(&with_marks.ca, &*other), (&with_marks.client_cert, ""), (&with_marks.client_key, "")] {
            let text = std::fs::read_to_string(path).expect("a file");
            let first = if first.is_empty() { String::new() } else { format!("\u{feff}{first}") };
            std::fs::write(path, format!("{first}\u{feff}{text}")).expect("a file");
        }
        let showing = trusting(&files.ca).with_client_certificate(&files.client_cert, &files.client_key);
        is_accepted(adapter, options(&server.tls_url()).tls(showing)).await;
    }

    async fn the_expected_name_may_be_set_for_one_server(adapter, version) {
        let files = TlsFiles::for_hosts(&["elsewhere.example"]);
        let server = tls_server(version, &files);
        let url = |name: Option<&str>| {
            let url: ServerUrl = server.tls_url().parse().expect("a URL");
            match name {
                Some(name) => url.with_tls_name(name),
                None => url,
            }
        };
        let with = |url: ServerUrl| Options::new(vec![url]).tls(trusting(&files.ca));
        is_accepted(adapter, with(url(Some("elsewhere.example")))).await;
        mistrust(adapter, with(url(None))).await;
        let why = mistrust(adapter, with(url(Some("not a name")))).await;
        assert!(why.contains("cannot be in a certificate"), "{why}");
        // A new pool may have it as well.
        let plain = real_server(version, ServerConfig::new());
        let (client, mut watch) = adapter.start(options(&plain.url()).tls(trusting(&files.ca)));
        watch.until("connected").await;
        client.set_servers(vec![url(Some("elsewhere.example"))]).expect("open");
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
    }

    async fn tls_may_come_first_with_one_server_and_later_with_another(adapter, version) {
        if !version.has_tls_first() {
            return;
        }
        let files = TlsFiles::new();
        let first = real_server(version, ServerConfig::new().tls(ServerTls::new(&files).handshake_first()));
        let later = tls_server(version, &files);
        let servers = vec![
            first.url().parse::<ServerUrl>().expect("a URL").with_tls_first(true),
            later.tls_url().parse().expect("a URL"),
        ];
        let (client, mut watch) = adapter.start(Options::new(servers).tls(trusting(&files.ca)).randomize(false));
        assert!(watch.session().await.starts_with("tls://"));
        client.force_reconnect().expect("open");
        let second = watch.session().await;
        assert!(second.ends_with(&format!(":{}", later.port())), "{second}");
        soon(client.flush()).await.expect("a session");
        assert_eq!(watch.count("connect_failed"), 0);
    }

    async fn a_provider_is_asked_for_the_configuration_of_each_attempt(adapter, version) {
        let (files, other) = (TlsFiles::new(), TlsFiles::new());
        let server = tls_server(version, &files);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (asking, right, wrong) = (asked.clone(), files.ca.clone(), other.ca.clone());
        let tls = trusting(Path::new("/nowhere/ca.pem")).with_config_provider(move |server| {
            let mut asked = asking.lock().expect("nobody panics");
            asked.push(server.to_string());
            let times = asked.len();
            drop(asked);
            match times {
                1 => Err("the vault is sealed".to_owned()),
                2 => panic!("the vault is on fire"),
                3 => trusting(&wrong).client_config().map_err(|error| error.to_string()),
                _ => trusting(&right).client_config().map_err(|error| error.to_string()),
            }
        });
        let (client, mut watch) = adapter.start(options(&server.tls_url()).tls(tls).retry_initial(true));
        for expected in ["failed: the vault is sealed", "panicked: the vault is on fire", ""] {
            let ClientEvent::Connection(ConnectionEvent::ConnectFailed { phase, error, .. }) = watch.until("connect_failed").await else {
                unreachable!()
            };
            assert_eq!(phase, Phase::Tls);
            assert!(error.to_string().ends_with(expected) || expected.is_empty(), "{error}");
        }
        watch.until("connected").await;
        client.force_reconnect().expect("open");
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
        assert_eq!(*asked.lock().expect("nobody panics"), vec![server.tls_url(); 5]);
    }

    /// The server takes both, so that only our list decides.
    async fn a_server_that_is_listed_with_and_without_tls_is_spoken_to_with_it(adapter, version) {
        let (files, other) = (TlsFiles::new(), TlsFiles::new());
        let server = real_server(version, ServerConfig::new().tls(ServerTls::new(&files).allow_plain()));
        let plain = server.client_url_with("ann:s3cret");
        let with_tls = format!("tls://{}", server.host_and_port());
        for list in [[plain.clone(), with_tls.clone()], [with_tls.clone(), plain.clone()]] {
            let list = list.join(",");
            let (client, mut watch) = adapter.start(options(&list).tls(trusting(&files.ca)));
            let ClientEvent::Connection(ConnectionEvent::ServerTlsRaised { server: raised }) = watch.until("tls_raised").await else {
                unreachable!()
            };
            assert_eq!(raised.to_string(), with_tls);
            assert_eq!(watch.session().await, with_tls);
            assert_eq!(watch.names()[..2], ["tls_raised", "connecting"]);
            soon(client.close()).await;
            // Without trust there is no session: it is TLS.
            mistrust(adapter, options(&list).tls(trusting(&other.ca))).await;
        }
        // The present link stays; the next one is encrypted.
        let (client, mut watch) = adapter.start(options(&plain).tls(trusting(&files.ca)));
        watch.until("connected").await;
        client.set_servers(&with_tls).expect("open");
        watch.until("tls_raised").await;
        soon(client.flush()).await.expect("the same session");
        assert_eq!(watch.count("disconnected"), 0);
        client.force_reconnect().expect("open");
        assert_eq!(watch.session().await, with_tls);
    }

    async fn a_certificate_may_be_the_user(adapter, version) {
        let files = TlsFiles::new();
        let config = ServerConfig::new().user(User::with_certificate("client@localhost"));
        let server = real_server(version, config.tls(ServerTls::new(&files).verify_and_map()));
        let showing = trusting(&files.ca).with_client_certificate(&files.client_cert, &files.client_key);
        is_accepted(adapter, options(&server.tls_url()).tls(showing)).await;
    }

    async fn tls_may_come_before_info(adapter, version) {
        let files = TlsFiles::new();
        let plain = real_server(version, ServerConfig::new());
        let failure = refusal(adapter, options(&plain.tls_url()).tls(trusting(&files.ca)).tls_first(true)).await;
        // INFO comes before or within the handshake.
        assert_eq!(failure.phase, Phase::Tls, "{failure:?}");
        if version.has_tls_first() {
            let tls = ServerTls::new(&files).handshake_first();
            let server = real_server(version, ServerConfig::new().tls(tls));
            is_accepted(adapter, options(&server.tls_url()).tls(trusting(&files.ca)).tls_first(true)).await;
            let waiting = options(&server.tls_url()).tls(trusting(&files.ca));
            let failure = refusal(adapter, waiting.connect_timeout(Duration::from_secs(1))).await;
            assert_eq!((failure.phase, failure.error), (Phase::Info, AttemptError::TimedOut));
        }
    }

    /// The certificate is for the name alone, and servers announce each other by address.
    async fn an_announced_address_is_verified_by_the_name_of_the_server_that_announced_it(adapter, version) {
        let files = TlsFiles::for_hosts(&["localhost"]);
        let cluster = elsewhere({
            let files = files.clone();
            move || Cluster::start(version, 2, ServerConfig::new().tls(ServerTls::new(&files)))
        });
        let cluster = Arc::new(soon(cluster).await);
        let options = options(&cluster.node(0).tls_url()).tls(trusting(&files.ca));
        let (client, mut watch) = adapter.start(options);
        watch.until("connected").await;
        let other = cluster.node(1).host_and_port();
        until(|| client.servers().iter().any(|status| status.server.to_string().contains(&other))).await;
        let leaving = cluster.clone();
        soon(elsewhere(move || leaving.node(0).kill())).await;
        let server = watch.session().await;
        assert!(server.contains(&other), "{server}");
        soon(client.flush()).await.expect("a session");
    }

    async fn a_complete_tls_configuration_overrides_all_other_options(adapter, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        let ready = trusting(&files.ca).client_config().expect("a configuration");
        let tls = trusting(Path::new("/nowhere/ca.pem")).with_config(ready);
        is_accepted(adapter, options(&server.tls_url()).tls(tls)).await;
    }

    async fn the_systems_authorities_are_trusted_where_none_is_named(adapter, version) {
        const TEST: &str = "the_systems_authorities_are_trusted_where_none_is_named";
        if let Ok(url) = std::env::var(SERVER) {
            is_accepted(adapter, options(&url)).await;
            return is_accepted(adapter, options(&url).tls(TlsOptions::new().with_system_roots())).await;
        }
        let (files, other) = (TlsFiles::new(), TlsFiles::new());
        let server = tls_server(version, &files);
        another_process(TEST, adapter, version, &server.tls_url(), &files.ca).await.expect("it is trusted");
        // A server may ask for TLS, too.
        another_process(TEST, adapter, version, &server.url(), &files.ca).await.expect("it is trusted");
        let why = another_process(TEST, adapter, version, &server.tls_url(), &other.ca).await;
        let why = why.expect_err("another authority");
        assert!(why.contains("UnknownIssuer") || why.contains("BadSignature"), "{why}");
        let why = another_process(TEST, adapter, version, &server.tls_url(), Path::new("/nowhere/ca.pem")).await;
        let why = why.expect_err("no authority");
        assert!(why.contains("the system has no root certificates"), "{why}");
        assert!(why.contains("name an authority with TlsOptions::with_ca_file"), "{why}");
    }

    async fn authorities_that_are_named_are_trusted_in_place_of_those_of_the_system(adapter, version) {
        const TEST: &str = "authorities_that_are_named_are_trusted_in_place_of_those_of_the_system";
        if let Ok(url) = std::env::var(SERVER) {
            let named = TlsFiles::new();
            mistrust(adapter, options(&url).tls(trusting(&named.ca))).await;
            let both = trusting(&named.ca).with_system_roots();
            return is_accepted(adapter, options(&url).tls(both)).await;
        }
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        another_process(TEST, adapter, version, &server.tls_url(), &files.ca).await.expect("as it says");
    }

    async fn nothing_is_read_for_a_plain_connection(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let nowhere = Path::new("/nowhere/file.pem");
        let tls = trusting(nowhere).with_client_certificate(nowhere, nowhere);
        is_accepted(adapter, options(&server.url()).tls(tls)).await;
    }

    /// They are a pipe: what nobody reads stays in it.
    async fn the_systems_authorities_are_read_for_tls_and_not_for_a_plain_connection(adapter, version) {
        const TEST: &str = "the_systems_authorities_are_read_for_tls_and_not_for_a_plain_connection";
        if let Ok(url) = std::env::var(SERVER) {
            return is_accepted(adapter, options(&url)).await;
        }
        let files = TlsFiles::new();
        let authority = std::fs::read(&files.ca).expect("a certificate");
        for (server, reads) in [
            (real_server(version, ServerConfig::new()), false),
            (tls_server(version, &files), true),
        ] {
            let pipe = Pipe::new(&files, &authority);
            let done = another_process(TEST, adapter, version, &server.url(), &pipe.path).await;
            done.expect("a session");
            assert_eq!(pipe.was_opened(), reads, "{}", server.url());
        }
    }

    async fn the_provider_of_the_process_is_neither_used_nor_set(adapter, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        is_accepted(adapter, options(&server.tls_url()).tls(trusting(&files.ca))).await;
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }

    async fn large_messages_pass_in_both_directions_at_once(adapter, version) {
        let files = TlsFiles::new();
        let server = tls_server(version, &files);
        let client = soon(adapter.connect(options(&server.tls_url()).tls(trusting(&files.ca)))).await.expect("a session");
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

    async fn a_restarted_server_gets_all_subscriptions_again(adapter, version) {
        let files = TlsFiles::new();
        let config = ServerConfig::new().user(User::with_password("ann", "s3cret"));
        let server = real_server(version, config.tls(ServerTls::new(&files).verify_clients()));
        let showing = trusting(&files.ca).with_client_certificate(&files.client_cert, &files.client_key);
        let options = options(&server.tls_url()).tls(showing).user_password("ann", "s3cret");
        let (client, mut watch) = adapter.start(options);
        watch.until("connected").await;
        let again = server.clone();
        soon(elsewhere(move || again.restart())).await;
        watch.until("reconnected").await;
        soon(client.flush()).await.expect("a session");
    }
}
