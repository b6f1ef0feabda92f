//! What an adapter begins with: the handles, and what its driver needs.

use std::sync::Arc;
use std::time::Instant;

use nats_conn_sm::{Connection, Timestamp};

use crate::core::mail::Terms;
use crate::core::shared::{Shared, SharedSettings};
use crate::driver::setup::LinkSetup;
use crate::error::start::StartError;
use crate::handles::client::Client;
use crate::handles::events::Events;
use crate::handles::inboxes::Inboxes;
use crate::options::connect::ConnectOptions;

/// What [`ConnectOptions::prepare`] gives an adapter: the handles, and what its driver needs.
#[derive(Debug)]
#[must_use = "nothing runs until its driver does"]
pub struct Prepared<A> {
    /// The handle of the application.
    pub client: Client,
    /// A stream of all events from the first `Connecting` on.
    pub events: Events,
    /// What the driver needs.
    pub parts: DriverParts,
    /// The adapter, as it was set.
    pub adapter: A,
}

/// What a driver needs. A driver of an adapter's own calls [`Shared::finish`] at its end, from a guard that
/// also runs when it panics: until then whoever waits is not woken.
#[derive(Debug)]
#[must_use = "nothing runs until a driver does"]
pub struct DriverParts {
    /// The machine, shared with the handles.
    pub shared: Arc<Shared>,
    /// How links are made.
    pub setup: Arc<LinkSetup>,
}

impl<A> ConnectOptions<A> {
    /// For adapters: makes the machine and the handles. The driver is still to be run.
    ///
    /// # Errors
    /// The options cannot be used.
    pub fn prepare(self) -> Result<Prepared<A>, StartError> {
        self.check()?;
        let epoch = Instant::now();
        let ping_interval = self.config.ping_interval;
        let inboxes = Inboxes::new(self.config.inbox_prefix.clone(), random_bytes()?);
        let seed = self.seed.map_or_else(random_bytes, Ok)?;
        let name = self.config.name.clone();
        let recording = self
            .recording
            .and_then(|(sink, options)| Some((sink.take()?, options)));
        let (connection, recording) = match recording {
            Some((writer, options)) => {
                let connection = Connection::recorded(self.config, seed, Timestamp::ZERO, options)?;
                (connection, Some(writer))
            }
            None => (Connection::new(self.config, seed, Timestamp::ZERO)?, None),
        };
        let settings = SharedSettings {
            mailbox: Terms {
                limits: self.mailbox,
                // What has arrived and was not read is no silence: between two keep-alives there is a read.
                patience: self.patience.min(ping_interval),
            },
            drain: self.drain,
            event_capacity: self.event_capacity,
        };
        let shared = Shared::new(connection, epoch, settings, recording, name.as_deref());
        let events = Events::new(shared.hub().subscribe());
        let setup = Arc::new(LinkSetup {
            identity: self.identity,
            tls: self.tls,
            resolver: self.resolver,
            local_address: self.local_address,
            selector: self.selector,
            reconnect_delay: self.reconnect_delay,
            read_buffer: self.read_buffer,
        });
        Ok(Prepared {
            client: Client::new(
                shared.clone(),
                self.request_timeout,
                self.publish_timeout,
                inboxes,
            ),
            events,
            parts: DriverParts { shared, setup },
            adapter: self.adapter,
        })
    }
}

/// 32 bytes that nobody can guess.
fn random_bytes() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(StartError::NoRandomness {
            detail: error.to_string(),
        }),
    }
}
