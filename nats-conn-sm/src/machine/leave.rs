//! Leaving a link.

use super::Machine;
use crate::error::DisconnectReason;
use crate::link::Cause;

impl Machine {
    /// Gives up the present link, unless it has ended already.
    pub(super) fn leave(&mut self, cause: Cause, abort: bool) {
        let Some(link) = self.link.as_deref_mut().filter(|link| !link.has_ended()) else {
            return;
        };
        let is_heard = self.output.leave(link.id(), abort);
        link.leave(cause, is_heard, &self.env);
        self.outbound.forget_hello();
    }

    /// Leaves the link for the close: nothing more is written.
    pub(super) fn leave_closed(&mut self, abort: bool) {
        self.leave(Cause::Decided(DisconnectReason::Closed), abort);
    }
}
