use bytes::{Buf, BytesMut};
use nats_conn_sm::{
    Action, AuthError, Connection, ConnectionEvent, Credentials, Event, LinkEnd, LinkId, ReceiveBuf, SendBuf,
    Server, Timestamp,
};

/// What happened to the one stream while [`Outside::wait`] waited.
pub enum News {
    /// It can be read or written, or the time has come.
    Ready,
    /// The stream that `dial` began is there.
    Connected,
    /// The handshake that `upgrade` began is done.
    Secured,
    /// Either of them failed: the stream is gone.
    Failed(LinkEnd),
}

/// What a driver brings. Nothing of it blocks but `wait`.
pub trait Outside {
    /// The time since any moment of the past; it never runs backwards.
    fn now(&mut self) -> Timestamp;
    /// Gives an event to the application, which may call any verb: `publish`, `subscribe`, `close`, …
    fn event(&mut self, connection: &mut Connection, event: Event);
    /// Begins to dial, and drops the stream before, if there still is one.
    fn dial(&mut self, server: &Server);
    /// Begins a TLS handshake over the stream; the certificate has to be for `server.tls_name()`.
    fn upgrade(&mut self, server: &Server);
    /// The credentials. Only asked for with `ask_credentials`.
    fn credentials(&mut self, server: &Server, nonce: Option<&str>) -> Result<Credentials, AuthError>;
    /// Appends what can be read now. `Ok(0)` is the end of the stream, `None` that there is nothing yet.
    fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>>;
    /// Writes what is taken now. `None`: nothing.
    fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>>;
    /// Closes the stream, or stops dialling. With `abort`, at once; else what was written is still delivered.
    fn hang_up(&mut self, abort: bool);
    /// Waits until the stream can be read (or written, if `writing`), a dial or a handshake ends, or it is `until`.
    fn wait(&mut self, until: Option<Timestamp>, writing: bool) -> News;
}

/// Carries the connection until it is closed.
pub fn pump(connection: &mut Connection, outside: &mut impl Outside) {
    // There may be no link yet: the first `Action::Connect` brings the first buffers that count.
    let mut link = LinkId::from_u64(0);
    let (mut rx, mut tx) = (ReceiveBuf::new(link), SendBuf::new(link));
    let mut open = false; // whether the link has a stream that can be read and written
    let mut broken = None; // why nothing can be written to it any more
    loop {
        while let Some(event) = connection.poll_event(outside.now(), &mut rx) {
            let last = matches!(event, Event::Connection(ConnectionEvent::Closed { .. }));
            outside.event(connection, event);
            if last {
                return;
            }
        }
        connection.handle_timeout(outside.now());
        while let Some(action) = connection.poll_action() {
            match action {
                Action::Connect {
                    link: new, server, ..
                } => {
                    link = new;
                    (rx, tx, open, broken) = (ReceiveBuf::new(link), SendBuf::new(link), false, None);
                    outside.dial(&server);
                }
                Action::UpgradeTls { server, .. } => {
                    open = false;
                    outside.upgrade(&server);
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
                } => {
                    connection.handle_server_choice(outside.now(), attempt, default, default_delay);
                }
                Action::Disconnect { link, abort } => {
                    // At once, with what was not written; how the stream ends does not matter any more.
                    connection.handle_link_closed(outside.now(), link, LinkEnd::Requested, &mut tx);
                    open = false;
                    outside.hang_up(abort);
                }
            }
        }
        while open && broken.is_none() && (!tx.is_empty() || connection.poll_transmit(outside.now(), &mut tx))
        {
            match outside.write(tx.chunk()) {
                Some(Ok(count)) => {
                    tx.advance(count);
                    // Ignored while something is left.
                    connection.handle_written(outside.now(), &mut tx);
                }
                Some(Err(end)) => broken = Some(end),
                None => break,
            }
        }
        // Not while it is broken: what the server sent before still counts, and is read first.
        if broken.is_none() {
            match outside.wait(connection.poll_timeout(), open && !tx.is_empty()) {
                News::Ready => {}
                News::Connected => {
                    open = true;
                    connection.handle_connected(outside.now(), link);
                }
                News::Secured => {
                    open = true;
                    connection.handle_tls(outside.now(), link, rx.len());
                }
                News::Failed(end) => connection.handle_link_closed(outside.now(), link, end, &mut tx),
            }
        }
        if open {
            let end = match outside.read(rx.buffer_mut()) {
                Some(Ok(0)) => broken.take().unwrap_or(LinkEnd::Eof),
                Some(Ok(_)) => continue,
                Some(Err(end)) => broken.take().unwrap_or(end),
                None => match broken.take() {
                    Some(end) => end,
                    None => continue,
                },
            };
            // The one last answer about this link; what is left in `tx` was not sent.
            open = false;
            connection.handle_link_closed(outside.now(), link, end, &mut tx);
            outside.hang_up(true);
        }
    }
}
