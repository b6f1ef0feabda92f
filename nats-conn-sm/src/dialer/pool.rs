//! The servers that may be dialled, and which comes next.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use super::round::Round;
use crate::canonical::Form;
use crate::env::Env;
use crate::event::RemovalReason;
use crate::ids::ServerId;
use crate::servers::{AttemptFailure, Server, ServerStatus};
use crate::time::Timestamp;

/// How long a server counts as in lame duck mode: as long as servers take by default (`lame_duck_duration`).
const LAME_DUCK_MARK: Duration = Duration::from_secs(120);

/// A server and its history.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) server: Server,
    pub(super) discovered: bool,
    failures: u32,
    /// Those of them that count for `max_reconnects`.
    counted: u32,
    last_error: Option<Arc<AttemptFailure>>,
    /// It had its turn in the present round.
    pub(super) tried: bool,
    /// It came to be known within the present round.
    pub(super) learned: bool,
    pub(super) lame_duck: Option<LameDuck>,
    auth_row: Option<AuthRow>,
    /// The lowest max_payload of its last session.
    pub(super) max_payload: Option<u64>,
    /// The warning about clear text was given.
    pub(super) warned: bool,
    /// A link to it was encrypted.
    pub(super) used_tls: bool,
}

/// The mark of a server that will shut down.
#[derive(Clone, Copy, Debug)]
pub(super) struct LameDuck {
    until: Timestamp,
    /// Another server's INFO has not named it since: when one does again, it is back.
    pub(super) unlisted: bool,
}

/// Equal authentication errors in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AuthRow {
    code: &'static str,
    since: Timestamp,
}

/// The pool. Explicit servers come first.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) entries: Vec<Entry>,
    pub(super) round: Round,
    next_id: u64,
    /// The server of the link that was lost last.
    lost: Option<ServerId>,
    /// A server left for another reason than authentication.
    pub(super) removed_otherwise: bool,
}

impl Pool {
    pub(super) fn empty() -> Self {
        Self {
            entries: Vec::new(),
            round: Round::default(),
            next_id: 1,
            lost: None,
            removed_otherwise: false,
        }
    }

    pub(super) fn new_id(&mut self) -> ServerId {
        let id = ServerId::from_u64(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        id
    }

    fn entry(&self, id: ServerId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.server.id() == id)
    }

    fn entry_mut(&mut self, id: ServerId) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.server.id() == id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get(&self, id: ServerId) -> Option<&Server> {
        self.entry(id).map(|entry| &entry.server)
    }

    /// Whether every server that left did so for its authentication errors.
    pub(super) fn only_auth_removed(&self) -> bool {
        !self.removed_otherwise
    }

    /// Which server comes next in this round: fewest failures first, then pool order; the one just lost last among
    /// equals; servers in lame duck mode last of all.
    pub(super) fn next(&self, now: Timestamp) -> Option<ServerId> {
        self.best(self.lost, now, |entry| self.awaits_its_turn(entry))
    }

    fn awaits_its_turn(&self, entry: &Entry) -> bool {
        !entry.tried && (!entry.learned || self.round.takes_learned())
    }

    /// Which server would come next if the link to `current` ended now, of a session or of an attempt.
    pub(super) fn follower(&self, current: ServerId, in_session: bool, now: Timestamp) -> Option<ServerId> {
        if in_session {
            return self.best(Some(current), now, |_| true);
        }
        self.next(now).or_else(|| self.best(self.lost, now, |_| true))
    }

    fn best(
        &self,
        lost: Option<ServerId>,
        now: Timestamp,
        eligible: impl Fn(&Entry) -> bool,
    ) -> Option<ServerId> {
        self.entries
            .iter()
            .filter(|entry| eligible(entry))
            .min_by_key(|entry| {
                (
                    entry.is_lame_duck(now),
                    entry.failures,
                    lost == Some(entry.server.id()),
                )
            })
            .map(|entry| entry.server.id())
    }

    pub(super) fn start_round(&mut self) {
        self.round = Round::default();
        for entry in &mut self.entries {
            (entry.tried, entry.learned) = (false, false);
        }
    }

    /// An attempt begins: its number for this server since it last worked. It takes one turn of the round, also
    /// where a driver chose a server that has none: a round has no more attempts than servers that have one.
    pub(super) fn begin_attempt(&mut self, id: ServerId, now: Timestamp) -> u32 {
        let in_turn = self.entry(id).is_some_and(|entry| self.awaits_its_turn(entry));
        let turn_of = if in_turn { Some(id) } else { self.next(now) };
        if let Some(entry) = turn_of.and_then(|id| self.entry_mut(id)) {
            entry.tried = true;
            if entry.learned {
                self.round.note_learned_turn();
            }
        }
        self.attempt(id)
    }

    /// The number that the next attempt will have.
    pub(super) fn attempt(&self, id: ServerId) -> u32 {
        self.entry(id).map_or(1, |entry| entry.failures.saturating_add(1))
    }

    pub(super) fn last_error(&self, id: ServerId) -> Option<Arc<AttemptFailure>> {
        self.entry(id).and_then(|entry| entry.last_error.clone())
    }

    /// An attempt failed. How often that counted for `max_reconnects`, in a row.
    pub(super) fn fail(&mut self, id: ServerId, failure: AttemptFailure, counts: bool) -> u32 {
        let Some(entry) = self.entry_mut(id) else { return 0 };
        entry.failures = entry.failures.saturating_add(1);
        entry.counted = entry.counted.saturating_add(u32::from(counts));
        entry.last_error = Some(Arc::new(failure));
        entry.counted
    }

