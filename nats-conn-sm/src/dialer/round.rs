//! What a round of attempts remembers beyond the servers of the pool, so that it ends whatever servers announce.

use alloc::boxed::Box;
use alloc::vec::Vec;

use nats_proto::ServerUrl;

use crate::canonical::Form;

/// Of the servers that are learned within a round no more have a turn in it, so that servers that refuse us and announce
/// ever new ones are not followed without any time passing. The others have theirs in later rounds.
const LEARNED: usize = 64;

/// The present round. It holds no memory until a server that had its turn leaves, or one that was learned has its turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Round(Option<Box<Turns>>);

#[derive(Clone, Debug, Default)]
struct Turns {
    /// Servers that had their turn and left the pool since. One that is learned anew has had it.
    gone: Vec<ServerUrl>,
    /// How many servers that were learned within the round had their turn.
    learned: usize,
}

impl Round {
    /// A server that had its turn leaves the pool.
    pub(super) fn note_gone(&mut self, server: &ServerUrl) {
        if !self.had_its_turn(server) {
            self.turns().gone.push(server.clone());
        }
    }

    /// Whether this server, which is not in the pool, had its turn.
    pub(super) fn had_its_turn(&self, server: &ServerUrl) -> bool {
        let turns = self.0.as_ref();
        turns.is_some_and(|turns| turns.gone.iter().any(|gone| gone.has_identity_of(server)))
    }

    /// A server that was learned within the round has its turn.
    pub(super) fn note_learned_turn(&mut self) {
        let turns = self.turns();
        turns.learned = turns.learned.saturating_add(1);
    }

    /// Whether another server that was learned within the round may have a turn.
    pub(super) fn takes_learned(&self) -> bool {
        self.0.as_ref().is_none_or(|turns| turns.learned < LEARNED)
    }

    fn turns(&mut self) -> &mut Turns {
        self.0.get_or_insert_with(Box::default)
    }
}

/// For exploration.
impl Round {
    pub(super) fn canonical(&self, form: &mut Form) {
        // None is as good as one without anything.
        let Self(turns) = self;
        let gone = turns.iter().flat_map(|turns| &turns.gone);
        form.list(gone, |form, url| form.whole(url));
        form.size(turns.as_ref().map_or(0, |turns| {
            let Turns { gone: _, learned } = **turns;
            learned
        }));
    }
}
