//! A proxy that harms the links through it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::dice::Dice;
use super::faults::{Cut, Direction, LinkPlan, When};

/// How long a read or a write blocks before the thread looks around.
const LOOK: Duration = Duration::from_millis(10);
/// How long a link that is silent for good holds its sockets.
const SILENCE: Duration = Duration::from_secs(8);
/// How long the rest of a link that was ended in good order is read.
const REST: Duration = Duration::from_secs(1);
/// Links at a time. Beyond that they are reset at once.
const LINKS: usize = 128;

type Draw = dyn Fn(u64) -> LinkPlan + Send + Sync;

/// A proxy on 127.0.0.1 before one server. Its threads end with it.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    draw: Box<Draw>,
    calm: AtomicBool,
    stop: AtomicBool,
    open: AtomicUsize,
    links: AtomicU64,
    ends: Mutex<BTreeMap<&'static str, u64>>,
}

impl Proxy {
    /// A proxy whose links have the faults of this seed: the nth link those of its nth plan.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(server: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::start_with(server, move |link| LinkPlan::draw(&mut Dice::new(seed, link)))
    }

    /// A proxy whose links, counted from 0, have these plans.
    ///
    /// # Errors
    /// No port is free.
    pub fn start_with(
        server: SocketAddr,
        draw: impl Fn(u64) -> LinkPlan + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            server,
            draw: Box::new(draw),
            calm: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            links: AtomicU64::new(0),
            ends: Mutex::default(),
        });
        let accepting = shared.clone();
        let accepting = std::thread::Builder::new()
            .name("proxy".into())
            .spawn(move || accepting.accept(&listener))?;
        Ok(Self {
            address,
            shared,
            accepting: Some(accepting),
        })
    }

    /// `nats://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// No link is harmed from now on; one that is silent for good is reset.
    pub fn calm(&self) {
        self.shared.calm.store(true, Ordering::Relaxed);
    }

    /// Links so far.
    pub fn links(&self) -> u64 {
        self.shared.links.load(Ordering::Relaxed)
    }

    /// How links were ended by it, and how often.
    pub fn ends(&self) -> BTreeMap<&'static str, u64> {
        self.shared
            .ends
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes no more links, resets those that are there, and waits until all are gone.
    pub fn stop(&mut self) {
        let Some(accepting) = self.accepting.take() else {
            return;
        };
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes who accepts.
        let _ = TcpStream::connect(self.address);
        let _ = accepting.join();
        let limit = Instant::now() + SILENCE;
        while self.shared.open.load(Ordering::Acquire) > 0 && Instant::now() < limit {
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let Ok(client) = client else { continue };
            if self.open.load(Ordering::Relaxed) >= LINKS {
                let _ = set_socket_linger(&client, Some(Duration::ZERO));
                continue;
            }
            self.open.fetch_add(1, Ordering::AcqRel);
            let shared = self.clone();
            std::thread::spawn(move || {
                shared.serve(client);
                shared.open.fetch_sub(1, Ordering::AcqRel);
            });
        }
    }

    fn serve(&self, client: TcpStream) {
        let plan = if self.calm.load(Ordering::Relaxed) {
            LinkPlan::CALM
        } else {
            (self.draw)(self.links.load(Ordering::Relaxed))
        };
        self.links.fetch_add(1, Ordering::Relaxed);
        let Ok(server) = TcpStream::connect_timeout(&self.server, Duration::from_secs(2)) else {
            // A client of a server that is gone would be refused; here it is at least reset.
            let _ = set_socket_linger(&client, Some(Duration::ZERO));
            return;
        };
        let ready = [&client, &server].iter().all(|stream| {
            let timeouts = stream
                .set_read_timeout(Some(LOOK))
                .and(stream.set_write_timeout(Some(LOOK)));
            timeouts.and(stream.set_nodelay(true)).is_ok()
        });
        if !ready {
            return;
        }
        let link = Link {
            shared: self,
            plan,
            client,
            server,
            began: Instant::now(),
            cut: Mutex::default(),
        };
        std::thread::scope(|threads| {
            threads.spawn(|| link.pump(Direction::ToServer));
            link.pump(Direction::ToClient);
        });
    }
}

struct Link<'a> {
    shared: &'a Shared,
    plan: LinkPlan,
    client: TcpStream,
    server: TcpStream,
    began: Instant,
    cut: Mutex<Option<(Cut, Instant)>>,
}

/// What becomes of what was read.
#[derive(PartialEq, Eq)]
enum Passage {
    Open,
    /// It is thrown away.
    Sink,
    /// Nothing is read.
    Held,
    Over,
}

