//! How a link ends, on every kind of stream: the peer reads its end at once, and nobody waits for longer than that.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use nats_conn_client::rustls::crypto::ring;
use nats_conn_client::rustls::pki_types::pem::PemObject;
use nats_conn_client::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use nats_conn_client::rustls::{self, ServerConnection, StreamOwned};
use nats_conn_client::{State, TlsOptions};
use nats_conn_tests::real_server::{ServerTls, TlsFiles};

use crate::raw::{greet, let_in, raw_server};
use crate::scene::*;

/// How long it takes to end a link with nothing in transit.
const BUDGET: Duration = Duration::from_millis(50);
/// On a machine that is busy with other things the quickest of so many counts.
const TRIES: usize = 10;

/// The streams over which a connection can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The adapter dials.
    Tcp,
    Tls,
    /// A custom connector makes the stream.
    MadeTcp,
    MadeTls,
    MadeUnix,
}

const KINDS: [Kind; 5] = [Kind::Tcp, Kind::Tls, Kind::MadeTcp, Kind::MadeTls, Kind::MadeUnix];

/// How an application ends its connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Drain,
    LastDrop,
}

/// The end of a link as the peer reads it: in good order, and when.
type Farewells = Receiver<(Result<(), String>, Instant)>;

/// A peer that waits for the end of each link, and closes only then.
struct Peer {
    url: String,
    files: Arc<TlsFiles>,
    reported: Sender<(Result<(), String>, Instant)>,
    farewells: Arc<Mutex<Farewells>>,
}

impl Peer {
    fn new(kind: Kind) -> Self {
        let (reported, farewells) = channel();
        let files = Arc::new(TlsFiles::new());
        let (tell, pem) = (reported.clone(), files.clone());
        let url = raw_server(move |_, stream| match kind {
            Kind::Tls | Kind::MadeTls => await_end_of_tls(stream, &pem, &tell),
            _ => await_end(stream, &tell),
        });
        Self {
            url,
            files,
            reported,
            farewells: Arc::new(Mutex::new(farewells)),
        }
    }

    /// A session over a stream of this kind.
    async fn connected(&self, adapter: Adapter, kind: Kind) -> Client {
        let options = options(&self.url).tls(TlsOptions::new().with_ca_file(&self.files.ca));
        let reported = self.reported.clone();
        let (client, mut watch) = match kind {
            Kind::Tcp | Kind::Tls => adapter.start(options),
            Kind::MadeTcp | Kind::MadeTls => adapter.start_over(options, |target| {
                let address = (target.server.host(), target.server.port());
                TcpStream::connect(address).map(Made::Tcp)
            }),
            Kind::MadeUnix => adapter.start_over(options, move |_| {
                let (near, far) = UnixStream::pair()?;
                let reported = reported.clone();
                std::thread::spawn(move || await_end(far, &reported));
                Ok(Made::Unix(near))
            }),
        };
        watch.until("connected").await;
        soon(client.flush()).await.expect("a session");
        client
    }

    /// The next end of a link.
    async fn farewell(&self) -> Instant {
        let farewells = self.farewells.clone();
        let (end, at) = soon(elsewhere(move || farewells.lock().expect("one at a time").recv()))
            .await
            .expect("an end");
        assert_eq!(end, Ok(()), "in good order");
        at
    }
}

fn await_end(stream: impl Read + Write, reported: &Sender<(Result<(), String>, Instant)>) {
    let mut stream = greet(stream);
    let end = serve_to_the_end(&mut stream);
    reported.send((end, Instant::now())).expect("the test is running");
}

fn await_end_of_tls(
    mut stream: TcpStream,
    files: &TlsFiles,
    reported: &Sender<(Result<(), String>, Instant)>,
) {
    let info = b"INFO {\"server_id\":\"raw\",\"max_payload\":1048576,\"tls_required\":true}\r\n";
    stream.write_all(info).expect("a client");
    let mut stream = let_in(StreamOwned::new(session(files), stream));
    // Without close_notify this is an error.
    let goodbye = serve_to_the_end(&mut stream);
    let end = goodbye.and_then(|()| match stream.get_mut().sock.read(&mut [0]) {
        Ok(0) => Ok(()),
        other => Err(format!("{other:?} after close_notify")),
    });
    reported.send((end, Instant::now())).expect("the test is running");
}

