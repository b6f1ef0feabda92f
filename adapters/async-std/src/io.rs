//! The sockets of async-std, and those of async-io under them.

use std::any::Any;
use std::io;
use std::net::{Shutdown, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;

use async_io::Async;
use nats_conn_client::driver::{FuturesStream, Sockets};

/// A connected byte stream.
pub type Stream = FuturesStream<AsyncStdSockets>;

/// What can be done about a stream that is a socket of async-std or async-io.
#[derive(Debug)]
pub struct AsyncStdSockets(());

impl Sockets for AsyncStdSockets {
    fn write_at_once(stream: &dyn Any) -> io::Result<()> {
        if let Some(tcp) = stream.downcast_ref::<Async<TcpStream>>() {
            return tcp.get_ref().set_nodelay(true);
        }
        if let Some(tcp) = stream.downcast_ref::<async_std::net::TcpStream>() {
            return tcp.set_nodelay(true);
        }
        Ok(())
    }

    fn end_writing(stream: &dyn Any) -> io::Result<()> {
        if let Some(tcp) = stream.downcast_ref::<Async<TcpStream>>() {
            return tcp.get_ref().shutdown(Shutdown::Write);
        }
        if let Some(tcp) = stream.downcast_ref::<async_std::net::TcpStream>() {
            return tcp.shutdown(Shutdown::Write);
        }
        #[cfg(unix)]
        if let Some(unix) = stream.downcast_ref::<Async<UnixStream>>() {
            return unix.get_ref().shutdown(Shutdown::Write);
        }
        #[cfg(unix)]
        if let Some(unix) = stream.downcast_ref::<async_std::os::unix::net::UnixStream>() {
            return unix.shutdown(Shutdown::Write);
        }
        Ok(())
    }
}