    /// A link to this server is encrypted.
    pub(super) fn note_tls(&mut self, id: ServerId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.used_tls = true;
        }
    }

    /// Whether TLS is used with this server, as its URL asks or as it demanded.
    pub(super) fn uses_tls(&self, id: ServerId) -> bool {
        self.entry(id)
            .is_some_and(|entry| entry.used_tls || entry.server.wants_tls())
    }

    /// A handshake succeeded; `lame_duck` is that of its INFO.
    pub(super) fn succeed(&mut self, id: ServerId, lame_duck: bool) {
        if let Some(entry) = self.entry_mut(id) {
            entry.failures = 0;
            entry.counted = 0;
            entry.last_error = None;
            entry.auth_row = None;
            if !lame_duck {
                entry.lame_duck = None;
            }
        }
    }

    pub(super) fn lose(&mut self, id: ServerId) {
        self.lost = Some(id);
    }

    /// An authentication error: whether it is the second of its kind, long enough after the first.
    pub(super) fn strike(&mut self, id: ServerId, code: &'static str, now: Timestamp, gap: Duration) -> bool {
        let Some(entry) = self.entry_mut(id) else {
            return false;
        };
        match &entry.auth_row {
            Some(row) if row.code == code => now.since(row.since) >= gap,
            _ => {
                entry.auth_row = Some(AuthRow { code, since: now });
                false
            }
        }
    }

    /// Another answer than an authentication error: equal ones are no longer in a row.
    pub(super) fn end_auth_row(&mut self, id: ServerId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.auth_row = None;
        }
    }

    pub(super) fn remove(&mut self, id: ServerId, reason: RemovalReason) -> Option<Server> {
        let place = self.entries.iter().position(|entry| entry.server.id() == id)?;
        self.removed_otherwise |= reason != RemovalReason::Auth;
        let entry = self.entries.remove(place);
        if entry.tried {
            self.round.note_gone(entry.server.url());
        }
        Some(entry.server)
    }

    pub(super) fn mark_lame_duck(&mut self, id: ServerId, now: Timestamp) {
        if let Some(entry) = self.entry_mut(id) {
            entry.lame_duck = Some(LameDuck {
                until: now + LAME_DUCK_MARK,
                unlisted: false,
            });
        }
    }

    /// Whether there is a server to move to from this one.
    pub(super) fn has_healthy_other(&self, id: ServerId, now: Timestamp) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.server.id() != id && !entry.is_lame_duck(now))
    }

    /// The first time this is asked for a server: `true`.
    pub(super) fn warn_once(&mut self, id: ServerId) -> bool {
        self.entry_mut(id)
            .is_some_and(|entry| !core::mem::replace(&mut entry.warned, true))
    }

    pub(super) fn max_payload(&self, id: ServerId) -> Option<u64> {
        self.entry(id).and_then(|entry| entry.max_payload)
    }

    pub(super) fn set_max_payload(&mut self, id: ServerId, max_payload: u64) {
        if let Some(entry) = self.entry_mut(id) {
            entry.max_payload = Some(max_payload);
        }
    }

    pub(super) fn status(
        &self,
        current: Option<ServerId>,
        next: Option<ServerId>,
        now: Timestamp,
    ) -> Vec<ServerStatus> {
        let status = |entry: &Entry| ServerStatus {
            server: entry.server.clone(),
            discovered: entry.discovered,
            current: current == Some(entry.server.id()),
            next: next == Some(entry.server.id()),
            lame_duck: entry.is_lame_duck(now),
            failures: entry.failures,
            last_error: entry.last_error.clone(),
        };
        self.entries.iter().map(status).collect()
    }
}

impl Entry {
    pub(super) fn new(server: Server, discovered: bool) -> Self {
        Self {
            server,
            discovered,
            failures: 0,
            counted: 0,
            last_error: None,
            tried: false,
            learned: false,
            lame_duck: None,
            auth_row: None,
            max_payload: None,
            warned: false,
            used_tls: false,
        }
    }

    fn is_lame_duck(&self, now: Timestamp) -> bool {
        self.lame_duck.is_some_and(|mark| now < mark.until)
    }
}

/// For exploration.
impl Pool {
    pub(super) fn canonical(&self, form: &mut Form, env: &Env) {
        let Self {
            entries,
            round,
            // It counts on.
            next_id: _,
            lost,
            removed_otherwise,
        } = self;
        form.list(entries, |form, entry| entry.canonical(form, env));
        round.canonical(form);
        // A server that has left comes back with another number.
        form.option(lost.filter(|&lost| self.get(lost).is_some()), Form::server);
        form.flag(*removed_otherwise);
    }
}

impl Entry {
    fn canonical(&self, form: &mut Form, env: &Env) {
        let Self {
            server,
            discovered,
            failures,
            counted,
            last_error,
            tried,
            learned,
            lame_duck,
            auth_row,
            max_payload,
            warned,
            used_tls,
        } = self;
        server.canonical(form);
        for flag in [discovered, tried, learned, warned, used_tls] {
            form.flag(*flag);
        }
        form.number(u64::from(*failures));
        form.number(u64::from(*counted));
        form.option(last_error.as_deref(), |form, failure| {
            form.error(failure.error.code(), failure)
        });
        let mark = lame_duck.filter(|_| self.is_lame_duck(env.now()));
        form.option(mark, |form, LameDuck { until, unlisted }| {
            form.due(until);
            form.flag(unlisted);
        });
        form.option(auth_row.as_ref(), |form, AuthRow { code, since }| {
            form.text(code.as_bytes());
            form.since(*since, env.config().auth_strike_gap);
        });
        form.option(*max_payload, Form::number);
    }
}