/// Answers PINGs until the client sends no more.
fn serve_to_the_end<S: Read + Write>(stream: &mut std::io::BufReader<S>) -> Result<(), String> {
    use std::io::BufRead;

    let mut line = String::new();
    while stream.read_line(&mut line).map_err(|error| error.to_string())? > 0 {
        if line == "PING\r\n" {
            stream
                .get_mut()
                .write_all(b"PONG\r\n")
                .map_err(|error| error.to_string())?;
        }
        line.clear();
    }
    Ok(())
}

fn session(files: &TlsFiles) -> ServerConnection {
    let certificate = CertificateDer::from_pem_file(&files.cert).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a configuration");
    ServerConnection::new(Arc::new(config)).expect("a session")
}

/// How long the quickest of some took until the link was ended on both sides.
async fn ends_within_the_budget(adapter: Adapter, kind: Kind, end: End) {
    let peer = Peer::new(kind);
    let mut quickest = Duration::MAX;
    for _ in 0..TRIES {
        let client = peer.connected(adapter, kind).await;
        let closed = client.closed();
        let began = Instant::now();
        match end {
            End::Close => drop(soon(client.close()).await),
            End::Drain => drop(soon(client.drain()).await),
            End::LastDrop => drop(client),
        }
        soon(closed).await;
        let took = began.elapsed();
        let seen = peer.farewell().await.saturating_duration_since(began);
        quickest = quickest.min(took.max(seen));
        if quickest < BUDGET {
            return;
        }
    }
    panic!("{kind:?}, {end:?}: the quickest took {quickest:?}");
}

scenarios! {
    async fn a_custom_tcp_stream_writes_at_once(adapter) {
        let cluster = Model::start(1);
        let kept = Arc::new(Mutex::new(None));
        let keep = kept.clone();
        let (client, mut watch) = adapter.start_over(options(&cluster.urls()), move |target| {
            let stream = TcpStream::connect((target.server.host(), target.server.port()))?;
            *keep.lock().expect("nobody panics") = Some(stream.try_clone()?);
            Ok(Made::Tcp(stream))
        });
        watch.until("connected").await;
        let socket = kept.lock().expect("nobody panics").take().expect("a stream");
        assert!(socket.nodelay().expect("a socket"));
        soon(client.flush()).await.expect("a session");
    }

    async fn a_close_is_done_as_soon_as_the_peer_has_closed(adapter) {
        for kind in KINDS {
            ends_within_the_budget(adapter, kind, End::Close).await;
        }
    }

    async fn a_drain_with_nothing_to_do_is_done_as_soon_as_the_peer_has_closed(adapter) {
        for kind in KINDS {
            ends_within_the_budget(adapter, kind, End::Drain).await;
        }
    }

    async fn the_last_drop_ends_the_link_as_soon_as_the_peer_has_closed(adapter) {
        for kind in KINDS {
            ends_within_the_budget(adapter, kind, End::LastDrop).await;
        }
    }

    async fn a_close_of_an_idle_link_to_a_real_server_is_done_at_once(adapter, version) {
        let files = TlsFiles::new();
        let plain = real_server(version, ServerConfig::new());
        let tls = real_server(version, ServerConfig::new().tls(ServerTls::new(&files)));
        for url in [plain.url(), tls.tls_url()] {
            let mut quickest = Duration::MAX;
            for _ in 0..TRIES {
                let options = options(&url).tls(TlsOptions::new().with_ca_file(&files.ca));
                let client = soon(adapter.connect(options)).await.expect("a session");
                soon(client.flush()).await.expect("a session");
                let began = Instant::now();
                soon(client.close()).await;
                quickest = quickest.min(began.elapsed());
                if quickest < BUDGET {
                    break;
                }
            }
            assert!(quickest < BUDGET, "{url}: the quickest took {quickest:?}");
        }
    }

    /// The other half may still send something: it is read, and discarded, until the peer has closed, too.
    async fn a_peer_that_keeps_sending_after_the_close_is_not_reset(adapter) {
        let (reported, farewells) = channel();
        let url = raw_server(move |_, stream| {
            let mut stream = greet(stream);
            let mut end = serve_to_the_end(&mut stream);
            for _ in 0..20 {
                let written = stream.get_mut().write_all(&[b'x'; 1 << 10]);
                end = end.and(written.map_err(|error| error.to_string()));
                std::thread::sleep(Duration::from_millis(5));
            }
            reported.send(end).expect("the test is running");
        });
        let (client, mut watch) = adapter.start(options(&url));
        watch.until("connected").await;
        soon(client.close()).await;
        assert_eq!(client.state(), State::Closed);
        let end = soon(elsewhere(move || farewells.recv())).await;
        assert_eq!(end, Ok(Ok(())));
    }
}
