//! The loop of a driver over one stream: everything that a driver does but what only it can do.

use bytes::{Buf, BytesMut};

use crate::action::{Action, Credentials};
use crate::buffers::{ReceiveBuf, SendBuf};
use crate::connection::Connection;
use crate::error::{AuthError, LinkEnd};
use crate::event::{ConnectionEvent, Event};
use crate::ids::LinkId;
use crate::servers::Server;
use crate::time::Timestamp;

/// What happened to the one stream while the driver waited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// It can be read or written, or the time has come.
    Ready,
    /// The stream that [`Outside::dial`] began is there.
    Connected,
    /// The handshake that [`Outside::upgrade`] began is done.
    Secured,
    /// Either of them failed: the stream is gone.
    Failed(LinkEnd),
}

/// What the driver waits for before the next [turn](Pump::turn).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// The time of the next turn at the latest.
    pub until: Option<Timestamp>,
    /// Whether the stream is waited for until it can be written, too.
    pub writable: bool,
    /// Whether the stream gave something at the last read and may have more. Who is told of a stream only when its
    /// readiness changes, as with epoll's edges, does not wait then.
    pub may_have_more: bool,
}

/// What a driver brings. Nothing of it blocks.
pub trait Outside {
    /// The time since any moment of the past; it never runs backwards.
    fn now(&mut self) -> Timestamp;

    /// Gives an event to the application, which may call any verb: `publish`, `subscribe`, `close`, …
    fn event(&mut self, connection: &mut Connection, event: Event);

    /// Begins to dial, and drops the stream before, if there still is one. The end of it is [`News`].
    ///
    /// # Errors
    /// It failed already.
    fn dial(&mut self, server: &Server) -> Result<(), LinkEnd>;

    /// Begins a TLS handshake over the stream; the certificate has to be for [`Server::tls_name`]. The end of it is
    /// [`News`]. By default there is no TLS, and that is the error.
    ///
    /// # Errors
    /// It failed already.
    fn upgrade(&mut self, server: &Server) -> Result<(), LinkEnd> {
        let _ = server;
        Err(LinkEnd::tls("it is wanted, and this driver makes none"))
    }

    /// The credentials. Only asked for with [`ask_credentials`](crate::Config::ask_credentials). Default: none.
    ///
    /// # Errors
    /// They cannot be had.
    fn credentials(&mut self, server: &Server, nonce: Option<&str>) -> Result<Credentials, AuthError> {
        let _ = (server, nonce);
        Ok(Credentials::default())
    }

    /// Appends what can be read now. `Ok(0)` is the end of the stream, `None` that there is nothing yet.
    fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>>;

    /// Writes what is taken now. `None`: nothing.
    fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>>;

    /// Closes the stream, or stops dialling. With `abort`, at once; else what was written is still delivered.
    fn hang_up(&mut self, abort: bool);
}

/// Carries a connection over one stream, in turns. Between two turns the application does what it likes, with the
/// connection too: what comes of it is carried in the next.
///
/// ```
/// use nats_conn_sm::pump::{News, Outside, Pump, Wait};
/// use nats_conn_sm::Connection;
///
/// fn drive<O: Outside>(connection: &mut Connection, outside: &mut O, wait: impl Fn(&mut O, Wait) -> News) {
///     let (mut pump, mut news) = (Pump::new(), News::Ready);
///     while let Some(next) = pump.turn(connection, outside, news) {
///         news = wait(outside, next);
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Pump {
    link: LinkId,
    rx: ReceiveBuf,
    tx: SendBuf,
    stream: Stream,
    /// Why nothing can be written to it any more.
    broken: Option<LinkEnd>,
}

/// What there is of a stream. News that do not fit are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    None,
    Dialled,
    Upgraded,
    /// It can be read and written.
    Open,
}

impl Default for Pump {
    fn default() -> Self {
        Self::new()
    }
}

impl Pump {
    /// For a connection that was just made.
    pub fn new() -> Self {
        // There is no link yet: the first `Action::Connect` brings the first buffers that count.
        Self::of(LinkId::from_u64(0))
    }

    fn of(link: LinkId) -> Self {
        Self {
            link,
            rx: ReceiveBuf::new(link),
            tx: SendBuf::new(link),
            stream: Stream::None,
            broken: None,
        }
    }

