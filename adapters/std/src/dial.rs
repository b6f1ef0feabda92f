//! Connecting to all addresses of a name.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nats_conn_client::driver::{Race, Target, dial_error, lock};
use nats_conn_client::machine::LinkEnd;
use socket2::{Domain, Protocol, Socket, Type};

use crate::attempt::Attempt;
use crate::stream::Stream;

/// Resolves and dials for an attempt. What comes of it counts only as long as that is wanted; no address takes longer
/// than until the deadline, and neither does the name.
pub(crate) fn dial(target: &Target, attempt: &Attempt, deadline: Option<Instant>) -> Result<Stream, LinkEnd> {
    let race = attempt
        .wait(deadline, pin!(target.resolve()))
        .unwrap_or_else(|| Err(given_up()))?;
    let local = target.setup.local_address;
    dial_all(race, attempt, move |address| dial_one(address, local, deadline)).map(Stream::new)
}

/// Nobody asks any more what it says.
fn given_up() -> LinkEnd {
    dial_error(&io::ErrorKind::TimedOut.into())
}

/// Dials each address on a thread of its own, when its turn in the race comes, until one is connected. Those that are
/// late are dropped.
fn dial_all<S: Send + 'static>(
    mut race: Race,
    attempt: &Attempt,
    dial: impl Fn(SocketAddr) -> io::Result<S> + Clone + Send + 'static,
) -> Result<S, LinkEnd> {
    let outcomes = Outcomes::new();
    let mut dialling = 0;
    while attempt.is_wanted() {
        if let Some(address) = race.next() {
            dialling += 1;
            let (outcomes, dial) = (outcomes.clone(), dial.clone());
            let thread = std::thread::Builder::new().name("nats-conn dial".into());
            let spawned = thread.spawn(move || outcomes.put(address, dial(address)));
            spawned.map_err(|error| dial_error(&error))?;
        } else if dialling == 0 {
            return Err(race.error());
        }
        let until = race.pause().map(|pause| Instant::now() + pause);
        match attempt.wait_for(until, |cx| outcomes.poll(cx)) {
            Some((address, Ok(stream))) => {
                race.connected(address);
                return Ok(stream);
            }
            Some((address, Err(error))) => {
                dialling -= 1;
                race.failed(address, &error);
            }
            None => {}
        }
    }
    Err(given_up())
}

/// What became of the addresses that were dialled.
struct Outcomes<S>(Mutex<(VecDeque<Outcome<S>>, Option<Waker>)>);

type Outcome<S> = (SocketAddr, io::Result<S>);

impl<S> Outcomes<S> {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((VecDeque::new(), None))))
    }

    fn put(&self, address: SocketAddr, outcome: io::Result<S>) {
        let mut outcomes = lock(&self.0);
        outcomes.0.push_back((address, outcome));
        let waker = outcomes.1.take();
        drop(outcomes);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Outcome<S>> {
        let mut outcomes = lock(&self.0);
        match outcomes.0.pop_front() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                outcomes.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
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
    use std::thread::park;

    use nats_conn_client::driver::{Prepared, STAGGER, blocking};
    use nats_conn_client::machine::LinkId;

    use super::*;
    use crate::ConnectOptions;

    /// A race over addresses of loopback with these ports.
    fn race(ports: &'static [u16]) -> Race {
        let address = |port: &u16| SocketAddr::from(([127, 0, 0, 1], *port));
        let addresses = move || ports.iter().map(address).collect();
        let options = ConnectOptions::from_url("nats://name.test").unwrap();
        let options = options.resolver(move |_, _| std::future::ready(Ok(addresses())));
        let Prepared { client, parts, .. } = options.prepare().unwrap();
        let server = client.servers()[0].server.clone();
        let target = Target::new(server, LinkId::from_u64(1), parts.setup, parts.shared);
        blocking::wait(None, pin!(target.resolve())).unwrap().unwrap()
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
        let (_wanted, attempt) = Attempt::new();
        let began = Instant::now();
        assert_eq!(dial_all(race(&[1, 2]), &attempt, dial), Ok(2));
        assert!(began.elapsed() < STAGGER);
    }

    #[test]
    fn an_address_that_does_not_answer_is_overtaken() {
        let (_wanted, attempt) = Attempt::new();
        let began = Instant::now();
        assert_eq!(dial_all(race(&[3, 4, 2]), &attempt, dial), Ok(2));
        assert!(began.elapsed() >= 2 * STAGGER);
    }

    #[test]
    fn when_all_refuse_the_first_says_why() {
        let (_wanted, attempt) = Attempt::new();
        let refused = dial_all(race(&[1, 1]), &attempt, dial);
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
        let (wanted, attempt) = Attempt::new();
        drop(wanted);
        let begun = dial_all(race(&[2]), &attempt, dial);
        assert!(begun.is_err(), "{begun:?}");
    }

    #[test]
    fn an_attempt_that_is_given_up_is_waited_for_no_longer() {
        let (wanted, attempt) = Attempt::new();
        let waiting = std::thread::spawn(move || dial_all(race(&[3]), &attempt, dial));
        drop(wanted);
        assert!(waiting.join().unwrap().is_err());
    }
}
