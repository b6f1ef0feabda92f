//! From a name to its addresses, on no thread of anybody's runtime.
//!
//! The resolver of the system can take as long as it likes and cannot be interrupted. It is asked on threads that
//! nobody waits for: one for each name, however many attempts ask for it, and [`THREADS`] in the whole process.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};

use nats_conn_sm::LinkEnd;

use crate::core::link_error::resolve_error;
use crate::core::lock::lock;
use crate::core::oneshot::Oneshot;
use crate::core::panics::{caught, wake_all};

/// How many threads of this process ask the resolver of the system at once. Names beyond wait for one of them.
const THREADS: usize = 8;

/// Finds the addresses of names.
#[derive(Clone)]
pub struct Resolver(Source);

#[derive(Clone)]
enum Source {
    System,
    Own(Arc<dyn Fn(String, u16) -> Resolving + Send + Sync>),
}

type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

impl Resolver {
    /// The operating system's.
    pub(crate) const SYSTEM: Self = Self(Source::System);

    pub(crate) fn own<F, R>(resolve: F) -> Self
    where
        F: Fn(String, u16) -> R + Send + Sync + 'static,
        R: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Source::Own(Arc::new(move |host, port| {
            Box::pin(resolve(host, port))
        })))
    }

    /// The addresses of a host, of which there is one at least. A host that is an address is not asked for.
    pub(crate) async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, LinkEnd> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let addresses = match &self.0 {
            Source::System => {
                let mut addresses = SYSTEM.lookup(host).await?;
                addresses.iter_mut().for_each(|address| address.set_port(port));
                addresses
            }
            Source::Own(resolve) => resolve(host.to_owned(), port)
                .await
                .map_err(|error| resolve_error(&error))?,
        };
        if addresses.is_empty() {
            return Err(LinkEnd::Resolve {
                detail: "the name has no address".into(),
            });
        }
        Ok(addresses)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::System => "Resolver(of the system)",
            Source::Own(_) => "Resolver(of the application)",
        })
    }
}

static SYSTEM: LazyLock<Threads> = LazyLock::new(|| {
    Threads::new(|host| {
        let addresses = (host, 0).to_socket_addrs();
        addresses
            .map(Iterator::collect)
            .map_err(|error| resolve_error(&error))
    })
});

type Answer = Result<Vec<SocketAddr>, LinkEnd>;

/// Threads that ask a resolver that blocks.
#[derive(Clone)]
struct Threads {
    resolve: Arc<dyn Fn(&str) -> Answer + Send + Sync>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    threads: usize,
    names: HashMap<String, Name>,
    /// Names that no thread asks for yet.
    queue: VecDeque<String>,
    /// Counts who waits.
    next: u64,
}

/// A name that is asked for, or is to be.
#[derive(Default)]
struct Name {
    asked: bool,
    waiting: Vec<(u64, Arc<Oneshot<Answer>>)>,
}

impl Threads {
    fn new(resolve: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            resolve: Arc::new(resolve),
            state: Arc::default(),
        }
    }

    /// The addresses of a name, to come. Who stops waiting leaves the thread to those who go on.
    fn lookup(&self, host: &str) -> Lookup {
        let host = host.to_ascii_lowercase();
        let answer = Oneshot::new();
        let mut state = lock(&self.state);
        let number = state.next;
        state.next += 1;
        let known = state.names.contains_key(&host);
        let name = state.names.entry(host.clone()).or_default();
        name.waiting.push((number, answer.clone()));
        let mut another = false;
        if !known {
            state.queue.push_back(host.clone());
            another = state.threads < THREADS;
            state.threads += usize::from(another);
        }
        drop(state);
        if another {
            self.start();
        }
        Lookup {
            threads: self.clone(),
            host,
            number,
            answer,
        }
    }

    /// Starts a thread that was counted already.
    fn start(&self) {
        let threads = self.clone();
        let thread = std::thread::Builder::new().name("nats-conn names".into());
        if let Err(error) = thread.spawn(move || threads.run()) {
            let mut state = lock(&self.state);
            state.threads -= 1;
            // Those that wait for a thread that there is can go on waiting.
            let unasked = if state.threads == 0 {
                std::mem::take(&mut state.queue)
            } else {
                VecDeque::new()
            };
            let unasked = unasked
                .iter()
                .filter_map(|host| state.names.remove(host))
                .collect::<Vec<_>>();
            drop(state);
            unasked
                .into_iter()
                .for_each(|name| name.answer(&Err(resolve_error(&error))));
        }
    }

    /// Asks for one name after the other until there is none.
    fn run(&self) {
        while let Some(host) = self.next() {
            let answer = (self.resolve)(&host);
            let name = lock(&self.state).names.remove(&host);
            name.into_iter().for_each(|name| name.answer(&answer));
        }
    }

    fn next(&self) -> Option<String> {
        let mut state = lock(&self.state);
        let host = state.queue.pop_front();
        match &host {
            Some(host) => {
                if let Some(name) = state.names.get_mut(host) {
                    name.asked = true;
                }
            }
            None => state.threads -= 1,
        }
        host
    }

    fn forget(&self, host: &str, number: u64) {
        let mut state = lock(&self.state);
        let Some(name) = state.names.get_mut(host) else {
            return;
        };
        name.waiting.retain(|(waiting, _)| *waiting != number);
        if name.waiting.is_empty() && !name.asked {
            state.names.remove(host);
            state.queue.retain(|queued| queued != host);
        }
    }
}

