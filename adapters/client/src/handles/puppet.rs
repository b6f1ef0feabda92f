//! A driver that a test leads by hand: what the server says is given to it, and nothing happens between.

use std::sync::Arc;

use bytes::Buf;
use nats_conn_sm::{Action, ConnectionEvent, Credentials, LinkEnd, LinkId, ReceiveBuf, SendBuf, Session};
use nats_proto::ServerInfo;

use crate::core::event::ClientEvent;
use crate::core::shared::Shared;
use crate::handles::client::Client;
use crate::handles::events::Events;
use crate::options::connect::ConnectOptions;

/// A connection without a stream.
pub(crate) struct Puppet {
    pub(crate) client: Client,
    pub(crate) events: Events,
    shared: Arc<Shared>,
    rx: ReceiveBuf,
    tx: SendBuf,
    written: Vec<u8>,
}

impl Puppet {
    /// In a session with a server whose INFO is this.
    pub(crate) fn in_a_session(options: ConnectOptions<()>, info: &str) -> Self {
        let prepared = options.prepare().expect("usable");
        let nowhere = LinkId::from_u64(0);
        let mut puppet = Self {
            client: prepared.client,
            events: prepared.events,
            shared: prepared.parts.shared,
            rx: ReceiveBuf::new(nowhere),
            tx: SendBuf::new(nowhere),
            written: Vec::new(),
        };
        puppet.turns();
        puppet.greets(info);
        puppet
    }

    /// The server of a new link does its part of the handshake.
    pub(crate) fn greets(&mut self, info: &str) {
        self.reads(&format!("INFO {info}\r\n"));
        self.reads("PONG\r\n");
    }

    /// Publishers wait for this driver where they are ahead of it.
    pub(crate) fn paces_publishers(&self) {
        self.shared.pace_publishers();
    }

    /// This arrives.
    pub(crate) fn reads(&mut self, text: &str) {
        self.rx.buffer_mut().extend_from_slice(text.as_bytes());
        self.turns();
    }

    /// The link ends. The next attempt waits.
    pub(crate) fn is_cut_off(&mut self) {
        let (link, tx) = (self.rx.link(), &mut self.tx);
        let _ = self.shared.drive(|turn| turn.link_closed(link, LinkEnd::Eof, tx));
        self.turns();
    }

    /// What the client has written since this was asked last.
    pub(crate) fn written(&mut self) -> String {
        self.turns();
        String::from_utf8(std::mem::take(&mut self.written)).expect("text")
    }

    /// All events that have come.
    pub(crate) fn told(&mut self) -> Vec<ClientEvent> {
        self.turns();
        std::iter::from_fn(|| self.events.try_next()).collect()
    }

    /// The session that has begun last, of the events that have come.
    pub(crate) fn session(&mut self) -> Session {
        let sessions = self.told().into_iter().filter_map(|event| match event {
            ClientEvent::Connection(
                ConnectionEvent::Connected(session) | ConnectionEvent::Reconnected(session),
            ) => Some(session),
            _ => None,
        });
        sessions.last().expect("a session")
    }

    /// Turns until nothing is left to do.
    fn turns(&mut self) {
        let Self { shared, rx, tx, .. } = self;
        let mut busy = true;
        while busy {
            let (did_something, delivered) = shared.drive(|turn| {
                while turn.events(rx, 100) {}
                if turn.timeouts() {
                    while turn.events(rx, 100) {}
                }
                let mut did_something = false;
                while let Some(action) = turn.action() {
                    did_something = true;
                    match action {
                        Action::Connect { link, .. } => {
                            (*rx, *tx) = (ReceiveBuf::new(link), SendBuf::new(link));
                            turn.connected(link);
                        }
                        Action::Authenticate { link, .. } => {
                            turn.credentials(link, Ok(Credentials::default()));
                        }
                        Action::Disconnect { link, .. } => turn.link_closed(link, LinkEnd::Requested, tx),
                        _ => panic!("{action:?} is for another test"),
                    }
                }
                turn.transmit(tx) || did_something
            });
            busy = did_something || delivered.again;
            tx.chunks()
                .for_each(|chunk| self.written.extend_from_slice(chunk));
            tx.advance(tx.remaining());
        }
    }
}

#[test]
fn it_keeps_what_the_server_says_of_itself_and_knows_each_session() {
    let mut puppet = Puppet::in_a_session(
        ConnectOptions::default(),
        r#"{"server_name":"n1","max_payload":77}"#,
    );
    let first = puppet.session();
    let info = puppet.client.server_info().expect("a session");
    assert_eq!(
        (info.server_name.as_deref(), info.max_payload),
        (Some("n1"), Some(77))
    );
    assert_eq!((first.max_payload, puppet.client.max_payload()), (77, Some(77)));
    assert_ne!(*info, ServerInfo::default());
    assert!(puppet.written().starts_with("CONNECT {"));
    puppet.client.force_reconnect().expect("open");
    puppet.turns();
    puppet.greets("{}");
    assert_ne!(puppet.session().link, first.link);
}