impl Link<'_> {
    /// Passes on what comes from one side until there is no more.
    fn pump(&self, direction: Direction) {
        let (mut from, to) = match direction {
            Direction::ToClient => (&self.server, &self.client),
            Direction::ToServer => (&self.client, &self.server),
        };
        let (mut buffer, mut passed) = (vec![0; 1 << 14], 0_u64);
        loop {
            let passage = self.passage(direction);
            match passage {
                Passage::Over => return,
                Passage::Held => {
                    std::thread::sleep(LOOK);
                    continue;
                }
                Passage::Open | Passage::Sink => {}
            }
            let mut room = buffer.len();
            if passage == Passage::Open && !self.is_calm() {
                if let When::Behind(way, limit) = self.plan.when
                    && way == direction
                {
                    let left = limit.saturating_sub(passed);
                    if left == 0 && self.end(self.plan.cut) {
                        continue;
                    }
                    // Behind the end of the other way everything passes.
                    if left > 0 {
                        room = room.min(usize::try_from(left).unwrap_or(room));
                    }
                }
                if let Some(rate) = self.plan.rate {
                    room = room.min(usize::try_from(rate / 20).unwrap_or(room).max(1));
                }
            }
            match from.read(&mut buffer[..room]) {
                Ok(0) => {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(_) if passage == Passage::Sink => {}
                Ok(count) => {
                    self.wait_for(count);
                    if !self.pass_on(to, &buffer[..count], direction, passed) {
                        return;
                    }
                    passed += count as u64;
                }
                Err(error) if is_only_late(&error) => {}
                // It was reset, and so is the other side.
                Err(_) => return self.reset(),
            }
        }
    }

    /// Delay and rate.
    fn wait_for(&self, count: usize) {
        if self.is_calm() {
            return;
        }
        let mut wait = self.plan.delay;
        if let Some(rate) = self.plan.rate {
            wait += Duration::from_secs(count as u64) / u32::try_from(rate).unwrap_or(u32::MAX);
        }
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }

    /// Writes in pieces. `false`: the link is over.
    fn pass_on(&self, mut to: &TcpStream, mut rest: &[u8], direction: Direction, mut passed: u64) -> bool {
        while !rest.is_empty() {
            let mut size = rest.len();
            if let Some((piece, first)) = self.plan.pieces
                && passed < first
                && !self.is_calm()
            {
                size = size.min(piece);
            }
            match to.write(&rest[..size]) {
                Ok(count) => {
                    rest = &rest[count..];
                    passed += count as u64;
                }
                Err(error) if is_only_late(&error) => match self.passage(direction) {
                    Passage::Open | Passage::Held => {}
                    Passage::Sink => return true,
                    Passage::Over => return false,
                },
                // The other side has closed: what it sent before is still read, and then it is its end.
                Err(_) => {
                    self.end(Cut::Fin);
                    return true;
                }
            }
        }
        true
    }

    fn passage(&self, direction: Direction) -> Passage {
        if self.shared.stop.load(Ordering::Relaxed) {
            self.reset();
            return Passage::Over;
        }
        let cut = *self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        match cut {
            Some((Cut::Reset, _)) => Passage::Over,
            Some((Cut::Silence, since)) if self.is_calm() || since.elapsed() > SILENCE => {
                self.reset();
                Passage::Over
            }
            Some((Cut::Silence, _)) => Passage::Held,
            Some((_, since)) if since.elapsed() > REST => Passage::Over,
            Some((Cut::Fin, _)) => Passage::Sink,
            Some((Cut::FinToClient, _)) if direction == Direction::ToClient => Passage::Sink,
            Some((Cut::FinToServer, _)) if direction == Direction::ToServer => Passage::Sink,
            Some(_) => Passage::Open,
            None if self.is_calm() => Passage::Open,
            None => self.passage_by_time(),
        }
    }

    fn passage_by_time(&self) -> Passage {
        let age = self.began.elapsed();
        if let When::After(limit) = self.plan.when
            && age >= limit
        {
            self.end(self.plan.cut);
            return Passage::Held;
        }
        match self.plan.pause {
            Some((from, length)) if age >= from && age < from + length => Passage::Held,
            _ => Passage::Open,
        }
    }

    /// Ends the link so, if it has not ended yet. Whether it did.
    fn end(&self, cut: Cut) -> bool {
        let mut known = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() {
            return false;
        }
        *known = Some((cut, Instant::now()));
        drop(known);
        let mut ends = self.shared.ends.lock().unwrap_or_else(PoisonError::into_inner);
        *ends.entry(cut.name()).or_default() += 1;
        drop(ends);
        // An error means that this side has gone already.
        let end = |stream: &TcpStream| drop(stream.shutdown(Shutdown::Write));
        match cut {
            Cut::Fin => {
                end(&self.client);
                end(&self.server);
            }
            Cut::FinToClient => end(&self.client),
            Cut::FinToServer => end(&self.server),
            Cut::Reset => self.reset_on_close(),
            Cut::Silence => {}
        }
        true
    }

    /// Ends the link with a reset, whatever was its end before.
    fn reset(&self) {
        self.reset_on_close();
        let now = Instant::now();
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = Some((Cut::Reset, now));
    }

    fn reset_on_close(&self) {
        for stream in [&self.client, &self.server] {
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
    }

    fn is_calm(&self) -> bool {
        self.shared.calm.load(Ordering::Relaxed)
    }
}

fn is_only_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
