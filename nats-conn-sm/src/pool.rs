//! The servers that may be dialled, and which comes next.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{Scheme, ServerUrl, UrlError};

use crate::error::AttemptFailure;
use crate::event::RemovalReason;
use crate::ids::ServerId;
use crate::rng::Rng;
use crate::round::Round;
use crate::servers::{Server, ServerStatus};
use crate::time::Timestamp;

/// How long a server counts as in lame duck mode: as long as servers take by default (`lame_duck_duration`).
const LAME_DUCK_MARK: Duration = Duration::from_secs(120);

/// Of a longer list the rest counts as not announced: no cluster is as large, and INFO may have a mebibyte.
const ANNOUNCED: usize = 1024;

/// A server and its history.
#[derive(Clone, Debug)]
struct Entry {
    server: Server,
    discovered: bool,
    failures: u32,
    /// Those of them that count for `max_reconnects`.
    counted: u32,
    last_error: Option<Arc<AttemptFailure>>,
    /// It had its turn in the present round.
    tried: bool,
    /// It came to be known within the present round.
    learned: bool,
    lame_duck: Option<LameDuck>,
    auth_row: Option<AuthRow>,
    /// The lowest max_payload of its last session.
    max_payload: Option<u64>,
    /// The warning about clear text was given.
    warned: bool,
    /// A link to it was encrypted.
    used_tls: bool,
}

/// The mark of a server that goes.
#[derive(Clone, Copy, Debug)]
struct LameDuck {
    until: Timestamp,
    /// Another server's INFO has not named it since: when one does again, it is back.
    unlisted: bool,
}

/// Equal authentication errors in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AuthRow {
    code: &'static str,
    since: Timestamp,
}

/// What INFOs changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Discovery {
    pub(crate) added: Vec<Server>,
    pub(crate) removed: Vec<Server>,
}

/// What came of the servers that one INFO announces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) added: Vec<Server>,
    pub(crate) removed: Vec<Server>,
    /// Known ones that are spoken to with TLS from now on.
    pub(crate) raised: Vec<Server>,
    pub(crate) skipped: Vec<(String, UrlError)>,
}

/// What a new pool changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replaced {
    /// Servers that are no longer in it.
    pub(crate) gone: Vec<Server>,
    /// Servers that were named with and without TLS.
    pub(crate) raised: Vec<Server>,
}

/// The pool. Explicit servers come first.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    entries: Vec<Entry>,
    round: Round,
    next_id: u64,
    /// The server of the link that was lost last.
    lost: Option<ServerId>,
    /// A server left for another reason than authentication.
    removed_otherwise: bool,
}

impl Pool {
    /// The pool, and the servers that the list names with and without TLS.
    pub(crate) fn new(servers: &[ServerUrl], randomize: bool, rng: &mut Rng) -> (Self, Vec<Server>) {
        let mut pool = Self {
            entries: Vec::new(),
            round: Round::default(),
            next_id: 1,
            lost: None,
            removed_otherwise: false,
        };
        let raised = pool.add_explicit(servers.iter().cloned(), randomize, rng);
        let raised = raised
            .into_iter()
            .filter_map(|id| pool.get(id).cloned())
            .collect();
        (pool, raised)
    }

    /// Gives those that the list names with and without TLS.
    fn add_explicit(
        &mut self,
        servers: impl Iterator<Item = ServerUrl>,
        randomize: bool,
        rng: &mut Rng,
    ) -> Vec<ServerId> {
        let mut order = merged(servers);
        if randomize {
            rng.shuffle(&mut order);
        }
        self.entries.reserve_exact(order.len());
        let mut raised = Vec::new();
        for Named { url, is_mixed } in order {
            let id = self.new_id();
            if is_mixed {
                raised.push(id);
            }
            self.entries.push(Entry::new(Server::new(id, url), false));
        }
        raised
    }

    fn new_id(&mut self) -> ServerId {
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

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, id: ServerId) -> Option<&Server> {
        self.entry(id).map(|entry| &entry.server)
    }

    /// Whether every server that left did so for its authentication errors.
    pub(crate) fn only_auth_removed(&self) -> bool {
        !self.removed_otherwise
    }

    /// Who comes next in this round: fewest failures first, then pool order; the one just lost last among
    /// equals; servers in lame duck mode last of all.
    pub(crate) fn next(&self, now: Timestamp) -> Option<ServerId> {
        self.best(self.lost, now, |entry| self.awaits_its_turn(entry))
    }

    fn awaits_its_turn(&self, entry: &Entry) -> bool {
        !entry.tried && (!entry.learned || self.round.takes_learned())
    }

