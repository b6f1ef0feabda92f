//! Who is connected to a server itself and says what it processed: a socket, and nothing of the client under test.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::note::Note;

/// How long a read blocks before the thread looks around.
const LOOK: Duration = Duration::from_millis(20);
const HELLO: &[u8] =
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"protocol\":1,\"name\":\"observer\",\"lang\":\"raw\",\"version\":\"0\"}\r\n";

/// What one observer saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Every note, in order.
    pub notes: Vec<Note>,
    /// What was no note, or not as it was sent.
    pub wrong: Vec<String>,
    /// From when on it was connected and subscribed, and until when.
    pub sessions: Vec<(Instant, Option<Instant>)>,
}

impl Seen {
    /// Whether it is connected and subscribed.
    pub fn is_up(&self) -> bool {
        self.sessions.last().is_some_and(|(_, until)| until.is_none())
    }
}

/// An observer of one subject filter on one server. It connects again when the server was gone.
pub struct Observer {
    shared: Arc<Shared>,
    running: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    filter: &'static str,
    stop: AtomicBool,
    pongs: AtomicU64,
    seen: Mutex<Seen>,
    link: Mutex<Option<TcpStream>>,
}

impl Observer {
    /// Observes from now on; [`is_up`](Self::is_up) says since when.
    pub fn start(server: SocketAddr, filter: &'static str) -> Self {
        let shared = Arc::new(Shared {
            server,
            filter,
            stop: AtomicBool::new(false),
            pongs: AtomicU64::new(0),
            seen: Mutex::default(),
            link: Mutex::default(),
        });
        let running = shared.clone();
        let running = std::thread::spawn(move || running.run());
        Self {
            shared,
            running: Some(running),
        }
    }

    /// Whether it is connected and subscribed.
    pub fn is_up(&self) -> bool {
        lock(&self.shared.seen).is_up()
    }

    /// How many notes it has seen.
    pub fn count(&self) -> usize {
        lock(&self.shared.seen).notes.len()
    }

    /// Waits until it has seen everything that its server has processed before. `false`: not within the limit.
    pub fn catch_up(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let before = self.shared.pongs.load(Ordering::Acquire);
        self.shared.write(b"PING\r\n");
        while self.shared.pongs.load(Ordering::Acquire) == before {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Ends it, and gives what it saw.
    pub fn stop(mut self) -> Seen {
        self.end();
        std::mem::take(&mut *lock(&self.shared.seen))
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(running) = self.running.take() {
            let _ = running.join();
        }
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn run(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            if let Ok(stream) = TcpStream::connect_timeout(&self.server, Duration::from_secs(1)) {
                self.observe(stream);
                if let Some((_, until @ None)) = lock(&self.seen).sessions.last_mut() {
                    *until = Some(Instant::now());
                }
            }
            std::thread::sleep(LOOK);
        }
    }

    /// To the end of the link.
    fn observe(&self, mut stream: TcpStream) {
        let Ok(writer) = stream.try_clone() else { return };
        if stream.set_read_timeout(Some(LOOK)).is_err() {
            return;
        }
        *lock(&self.link) = Some(writer);
        self.write(HELLO);
        self.write(format!("SUB {} 1\r\nPING\r\n", self.filter).as_bytes());
        let (mut held, mut some, mut up) = (Vec::new(), vec![0; 1 << 16], false);
        while !self.stop.load(Ordering::Relaxed) {
            match stream.read(&mut some) {
                Ok(0) => break,
                Ok(count) => held.extend_from_slice(&some[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(_) => break,
            }
            let mut used = 0;
            while let Some((frame, size)) = Frame::read(&held[used..]) {
                self.take(frame, &mut up);
                used += size;
            }
            held.drain(..used);
        }
        *lock(&self.link) = None;
    }

    fn take(&self, frame: Frame<'_>, up: &mut bool) {
        match frame {
            Frame::Message(payload) => {
                let mut seen = lock(&self.seen);
                match Note::read(payload) {
                    Ok(note) => seen.notes.push(note),
                    Err(wrong) => seen.wrong.push(wrong),
                }
            }
            Frame::Ping => self.write(b"PONG\r\n"),
            Frame::Pong if *up => drop(self.pongs.fetch_add(1, Ordering::AcqRel)),
            Frame::Pong => {
                *up = true;
                lock(&self.seen).sessions.push((Instant::now(), None));
            }
            Frame::Other(line) => {
                if line.starts_with("-ERR") {
                    lock(&self.seen).wrong.push(line.to_owned());
                }
            }
        }
    }

    fn write(&self, bytes: &[u8]) {
        if let Some(link) = &mut *lock(&self.link) {
            // The reader learns that the link is gone.
            let _ = link.write_all(bytes);
        }
    }
}

enum Frame<'a> {
    Message(&'a [u8]),
    Ping,
    Pong,
    Other(&'a str),
}

impl<'a> Frame<'a> {
    /// The first frame and its size, if it is whole.
    fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
        let mut words = line.split(' ');
        let (head, last) = (words.next().unwrap_or_default(), words.next_back());
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        let headers = match head {
            "MSG" => 0,
            "HMSG" => number(words.next_back()),
            "PING" => return Some((Self::Ping, end + 2)),
            "PONG" => return Some((Self::Pong, end + 2)),
            _ => return Some((Self::Other(line), end + 2)),
        };
        let size = number(last);
        let body = bytes.get(end + 2..end + 2 + size + 2)?;
        Some((
            Self::Message(body.get(headers..size).unwrap_or_default()),
            end + 2 + size + 2,
        ))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
