//! A machine driven by hand, without a world around it: for what a driver may rely on, and for counting.

use std::time::Duration;

use bytes::Buf;
use nats_conn_sm::{Action, Config, Connection, Event, ReceiveBuf, SendBuf, Timestamp};

use crate::scenario::url;

mod client;

pub use client::Client;

/// When the machine is made.
pub const START: Timestamp = Timestamp::from_millis(1_000);

/// A machine and the buffers of its link.
pub struct ByHand {
    /// The machine.
    pub client: Client,
    /// What was read.
    pub rx: ReceiveBuf,
    /// What is to be written.
    pub tx: SendBuf,
}

impl ByHand {
    /// The default settings with one server, `nats://n1.test:4222`.
    pub fn config() -> Config {
        let mut config = Config::new(vec![url("nats://n1.test:4222")]);
        config.randomize = false;
        config
    }

    /// A machine whose link is dialled: INFO is awaited.
    ///
    /// # Panics
    /// If the settings are unusable, or it does not dial; so do the others.
    pub fn dialled(config: Config) -> Self {
        Self::dial(Client::recorded(config))
    }

    fn dial(mut client: Client) -> Self {
        let Some(Action::Connect { link, .. }) = client.poll_action() else {
            panic!("it dials at once")
        };
        client.handle_connected(START, link);
        let (rx, tx) = (ReceiveBuf::new(link), SendBuf::new(link));
        Self { client, rx, tx }
    }

    /// A machine with a session after this INFO, and no events waiting.
    pub fn connected(config: Config, info: &str) -> Self {
        Self::dialled(config).with_session(info)
    }

    /// The same without a recording: what it allocates is counted.
    pub fn unrecorded(config: Config, info: &str) -> Self {
        let client = Connection::new(config, [7; 32], START).expect("usable settings");
        Self::dial(client.into()).with_session(info)
    }

    fn with_session(self, info: &str) -> Self {
        let mut hand = self;
        hand.read(format!("INFO {info}\r\n").as_bytes());
        hand.events(START);
        assert!(hand.client.poll_transmit(START, &mut hand.tx), "CONNECT and PING");
        hand.write_all();
        hand.read(b"PONG\r\n");
        hand.events(START);
        assert!(!hand.client.poll_transmit(START, &mut hand.tx));
        hand
    }

    /// These bytes have come.
    pub fn read(&mut self, bytes: &[u8]) {
        self.rx.buffer_mut().extend_from_slice(bytes);
    }

    /// All events that there are.
    pub fn events(&mut self, now: Timestamp) -> Vec<Event> {
        std::iter::from_fn(|| self.client.poll_event(now, &mut self.rx)).collect()
    }

    /// The transport takes the block that was handed out.
    pub fn write_all(&mut self) {
        self.tx.advance(self.tx.remaining());
        self.client.handle_written(Timestamp::ZERO, &mut self.tx);
    }

    /// The transport takes everything there is.
    pub fn write(&mut self, now: Timestamp) {
        while self.client.poll_transmit(now, &mut self.tx) {
            self.write_all();
        }
    }
}

/// So many seconds after the start.
pub fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}
