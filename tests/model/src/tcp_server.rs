//! The model servers on real TCP listeners on loopback, for examples and for tests of adapters.
//!
//! Everything that is decided is decided by the [model](crate); here are threads and sockets.
//!
//! ```
//! use nats_conn_model_server::tcp_server::TcpCluster;
//!
//! let cluster = TcpCluster::start(2)?;
//! let first = cluster.server(0);
//! assert!(first.url().starts_with("nats://127.0.0.1:"));
//! first.crash();
//! first.restart()?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod transport;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use transport::Transport;

use crate::{Auth, Cluster, Ending, LinkLog, Order, PeerId, Reaction, Settings, Urls, Violation};

/// Some model servers on loopback, which announce each other. Dropped, they all stop.
#[derive(Debug)]
pub struct TcpCluster {
    shared: Arc<Shared>,
    servers: usize,
}

/// One of them. A handle: clones are the same server.
#[derive(Clone, Debug)]
pub struct TcpServer {
    shared: Arc<Shared>,
    place: usize,
}

impl TcpCluster {
    /// So many servers on free ports, named `n1`, `n2`, …, which announce each other.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(servers: usize) -> io::Result<Self> {
        Self::start_on(&vec![0; servers])
    }

    /// One server for each of these ports; 0 stands for a free one.
    ///
    /// # Errors
    /// If a port is not free.
    pub fn start_on(ports: &[u16]) -> io::Result<Self> {
        let named = ports.iter().enumerate().map(|(index, port)| {
            let name = format!("n{}", index + 1);
            Settings {
                port: *port,
                urls: Urls::Gossip,
                ..Settings::new(name)
            }
        });
        Self::start_with(named.collect())
    }

    /// Servers with these settings. The port 0 stands for a free one; the host is always `127.0.0.1`.
    ///
    /// # Errors
    /// If a port is not free.
    pub fn start_with(settings: Vec<Settings>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::default()),
            changed: Condvar::new(),
            started: Instant::now(),
        });
        let cluster = Self {
            servers: settings.len(),
            shared,
        };
        let mut listeners = Vec::new();
        for mut settings in settings {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port))?;
            settings.host = String::from("127.0.0.1");
            settings.port = listener.local_addr()?.port();
            let mut state = cluster.shared.lock();
            state.cluster.add_server(settings);
            state.listeners.push(None);
            state.transports.push(Transport::default());
            listeners.push(listener);
        }
        for (place, listener) in listeners.into_iter().enumerate() {
            cluster.shared.listen(place, listener)?;
        }
        let shared = Arc::clone(&cluster.shared);
        thread::Builder::new()
            .name("model timers".into())
            .spawn(move || shared.keep_time())?;
        Ok(cluster)
    }

    /// The server at this place, from 0.
    ///
    /// # Panics
    /// If there is none.
    pub fn server(&self, place: usize) -> TcpServer {
        assert!(place < self.servers, "there are {} servers", self.servers);
        TcpServer {
            shared: Arc::clone(&self.shared),
            place,
        }
    }

    /// The URLs of all, separated by commas.
    pub fn urls(&self) -> String {
        (0..self.servers)
            .map(|place| self.server(place).url())
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The log of every link there ever was, in the order of opening.
    pub fn logs(&self) -> Vec<LinkLog> {
        self.shared.lock().cluster.logs().cloned().collect()
    }

    /// What clients did and must not do.
    pub fn violations(&self) -> Vec<Violation> {
        self.shared.lock().cluster.violations().to_vec()
    }

    /// Waits until a client does what it must not do, or publishes to [`Settings::orders`], for so long at most. What this
    /// returns is forgotten.
    pub fn wait_for_news(&self, timeout: Duration) -> (Vec<Violation>, Vec<Order>) {
        let until = Instant::now() + timeout;
        let mut state = self.shared.lock();
        loop {
            let news = (state.cluster.take_violations(), state.cluster.take_orders());
            let left = until.saturating_duration_since(Instant::now());
            if !news.0.is_empty() || !news.1.is_empty() || left.is_zero() {
                return news;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.servers
    }

    /// Publishes as if by another client.
    pub fn publish(&self, subject: &str, payload: &[u8]) {
        self.shared.lock().cluster.publish(subject, None, payload);
        self.shared.changed.notify_all();
    }
}

impl Drop for TcpCluster {
    fn drop(&mut self) {
        // Fewer where a port was not free.
        let listening = self.shared.lock().listeners.len();
        for place in 0..listening {
            self.server(place).crash();
        }
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
    }
}

impl TcpServer {
    /// `nats://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Where it listens, or did.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port()))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.shared.lock().cluster.settings(self.place).port
    }

    /// The name that INFO announces.
    pub fn name(&self) -> String {
        self.shared.lock().cluster.settings(self.place).name.clone()
    }

    /// How many links are open and past their handshake.
    pub fn connections(&self) -> usize {
        self.shared.lock().cluster.ready_links(self.place).len()
    }

    /// Changes its settings; links to come see them.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(self.shared.lock().cluster.settings_mut(self.place));
    }

    /// Changes how its bytes travel, at once.
    pub fn set_transport(&self, change: impl FnOnce(&mut Transport)) {
        change(&mut self.shared.lock().transports[self.place]);
        self.shared.changed.notify_all();
    }

    /// Does this on every link that is past its handshake.
    pub fn react(&self, reactions: &[Reaction]) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        for peer in state.cluster.ready_links(self.place) {
            for reaction in reactions {
                state.cluster.reaction(now, peer, reaction.clone());
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Sends INFO as it is now to every link that is past its handshake.
    pub fn announce(&self) {
        self.shared.lock().cluster.announce(self.place);
        self.shared.changed.notify_all();
    }

    /// From now on every client is refused (`Authorization Violation`), or none again. Links that are up stay.
    pub fn refuse_auth(&self, refuse: bool) {
        let refused = || Auth::Refuse(String::from("Authorization Violation"));
        self.set(|settings| settings.auth = if refuse { refused() } else { Auth::Open });
    }

    /// Ends every link with this `-ERR`, such as `User Authentication Expired`. New ones are taken.
    pub fn expel(&self, text: &str) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        for peer in state.cluster.ready_links(self.place) {
            state.cluster.reaction(now, peer, Reaction::error(text));
            state.cluster.reaction(now, peer, Reaction::Close);
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Lame duck mode: it takes no new links, sends INFO to those that are up, and closes them after this time.
    pub fn lame_duck(&self, links_closed_after: Duration) {
        let closes_at = self.shared.now() + nanos(links_closed_after);
        let mut state = self.shared.lock();
        state.cluster.lame_duck(self.place, Some(closes_at));
        let listener = state.listeners[self.place].take();
        drop(state);
        self.shared.changed.notify_all();
        if let Some(listener) = listener {
            listener.stop();
        }
    }

    /// Tears down every link and stops listening, without an error. Nothing happens if it is down.
    pub fn crash(&self) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        state.cluster.crash(now, self.place);
        let listener = state.listeners[self.place].take();
        for socket in state.sockets.iter().filter(|socket| socket.place == self.place) {
            tear_down(&socket.stream);
        }
        state.sockets.retain(|socket| socket.place != self.place);
        drop(state);
        self.shared.changed.notify_all();
        if let Some(listener) = listener {
            listener.stop();
        }
    }

    /// Listens again, on the same port and out of lame duck mode. Nothing happens if it does already.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub fn restart(&self) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.listeners[self.place].is_some() {
            return Ok(());
        }
        let port = state.cluster.settings(self.place).port;
        state.cluster.restart(self.place);
        drop(state);
        self.shared
            .listen(self.place, TcpListener::bind((Ipv4Addr::LOCALHOST, port))?)?;
        self.shared.changed.notify_all();
        Ok(())
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something may have come to be written, closed or timed.
    changed: Condvar,
    started: Instant,
}

#[derive(Debug, Default)]
struct State {
    cluster: Cluster,
    listeners: Vec<Option<Listener>>,
    sockets: Vec<Socket>,
    transports: Vec<Transport>,
    stopped: bool,
}

#[derive(Debug)]
struct Socket {
    place: usize,
    peer: PeerId,
    stream: TcpStream,
}

#[derive(Debug)]
struct Listener {
    address: SocketAddr,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Returns when the port is free. The caller has seen to it that the next link is not taken.
    fn stop(self) {
        // `accept` cannot be cancelled; a link of our own wakes it.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.join();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        nanos(self.started.elapsed())
    }

    fn listen(self: &Arc<Self>, place: usize, listener: TcpListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        let shared = Arc::clone(self);
        let accept = move || {
            while let Ok((stream, _)) = listener.accept() {
                if shared.serve(place, stream).is_none() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("model listener".into())
            .spawn(accept)?;
        self.lock().listeners[place] = Some(Listener { address, thread });
        Ok(())
    }

    /// Takes a link, or `None` if the server does not listen any more.
    fn serve(self: &Arc<Self>, place: usize, stream: TcpStream) -> Option<()> {
        let _ = stream.set_nodelay(true);
        let now = self.now();
        let mut state = self.lock();
        let peer = state.cluster.accept(now, place)?;
        let Ok((kept, written)) = stream
            .try_clone()
            .and_then(|kept| Ok((kept, stream.try_clone()?)))
        else {
            state.cluster.receive_end(now, peer);
            return Some(());
        };
        state.sockets.push(Socket {
            place,
            peer,
            stream: kept,
        });
        drop(state);
        let (reader, writer) = (Arc::clone(self), Arc::clone(self));
        thread::spawn(move || reader.read(place, peer, stream));
        thread::spawn(move || writer.write(place, peer, written));
        Some(())
    }

    fn read(&self, place: usize, peer: PeerId, mut stream: TcpStream) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let transport = self.may_read(place, peer);
            let room = transport.room(buffer.len());
            let Ok(count @ 1..) = stream.read(&mut buffer[..room]) else {
                return self.finish(peer);
            };
            let now = self.now();
            self.lock().cluster.receive(now, peer, &buffer[..count]);
            self.changed.notify_all();
            thread::sleep(transport.rest(count));
        }
    }

    /// Waits until something may be read, or the link has ended.
    fn may_read(&self, place: usize, peer: PeerId) -> Transport {
        let mut state = self.lock();
        while state.transports[place].stopped_reading && state.cluster.ending(peer).is_none() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.transports[place]
    }

    fn write(&self, place: usize, peer: PeerId, mut stream: TcpStream) {
        loop {
            let mut state = self.lock();
            while !state.cluster.has_output(peer) && state.cluster.ending(peer).is_none() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let output = state.cluster.take_output(peer);
            let ending = state.cluster.ending(peer);
            let transport = state.transports[place];
            drop(state);
            for piece in transport.pieces(&output) {
                if stream.write_all(piece).is_err() {
                    return self.finish(peer);
                }
                thread::sleep(transport.write_pause);
            }
            match ending {
                None => {}
                Some(Ending::Reset) => {
                    tear_down(&stream);
                    return self.finish(peer);
                }
                Some(Ending::Close) => {
                    // The reader takes what is still in transit, so that what was sent last is not lost in a reset.
                    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
                    let _ = stream.shutdown(Shutdown::Write);
                    return;
                }
            }
        }
    }

    /// The link is over; it may be reported more than once.
    fn finish(&self, peer: PeerId) {
        let now = self.now();
        let mut state = self.lock();
        state.cluster.receive_end(now, peer);
        if let Some(index) = state.sockets.iter().position(|socket| socket.peer == peer) {
            let socket = state.sockets.swap_remove(index);
            let _ = socket.stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn keep_time(&self) {
        let mut state = self.lock();
        while !state.stopped {
            let now = self.now();
            state.cluster.tick(now);
            self.changed.notify_all();
            let wait = state
                .cluster
                .next_wakeup()
                .map_or(Duration::from_secs(3600), |at| {
                    Duration::from_nanos(at.saturating_sub(now)).max(Duration::from_millis(1))
                });
            state = self
                .changed
                .wait_timeout(state, wait)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// An abort: what was not delivered is lost, and the other side sees a reset.
fn tear_down(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Both);
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
