//! The thread that reads one link.

use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use nats_conn_client::driver::{Backpressure, Turn, io_error};
use nats_conn_client::machine::{LinkEnd, ReceiveBuf};

use crate::bell::Bell;
use crate::link::{Link, is_timeout};
use crate::news::News;
use crate::pace::Pace;
use crate::tls::Decrypted;
use crate::wire::{EVENTS_A_TURN, Wire};

/// Some processors copy two to four times slower from the socket to addresses just after the beginning of a page.
const PAGE: usize = 4096;
const INTO_PAGE: usize = 128;
/// A block for small messages.
const BLOCK: usize = 8 << 10;

/// Reads a link to its end, and parses and delivers what comes.
pub(crate) struct Reader {
    link: Arc<Link>,
    wire: Arc<Wire>,
    rx: ReceiveBuf,
    /// How many bytes the machine wants the next read to have room for.
    room: usize,
    /// How many bytes are read at once, at most.
    most: usize,
    backpressure: Backpressure,
    /// What this thread sleeps on while a consumer has not caught up.
    bell: Arc<Bell>,
    waker: Waker,
}

impl Reader {
    /// Runs on a thread of its own from the moment at which the link is connected.
    pub(crate) fn run(link: Arc<Link>, wire: Arc<Wire>, most: usize) -> News {
        let id = link.id;
        let bell = Arc::<Bell>::default();
        let mut reader = Self {
            rx: ReceiveBuf::new(id),
            link,
            wire,
            room: 0,
            most,
            backpressure: Backpressure::default(),
            waker: bell.clone().into(),
            bell,
        };
        reader.turn(|turn| turn.connected(id));
        let end = reader.read_to_the_end();
        News::Ended(id, reader.link.end(end))
    }

    fn read_to_the_end(&mut self) -> LinkEnd {
        let mut buffer = vec![0; self.most.saturating_add(2 * PAGE)];
        let start = buffer.as_ptr().align_offset(PAGE) + INTO_PAGE;
        let buffer = &mut buffer[start..start + self.most];
        let mut pace = Pace::default();
        loop {
            self.wait_for_consumers();
            let read = match self.link.read(buffer) {
                Ok(0) => return LinkEnd::Eof,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_timeout(&error) => {
                    pace.refused();
                    continue;
                }
                Err(error) => return io_error(&error),
            };
            pace.went_on();
            if self.link.is_left() {
                continue;
            }
            match self.take(&buffer[..read]) {
                Ok(Decrypted { ended: false, .. }) => {}
                Ok(_) => return LinkEnd::Eof,
                Err(end) => return end,
            }
        }
    }

    /// Parses and delivers what was read.
    fn take(&mut self, read: &[u8]) -> Result<Decrypted, LinkEnd> {
        let unparsed = self.rx.len();
        let plain = self.rx.buffer_mut();
        if plain.capacity() - plain.len() < read.len() {
            plain.reserve(read.len().max(self.room).max(BLOCK));
        }
        let decrypted = match self.link.session().as_mut() {
            Some(session) => session.decrypt(read, plain),
            None => {
                plain.extend_from_slice(read);
                Ok(Decrypted::default())
            }
        };
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
            let Self { wire, rx, room, .. } = self;
            let (left, delivered) = wire.turn(|turn| {
                report(turn);
                let left = turn.events(rx, EVENTS_A_TURN);
                *room = turn.read_hint();
                left
            });
            more = left;
            self.backpressure.note(delivered, Instant::now(), &self.waker);
        }
    }

    /// Waits while a mailbox is crowded whose consumer makes progress.
    fn wait_for_consumers(&mut self) {
        if !self.backpressure.is_active() {
            return;
        }
        while let Some(again) = self.backpressure.check(Instant::now())
            && !self.link.is_left()
        {
            self.bell.sleep(Some(again));
        }
    }
}
