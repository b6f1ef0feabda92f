//! What is written, and in which order.

use super::{Machine, View};
use crate::buffers::SendBuf;
use crate::frames::{Block, Gate};

impl Machine {
    /// The transport took all of the block in `tx`.
    pub(crate) fn written(&mut self, tx: &mut SendBuf) {
        if self.accepts(tx) && self.outbound.written(tx) {
            self.check_writable();
        }
    }

    /// Swaps the next block into `tx`, if that is empty and of the present link, and no block is being written.
    pub(crate) fn poll_transmit(&mut self, tx: &mut SendBuf) -> bool {
        let Some(link) = self.link.as_ref().filter(|_| self.accepts(tx)) else {
            return false;
        };
        // Before the close is decided: a PONG that is owed still leaves.
        let (gate, keep_alive) = (link.gate(), link.wants_keep_alive());
        if self.outbound.is_writing() {
            return false;
        }
        self.leave_if_written();
        let Some(block) = self.next_block(gate, keep_alive) else {
            return false;
        };
        self.outbound.hand_out(block, tx, &self.env);
        true
    }

    /// Whether this is an empty buffer of the present link, which has not ended.
    fn accepts(&self, tx: &SendBuf) -> bool {
        tx.is_empty() && self.link.as_ref().is_some_and(|link| link.is_live(tx.link()))
    }

    fn next_block(&mut self, gate: Gate, keep_alive: bool) -> Option<Block> {
        if let Some(front) = self.outbound.front(gate, keep_alive) {
            if let Some(link) = self.link.as_mut().filter(|_| keep_alive) {
                link.keep_alive_left();
            }
            return Some(front);
        }
        if self.interest.is_restoring() {
            return Some(self.restore_block());
        }
        self.outbound.next(gate)
    }

    /// The next piece of the interest that earlier links had, and a PING after the last.
    fn restore_block(&mut self) -> Block {
        let mut block = self.outbound.blank();
        if let Some(last) = self.interest.restore(self.life.is_draining(), &mut block) {
            self.outbound.end_restore(&mut block, last);
        }
        block
    }
}

impl View<'_> {
    /// Whether there is something to hand out.
    pub(crate) fn wants_transmit(self) -> bool {
        let machine = self.machine();
        machine.link.as_ref().is_some_and(|link| {
            let gate = link.gate();
            // While closing, the next poll is what leaves the link once all is written.
            gate != Gate::Shut
                && !machine.outbound.is_writing()
                && (machine.life.is_closing()
                    || machine.interest.is_restoring()
                    || machine.outbound.wants(gate, link.wants_keep_alive()))
        })
    }
}
