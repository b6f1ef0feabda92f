//! Everything that waits, and everything that could settle it: each pair of them once. A waiter is settled by its
//! waker alone: it is not polled otherwise.

mod begin;
mod puppet;
mod table;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use nats_conn_client::machine::WhenFull;
use nats_conn_client::{Backoff, State};

use self::puppet::Puppet;
use self::table::Change::*;
use self::table::Waiter::*;
use self::table::{CHANGES, Change, EITHER, Row, TABLE, Waiter};
use crate::scene::*;

const WIDE: &str = "\"max_payload\":1073741824,\"headers\":true";
const NARROW: &str = "\"max_payload\":100,\"headers\":true";
const OLD: &str = "\"max_payload\":1073741824,\"headers\":false";

impl Waiter {
    /// The link takes nothing more, and something is queued.
    fn is_clogged(self) -> bool {
        matches!(
            self,
            Publish
                | PublishUnlessOff
                | PublishLarge
                | Respond
                | PublishConfirmedQueued
                | RequestQueued
                | RequestForRoom
                | Close
        )
    }

    /// What the server has to have read of it, and how often.
    fn mark(self) -> Option<(&'static str, usize)> {
        match self {
            Message => Some(("SUB wait.sub", 1)),
            Request | Replies => Some(("PUB wait.ask", 1)),
            Flush | RoundTrip | Drain | PublishConfirmed | SubscriptionConfirmed => Some(("PING", 1)),
            _ => None,
        }
    }

    fn options(self, url: &str) -> Options {
        let mut backoff = Backoff::default();
        (backoff.base, backoff.max) = (Duration::from_millis(1), Duration::from_millis(1));
        let options = options(url)
            .backoff(backoff)
            .drain_timeout(LIMIT * 2)
            .drain_patience(Duration::from_millis(1));
        let options = match self {
            Close => options.close_timeout(LIMIT * 2),
            _ => options,
        };
        match self {
            PublishConfirmedQueued | RequestQueued => options.send_buffer(16 << 20),
            PublishUnlessOff => options.send_buffer(1000).when_full(WhenFull::Off),
            _ => options.send_buffer(1000),
        }
    }
}

/// Which adapter runs a connection, and how it is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Futures(Adapter),
    #[cfg(target_os = "linux")]
    Calls,
}

/// One pair, under way.
struct Cell {
    name: String,
    change: Change,
    puppet: Puppet,
    client: Option<Client>,
    blocking: Option<nats_conn_std::Client>,
    /// What a drain waits for, or what is given up while its holder waits for a message.
    subscription: Option<begin::Held>,
    /// Where a separate runtime waits for its end.
    runtime: Option<Arc<AtomicBool>>,
    /// What tasks of a broken executor wait for.
    watched: Option<(Events, nats_conn_client::Closing)>,
    outcome: Task<String>,
    /// How it was settled.
    settled: Option<String>,
}

