//! Connecting to all addresses of a name.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Weak;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nats_conn_client::machine::{LinkEnd, Progress};
use nats_conn_client::{STAGGER, Target, dial_error, interleaved, resolve_error};
use socket2::{Domain, Protocol, Socket, Type};

use crate::stream::Stream;

/// Resolves and dials on this thread. No address is begun once `wanted` is gone, and none takes longer than until the
/// deadline.
pub(crate) fn dial(target: &Target, wanted: &Weak<()>, deadline: Option<Instant>) -> Result<Stream, LinkEnd> {
    target.progress(Progress::Resolving);
    let addresses = (target.server.host(), target.server.port())
        .to_socket_addrs()
        .map_err(|error| resolve_error(&error))?
        .collect();
    target.progress(Progress::Dialing);
    let local = target.setup.local_address;
    dial_all(addresses, wanted, move |address| {
        dial_one(address, local, deadline)
    })
    .map(Stream::new)
}

/// Dials one address every 250 ms and the next at once when one fails, until one is connected. Those that are late are
/// dropped.
fn dial_all<S: Send + 'static>(
    addresses: Vec<SocketAddr>,
    wanted: &Weak<()>,
    dial: impl Fn(SocketAddr) -> io::Result<S> + Clone + Send + 'static,
) -> Result<S, LinkEnd> {
    let mut addresses = interleaved(addresses).into_iter();
    let (sender, receiver) = channel();
    let mut dialling = 0;
    let mut first_error: Option<LinkEnd> = None;
    while wanted.strong_count() > 0 {
        if let Some(address) = addresses.next() {
            dialling += 1;
            let (sender, dial) = (sender.clone(), dial.clone());
            let thread = std::thread::Builder::new().name("nats-conn dial".into());
            let spawned = thread.spawn(move || drop(sender.send(dial(address))));
            spawned.map_err(|error| dial_error(&error))?;
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

fn dial_one(
    address: SocketAddr,
    local: Option<SocketAddr>,
    deadline: Option<Instant>,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let Some(local) = local {
        socket.bind(&local.into())?;
    }
    match deadline {
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            socket.connect_timeout(&address.into(), left.max(Duration::from_millis(1)))?;
        }
        None => socket.connect(&address.into())?,
    }
    Ok(TcpStream::from(socket))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread::park;

    use super::*;

    fn addresses(ports: &[u16]) -> Vec<SocketAddr> {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        ports.iter().map(address).collect()
    }

    /// Connects to port 2 alone; port 1 refuses, and from others nothing is heard.
    fn dial(address: SocketAddr) -> io::Result<u16> {
        match address.port() {
            1 => Err(io::ErrorKind::ConnectionRefused.into()),
            2 => Ok(2),
            _ => loop {
                park();
            },
        }
    }

    #[test]
    fn an_address_that_refuses_makes_way_for_the_next_at_once() {
        let wanted = Arc::new(());
        let began = Instant::now();
        assert_eq!(
            dial_all(addresses(&[1, 2]), &Arc::downgrade(&wanted), dial),
            Ok(2)
        );
        assert!(began.elapsed() < STAGGER);
    }

    #[test]
    fn an_address_that_does_not_answer_is_overtaken() {
        let wanted = Arc::new(());
        let began = Instant::now();
        assert_eq!(
            dial_all(addresses(&[3, 4, 2]), &Arc::downgrade(&wanted), dial),
            Ok(2)
        );
        assert!(began.elapsed() >= 2 * STAGGER);
    }

    #[test]
    fn when_all_refuse_the_first_says_why() {
        let wanted = Arc::new(());
        let refused = dial_all(addresses(&[1, 1]), &Arc::downgrade(&wanted), dial);
        assert!(
            matches!(
                refused,
                Err(LinkEnd::Dial {
                    kind: "connection_refused",
                    ..
                })
            ),
            "{refused:?}"
        );
    }

    #[test]
    fn nothing_is_dialled_for_an_attempt_that_was_given_up() {
        let given_up = Weak::new();
        let begun = dial_all(addresses(&[2]), &given_up, dial);
        assert!(begun.is_err(), "{begun:?}");
    }
}
