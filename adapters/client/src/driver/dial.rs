//! Dialling all addresses of a name, for any runtime.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use nats_conn_sm::{LinkEnd, LinkId, Progress, Server};

use crate::core::link_error::dial_error;
use crate::core::shared::Shared;
use crate::driver::target::Target;

/// How long an address may take before the next one is tried beside it (RFC 8305).
pub const STAGGER: Duration = Duration::from_millis(250);
/// The same before one that failed before: who is slow to accept is not to be overtaken by who only accepts.
const LAST_RESORT: Duration = Duration::from_secs(1);

/// Resolves the host of the target, and dials its addresses in the order of a [`Race`] until one is connected. The
/// others are dropped then. It has no deadline of its own.
///
/// Nothing here has to be [`Send`], so that runtimes with a thread per core use it, too: what it gives is `Send` where the
/// streams, the dials and the timers are.
///
/// # Cancel safety
/// Dropping it drops all dials that are under way. A name that is being resolved is resolved to its end.
///
/// # Errors
/// The name cannot be resolved, or all addresses failed: the error of the first.
pub async fn dial_all<S, D, T>(
    target: &Target,
    dial: impl Fn(SocketAddr) -> D,
    sleep: impl Fn(Duration) -> T,
) -> Result<S, LinkEnd>
where
    D: Future<Output = io::Result<S>>,
    T: Future,
{
    let mut race = target.resolve().await?;
    let mut dialling: Vec<(SocketAddr, Pin<Box<D>>)> = Vec::new();
    let mut timer: Option<Pin<Box<T>>> = None;
    poll_fn(move |cx| {
        loop {
            let mut failed = false;
            let mut connected = None;
            dialling.retain_mut(|(address, attempt)| match attempt.as_mut().poll(cx) {
                _ if connected.is_some() => false,
                Poll::Ready(Ok(stream)) => {
                    race.connected(*address);
                    connected = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    race.failed(*address, &error);
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
            match race.next() {
                Some(address) => {
                    dialling.push((address, Box::pin(dial(address))));
                    timer = race.pause().map(|pause| Box::pin(sleep(pause)));
                }
                None if dialling.is_empty() => return Poll::Ready(Err(race.error())),
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// Which address of a host is dialled when. One begins; the next one begins beside it when it has not answered within
/// 250 ms, or at once when one fails; the first that is connected is taken. Families take turns.
///
/// Addresses of which a connect failed, or that accepted and then failed in any phase up to the PONG or went stale,
/// come after the others of their host for as long as the connection lives, or until one works again. Whoever dials
/// says what became of each address; the rest is known from the machine.
#[derive(Debug)]
pub struct Race {
    shared: Arc<Shared>,
    server: Server,
    link: LinkId,
    /// Those to come, and whether they failed before.
    rest: VecDeque<(SocketAddr, bool)>,
    /// One that has not failed before is being dialled.
    hopeful: bool,
    error: Option<LinkEnd>,
}

impl Race {
    fn new(target: &Target, addresses: Vec<SocketAddr>) -> Self {
        let host = target.server.host();
        let ordered = target
            .shared
            .call_quietly(|locked| locked.addresses.in_order(host, addresses));
        Self {
            shared: target.shared.clone(),
            server: target.server.clone(),
            link: target.link,
            rest: ordered.into(),
            hopeful: false,
            error: None,
        }
    }

    /// The next address to dial.
    #[expect(
        clippy::should_implement_trait,
        reason = "its holder reports what became of each address before the next"
    )]
    pub fn next(&mut self) -> Option<SocketAddr> {
        let (address, failed) = self.rest.pop_front()?;
        self.hopeful |= !failed;
        self.shared
            .call_quietly(|locked| locked.addresses.dialling(self.link, address));
        Some(address)
    }

    /// How long to wait for an answer until the next address is dialled beside; `None` if there is no other.
    pub fn pause(&self) -> Option<Duration> {
        let (_, failed) = self.rest.front()?;
        Some(if *failed && self.hopeful {
            LAST_RESORT
        } else {
            STAGGER
        })
    }

    /// This address is connected.
    pub fn connected(&mut self, address: SocketAddr) {
        self.shared
            .call_quietly(|locked| locked.addresses.connected(self.link, address));
    }

    /// This address cannot be connected to. The next one is due.
    pub fn failed(&mut self, address: SocketAddr, error: &io::Error) {
        self.error.get_or_insert_with(|| dial_error(error));
        self.shared
            .call_quietly(|locked| locked.addresses.refused(&self.server, self.link, address));
    }

    /// The error of the first address that failed, when all have.
    pub fn error(&mut self) -> LinkEnd {
        self.error.take().unwrap_or_else(|| LinkEnd::Resolve {
            detail: "the name has no address".into(),
        })
    }
}

impl Target {
    /// Finds the addresses of the host, and says the progress.
    ///
    /// # Cancel safety
    /// Dropping it only stops the waiting.
    ///
    /// # Errors
    /// The name cannot be resolved.
    pub async fn resolve(&self) -> Result<Race, LinkEnd> {
        self.progress(Progress::Resolving);
        let (host, port) = (self.server.host(), self.server.port());
        let addresses = self.setup.resolver.resolve(host, port).await?;
        self.progress(Progress::Dialing);
        Ok(Race::new(self, addresses))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;
    use crate::driver::blocking::wait;
    use crate::driver::prepare::Prepared;
    use crate::options::connect::ConnectOptions;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn refused() -> io::Error {
        io::ErrorKind::ConnectionRefused.into()
    }

    type Dialling = Pin<Box<dyn Future<Output = io::Result<SocketAddr>> + Send>>;

    /// A connection to a name with three addresses, which is at its first attempt.
    fn target() -> Target {
        let options = ConnectOptions::<()>::from_url("nats://name.test").unwrap();
        let options = options
            .resolver(|_, _| async { Ok(["127.0.0.1:1", "127.0.0.1:2", "[::1]:3"].map(address).to_vec()) });
        let Prepared { client, parts, .. } = options.prepare().unwrap();
        let server = client.servers()[0].server.clone();
        Target::new(server, LinkId::from_u64(1), parts.setup, parts.shared)
    }

    fn dial(outcome: fn(SocketAddr) -> Dialling) -> Result<SocketAddr, LinkEnd> {
        dial_again(&target(), outcome)
    }

    fn dial_again(target: &Target, outcome: fn(SocketAddr) -> Dialling) -> Result<SocketAddr, LinkEnd> {
        wait(None, pin!(dial_all(target, outcome, |_| ready(())))).unwrap()
    }

    #[test]
    fn an_address_that_failed_is_dialled_after_the_others_the_next_time() {
        let target = target();
        let first = dial_again(&target, |to| {
            Box::pin(ready(if to.port() == 1 { Err(refused()) } else { Ok(to) }))
        });
        assert_eq!(first, Ok(address("[::1]:3")));
        let second = dial_again(&target, |to| Box::pin(ready(Ok(to))));
        assert_eq!(second, Ok(address("127.0.0.1:2")), "it would have been the first");
    }

    #[test]
    fn the_last_resort_is_waited_for_longer_while_there_is_hope() {
        let target = target();
        let mut race = wait(None, pin!(target.resolve())).unwrap().unwrap();
        assert_eq!(race.next(), Some(address("127.0.0.1:1")));
        assert_eq!(race.pause(), Some(STAGGER));
        race.failed(address("127.0.0.1:1"), &refused());

        let mut race = wait(None, pin!(target.resolve())).unwrap().unwrap();
        assert_eq!(race.next(), Some(address("127.0.0.1:2")));
        assert_eq!(race.pause(), Some(STAGGER));
        assert_eq!(race.next(), Some(address("[::1]:3")));
        assert_eq!(race.pause(), Some(LAST_RESORT));
        assert_eq!(race.next(), Some(address("127.0.0.1:1")));
        assert_eq!((race.pause(), race.next()), (None, None));

        race.failed(address("127.0.0.1:2"), &refused());
        race.failed(address("[::1]:3"), &refused());
        let mut race = wait(None, pin!(target.resolve())).unwrap().unwrap();
        assert_eq!(race.next(), Some(address("127.0.0.1:1")), "it failed first");
        assert_eq!(race.pause(), Some(STAGGER), "nothing better is to be hoped for");
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

    #[test]
    fn of_two_that_are_connected_at_the_same_time_the_one_that_was_begun_first_is_taken() {
        let connected = dial(|to| {
            let mut pending = to.port() == 1;
            Box::pin(poll_fn(move |cx| {
                if std::mem::take(&mut pending) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(to))
            }))
        });
        assert_eq!(connected, Ok(address("127.0.0.1:1")));
    }
}