impl Cell {
    /// Begins to wait.
    async fn begin(way: Way, waiter: Waiter, change: Change) -> Self {
        let puppet = Puppet::start(WIDE, waiter != Connect, !waiter.is_clogged());
        let options = waiter.options(puppet.url());
        let mut runtime = None;
        let mut blocking = None;
        let (client, events) = match way {
            Way::Futures(adapter) if change == RuntimeDropped => {
                let over = Arc::new(AtomicBool::new(false));
                runtime = Some(over.clone());
                in_its_own_runtime(adapter, options, over).await
            }
            Way::Futures(adapter) => adapter.try_start(options).expect("usable options"),
            #[cfg(target_os = "linux")]
            Way::Calls => {
                let started = options.adapter(nats_conn_std::Std::default()).start();
                let (client, events) = started.expect("usable options");
                let inner = client.inner().clone();
                blocking = Some(client);
                (inner, events.into_inner())
            }
        };
        if waiter == Connect {
            until(|| puppet.links() == 1).await;
        } else {
            until(|| client.state() == State::Connected).await;
        }
        if waiter.is_clogged() {
            // It is more than the sockets hold, and accepted because nothing else is queued.
            let clog = subject("wait.clog");
            soon(client.publish(&clog, vec![b'x'; 6 << 20]))
                .await
                .expect("nothing is queued");
        }
        let is_held = waiter == Drain || (waiter, change) == (Message, Unsubscribed);
        let subscription = is_held.then(|| begin::held(&client));
        let taken = subscription.clone().filter(|_| waiter == Message);
        let limit = if change == TimeUp {
            Duration::from_millis(30)
        } else {
            LIMIT * 2
        };
        let outcome = match way {
            Way::Futures(adapter) => {
                let waits = Arc::new(AtomicBool::new(false));
                let waiting = match taken {
                    Some(held) => begin::next_of(held),
                    None => begin::future(waiter, client.clone(), events, limit),
                };
                let outcome = adapter.spawn(begin::noting(waiting, waits.clone()));
                until(|| waits.load(Ordering::SeqCst)).await;
                outcome
            }
            #[cfg(target_os = "linux")]
            Way::Calls => {
                drop(events);
                let client = blocking.clone().expect("it was started");
                let call = match taken {
                    Some(held) => begin::call_next_of(held),
                    None => begin::call(waiter, client, limit).expect("a call"),
                };
                parked(call).await
            }
        };
        if let Some((line, times)) = waiter.mark() {
            until(|| puppet.count(line) >= times).await;
        }
        Self {
            name: format!("{waiter:?} × {change:?}"),
            change,
            puppet,
            client: Some(client),
            blocking,
            subscription,
            runtime,
            watched: None,
            outcome,
            settled: None,
        }
    }

    /// The change happens.
    fn apply(&mut self) {
        let client = self.client.as_ref().expect("it is dropped later");
        match self.change {
            Served => self.puppet.serve(),
            TimeUp => {}
            LinkLost => {
                self.puppet.fall_silent();
                self.puppet.cut();
            }
            Reconnected => self.puppet.cut(),
            NarrowServer => {
                self.puppet.announce(NARROW);
                self.puppet.cut();
            }
            OldServer => {
                self.puppet.announce(OLD);
                self.puppet.cut();
            }
            NarrowNow => self.puppet.say(&format!("INFO {{{NARROW}}}\r\n")),
            SubscriptionsRefused => {
                let refused =
                    |subject| format!("-ERR 'Permissions Violation for Subscription to \"{subject}\"'\r\n");
                self.puppet
                    .subscribed()
                    .into_iter()
                    .for_each(|subject| self.puppet.say(&refused(subject)));
            }
            PublishesRefused => {
                let refused =
                    |subject| format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n");
                ["wait.one", "wait.ask"]
                    .into_iter()
                    .for_each(|subject| self.puppet.say(&refused(subject)));
            }
            Unsubscribed => {
                if let Some(held) = &self.subscription {
                    let _ = held.lock().expect("no panic").unsubscribe();
                }
            }
            Drained => drop(client.drain()),
            Closing => drop(client.close()),
            Forced => {
                self.puppet.fall_silent();
                let _ = client.force_reconnect();
            }
            NewPool => {
                let _ = client.set_servers(self.puppet.url());
            }
            HandlesDropped => {
                self.client = None;
                if let Some(client) = self.blocking.take() {
                    // The last handle waits for the end.
                    drop(elsewhere(move || drop(client)));
                }
            }
            DriverPanicked => {
                let broken = Waker::from(Arc::new(Broken));
                let cx = &mut Context::from_waker(&broken);
                let (mut events, mut closed) =
                    (client.events(), nats_conn_client::Closing::new(client.shared()));
                assert!(events.poll_event(cx).is_pending() && Pin::new(&mut closed).poll(cx).is_pending());
                // A connection that drains or closes cannot be forced: it learns something that makes an event.
                if client.force_reconnect().is_err() {
                    self.puppet.say(&format!("INFO {{{NARROW}}}\r\n"));
                }
                self.watched = Some((events, closed));
            }
            RuntimeDropped => {
                let over = self.runtime.as_ref().expect("it has one");
                over.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// The waker of an executor that is broken.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Self>) {
        panic!("on purpose")
    }
}

/// Starts a connection in another runtime of the same kind, which is dropped when it is over.
async fn in_its_own_runtime(adapter: Adapter, options: Options, over: Arc<AtomicBool>) -> (Client, Events) {
    let (sender, started) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        adapter.run(async move {
            let _ = sender.send(adapter.try_start(options).expect("usable options"));
            while !over.load(Ordering::SeqCst) {
                pause(Duration::from_millis(1)).await;
            }
        });
    });
    started.recv_timeout(LIMIT).expect("it is started")
}

