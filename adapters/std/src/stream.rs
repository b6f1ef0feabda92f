//! Byte streams that two threads use at once.

use std::any::Any;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A connected byte stream that one thread reads while another writes: a TCP stream, a Unix socket, a tunnel through a
/// proxy, a pipe in memory.
///
/// An implementation owes this:
/// * [`read`](Self::read) and [`write`](Self::write) do not wait for each other.
/// * A `write` that can hand over nothing fails with [`WouldBlock`](io::ErrorKind::WouldBlock) or
///   [`TimedOut`](io::ErrorKind::TimedOut) once the timeout has passed, and not before; having handed over a part, it
///   says how much. What it took is on its way: there is no flush. One that does not wait is asked again only after
///   rests of up to 20 ms, and so is a `read` that fails so.
/// * [`shutdown`](Self::shutdown) waits for nothing, and [`Shutdown::Both`] ends every `read` and `write` that goes on
///   in another thread. A `read` may still give what had arrived before it says that the end is reached.
///
/// The stream is dropped when nobody reads or writes it any more.
pub trait ByteStream: Send + Sync + 'static {
    /// Waits until something arrives and reads it; 0 bytes are the end.
    ///
    /// # Errors
    /// As the system says. `Interrupted`, `WouldBlock` and `TimedOut` are tried again.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes from the front of these pieces.
    ///
    /// # Errors
    /// As the system says.
    fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize>;

    /// How long a `write` may wait. Called once, before the first.
    ///
    /// # Errors
    /// As the system says.
    fn set_write_timeout(&self, timeout: Duration) -> io::Result<()>;

    /// How long a `read` may wait: it fails with [`WouldBlock`](io::ErrorKind::WouldBlock) or
    /// [`TimedOut`](io::ErrorKind::TimedOut) then. `None`: as long as it takes. A stream that knows no such thing is read by
    /// the thread of the connection alone; others also by threads that wait for a message or a reply, which is faster.
    ///
    /// # Errors
    /// As the system says; here, that it is not supported.
    fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let _ = timeout;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Ends one direction or both.
    ///
    /// # Errors
    /// As the system says; nothing depends on it.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

macro_rules! socket {
    ($($(#[$meta:meta])* $socket:ty),+) => {$(
        $(#[$meta])*
        impl ByteStream for $socket {
            fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                (&mut &*self).read(buffer)
            }

            fn write(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
                match pieces {
                    [piece] => (&mut &*self).write(piece),
                    pieces => (&mut &*self).write_vectored(pieces),
                }
            }

            fn set_write_timeout(&self, timeout: Duration) -> io::Result<()> {
                Self::set_write_timeout(self, Some(timeout))
            }

            fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
                Self::set_read_timeout(self, timeout)
            }

            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                Self::shutdown(self, how)
            }
        }
    )+};
}

socket!(
    TcpStream,
    #[cfg(unix)]
    std::os::unix::net::UnixStream
);

/// A connected byte stream. Clones are the same stream.
#[derive(Clone)]
pub struct Stream(pub(crate) Arc<dyn ByteStream>);

impl Stream {
    /// The same over any stream. A TCP stream and a Unix socket are set to block, and Nagle's algorithm is switched off
    /// for a TCP stream; a stream that wraps one has to do so itself.
    pub fn new(stream: impl ByteStream) -> Self {
        // It fails where the peer is gone already, and reading will report that.
        let any: &dyn Any = &stream;
        if let Some(tcp) = any.downcast_ref::<TcpStream>() {
            let _ = tcp.set_nonblocking(false);
            let _ = tcp.set_nodelay(true);
        }
        #[cfg(unix)]
        if let Some(unix) = any.downcast_ref::<std::os::unix::net::UnixStream>() {
            let _ = unix.set_nonblocking(false);
        }
        Self(Arc::new(stream))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}