impl Name {
    fn answer(self, answer: &Answer) {
        let wakers = self
            .waiting
            .iter()
            .filter_map(|(_, slot)| slot.put(answer.clone()))
            .collect();
        // The thread belongs to all connections of the process: one that is woken badly must not end it.
        let _ = caught(|| wake_all(wakers));
    }
}

/// The addresses of a name, to come.
struct Lookup {
    threads: Threads,
    host: String,
    number: u64,
    answer: Arc<Oneshot<Answer>>,
}

impl Future for Lookup {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.answer.poll(cx)
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        self.threads.forget(&self.host, self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::driver::blocking::wait;

    const SOON: Duration = Duration::from_secs(20);

    /// Threads that answer when they are let, and what they are asked for.
    fn held() -> (Threads, Receiver<String>, Sender<()>) {
        let (asked, questions) = channel();
        let (release, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let threads = Threads::new(move |host| {
            asked.send(host.to_owned()).unwrap();
            let _ = held.lock().unwrap().recv();
            Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
        });
        (threads, questions, release)
    }

    fn answer(lookup: Lookup) -> Answer {
        wait(Some(Instant::now() + SOON), pin!(lookup)).expect("an answer")
    }

    #[test]
    fn all_who_ask_for_a_name_share_one_thread() {
        let (threads, questions, release) = held();
        let lookups: Vec<_> = ["a", "A", "a"].map(|host| threads.lookup(host)).into();
        assert_eq!(questions.recv_timeout(SOON).as_deref(), Ok("a"));
        drop(threads.lookup("a"));
        assert_eq!(lock(&threads.state).threads, 1);
        release.send(()).unwrap();
        for lookup in lookups {
            assert_eq!(answer(lookup).unwrap().len(), 1);
        }
        assert!(questions.try_recv().is_err(), "asked once");
    }

    #[test]
    fn a_name_that_nobody_waits_for_any_more_is_joined_while_it_is_asked_for() {
        let (threads, questions, release) = held();
        drop(threads.lookup("a"));
        // The thread may not have begun yet, and has nothing to do then.
        let lookup = threads.lookup("a");
        assert_eq!(questions.recv_timeout(SOON).as_deref(), Ok("a"));
        drop(lookup);
        let lookup = threads.lookup("a");
        release.send(()).unwrap();
        assert!(answer(lookup).is_ok());
    }

    #[test]
    fn there_are_so_many_threads_and_further_names_wait_for_one_of_them() {
        let (threads, questions, release) = held();
        let lookups: Vec<_> = (0..THREADS + 2)
            .map(|name| threads.lookup(&name.to_string()))
            .collect();
        for _ in 0..THREADS {
            questions.recv_timeout(SOON).unwrap();
        }
        assert!(questions.recv_timeout(Duration::from_millis(50)).is_err());
        assert_eq!(lock(&threads.state).threads, THREADS);
        // One that gives up while it waits is not asked for.
        let mut lookups = lookups.into_iter();
        let given_up = lookups.nth(THREADS);
        drop(given_up);
        drop(release);
        let rest: Vec<_> = questions.iter().take(1).collect();
        assert_eq!(rest, [(THREADS + 1).to_string()]);
        assert!(lookups.map(answer).all(|answer| answer.is_ok()));
    }

    #[test]
    fn threads_end_when_nothing_is_asked_and_begin_anew() {
        let (threads, _questions, release) = held();
        drop(release);
        for _ in 0..3 {
            assert!(answer(threads.lookup("a")).is_ok());
            let deadline = Instant::now() + SOON;
            while lock(&threads.state).threads > 0 {
                assert!(Instant::now() < deadline, "it ends");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn an_address_is_not_asked_for_and_a_name_without_one_is_an_error() {
        let own = Resolver::own(|host, port| async move {
            assert_eq!((host.as_str(), port), ("nowhere.test", 4222));
            Ok(Vec::new())
        });
        let resolve = |host| wait(None, pin!(own.resolve(host, 4222))).unwrap();
        assert_eq!(resolve("127.0.0.1").unwrap(), ["127.0.0.1:4222".parse().unwrap()]);
        assert_eq!(resolve("::1").unwrap(), ["[::1]:4222".parse().unwrap()]);
        assert!(matches!(resolve("nowhere.test"), Err(LinkEnd::Resolve { .. })));
    }

    #[test]
    fn it_prints_who_is_asked() {
        let own = Resolver::own(|_, _| async { Ok(Vec::new()) });
        let printed = [Resolver::SYSTEM, own].map(|resolver| format!("{resolver:?}"));
        assert_eq!(
            printed,
            ["Resolver(of the system)", "Resolver(of the application)"]
        );
    }
}
