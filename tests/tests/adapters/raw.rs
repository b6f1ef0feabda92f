//! Servers that use their sockets in ways that the model server does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, listen, socket};

/// Serves every link on a thread of its own, and gives the URL. The number of links counts from 0.
pub(crate) fn raw_server(serve: impl Fn(usize, TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let (serve, stream) = (serve.clone(), stream.expect("a link"));
            std::thread::spawn(move || serve(number, stream));
        }
    });
    format!("nats://{address}")
}

/// The handshake, from the side of a server. What follows is read from what it gives.
pub(crate) fn greet<S: Read + Write>(mut stream: S) -> BufReader<S> {
    let info = b"INFO {\"server_id\":\"raw\",\"max_payload\":1048576,\"headers\":true}\r\n";
    stream.write_all(info).expect("a client");
    let_in(stream)
}

/// The handshake from CONNECT on.
pub(crate) fn let_in<S: Read + Write>(stream: S) -> BufReader<S> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line != "PING\r\n" {
        line.clear();
        assert_ne!(reader.read_line(&mut line).expect("a client"), 0, "it went");
    }
    reader.get_mut().write_all(b"PONG\r\n").expect("a client");
    reader
}

/// A proxy between a client and a server, which does not forward what the server sends while it is choked.
#[derive(Clone)]
pub(crate) struct Proxy {
    url: String,
    choked: Arc<(Mutex<bool>, Condvar)>,
}

impl Proxy {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let choked = Arc::new((Mutex::new(false), Condvar::new()));
        let state = choked.clone();
        let url = raw_server(move |_, client| {
            let upstream = TcpStream::connect(server).expect("a server");
            let (mut from, mut to) = (
                client.try_clone().expect("a socket"),
                upstream.try_clone().expect("a socket"),
            );
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
            pass_on(upstream, client, &state);
        });
        Self { url, choked }
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) fn choke(&self, choked: bool) {
        *self.choked.0.lock().expect("nobody panics") = choked;
        self.choked.1.notify_all();
    }
}

/// To the end of either side.
fn pass_on(mut from: TcpStream, mut to: TcpStream, choked: &(Mutex<bool>, Condvar)) {
    let mut some = [0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut some) {
        let guard = choked.0.lock().expect("nobody panics");
        drop(
            choked
                .1
                .wait_while(guard, |choked| *choked)
                .expect("nobody panics"),
        );
        if to.write_all(&some[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A port that takes no link and refuses none: nothing is ever answered.
pub(crate) struct BlackHole {
    address: SocketAddr,
    _listener: rustix::fd::OwnedFd,
    /// What fills the queue of links that nobody accepts.
    _queued: Vec<rustix::fd::OwnedFd>,
}

impl BlackHole {
    pub(crate) fn new() -> Self {
        let stream = || socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        let listener = stream();
        bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        listen(&listener, 0).expect("it listens");
        let address = getsockname(&listener)
            .expect("an address")
            .try_into()
            .expect("of the internet");
        let queued = (0..4).map(|_| {
            let socket = stream();
            rustix::io::ioctl_fionbio(&socket, true).expect("a socket");
            // It is under way, and stays so.
            let _ = rustix::net::connect(&socket, &address);
            socket
        });
        let queued = queued.collect();
        Self {
            address,
            _listener: listener,
            _queued: queued,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }
}