    /// Who would come next if the link to `current` ended now, of a session or of an attempt.
    pub(crate) fn follower(&self, current: ServerId, in_session: bool, now: Timestamp) -> Option<ServerId> {
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

    pub(crate) fn start_round(&mut self) {
        self.round = Round::default();
        for entry in &mut self.entries {
            (entry.tried, entry.learned) = (false, false);
        }
    }

    /// An attempt begins: its number for this server since it last worked. It takes one turn of the round, also
    /// where a driver chose a server that has none: a round has no more attempts than servers that have one.
    pub(crate) fn begin_attempt(&mut self, id: ServerId, now: Timestamp) -> u32 {
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
    pub(crate) fn attempt(&self, id: ServerId) -> u32 {
        self.entry(id).map_or(1, |entry| entry.failures.saturating_add(1))
    }

    /// An attempt failed. How often that counted for `max_reconnects`, in a row.
    pub(crate) fn fail(&mut self, id: ServerId, failure: AttemptFailure, counts: bool) -> u32 {
        let Some(entry) = self.entry_mut(id) else { return 0 };
        entry.failures = entry.failures.saturating_add(1);
        entry.counted = entry.counted.saturating_add(u32::from(counts));
        entry.last_error = Some(Arc::new(failure));
        entry.counted
    }

    /// A link to this server is encrypted.
    pub(crate) fn note_tls(&mut self, id: ServerId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.used_tls = true;
        }
    }

    /// Whether TLS is used with this server, as its URL says or as it demanded.
    pub(crate) fn uses_tls(&self, id: ServerId) -> bool {
        self.entry(id)
            .is_some_and(|entry| entry.used_tls || entry.server.wants_tls())
    }

    /// A handshake succeeded; `lame_duck` is what its INFO said.
    pub(crate) fn succeed(&mut self, id: ServerId, lame_duck: bool) {
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

    pub(crate) fn lose(&mut self, id: ServerId) {
        self.lost = Some(id);
    }

    /// An authentication error: whether it is the second of its kind, long enough after the first.
    pub(crate) fn strike(&mut self, id: ServerId, code: &'static str, now: Timestamp, gap: Duration) -> bool {
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
    pub(crate) fn end_auth_row(&mut self, id: ServerId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.auth_row = None;
        }
    }

    pub(crate) fn remove(&mut self, id: ServerId, reason: RemovalReason) -> Option<Server> {
        let place = self.entries.iter().position(|entry| entry.server.id() == id)?;
        self.removed_otherwise |= reason != RemovalReason::Auth;
        let entry = self.entries.remove(place);
        if entry.tried {
            self.round.note_gone(entry.server.url());
        }
        Some(entry.server)
    }

    pub(crate) fn mark_lame_duck(&mut self, id: ServerId, now: Timestamp) {
        if let Some(entry) = self.entry_mut(id) {
            entry.lame_duck = Some(LameDuck {
                until: now + LAME_DUCK_MARK,
                unlisted: false,
            });
        }
    }

    /// Whether there is a server to move to from this one.
    pub(crate) fn has_healthy_other(&self, id: ServerId, now: Timestamp) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.server.id() != id && !entry.is_lame_duck(now))
    }

    /// The first time this is asked for a server: `true`.
    pub(crate) fn warn_once(&mut self, id: ServerId) -> bool {
        self.entry_mut(id)
            .is_some_and(|entry| !core::mem::replace(&mut entry.warned, true))
    }

    pub(crate) fn max_payload(&self, id: ServerId) -> Option<u64> {
        self.entry(id).and_then(|entry| entry.max_payload)
    }

    pub(crate) fn set_max_payload(&mut self, id: ServerId, max_payload: Option<u64>) {
        if let Some(entry) = self.entry_mut(id) {
            entry.max_payload = max_payload;
        }
    }

    /// Takes the servers that `from` announces. An empty list changes nothing.
    pub(crate) fn discover(
        &mut self,
        from: &Server,
        urls: &[String],
        randomize: bool,
        rng: &mut Rng,
    ) -> Found {
        let mut found = Found::default();
        let mut usable: Vec<ServerUrl> = Vec::new();
        for text in urls.iter().take(ANNOUNCED) {
            match ServerUrl::parse(text) {
                Ok(url) => usable.push(url),
                Err(error) => found.skipped.push((without_userinfo(text), error)),
            }
        }
        let mut named = merged(usable.into_iter());
        if named.is_empty() {
            return found;
        }
        self.note_listed(from, &named);
        self.entries.retain(|entry| {
            let stays = !entry.discovered
                || entry.server.id() == from.id()
                || named
                    .iter()
                    .any(|named| named.url.has_identity_of(entry.server.url()));
            if !stays {
                if entry.tried {
                    self.round.note_gone(entry.server.url());
                }
                found.removed.push(entry.server.clone());
            }
            stays
        });
        if randomize {
            rng.shuffle(&mut named);
        }
        for Named { url, is_mixed } in named {
            let known = self
                .entries
                .iter_mut()
                .find(|entry| entry.server.url().has_identity_of(&url));
            if let Some(known) = known {
                let announced = from.announce(known.server.id(), url);
                if announced.wants_tls() && !known.server.wants_tls() {
                    known.server = known.server.with_tls_of(&announced);
                    found.raised.push(known.server.clone());
                }
                continue;
            }
            let server = from.announce(self.new_id(), url);
            if is_mixed {
                found.raised.push(server.clone());
            }
            found.added.push(server.clone());
            let mut entry = Entry::new(server, true);
            entry.tried = self.round.had_its_turn(entry.server.url());
            entry.learned = true;
            self.insert_discovered(entry, randomize, rng);
        }
        found
    }

