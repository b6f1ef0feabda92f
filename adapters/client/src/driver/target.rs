//! Where a stream is to be connected to.

use std::sync::Arc;

use nats_conn_sm::{LinkId, Progress, Server};

use crate::core::shared::Shared;
use crate::driver::setup::LinkSetup;

/// Where a stream is to be connected to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server.
    pub server: Server,
    /// The link to be.
    pub link: LinkId,
    /// How links are made.
    pub setup: Arc<LinkSetup>,
    pub(crate) shared: Arc<Shared>,
}

impl Target {
    /// For adapters with a driver of their own.
    pub fn new(server: Server, link: LinkId, setup: Arc<LinkSetup>, shared: Arc<Shared>) -> Self {
        Self {
            server,
            link,
            setup,
            shared,
        }
    }

    /// Says how far the dialling has come, so that a failure names the right phase.
    pub fn progress(&self, progress: Progress) {
        self.shared
            .with(|connection, now| connection.handle_progress(now, self.link, progress));
    }
}
