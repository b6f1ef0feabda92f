//! How a connection is started on threads of its own.

use std::pin::pin;

use nats_conn_client::driver::{Adapter, Prepared, first_outcome};
use nats_conn_client::{ConnectError, StartError};

use crate::client::Client;
use crate::connector::Std;
use crate::driver::Driver;
use crate::events::Events;
use crate::holders::Holders;
use crate::waiting::wait;
use crate::wire::Wire;

impl Adapter for Std {
    type Client = Client;
    type Events = Events;
    type Connecting = Result<Client, ConnectError>;

    fn start(options: nats_conn_client::ConnectOptions<Self>) -> Result<(Client, Events), StartError> {
        let attempt = options.config().connect_timeout;
        let patience = options.config().close_timeout;
        let Prepared {
            client,
            events,
            parts,
            adapter,
        } = options.prepare()?;
        let wire = Wire::new(parts.shared.clone());
        let holders = Holders::new(wire.clone(), patience);
        Driver::spawn(wire.clone(), parts, adapter, attempt)?;
        Ok((Client::new(client, wire, holders), Events::new(events)))
    }

    fn connect(options: nats_conn_client::ConnectOptions<Self>) -> Self::Connecting {
        let retry_initial = options.config().retry_initial;
        let (client, events) = Self::start(options)?;
        wait(pin!(first_outcome(
            client.wrapped(),
            events.into_inner(),
            retry_initial
        )))?;
        Ok(client)
    }
}
