//! A driver that is right: the loop that the state machine brings, over the network of the laboratory.

use bytes::BytesMut;
use nats_conn_sm::pump::{News, Outside, Pump};
use nats_conn_sm::{AuthError, Connection, Credentials, Event, LinkEnd, Server, Timestamp};

use super::{Driver, Network};

/// The driver whose loop is [`Pump`]. For whoever tries something else than a driver: a policy, say.
#[derive(Debug, Default)]
pub struct ByTheBook {
    pump: Pump,
    closed: bool,
}

impl ByTheBook {
    /// For a connection that was just made.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Driver for ByTheBook {
    fn turn(&mut self, connection: &mut Connection, network: &mut Network, events: &mut Vec<Event>) {
        if self.closed {
            return;
        }
        let news = match network.dialled() {
            Some(Ok(())) => News::Connected,
            Some(Err(end)) => News::Failed(end),
            None => match network.secured() {
                Some(Ok(())) => News::Secured,
                Some(Err(end)) => News::Failed(end),
                None => News::Ready,
            },
        };
        let mut outside = Bound { network, events };
        self.closed = self.pump.turn(connection, &mut outside, news).is_none();
    }
}

/// The network as the loop wants it.
struct Bound<'a> {
    network: &'a mut Network,
    events: &'a mut Vec<Event>,
}

impl Outside for Bound<'_> {
    fn now(&mut self) -> Timestamp {
        self.network.now()
    }

    fn event(&mut self, _: &mut Connection, event: Event) {
        self.events.push(event);
    }

    fn dial(&mut self, server: &Server) -> Result<(), LinkEnd> {
        self.network.dial(server);
        Ok(())
    }

    fn upgrade(&mut self, _: &Server) -> Result<(), LinkEnd> {
        self.network.start_tls();
        Ok(())
    }

    fn credentials(&mut self, _: &Server, _: Option<&str>) -> Result<Credentials, AuthError> {
        self.network.credentials()
    }

    fn read(&mut self, buffer: &mut BytesMut) -> Option<Result<usize, LinkEnd>> {
        self.network.read(buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> Option<Result<usize, LinkEnd>> {
        self.network.write(bytes)
    }

    fn hang_up(&mut self, abort: bool) {
        self.network.hang_up(abort);
    }
}
