//! Streams that do not wait, though the threads of a connection expect it of them.
#![cfg(unix)]

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::{ByteStream, ConnectOptions, Std, Stream, Subject};
use nats_conn_tests::tcp_server::TcpCluster;

static SUBJECT: Subject = Subject::from_static("streams.tick");
const SOON: Duration = Duration::from_secs(20);

/// Whether a read of an idle socket waits until its timeout.
fn waits(mut socket: impl Read, timeout: Duration) -> bool {
    let began = Instant::now();
    let nothing = socket.read(&mut [0]);
    assert!(nothing.is_err(), "{nothing:?}");
    began.elapsed() >= timeout / 2
}

#[test]
fn a_tcp_stream_that_was_not_blocking_waits_and_writes_at_once() {
    let cluster = TcpCluster::start(1).unwrap();
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    let adapter = Std::with_connector(move |target| {
        let stream = TcpStream::connect((target.server.host(), target.server.port()))?;
        stream.set_nonblocking(true)?;
        *keep.lock().unwrap() = Some(stream.try_clone()?);
        Ok(Stream::new(stream))
    });
    let options = ConnectOptions::from_url(&cluster.urls())
        .unwrap()
        .adapter(adapter);
    let client = options.connect().unwrap();
    client.flush().wait().unwrap();
    let socket = kept.lock().unwrap().take().unwrap();
    assert!(socket.nodelay().unwrap());
    let timeout = Duration::from_millis(200);
    socket.set_read_timeout(Some(timeout)).unwrap();
    assert!(waits(socket, timeout));
    client.flush().wait().unwrap();
}

#[test]
fn a_unix_socket_that_was_not_blocking_waits() {
    let (near, far) = UnixStream::pair().unwrap();
    let socket = near.try_clone().unwrap();
    near.set_nonblocking(true).unwrap();
    let _stream = Stream::new(near);
    let timeout = Duration::from_millis(200);
    socket.set_read_timeout(Some(timeout)).unwrap();
    assert!(waits(socket, timeout));
    drop(far);
}

/// A stream that refuses at once what it should wait for, and counts how often it is asked.
struct Hasty {
    stream: TcpStream,
    reads: Arc<AtomicUsize>,
    writes: Arc<AtomicUsize>,
}

impl ByteStream for Hasty {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        ByteStream::read(&self.stream, buffer)
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        ByteStream::write(&self.stream, pieces)
    }

    fn set_write_timeout(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown(how)
    }
}

/// Settings for a server to which streams are hasty, and how often these are read and written.
fn hasty(urls: &str) -> (ConnectOptions, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (reads, writes) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let counted = (reads.clone(), writes.clone());
    let adapter = Std::with_connector(move |target| {
        let stream = TcpStream::connect((target.server.host(), target.server.port()))?;
        stream.set_nonblocking(true)?;
        let (reads, writes) = counted.clone();
        Ok(Stream::new(Hasty {
            stream,
            reads,
            writes,
        }))
    });
    let options = ConnectOptions::from_url(urls).unwrap().adapter(adapter);
    (options, reads, writes)
}

/// How often this happens in half a second.
fn in_half_a_second(count: &AtomicUsize) -> usize {
    let before = count.load(Ordering::Relaxed);
    thread::sleep(Duration::from_millis(500));
    count.load(Ordering::Relaxed) - before
}

#[test]
fn a_stream_that_does_not_wait_is_not_asked_without_end() {
    let cluster = TcpCluster::start(1).unwrap();
    let (options, reads, _) = hasty(&cluster.urls());
    let client = options.connect().unwrap();
    let mut subscription = client.subscribe(&SUBJECT).unwrap();
    client.flush().wait().unwrap();
    let idle = in_half_a_second(&reads);
    assert!(idle < 60, "{idle} reads");
    client.publish(&SUBJECT, "x").wait().unwrap();
    assert_eq!(subscription.next_timeout(SOON).unwrap().payload(), b"x");
    client.close().wait();
}

#[test]
fn a_nonblocking_stream_that_takes_nothing_is_not_polled_in_a_busy_loop() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"INFO {\"max_payload\":1048576}\r\n").unwrap();
        let mut sent = Vec::new();
        while !sent.ends_with(b"PING\r\n") {
            let mut buffer = [0; 1024];
            let read = Read::read(&mut stream, &mut buffer).unwrap();
            sent.extend_from_slice(&buffer[..read]);
        }
        stream.write_all(b"PONG\r\n").unwrap();
        // And reads no more.
        stream
    });
    let (options, _, writes) = hasty(&url);
    let client = options.connect().unwrap();
    let (payload, patience) = (vec![b'x'; 1 << 20], Duration::from_millis(300));
    while client
        .publish(&SUBJECT, &payload[..])
        .timeout(patience)
        .wait()
        .is_ok()
    {}
    let stuck = in_half_a_second(&writes);
    assert!(stuck < 60, "{stuck} writes");
    let began = Instant::now();
    client.close().wait();
    assert!(began.elapsed() < SOON / 2, "{:?}", began.elapsed());
    drop(peer.join().unwrap());
}
