//! What a misbehaving driver does: its calls are checked all the same.

use nats_conn_sm::{ReceiveBuf, Timestamp};

use super::World;

impl World {
    /// Takes what events there are with another buffer and another time than a good driver would.
    pub fn poll_event_with(&mut self, at: Timestamp, rx: &mut ReceiveBuf) {
        while let Some(event) = self.client.poll_event(at, rx) {
            self.record(event);
            self.check();
        }
    }
}
