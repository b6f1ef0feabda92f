//! TLS from two threads: against a peer made of rustls, which is as rude as TLS allows, and against real servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nats_conn_std::rustls::crypto::ring;
use nats_conn_std::rustls::pki_types::pem::PemObject;
use nats_conn_std::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use nats_conn_std::rustls::{self, ServerConnection, StreamOwned};
use nats_conn_std::{Client, ClosedReason, ConnectOptions, Subject, TlsOptions};
use nats_conn_tests::real_server::{RealServer, ServerConfig, ServerTls, TlsFiles, for_each_version};

static SUBJECT: Subject = Subject::from_static("tls.large");
const SOON: Duration = Duration::from_secs(30);
const MESSAGES: usize = 256;
const SIZE: usize = 128 << 10;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// The server's end of a session that has not begun.
fn session(files: &TlsFiles) -> ServerConnection {
    let certificate = CertificateDer::from_pem_file(&files.cert).unwrap();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// A server of one connection, with what comes after its INFO in the hands of the test.
fn peer(
    files: &TlsFiles,
    tls_first: bool,
    script: impl FnOnce(BufReader<Tls>) + Send + 'static,
) -> (String, JoinHandle<()>) {
    let session = session(files);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tls://{}", listener.local_addr().unwrap());
    let running = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let info = b"INFO {\"max_payload\":1048576,\"tls_required\":true}\r\n";
        if !tls_first {
            stream.write_all(info).unwrap();
        }
        let mut tls = BufReader::new(StreamOwned::new(session, stream));
        if tls_first {
            tls.get_mut().write_all(info).unwrap();
        }
        read_lines_until(&mut tls, "PING");
        script(tls);
    });
    (url, running)
}

/// Answers every PING on the way: where all of it takes more than a second, the client asks before its flush does.
fn read_lines_until(tls: &mut BufReader<Tls>, word: &str) -> String {
    loop {
        let line = read_line(tls);
        assert!(!line.is_empty(), "no {word}");
        if line.starts_with(word) {
            return line;
        }
    }
}

/// The end without close_notify is an error.
fn read_to_the_end(tls: &mut BufReader<Tls>) {
    while !read_line(tls).is_empty() {}
}

fn read_line(tls: &mut BufReader<Tls>) -> String {
    let mut line = String::new();
    tls.read_line(&mut line).unwrap();
    if line == "PING\r\n" {
        tls.get_mut().write_all(b"PONG\r\n").unwrap();
    }
    line
}

/// Reads so many publishes of the client, and the PING after them.
fn take_publishes(tls: &mut BufReader<Tls>) {
    let mut payload = vec![0; SIZE + 2];
    for number in 0..MESSAGES {
        let line = read_lines_until(tls, "PUB");
        assert!(line.trim_end().ends_with(&SIZE.to_string()), "{line}");
        tls.read_exact(&mut payload).unwrap();
        assert!(payload[..SIZE].iter().all(|byte| *byte == number as u8));
    }
    read_lines_until(tls, "PING");
}

fn send_messages(tls: &mut Tls, new_keys_every: usize) {
    let mut message = format!("MSG tls.large 1 {SIZE}\r\n").into_bytes();
    let head = message.len();
    message.resize(head + SIZE, b'x');
    message.extend_from_slice(b"\r\n");
    for number in 0..MESSAGES {
        if number % new_keys_every == 0 {
            tls.conn.refresh_traffic_keys().unwrap();
        }
        tls.write_all(&message).unwrap();
    }
}

fn options(url: &str, files: &TlsFiles) -> ConnectOptions {
    ConnectOptions::from_url(url)
        .unwrap()
        .tls(TlsOptions::new().with_ca_file(&files.ca))
}

/// Publishes on one thread while another receives.
fn both_ways(client: &Client) {
    let mut messages = client.subscribe(&SUBJECT).unwrap();
    let publisher = client.clone();
    let publishing = thread::spawn(move || {
        for number in 0..MESSAGES {
            publisher
                .publish(&SUBJECT, &vec![number as u8; SIZE][..])
                .wait()
                .unwrap();
        }
        publisher.flush().wait().unwrap();
    });
    for _ in 0..MESSAGES {
        let message = messages.next_timeout(SOON).unwrap();
        assert!(message.payload().len() == SIZE);
    }
    assert_eq!(messages.dropped(), 0);
    publishing.join().unwrap();
}

