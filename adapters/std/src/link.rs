//! A stream as its two threads share it.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use nats_conn_client::driver::lock;
use nats_conn_client::machine::{LinkEnd, LinkId};

use crate::reading::Reading;
use crate::stream::Stream;
use crate::tls::Session;

/// The transport of one link.
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) reading: Reading,
    stream: Stream,
    session: Mutex<Option<Session>>,
    /// The machine is done with it: what is still read is thrown away.
    left: AtomicBool,
    /// Why writing failed.
    failure: OnceLock<LinkEnd>,
}

impl Link {
    pub(crate) fn new(id: LinkId, stream: Stream) -> Self {
        Self {
            id,
            reading: Reading::new(),
            stream,
            session: Mutex::new(None),
            left: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    /// Present while bytes are to be made TLS. Held only as long as a cipher works.
    pub(crate) fn session(&self) -> MutexGuard<'_, Option<Session>> {
        lock(&self.session)
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.0.read(buffer)
    }

    /// How long a read may wait, where the stream knows.
    pub(crate) fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.0.set_read_timeout(timeout)
    }

    pub(crate) fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.0.write(pieces)
    }

    /// The machine is done with it, and nothing more is written.
    pub(crate) fn leave(&self, how: Shutdown) {
        self.left.store(true, Ordering::Release);
        self.shutdown(how);
    }

    pub(crate) fn is_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// Writing failed. What the server sent before still counts, and says more than the broken pipe does: so the
    /// reader reads to the end, and says then that this was it.
    pub(crate) fn fail(&self, end: LinkEnd) {
        let _ = self.failure.set(end);
        self.shutdown(Shutdown::Both);
    }

    /// How the link ended, when reading it ended like this.
    pub(crate) fn end(&self, reading: LinkEnd) -> LinkEnd {
        self.failure.get().cloned().unwrap_or(reading)
    }

    pub(crate) fn shutdown(&self, how: Shutdown) {
        // It fails where the peer was faster.
        let _ = self.stream.0.shutdown(how);
        // Reading comes to its end, and somebody has to find that out.
        self.reading.go_on();
    }
}

/// Whether this is a wait of ours that ended, and not an error of the system that the peer is gone, which has the
/// same kind on some systems.
pub(crate) fn is_timeout(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::WouldBlock => true,
        io::ErrorKind::TimedOut => cfg!(windows) || error.raw_os_error().is_none(),
        _ => false,
    }
}
