//! The machine in a loop of mio, beside work of its own: `mio_loop [URL] [COUNT]` publishes a number each second and prints
//! what comes back, until so many have come. It has no TLS, and resolves names in the loop.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::hash::BuildHasher;
use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nats_conn_sm::proto::{ServerUrl, Subject};
use nats_conn_sm::pump::{News, Outside, Pump};
use nats_conn_sm::{Config, Connection, Event, LinkEnd, Publish, Server, Timestamp};

const TICKS: Subject = Subject::from_static("ticks");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "nats://127.0.0.1:4222".into());
    let count: u64 = arguments.next().map_or(Ok(10), |count| count.parse())?;

    let mut outside = Mio {
        began: Instant::now(),
        poll: Poll::new()?,
        ready: Events::with_capacity(8),
        stream: None,
        connected: false,
        to_receive: count,
    };
    let mut config = Config::new(ServerUrl::parse_list(&url)?);
    config.retry_initial = true;
    let mut connection = Connection::new(config, seed(), outside.now())?;
    connection.subscribe(outside.now(), TICKS.into(), None)?;

    let (mut pump, mut news) = (Pump::new(), News::Ready);
    let (mut published, mut next_tick) = (0, outside.now());
    while let Some(wait) = pump.turn(&mut connection, &mut outside, news) {
        let until = wait.until.map_or(next_tick, |until| until.min(next_tick));
        // mio tells of edges: what may be left in the socket is not told of again.
        let until = if wait.may_have_more { outside.now() } else { until };
        news = outside.wait(until)?;
        if next_tick <= outside.now() {
            next_tick = next_tick + Duration::from_secs(1);
            if outside.to_receive > 0 {
                published += 1;
                connection.publish(Publish::new(&TICKS, published.to_string()))?;
            }
        }
    }
    Ok(())
}

struct Mio {
    began: Instant,
    poll: Poll,
    ready: Events,
    stream: Option<TcpStream>,
    connected: bool,
    to_receive: u64,
}

impl Mio {
    fn wait(&mut self, until: Timestamp) -> io::Result<News> {
        let time = until.since(self.now());
        match self.poll.poll(&mut self.ready, Some(time)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let Some(stream) = self
            .stream
            .as_ref()
            .filter(|_| !self.connected && !self.ready.is_empty())
        else {
            return Ok(News::Ready);
        };
        Ok(
            match stream.take_error().and_then(|error| error.map_or(Ok(()), Err)) {
                Ok(()) if stream.peer_addr().is_ok() => {
                    self.connected = true;
                    News::Connected
                }
                Ok(()) => News::Ready,
                Err(error) => {
                    self.stream = None;
                    News::Failed(LinkEnd::dial("dial", error))
                }
            },
        )
    }

    fn connect(&mut self, server: &Server) -> io::Result<TcpStream> {
        let address = (server.host(), server.port()).to_socket_addrs()?.next();
        let mut stream = TcpStream::connect(address.ok_or(ErrorKind::NotFound)?)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(0), interest)?;
        Ok(stream)
    }
}

impl Outside for Mio {
    fn now(&mut self) -> Timestamp {
        Timestamp::ZERO + self.began.elapsed()
    }

    fn event(&mut self, connection: &mut Connection, event: Event) {
        let Event::Message { message, .. } = event else {
            return println!("{event}");
        };
        println!("{}", message.text());
        self.to_receive = self.to_receive.saturating_sub(1);
        if self.to_receive == 0 {
            connection.close(self.now());
        }
    }

    fn dial(&mut self, server: &Server) -> Result<(), LinkEnd> {
        self.hang_up(true);
        let stream = self.connect(server);
        self.stream = Some(stream.map_err(|error| LinkEnd::dial("dial", error))?);
        Ok(())
    }

    fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>> {
        let mut bytes = [0; 16 * 1024];
        let outcome = self.stream.as_mut()?.read(&mut bytes);
        if let Ok(count) = outcome {
            buffer.extend_from_slice(&bytes[..count]);
        }
        done(outcome)
    }

    fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>> {
        done(self.stream.as_mut()?.write(bytes))
    }

    fn hang_up(&mut self, _: bool) {
        (self.stream, self.connected) = (None, false);
    }
}

/// What was done now, if anything.
fn done(outcome: io::Result<usize>) -> Option<Result<usize, LinkEnd>> {
    match outcome {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
        outcome => Some(outcome.map_err(|error| LinkEnd::io("io", error))),
    }
}

/// Something that nobody can guess.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for (index, part) in seed.chunks_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(index).to_le_bytes());
    }
    seed
}
