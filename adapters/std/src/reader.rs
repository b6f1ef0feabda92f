//! The thread that reads one link.

use std::io;
use std::mem::take;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use nats_conn_client::driver::{Backpressure, Turn, io_error};
use nats_conn_client::machine::{LinkEnd, ReceiveBuf};

use crate::appetite::Appetite;
use crate::link::{Link, is_timeout};
use crate::news::News;
use crate::pace::Pace;
use crate::reading::{PATIENCE, Reads};
use crate::tls::Decrypted;
use crate::wire::{EVENTS_A_TURN, Wire};

/// A block for small messages.
const BLOCK: usize = 8 << 10;

/// Reads a link, and parses and delivers what comes.
pub(crate) struct Reader {
    link: Arc<Link>,
    wire: Arc<Wire>,
    rx: ReceiveBuf,
    appetite: Appetite,
    /// Where ciphertext is read.
    cipher: Vec<u8>,
    /// How many bytes the machine wants the next read to have room for.
    room: usize,
    /// How many bytes are read at once, at most.
    most: usize,
    backpressure: Backpressure,
    /// Wakes the thread that reads when a consumer has caught up.
    waker: Waker,
    pace: Pace,
    /// Nobody waited for an answer in the last turn.
    idle: bool,
    /// Reading has come to its end.
    end: Option<LinkEnd>,
}

impl Reader {
    /// Runs on a thread of its own from the moment at which the link is connected.
    pub(crate) fn run(link: Arc<Link>, wire: Arc<Wire>, most: usize) -> News {
        let mut reader = Box::new(Self {
            rx: ReceiveBuf::new(link.id),
            appetite: Appetite::new(most),
            cipher: Vec::new(),
            link: link.clone(),
            wire,
            room: 0,
            most,
            backpressure: Backpressure::default(),
            waker: link.reading.bell().clone().into(),
            pace: Pace::default(),
            idle: false,
            end: None,
        });
        reader.turn(|turn| turn.connected(link.id));
        let end = read_to_the_end(&link, reader);
        News::Ended(link.id, link.end(end))
    }

    /// Reads once, and delivers what came, if anything did.
    fn read_some(&mut self) -> Result<Option<Decrypted>, LinkEnd> {
        if self.link.session().is_some() {
            return self.read_cipher();
        }
        let Self {
            link,
            rx,
            room,
            appetite,
            pace,
            ..
        } = self;
        let plain = rx.buffer_mut();
        let before = plain.len();
        let room = appetite.room(plain, *room);
        let (read, room) = (read_once(link, room, pace)?, room.len());
        if read == 0 {
            return Ok(None);
        }
        appetite.read(plain, read, room);
        let decrypted = match link.session().as_mut() {
            None => Ok(Decrypted::default()),
            // It has begun while this was read.
            Some(session) => {
                let cipher = plain.split_off(before);
                session.decrypt(&cipher, plain)
            }
        };
        self.deliver(before, decrypted).map(Some)
    }

    /// The same where there is a session of TLS.
    fn read_cipher(&mut self) -> Result<Option<Decrypted>, LinkEnd> {
        let mut cipher = take(&mut self.cipher);
        cipher.resize(self.most, 0);
        let read = read_once(&self.link, &mut cipher, &mut self.pace);
        let unparsed = self.rx.len();
        let came = read.and_then(|read| {
            let plain = self.rx.buffer_mut();
            if plain.capacity() - plain.len() < read {
                plain.reserve(read.max(self.room).max(BLOCK));
            }
            let decrypted = match self.link.session().as_mut() {
                Some(session) if read > 0 => session.decrypt(&cipher[..read], plain),
                _ => return Ok(None),
            };
            self.deliver(unparsed, decrypted).map(Some)
        });
        self.cipher = cipher;
        came
    }

