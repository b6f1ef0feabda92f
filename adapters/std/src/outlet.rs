//! What is being written.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;

use bytes::Buf;
use nats_conn_client::driver::{io_error, with_pieces};
use nats_conn_client::machine::{LinkId, SendBuf};

use crate::link::{Link, is_timeout};
use crate::pace::Pace;

/// How long one write may wait for room in the socket: so late does a writer notice, at worst, that a deadline has
/// passed or that the application wants something. Only a peer that does not read makes it wait at all.
pub(crate) const SLICE: Duration = Duration::from_millis(20);
/// How much room for ciphertext is kept: that of a block.
const KEPT: usize = 128 << 10;

/// Where bytes leave. Whoever holds its lock writes, and may wait for a [`SLICE`].
pub(crate) struct Outlet {
    pub(crate) tx: SendBuf,
    /// The stream to write to, unless writing to it has failed.
    pub(crate) link: Option<Arc<Link>>,
    /// What TLS has made of it, and how much of that is written.
    cipher: Vec<u8>,
    written: usize,
    pace: Pace,
}

impl Outlet {
    pub(crate) fn new(link: LinkId) -> Self {
        Self {
            tx: SendBuf::new(link),
            link: None,
            cipher: Vec::new(),
            written: 0,
            pace: Pace::default(),
        }
    }

    /// Whether everything was handed to the system, so that the machine may give more.
    pub(crate) fn is_empty(&self) -> bool {
        self.link.is_some() && self.tx.is_empty() && self.cipher.is_empty()
    }

    /// Writes what there is, for a [`SLICE`] at most. Says whether there was something.
    pub(crate) fn write(&mut self) -> bool {
        let Some(link) = self.link.clone() else {
            return false;
        };
        match self.write_to(&link) {
            Ok(busy) => busy,
            Err(error) => {
                self.link = None;
                link.fail(io_error(&error));
                false
            }
        }
    }

    /// Takes the stream, with a goodbye if it is TLS.
    pub(crate) fn close(&mut self) {
        let Some(link) = self.link.take() else { return };
        if let Some(session) = link.session().as_mut() {
            session.close();
        }
        // Whether it still leaves does not matter: the machine is done with this link.
        let _ = self.write_to(&link);
    }

    fn write_to(&mut self, link: &Link) -> io::Result<bool> {
        if self.cipher.is_empty()
            && let Some(session) = link.session().as_mut()
        {
            session.encrypt(&mut self.tx, &mut self.cipher)?;
        }
        let mut busy = false;
        while !self.cipher.is_empty() {
            busy = true;
            let pieces = [IoSlice::new(&self.cipher[self.written..])];
            let Some(written) = write_once(link, &pieces, &mut self.pace)? else {
                return Ok(true);
            };
            self.written += written;
            if self.written < self.cipher.len() {
                // It has waited: time and the machine come first.
                return Ok(true);
            }
            self.cipher.clear();
            self.cipher.shrink_to(KEPT);
            self.written = 0;
        }
        while !self.tx.is_empty() {
            busy = true;
            let pace = &mut self.pace;
            let (offered, written) = with_pieces(&self.tx, |pieces| {
                let offered = pieces.iter().map(|piece| piece.len()).sum::<usize>();
                (offered, write_once(link, pieces, pace))
            });
            let Some(written) = written? else {
                return Ok(true);
            };
            self.tx.advance(written);
            if written < offered {
                return Ok(true);
            }
        }
        Ok(busy)
    }
}

/// One write; `None` if the system took nothing in time.
fn write_once(link: &Link, pieces: &[IoSlice<'_>], pace: &mut Pace) -> io::Result<Option<usize>> {
    loop {
        return match link.write(pieces) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                pace.went_on();
                Ok(Some(written))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => continue,
                _ if is_timeout(&error) => {
                    pace.refused();
                    Ok(None)
                }
                _ => Err(error),
            },
        };
    }
}
