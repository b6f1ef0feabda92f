//! The loop of a driver over one plain TCP stream: `pump nats://127.0.0.1:4222`.
//!
//! Subscribes to `greetings`, publishes one, prints what happens and closes when the greeting has come back. It has
//! no TLS, and where a real driver waits for its socket and its timer together, this one looks at the socket often.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use nats_conn_sm::proto::{ServerUrl, Subject};
use nats_conn_sm::pump::{News, Outside, Pump, Wait};
use nats_conn_sm::{Config, Connection, Event, LinkEnd, Publish, Server, Timestamp};

const GREETINGS: Subject = Subject::from_static("greetings");
/// How long an address may take to answer.
const DIAL: Duration = Duration::from_secs(2);
/// How often the socket is looked at while nothing can be read.
const LOOK: Duration = Duration::from_millis(5);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1);
    let url = url.as_deref().unwrap_or("nats://127.0.0.1:4222");
    let config = Config::new(ServerUrl::parse_list(url)?);
    let mut outside = Tcp {
        began: Instant::now(),
        stream: None,
        to_dial: None,
    };
    let mut connection = Connection::new(config, seed(), outside.now())?;
    connection.subscribe(outside.now(), GREETINGS.into(), None)?;
    connection.publish(Publish::new(&GREETINGS, "hello"))?;
    let (mut pump, mut news) = (Pump::new(), News::Ready);
    while let Some(wait) = pump.turn(&mut connection, &mut outside, news) {
        news = outside.wait(wait);
    }
    Ok(())
}

/// Something that nobody can guess. A real driver asks the operating system for 32 random bytes.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for (index, part) in seed.chunks_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(index).to_le_bytes());
    }
    seed
}

struct Tcp {
    began: Instant,
    stream: Option<TcpStream>,
    to_dial: Option<(String, u16)>,
}

impl Outside for Tcp {
    fn now(&mut self) -> Timestamp {
        Timestamp::ZERO + self.began.elapsed()
    }

    fn event(&mut self, connection: &mut Connection, event: Event) {
        println!("{event}");
        if let Event::Message { .. } = event {
            connection.close(self.now());
        }
    }

    fn dial(&mut self, server: &Server) -> Result<(), LinkEnd> {
        self.stream = None;
        self.to_dial = Some((server.host().to_owned(), server.port()));
        Ok(())
    }

    fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>> {
        let mut bytes = [0; 8 * 1024];
        let outcome = some(self.stream.as_mut()?.read(&mut bytes));
        if let Some(Ok(count)) = outcome {
            buffer.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
        outcome
    }

    fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>> {
        some(self.stream.as_mut()?.write(bytes))
    }

    fn hang_up(&mut self, _: bool) {
        (self.stream, self.to_dial) = (None, None);
    }
}

impl Tcp {
    fn wait(&mut self, wait: Wait) -> News {
        if let Some((host, port)) = self.to_dial.take() {
            return match connect(&host, port) {
                Ok(stream) => {
                    self.stream = Some(stream);
                    News::Connected
                }
                Err(end) => News::Failed(end),
            };
        }
        loop {
            let readable = self.stream.as_ref().is_some_and(|stream| {
                !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
            });
            if readable || wait.until.is_some_and(|until| until <= self.now()) {
                return News::Ready;
            }
            std::thread::sleep(LOOK);
            if wait.writable {
                return News::Ready;
            }
        }
    }
}

fn connect(host: &str, port: u16) -> Result<TcpStream, LinkEnd> {
    let resolved = (host, port).to_socket_addrs();
    let mut last = LinkEnd::resolve("the name has no address");
    for address in resolved.map_err(LinkEnd::resolve)? {
        let connected = TcpStream::connect_timeout(&address, DIAL).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            Ok(stream)
        });
        match connected {
            Ok(stream) => return Ok(stream),
            Err(error) => last = LinkEnd::dial("dial", error),
        }
    }
    Err(last)
}

fn some(outcome: io::Result<usize>) -> Option<Result<usize, LinkEnd>> {
    match outcome {
        Ok(count) => Some(Ok(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
        Err(error) => Some(Err(LinkEnd::io("io", error))),
    }
}