    /// Parses and delivers what was read. So many bytes were there before.
    fn deliver(
        &mut self,
        unparsed: usize,
        decrypted: Result<Decrypted, LinkEnd>,
    ) -> Result<Decrypted, LinkEnd> {
        if self.link.is_left() {
            self.rx.buffer_mut().clear();
            return decrypted;
        }
        let decrypted = match decrypted {
            Ok(decrypted) => decrypted,
            Err(end) => {
                // What came before the error counts, and may say more than the error does.
                if !self.rx.is_empty() {
                    self.turn(|_| {});
                }
                return Err(end);
            }
        };
        let id = self.link.id;
        if decrypted.established {
            self.turn(|turn| turn.tls_done(id, unparsed));
        } else if !self.rx.is_empty() {
            self.turn(|_| {});
        }
        if decrypted.to_write {
            self.wire.bell.ring();
        }
        Ok(decrypted)
    }

    /// Reports something to the machine, and takes all that it emits.
    fn turn(&mut self, report: impl Fn(&mut Turn<'_>)) {
        let mut more = true;
        while more {
            self.link.reading.begin_turn();
            let Self {
                wire, rx, room, idle, ..
            } = self;
            let (left, delivered) = wire.turn(|turn| {
                report(turn);
                let left = turn.events(rx, EVENTS_A_TURN);
                *room = turn.read_hint();
                *idle = !wire.is_awaited(turn);
                left
            });
            more = left;
            if delivered.messages > 0 {
                self.appetite.delivered(delivered.frame());
            }
            if delivered.is_crowding() {
                self.backpressure.note(delivered, Instant::now(), &self.waker);
            }
        }
    }

    /// Whether a mailbox is crowded. A link that was left is read to its end whoever is behind.
    fn waits_for_consumers(&self) -> bool {
        self.backpressure.is_active() && !self.link.is_left()
    }
}

/// One read: 0 bytes if nothing came in time.
fn read_once(link: &Link, buffer: &mut [u8], pace: &mut Pace) -> Result<usize, LinkEnd> {
    match link.read(buffer) {
        Ok(0) => Err(LinkEnd::Eof),
        Ok(read) => {
            pace.went_on();
            Ok(read)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) if is_timeout(&error) => {
            pace.refused();
            Ok(0)
        }
        Err(error) => Err(io_error(&error)),
    }
}

impl Reads for Reader {
    fn read(&mut self) -> bool {
        if self.end.is_some() || self.waits_for_consumers() {
            return false;
        }
        self.end = match self.read_some() {
            Ok(None) => return false,
            Ok(Some(decrypted)) => decrypted.ended.then_some(LinkEnd::Eof),
            Err(end) => Some(end),
        };
        self.end.is_none()
    }

    /// Waits while a mailbox is crowded whose consumer makes progress.
    fn catch_up(&mut self) -> Option<LinkEnd> {
        while self.waits_for_consumers()
            && let Some(again) = self.backpressure.check(Instant::now())
        {
            self.link.reading.bell().sleep(Some(again));
        }
        self.end.clone()
    }

    fn is_idle(&self) -> bool {
        self.idle
            && self.wire.listening.is_nobody()
            && self.end.is_none()
            && !self.backpressure.is_active()
            && !self.link.is_left()
    }

    fn panicked(&self) {
        self.wire.post.send(News::Panicked);
    }
}

/// What the thread of a link does.
fn read_to_the_end(link: &Link, mut reader: Box<dyn Reads>) -> LinkEnd {
    // Some streams know no timeout: then nobody else reads.
    let mut lends = true;
    loop {
        if let Some(end) = reader.catch_up() {
            return end;
        }
        reader.read();
        if lends && link.reading.is_wanted() && reader.is_idle() {
            lends = link.set_read_timeout(Some(PATIENCE)).is_ok();
            if lends {
                reader = link.reading.lay_down(reader);
                // Where this fails the thread asks more often than it has to.
                let _ = link.set_read_timeout(None);
            }
        }
    }
}
