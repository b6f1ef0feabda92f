//! A pipe in memory, as an application would bring its own stream.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nats_conn_std::ByteStream;

/// How many bytes may be on their way in one direction.
const ROOM: usize = 1000;

/// One end of a pipe.
pub(crate) struct Pipe {
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
    timeout: Mutex<Duration>,
}

#[derive(Default)]
struct Direction {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    ended: bool,
}

impl Direction {
    fn read(&self, buffer: &mut [u8]) -> usize {
        let state = self.state.lock().unwrap();
        let mut state = self
            .changed
            .wait_while(state, |state| state.bytes.is_empty() && !state.ended)
            .unwrap();
        let read = state.bytes.read(buffer).unwrap();
        self.changed.notify_all();
        read
    }

    fn write(&self, piece: &[u8], until: Option<Instant>) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap();
        while state.bytes.len() >= ROOM && !state.ended {
            let left = until.map_or(Duration::from_secs(60), |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
        if state.ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = piece.len().min(ROOM - state.bytes.len());
        state.bytes.extend(&piece[..taken]);
        self.changed.notify_all();
        Ok(taken)
    }

    fn end(&self) {
        self.state.lock().unwrap().ended = true;
        self.changed.notify_all();
    }
}

impl ByteStream for Pipe {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.incoming.read(buffer))
    }

    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let until = Instant::now() + *self.timeout.lock().unwrap();
        self.outgoing.write(&pieces[0], Some(until))
    }

    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
        *self.timeout.lock().unwrap() = timeout;
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.outgoing.end();
        }
        if how != Shutdown::Write {
            self.incoming.end();
        }
        Ok(())
    }
}

/// A pipe whose other end is carried to and from this stream by two threads.
pub(crate) fn in_front_of(stream: TcpStream) -> Pipe {
    let pipe = Pipe {
        incoming: Arc::default(),
        outgoing: Arc::default(),
        timeout: Mutex::default(),
    };
    let (to_us, from_us) = (pipe.incoming.clone(), pipe.outgoing.clone());
    let (read, mut write) = (stream.try_clone().unwrap(), stream);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = read.read(&mut buffer) {
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                match to_us.write(rest, None) {
                    Ok(taken) => rest = &rest[taken..],
                    Err(_) => return,
                }
            }
        }
        to_us.end();
    });
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        loop {
            let count = from_us.read(&mut buffer);
            if count == 0 || write.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = write.shutdown(Shutdown::Write);
    });
    pipe
}
