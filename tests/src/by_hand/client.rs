//! A machine whose story is compared with its golden row when it is dropped.

use std::ops::{Deref, DerefMut};
use std::thread;

use nats_conn_sm::{Config, Connection, RecordingOptions};

use super::START;
use crate::golden;

/// A machine, which is a [`Connection`] for all that is done with it.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    /// The recording is taken at the end. Else there is none, or it belongs to the test.
    is_golden: bool,
}

impl Client {
    pub(super) fn recorded(config: Config) -> Self {
        let mut options = RecordingOptions::default();
        options.limit = usize::MAX;
        let connection = Connection::recorded(config, [7; 32], START, options);
        Self {
            connection: connection.expect("usable settings"),
            is_golden: true,
        }
    }
}

impl From<Connection> for Client {
    fn from(connection: Connection) -> Self {
        Self {
            connection,
            is_golden: false,
        }
    }
}

impl Deref for Client {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.is_golden || thread::panicking() {
            return;
        }
        let recording: Vec<u8> = std::iter::from_fn(|| self.connection.poll_recording())
            .flatten()
            .collect();
        golden::check_story(&recording);
    }
}
