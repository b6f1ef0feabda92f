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
                    if left == 0 {
                        self.end(self.plan.cut);
                        continue;
                    }
                    room = room.min(usize::try_from(left).unwrap_or(room));
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

    /// Ends the link so, if it has not ended yet.
    fn end(&self, cut: Cut) {
        let mut known = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() {
            return;
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
mod tests {
    use super::*;

    /// A server that sends back what it reads.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    fn through(plan: LinkPlan) -> (Proxy, TcpStream) {
        let proxy = Proxy::start_with(echo(), move |_| plan.clone()).expect("a port");
        let stream = TcpStream::connect(proxy.address()).expect("it listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        (proxy, stream)
    }

    fn cut(when: When, cut: Cut) -> LinkPlan {
        LinkPlan {
            when,
            cut,
            ..LinkPlan::CALM
        }
    }

    /// What comes back, and the kind of the error behind it.
    fn read_to_the_end(mut stream: &TcpStream) -> (usize, Option<ErrorKind>) {
        let (mut count, mut some) = (0, [0; 1000]);
        loop {
            match stream.read(&mut some) {
                Ok(0) => return (count, None),
                Ok(read) => count += read,
                Err(error) => return (count, Some(error.kind())),
            }
        }
    }

    #[test]
    fn a_link_is_cut_in_good_order_behind_exactly_so_many_bytes() {
        for behind in [0, 1, 77] {
            let (proxy, mut stream) = through(cut(When::Behind(Direction::ToClient, behind), Cut::Fin));
            stream.write_all(&[1; 100]).expect("a link");
            assert_eq!(read_to_the_end(&stream), (behind as usize, None));
            assert_eq!(proxy.ends(), BTreeMap::from([("FIN", 1)]));
        }
    }

    #[test]
    fn a_link_is_reset_after_its_time() {
        let plan = cut(When::After(Duration::from_millis(50)), Cut::Reset);
        let (_proxy, stream) = through(plan);
        assert_eq!(read_to_the_end(&stream), (0, Some(ErrorKind::ConnectionReset)));
    }

    #[test]
    fn what_the_server_says_behind_the_end_of_the_client_is_passed_on() {
        let plan = cut(When::Behind(Direction::ToServer, 10), Cut::FinToServer);
        let (_proxy, mut stream) = through(plan);
        stream.write_all(&[1; 100]).expect("a link");
        assert_eq!(read_to_the_end(&stream), (10, None));
    }

    #[test]
    fn a_silent_link_says_nothing_until_it_is_calm() {
        let (proxy, mut stream) = through(cut(When::Behind(Direction::ToServer, 0), Cut::Silence));
        stream.write_all(&[1; 100]).expect("a link");
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a timeout");
        let error = stream.read(&mut [0]).expect_err("silence");
        assert!(is_only_late(&error), "{error}");
        proxy.calm();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a timeout");
        assert_eq!(read_to_the_end(&stream), (0, Some(ErrorKind::ConnectionReset)));
    }

    #[test]
    fn pieces_delays_rates_and_pauses_change_no_byte() {
        let plan = LinkPlan {
            delay: Duration::from_millis(1),
            pieces: Some((3, 2000)),
            rate: Some(100_000),
            pause: Some((Duration::ZERO, Duration::from_millis(30))),
            ..LinkPlan::CALM
        };
        let (mut proxy, mut stream) = through(plan);
        let sent: Vec<u8> = (0..3000).map(|byte| byte as u8).collect();
        stream.write_all(&sent).expect("a link");
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back).expect("all of it");
        assert_eq!(back, sent);
        proxy.stop();
        assert_eq!(read_to_the_end(&stream), (0, Some(ErrorKind::ConnectionReset)));
    }
}
