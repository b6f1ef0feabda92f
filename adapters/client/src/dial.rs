//! Dialling all addresses of a name, for any runtime.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use nats_conn_sm::LinkEnd;

/// How long an address may take before the next one is tried beside it (RFC 8305).
pub const STAGGER: Duration = Duration::from_millis(250);

/// Dials all addresses, one every 250 ms and the next at once when one fails, until one is connected. The others
/// are dropped then. It has no deadline of its own.
///
/// # Errors
/// What the first address said that failed, if all did.
pub async fn dial_all<S, D, T>(
    addresses: Vec<SocketAddr>,
    dial: impl Fn(SocketAddr) -> D,
    sleep: impl Fn(Duration) -> T,
) -> Result<S, LinkEnd>
where
    D: Future<Output = io::Result<S>> + Send,
    T: Future<Output = ()> + Send,
{
    let mut addresses = interleaved(addresses).into_iter();
    let mut dialling: Vec<Pin<Box<D>>> = Vec::new();
    let mut timer: Option<Pin<Box<T>>> = None;
    let mut first_error: Option<LinkEnd> = None;
    poll_fn(move |cx| {
        loop {
            let mut failed = false;
            let mut connected = None;
            dialling.retain_mut(|attempt| match attempt.as_mut().poll(cx) {
                _ if connected.is_some() => false,
                Poll::Ready(Ok(stream)) => {
                    connected = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    first_error.get_or_insert_with(|| dial_error(&error));
                    failed = true;
                    false
                }
                Poll::Pending => true,
            });
            if let Some(stream) = connected {
                return Poll::Ready(Ok(stream));
            }
            let due = match &mut timer {
                Some(timer) => timer.as_mut().poll(cx).is_ready(),
                None => true,
            };
            if !due && !failed && !dialling.is_empty() {
                return Poll::Pending;
            }
            match addresses.next() {
                Some(address) => {
                    dialling.push(Box::pin(dial(address)));
                    timer = Some(Box::pin(sleep(STAGGER)));
                }
                None if dialling.is_empty() => {
                    let nowhere = || LinkEnd::Resolve {
                        detail: "the name has no address".into(),
                    };
                    return Poll::Ready(Err(first_error.take().unwrap_or_else(nowhere)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// The addresses in the order in which to dial them: families take turns, beginning with that of the first.
pub fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let (same, other): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut ordered = Vec::with_capacity(addresses.len());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    loop {
        let pair = (same.next(), other.next());
        if pair == (None, None) {
            return ordered;
        }
        ordered.extend(pair.0.into_iter().chain(pair.1));
    }
}

/// What a failure to dial is to the machine.
pub fn dial_error(error: &io::Error) -> LinkEnd {
    LinkEnd::Dial {
        kind: kind(error),
        detail: error.to_string().into(),
    }
}

/// What a failure to resolve is to the machine.
pub fn resolve_error(error: &io::Error) -> LinkEnd {
    LinkEnd::Resolve {
        detail: error.to_string().into(),
    }
}

/// What a failure to read or write is to the machine.
pub fn io_error(error: &io::Error) -> LinkEnd {
    LinkEnd::Io {
        kind: kind(error),
        detail: error.to_string().into(),
    }
}

/// What a failed TLS handshake is to the machine.
pub fn tls_error(error: &io::Error) -> LinkEnd {
    LinkEnd::Tls {
        detail: error.to_string().into(),
    }
}

fn kind(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection_refused",
        io::ErrorKind::ConnectionReset => "connection_reset",
        io::ErrorKind::ConnectionAborted => "connection_aborted",
        io::ErrorKind::HostUnreachable => "host_unreachable",
        io::ErrorKind::NetworkUnreachable => "network_unreachable",
        io::ErrorKind::NetworkDown => "network_down",
        io::ErrorKind::NotConnected => "not_connected",
        io::ErrorKind::AddrInUse => "address_in_use",
        io::ErrorKind::AddrNotAvailable => "address_not_available",
        io::ErrorKind::PermissionDenied => "permission_denied",
        io::ErrorKind::BrokenPipe => "broken_pipe",
        io::ErrorKind::TimedOut => "timed_out",
        io::ErrorKind::UnexpectedEof => "unexpected_eof",
        io::ErrorKind::InvalidData => "invalid_data",
        _ => "io",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    type Dialling = Pin<Box<dyn Future<Output = io::Result<SocketAddr>> + Send>>;

    fn dial(outcome: fn(SocketAddr) -> Dialling) -> Result<SocketAddr, LinkEnd> {
        let addresses = ["127.0.0.1:1", "127.0.0.1:2", "[::1]:3"].map(address).to_vec();
        crate::blocking::wait(None, std::pin::pin!(dial_all(addresses, outcome, |_| ready(())))).unwrap()
    }

    #[test]
    fn families_take_turns() {
        let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"]
            .map(address)
            .to_vec();
        let expected = ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"].map(address);
        assert_eq!(interleaved(addresses), expected);
        assert_eq!(interleaved(Vec::new()), []);
    }

    #[test]
    fn an_address_that_fails_makes_way_for_the_next() {
        let connected = dial(|to| Box::pin(ready(if to.port() == 2 { Ok(to) } else { Err(refused()) })));
        assert_eq!(connected, Ok(address("127.0.0.1:2")));
    }

    #[test]
    fn an_address_that_does_not_answer_is_overtaken() {
        let connected = dial(|to| {
            if to.port() == 3 {
                Box::pin(ready(Ok(to)))
            } else {
                Box::pin(pending())
            }
        });
        assert_eq!(connected, Ok(address("[::1]:3")));
    }

    #[test]
    fn when_all_fail_the_first_failure_is_told() {
        let failed = dial(|_| Box::pin(ready(Err(refused()))));
        assert!(
            matches!(
                failed,
                Err(LinkEnd::Dial {
                    kind: "connection_refused",
                    ..
                })
            ),
            "{failed:?}"
        );
    }
}