    /// Somewhere behind the explicit servers.
    fn insert_discovered(&mut self, entry: Entry, randomize: bool, rng: &mut Rng) {
        let first = self.entries.iter().take_while(|entry| !entry.discovered).count();
        let places = self.entries.len().saturating_sub(first);
        let place = if randomize {
            first.saturating_add(rng.up_to(places as u64) as usize)
        } else {
            self.entries.len()
        };
        self.entries.insert(place.min(self.entries.len()), entry);
    }

    /// A server in lame duck mode that another server names again, after it did not, is back.
    fn note_listed(&mut self, from: &Server, named: &[Named]) {
        for entry in self
            .entries
            .iter_mut()
            .filter(|entry| entry.server.id() != from.id())
        {
            let listed = named
                .iter()
                .any(|named| named.url.has_identity_of(entry.server.url()));
            match &mut entry.lame_duck {
                Some(mark) if !listed => mark.unlisted = true,
                Some(mark) if mark.unlisted => entry.lame_duck = None,
                _ => {}
            }
        }
    }

    /// Replaces the pool. A server that is in both is spoken to with TLS if either of them says so.
    pub(crate) fn replace(&mut self, servers: &[ServerUrl], randomize: bool, rng: &mut Rng) -> Replaced {
        let old = core::mem::take(&mut self.entries);
        self.round = Round::default();
        self.removed_otherwise = false;
        let mut raised = self.add_explicit(servers.iter().cloned(), randomize, rng);
        let mut gone = Vec::new();
        for entry in old {
            let same = self
                .entries
                .iter_mut()
                .find(|new| new.server.url().has_identity_of(entry.server.url()));
            let Some(new) = same else {
                gone.push(entry.server);
                continue;
            };
            let is_mixed = raised.contains(&new.server.id());
            raised.retain(|id| *id != new.server.id());
            // The same server keeps its number, so that a link to it is still one to a server of the pool.
            let server = Server::new(entry.server.id(), new.server.url().clone());
            if is_mixed || server.wants_tls() != entry.server.wants_tls() {
                raised.push(server.id());
            }
            new.server = if entry.server.wants_tls() && !server.wants_tls() {
                server.with_tls_of(&entry.server)
            } else {
                server
            };
            new.lame_duck = entry.lame_duck;
            new.max_payload = entry.max_payload;
            new.warned = entry.warned;
            new.used_tls = entry.used_tls;
        }
        let raised = raised
            .into_iter()
            .filter_map(|id| self.get(id).cloned())
            .collect();
        Replaced { gone, raised }
    }

    pub(crate) fn status(
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
    fn new(server: Server, discovered: bool) -> Self {
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

/// A server as a list names it.
struct Named {
    url: ServerUrl,
    /// It does so with and without TLS: `url` is with.
    is_mixed: bool,
}

/// Each server of a list once, at its first place. TLS wins over none; for the rest the first URL that says something
/// is the one that counts.
fn merged(urls: impl Iterator<Item = ServerUrl>) -> Vec<Named> {
    let mut merged: Vec<Named> = Vec::new();
    for url in urls {
        let same = merged.iter_mut().find(|named| named.url.has_identity_of(&url));
        let Some(Named { url: known, is_mixed }) = same else {
            let is_mixed = false;
            merged.push(Named { url, is_mixed });
            continue;
        };
        *is_mixed |= known.is_tls() != url.is_tls();
        let first = known.is_tls_first() || url.is_tls_first();
        let scheme = if known.is_tls() || url.is_tls() {
            Scheme::Tls
        } else {
            Scheme::Nats
        };
        let userinfo = known.userinfo().or(url.userinfo()).cloned();
        let name = known.tls_name().or(url.tls_name()).map(String::from);
        let both = known.clone().with_scheme(scheme).with_tls_first(first);
        let both = both.with_userinfo(userinfo);
        *known = match name {
            Some(name) => both.with_tls_name(name),
            None => both,
        };
    }
    merged
}

/// An announced URL as it may be shown.
fn without_userinfo(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => alloc::format!("[redacted]@{rest}"),
        None => text.into(),
    }
}
