//! What a misbehaving driver does: its calls are checked all the same.

use nats_conn_sm::{LinkId, Progress, ReceiveBuf, Timestamp};

use super::World;

impl World {
    /// The client gets the time before anything else, so that its deadline can be compared with the clock: after a leap.
    pub fn tell_time(&mut self) {
        let (now, nobody) = (self.now(), LinkId::from_u64(0));
        self.client.handle_progress(now, nobody, Progress::Dialing);
    }

    /// Takes what events there are with another buffer and another time than a good driver would.
    pub fn poll_event_with(&mut self, at: Timestamp, rx: &mut ReceiveBuf) {
        while let Some(event) = self.client.poll_event(at, rx) {
            self.record(event);
            self.check();
        }
    }
}