#[test]
fn a_peer_that_writes_all_before_it_reads_anything_does_not_stop_us() {
    let files = TlsFiles::new();
    let (url, running) = peer(&files, false, |mut tls| {
        read_lines_until(&mut tls, "SUB");
        send_messages(tls.get_mut(), usize::MAX);
        take_publishes(&mut tls);
        read_to_the_end(&mut tls);
    });
    let client = options(&url, &files).connect().unwrap();
    both_ways(&client);
    assert_eq!(client.close().wait(), ClosedReason::Requested);
    running.join().unwrap();
}

#[test]
fn new_keys_in_the_middle_of_traffic_are_answered() {
    let files = TlsFiles::new();
    let (answered, is_answered) = mpsc::channel();
    let (url, running) = peer(&files, false, move |mut tls| {
        read_lines_until(&mut tls, "SUB");
        send_messages(tls.get_mut(), 16);
        take_publishes(&mut tls);
        // Nothing else is to be written: the answer wakes the writer by itself.
        tls.get_mut().conn.refresh_traffic_keys().unwrap();
        tls.get_mut().write_all(b"PING\r\n").unwrap();
        read_lines_until(&mut tls, "PONG");
        answered.send(()).unwrap();
        // The end comes as TLS requires: with close_notify.
        read_to_the_end(&mut tls);
    });
    let client = options(&url, &files).connect().unwrap();
    both_ways(&client);
    // The last thing the peer says is a PING under new keys.
    is_answered.recv_timeout(SOON).unwrap();
    client.close().wait();
    running.join().unwrap();
}

#[test]
fn tls_can_come_first() {
    let files = TlsFiles::new();
    let (url, running) = peer(&files, true, |mut tls| {
        let _ = tls.read_to_end(&mut Vec::new());
    });
    let client = options(&url, &files).tls_first(true).connect().unwrap();
    assert_eq!(client.close().wait(), ClosedReason::Requested);
    running.join().unwrap();
}

#[test]
fn plain_bytes_after_info_are_not_taken_for_tls() {
    let files = TlsFiles::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tls://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"INFO {\"tls_required\":true}\r\nMSG a 1 1\r\nx\r\n")
            .unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let failure = options(&url, &files).connect().unwrap_err().to_string();
    assert!(
        failure.contains("between INFO and the TLS handshake"),
        "{failure}"
    );
}

#[test]
fn an_untrusted_certificate_is_refused_with_an_alert() {
    let (files, others) = (TlsFiles::new(), TlsFiles::new());
    let session = session(&others);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tls://{}", listener.local_addr().unwrap());
    let running = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"INFO {\"tls_required\":true}\r\n").unwrap();
        let mut tls = StreamOwned::new(session, stream);
        tls.read_to_end(&mut Vec::new()).unwrap_err().to_string()
    });
    let failure = options(&url, &files).connect().unwrap_err().to_string();
    assert!(failure.contains("TLS") && !failure.contains('\n'), "{failure}");
    let reported = running.join().unwrap();
    assert!(reported.contains("alert"), "{reported}");
}

#[test]
fn heavy_traffic_passes_both_ways_through_a_real_server() {
    for_each_version(|version| {
        let files = TlsFiles::new();
        let server = RealServer::start(version, ServerConfig::new().tls(ServerTls::new(&files)));
        let client = options(&server.tls_url(), &files).connect().unwrap();
        both_ways(&client);
        assert_eq!(client.publish_fates().confirmed, MESSAGES as u64);
        assert_eq!(client.close().wait(), ClosedReason::Requested);

        let others = TlsFiles::new();
        let unknown = options(&server.tls_url(), &others)
            .connect()
            .unwrap_err()
            .to_string();
        assert!(
            unknown.contains("UnknownIssuer") || unknown.contains("BadSignature"),
            "{unknown}"
        );
        if version.has_tls_first() {
            let tls = ServerTls::new(&files).handshake_first();
            let server = RealServer::start(version, ServerConfig::new().tls(tls));
            let first = options(&server.tls_url(), &files).tls_first(true);
            first.connect().unwrap().flush().wait().unwrap();
        }
    });
}
