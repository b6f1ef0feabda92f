//! A server on loopback whose every byte is written by the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(15);

/// Listens. Nothing is taken before the test takes it.
pub(crate) struct Fake {
    listener: TcpListener,
    pub(crate) port: u16,
}

/// One link, from the server's side.
pub(crate) struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
    port: u16,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self::on(0)
    }

    /// On all addresses of this machine, not only loopback.
    pub(crate) fn everywhere() -> Self {
        Self::bind("0.0.0.0", 0)
    }

    /// On this port; 0 stands for a free one.
    pub(crate) fn on(port: u16) -> Self {
        Self::bind("127.0.0.1", port)
    }

    fn bind(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind((host, port)).expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let port = listener.local_addr().expect("an address").port();
        Self { listener, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The next link.
    pub(crate) fn accept(&self) -> Link {
        self.accept_within(SOON)
            .unwrap_or_else(|| panic!("nobody dials {}", self.port))
    }

    /// The next link, if it comes within this time.
    pub(crate) fn accept_within(&self, limit: Duration) -> Option<Link> {
        let end = Instant::now() + limit;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false).expect("a socket");
                    stream.set_nodelay(true).expect("a socket");
                    return Some(Link {
                        stream,
                        buffer: Vec::new(),
                        port: self.port,
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if Instant::now() >= end {
                        return None;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The next link, and its handshake.
    pub(crate) fn shake(&self) -> Link {
        self.shake_with(json!({}))
    }

    /// The next link, and its handshake, with these fields in INFO.
    pub(crate) fn shake_with(&self, fields: Value) -> Link {
        let mut link = self.accept();
        link.shake(fields);
        link
    }
}

impl Link {
    /// Sends.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // Whether the peer has gone is seen from what it prints.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Sends INFO with these fields in addition to the usual ones.
    pub(crate) fn info(&mut self, fields: Value) {
        let text = info(self.port, fields);
        self.send(text);
    }

    /// Takes CONNECT and the PING after it, and returns the fields of CONNECT.
    #[track_caller]
    pub(crate) fn connect(&mut self) -> Value {
        let line = self.line();
        let json = line
            .strip_prefix("CONNECT ")
            .unwrap_or_else(|| panic!("not CONNECT: {line}"));
        let connect = serde_json::from_str(json).expect("CONNECT is JSON");
        self.expect("PING");
        connect
    }

    /// The whole handshake. Returns the fields of CONNECT.
    pub(crate) fn shake(&mut self, fields: Value) -> Value {
        self.info(fields);
        let connect = self.connect();
        self.send("PONG\r\n");
        connect
    }

    /// The next line, without its end.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        self.try_line(SOON)
            .unwrap_or_else(|| panic!("no line: {:?}", self.text()))
    }

    /// The next line that is not a PING; each PING is answered.
    pub(crate) fn line_after_pings(&mut self) -> String {
        loop {
            let line = self.line();
            if line != "PING" {
                return line;
            }
            self.send("PONG\r\n");
        }
    }

    /// The next line; `None` at the end, or if it takes longer.
    pub(crate) fn try_line(&mut self, limit: Duration) -> Option<String> {
        let end = Instant::now() + limit;
        loop {
            if let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).take(at).collect();
                return Some(String::from_utf8_lossy(&line).into_owned());
            }
            if !self.fill(end) {
                return None;
            }
        }
    }

    /// The next line is this one.
    #[track_caller]
    pub(crate) fn expect(&mut self, line: &str) {
        assert_eq!(self.line(), line);
    }

    /// Takes a publish: its line and its payload, headers included.
    #[track_caller]
    pub(crate) fn publish(&mut self) -> (String, Vec<u8>) {
        let line = self.line();
        assert!(
            line.starts_with("PUB ") || line.starts_with("HPUB "),
            "not a publish: {line}"
        );
        let size = line.rsplit(' ').next().and_then(|size| size.parse().ok());
        let mut payload = self.bytes(size.unwrap_or_else(|| panic!("no size: {line}")));
        let mut end = self.bytes(2);
        assert_eq!(end.split_off(0), b"\r\n", "{line}");
        payload.shrink_to_fit();
        (line, payload)
    }

    /// Takes a publish with this line and this payload.
    #[track_caller]
    pub(crate) fn expect_publish(&mut self, line: &str, payload: impl AsRef<[u8]>) {
        let (found, bytes) = self.publish();
        assert_eq!((found.as_str(), bytes.as_slice()), (line, payload.as_ref()));
    }

    /// Takes so many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let end = Instant::now() + SOON;
        while self.buffer.len() < count {
            assert!(self.fill(end), "{} of {count} bytes came", self.buffer.len());
        }
        self.buffer.drain(..count).collect()
    }

    /// Takes a PING and answers it.
    #[track_caller]
    pub(crate) fn pong(&mut self) {
        self.expect("PING");
        self.send("PONG\r\n");
    }

    /// The peer closes the link, and nothing comes before that.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        let line = self.try_line(SOON);
        assert_eq!((line, self.text()), (None, String::new()));
        assert!(!self.is_open(), "the link is still open");
    }

    /// Nothing comes for this time.
    #[track_caller]
    pub(crate) fn expect_silence(&mut self, time: Duration) {
        let line = self.try_line(time);
        assert_eq!((line, self.text()), (None, String::new()));
    }

    /// Everything until the end of the link, which must come.
    pub(crate) fn rest(&mut self) -> String {
        let end = Instant::now() + SOON;
        while self.fill(end) {}
        let text = self.text();
        self.buffer.clear();
        text
    }

    /// Ends its direction of writing, and closes.
    pub(crate) fn close(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Aborts the link: what the peer does not have yet is lost.
    pub(crate) fn reset(self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    fn is_open(&mut self) -> bool {
        let end = Instant::now() + Duration::from_millis(20);
        let _ = self.fill(end);
        self.stream
            .set_read_timeout(Some(Duration::from_millis(1)))
            .expect("a socket");
        matches!(self.stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Reads more; `false` at the end or when it takes too long.
    fn fill(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.stream.set_read_timeout(Some(left)).expect("a socket");
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(count @ 1..) => {
                self.buffer.extend_from_slice(&bytes[..count]);
                true
            }
            _ => false,
        }
    }
}

/// INFO as a line.
pub(crate) fn info(port: u16, fields: Value) -> String {
    let mut info = json!({
        "server_id": "NFAKE", "server_name": "fake", "version": "2.12.0", "proto": 1, "host": "127.0.0.1",
        "port": port, "headers": true, "max_payload": 1_048_576,
    });
    for (name, value) in fields.as_object().expect("an object") {
        info[name] = value.clone();
    }
    format!("INFO {info} \r\n")
}