/// Runs a call that blocks on its own thread, and waits until that thread sleeps.
#[cfg(target_os = "linux")]
async fn parked(call: Box<dyn FnOnce() -> String + Send>) -> Task<String> {
    let (sender, started) = std::sync::mpsc::channel();
    let outcome = elsewhere(move || {
        let _ = sender.send(std::fs::read_link("/proc/thread-self").expect("Linux"));
        call()
    });
    let thread = started.recv_timeout(LIMIT).expect("it is started");
    let stat = std::path::Path::new("/proc").join(thread).join("stat");
    let sleeps = || {
        let stat = std::fs::read_to_string(&stat).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_some_and(|state| state.starts_with('S'))
    };
    // Waiting for a lock is not such a sleep. A call with a short timeout may have ended already.
    let mut times = 0;
    until(|| {
        times = if sleeps() { times + 1 } else { 0 };
        times == 5 || !stat.exists()
    })
    .await;
    outcome
}

impl Row {
    /// Everything that happens to one waiter, at the same time.
    async fn run(&self, way: Way) -> String {
        let mut cells = Vec::new();
        for change in CHANGES {
            let has_runtime = matches!(
                way,
                Way::Futures(Adapter::TokioCurrentThread | Adapter::TokioMultiThread)
            );
            if change != RuntimeDropped || has_runtime {
                cells.push(Cell::begin(way, self.waiter, change).await);
            }
        }
        cells.iter_mut().for_each(Cell::apply);
        let mut wrong = Vec::new();
        for cell in &mut cells {
            let expected = self.expected(cell.change);
            if expected.is_some_and(|expected| expected != EITHER) {
                cell.settled = within(LIMIT, &mut cell.outcome).await;
                if cell.settled.as_deref() != expected {
                    wrong.push(format!("{}: {:?} for {expected:?}\n", cell.name, cell.settled));
                }
            }
        }
        // Long enough for a needless wake-up to be noticed.
        pause(Duration::from_millis(50)).await;
        for cell in &mut cells {
            let Some(how) = within(Duration::ZERO, &mut cell.outcome).await else {
                continue;
            };
            if self.expected(cell.change) != Some(EITHER) {
                wrong.push(format!("{}: {how:?} for nothing\n", cell.name));
            }
            cell.settled = Some(how);
        }
        for cell in cells.iter_mut().filter(|cell| cell.settled.is_none()) {
            // The server has nothing for those who wait for what happens to the connection.
            match &cell.client {
                Some(client) if matches!(self.waiter, Event | Closed) => drop(client.close()),
                _ => cell.puppet.serve(),
            }
        }
        for cell in cells.iter_mut().filter(|cell| cell.settled.is_none()) {
            let last = within(LIMIT, &mut cell.outcome).await;
            if last.as_deref() != Some(self.served) {
                wrong.push(format!("{}: {last:?} at last\n", cell.name));
            }
        }
        // One that drains would look for its server for two minutes, and find another one at the same port.
        for client in cells.iter().filter_map(|cell| cell.client.as_ref()) {
            drop(client.close());
        }
        wrong.concat()
    }
}

scenarios! {
    // behaviour: 6.2, 6.3, 6.6, 7.1, 7.3, 7.5, 11.1, 11.2, 11.3, 11.4
    async fn every_waiting_call_is_settled_by_each_change_that_settles_it_and_by_no_other(adapter) {
        let mut wrong = String::new();
        for row in TABLE {
            wrong += &row.run(Way::Futures(adapter)).await;
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_blocking_call_is_settled_by_each_change_that_settles_it_and_by_no_other() {
    Adapter::Std.run(async {
        let mut wrong = String::new();
        for row in TABLE.iter().filter(|row| row.waiter != Connect) {
            wrong += &row.run(Way::Calls).await;
        }
        assert!(wrong.is_empty(), "{wrong}");
    });
}
