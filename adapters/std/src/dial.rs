//! Connecting to all addresses of a name.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Weak;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nats_conn_client::machine::{LinkEnd, Progress};
use nats_conn_client::{STAGGER, Target, dial_error, interleaved, resolve_error};
use socket2::{Domain, Protocol, Socket, Type};

use crate::stream::Stream;

/// Resolves and dials on this thread: one address every 250 ms and the next at once when one fails, until one is
/// connected. Those that are late are dropped.
///
/// No address is begun once `wanted` is gone, and none takes longer than until the deadline.
pub(crate) fn dial(target: &Target, wanted: &Weak<()>, deadline: Instant) -> Result<Stream, LinkEnd> {
    target.progress(Progress::Resolving);
    let addresses = (target.server.host(), target.server.port())
        .to_socket_addrs()
        .map_err(|error| resolve_error(&error))?;
    let mut addresses = interleaved(addresses.collect()).into_iter();
    target.progress(Progress::Dialing);
    let local = target.setup.local_address;
    let (sender, receiver) = channel();
    let mut dialling = 0;
    let mut first_error: Option<LinkEnd> = None;
    while wanted.strong_count() > 0 {
        if let Some(address) = addresses.next() {
            dialling += 1;
            let sender = sender.clone();
            let dial = move || drop(sender.send(dial_one(address, local, deadline)));
            let thread = std::thread::Builder::new().name("nats-conn dial".into());
            thread.spawn(dial).map_err(|error| dial_error(&error))?;
        } else if dialling == 0 {
            break;
        }
        let patience = if addresses.len() > 0 {
            STAGGER
        } else {
            Duration::MAX
        };
        match receiver.recv_timeout(patience) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                dialling -= 1;
                first_error.get_or_insert_with(|| dial_error(&error));
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }
    Err(first_error.unwrap_or_else(|| LinkEnd::Resolve {
        detail: "the name has no address".into(),
    }))
}

fn dial_one(address: SocketAddr, local: Option<SocketAddr>, deadline: Instant) -> io::Result<Stream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(local) = local {
        socket.bind(&local.into())?;
    }
    let left = deadline.saturating_duration_since(Instant::now());
    socket.connect_timeout(&address.into(), left.max(Duration::from_millis(1)))?;
    let stream = std::net::TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(Stream::new(stream))
}
