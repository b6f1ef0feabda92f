//! What a round of attempts remembers beyond the servers of the pool, so that it ends whatever servers announce.

use alloc::vec::Vec;

use nats_proto::ServerUrl;

/// Of the servers that are learned within a round no more have a turn in it, so that servers that refuse us and announce
/// ever new ones are not followed without any time passing. The others have theirs in later rounds.
const LEARNED: usize = 64;

/// The present round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    /// Servers that had their turn and left the pool since. One that is learned anew has had it.
    gone: Vec<ServerUrl>,
    /// How many servers that were learned within the round had their turn.
    learned: usize,
}

impl Round {
    /// A server that had its turn leaves the pool.
    pub(crate) fn note_gone(&mut self, server: &ServerUrl) {
        if !self.had_its_turn(server) {
            self.gone.push(server.clone());
        }
    }

    /// Whether this server, which is not in the pool, had its turn.
    pub(crate) fn had_its_turn(&self, server: &ServerUrl) -> bool {
        self.gone.iter().any(|gone| gone.has_identity_of(server))
    }

    /// A server that was learned within the round has its turn.
    pub(crate) fn note_learned_turn(&mut self) {
        self.learned = self.learned.saturating_add(1);
    }

    /// Whether another server that was learned within the round may have a turn.
    pub(crate) fn takes_learned(&self) -> bool {
        self.learned < LEARNED
    }
}
