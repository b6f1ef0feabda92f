//! One server: how many handshakes it can do.

/// A server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Server {
    pub(super) is_listening: bool,
    /// How often it was started: what it accepted before is gone.
    pub(super) run: u32,
    /// When it has done all handshakes that wait.
    free_at: u64,
}

impl Server {
    /// Somebody connects: when the handshake is done, or `None` if it is refused.
    pub(super) fn connect(&mut self, now: u64, each: u64, queue: u32) -> Option<u64> {
        if !self.is_listening {
            return None;
        }
        let begins = self.free_at.max(now);
        if begins - now > each * u64::from(queue) {
            return None;
        }
        self.free_at = begins + each;
        Some(self.free_at)
    }

    pub(super) fn start(&mut self) {
        self.is_listening = true;
        self.run += 1;
        self.free_at = 0;
    }

    pub(super) fn stop(&mut self) {
        self.is_listening = false;
        self.run += 1;
    }
}