    /// Reads once, hands out the events, does what is to be done and writes what is taken. Gives what to wait for, or
    /// nothing when the connection is closed. The first turn is told [`News::Ready`].
    pub fn turn(
        &mut self,
        connection: &mut Connection,
        outside: &mut impl Outside,
        news: News,
    ) -> Option<Wait> {
        match (news, self.stream) {
            (News::Connected, Stream::Dialled) => {
                self.stream = Stream::Open;
                connection.handle_connected(outside.now(), self.link);
            }
            (News::Secured, Stream::Upgraded) => {
                self.stream = Stream::Open;
                connection.handle_tls(outside.now(), self.link, self.rx.len());
            }
            (News::Failed(end), Stream::Dialled | Stream::Upgraded) => self.close(connection, outside, end),
            _ => {}
        }
        let may_have_more = self.read(connection, outside);
        if self.hand_out(connection, outside) {
            // An abort is over before its stream is given up.
            self.carry_out(connection, outside);
            return None;
        }
        connection.handle_timeout(outside.now());
        self.carry_out(connection, outside);
        self.write(connection, outside);
        Some(Wait {
            until: match self.broken {
                // What the server sent before still counts, and is read first.
                Some(_) => Some(outside.now()),
                None => connection.poll_timeout(),
            },
            writable: self.stream == Stream::Open && !self.tx.is_empty(),
            may_have_more,
        })
    }

    /// Whether something was read.
    fn read(&mut self, connection: &mut Connection, outside: &mut impl Outside) -> bool {
        if self.stream != Stream::Open {
            return false;
        }
        let end = match outside.read(self.rx.buffer_mut()) {
            Some(Ok(0)) => self.broken.take().unwrap_or(LinkEnd::Eof),
            Some(Ok(_)) => return true,
            Some(Err(end)) => self.broken.take().unwrap_or(end),
            None => match self.broken.take() {
                Some(end) => end,
                None => return false,
            },
        };
        self.close(connection, outside, end);
        outside.hang_up(true);
        false
    }

    /// Whether the last event was among them.
    fn hand_out(&mut self, connection: &mut Connection, outside: &mut impl Outside) -> bool {
        while let Some(event) = connection.poll_event(outside.now(), &mut self.rx) {
            let last = matches!(event, Event::Connection(ConnectionEvent::Closed { .. }));
            outside.event(connection, event);
            if last {
                return true;
            }
        }
        false
    }

    fn carry_out(&mut self, connection: &mut Connection, outside: &mut impl Outside) {
        while let Some(action) = connection.poll_action() {
            self.act(connection, outside, action);
        }
    }

    fn act(&mut self, connection: &mut Connection, outside: &mut impl Outside, action: Action) {
        match action {
            Action::Connect { link, server, .. } => {
                *self = Self::of(link);
                self.stream = Stream::Dialled;
                if let Err(end) = outside.dial(&server) {
                    self.close(connection, outside, end);
                }
            }
            Action::UpgradeTls { server, .. } => {
                self.stream = Stream::Upgraded;
                if let Err(end) = outside.upgrade(&server) {
                    self.close(connection, outside, end);
                    outside.hang_up(true);
                }
            }
            Action::Authenticate { link, server, nonce } => {
                let answer = outside.credentials(&server, nonce.as_deref());
                connection.handle_credentials(outside.now(), link, answer);
            }
            Action::ChooseServer {
                attempt,
                default,
                default_delay,
                ..
            } => connection.handle_server_choice(outside.now(), attempt, default, default_delay),
            Action::Disconnect { link, abort } => {
                // At once, with what was not written; how the stream ends does not matter any more.
                connection.handle_link_closed(outside.now(), link, LinkEnd::Requested, &mut self.tx);
                self.stream = Stream::None;
                outside.hang_up(abort);
            }
        }
    }

    fn write(&mut self, connection: &mut Connection, outside: &mut impl Outside) {
        while self.stream == Stream::Open
            && self.broken.is_none()
            && (!self.tx.is_empty() || connection.poll_transmit(outside.now(), &mut self.tx))
        {
            match outside.write(self.tx.chunk()) {
                Some(Ok(0)) | None => return,
                Some(Ok(count)) => {
                    self.tx.advance(count.min(self.tx.remaining()));
                    // Ignored while something is left.
                    connection.handle_written(outside.now(), &mut self.tx);
                }
                Some(Err(end)) => self.broken = Some(end),
            }
        }
    }

    /// The one last answer about this link; what is left in `tx` was not sent.
    fn close(&mut self, connection: &mut Connection, outside: &mut impl Outside, end: LinkEnd) {
        self.stream = Stream::None;
        connection.handle_link_closed(outside.now(), self.link, end, &mut self.tx);
    }
}
