//! Lists of servers, as INFO announces them and as the holder gives them, and what they change in the pool.

use alloc::string::String;
use alloc::vec::Vec;

use nats_proto::{Scheme, ServerUrl, UrlError};

use super::pool::{Entry, Pool};
use super::round::Round;
use crate::canonical::Form;
use crate::ids::ServerId;
use crate::rng::Rng;
use crate::servers::Server;

/// Of a longer list the rest counts as not announced: no cluster is as large, and INFO may have a mebibyte.
const ANNOUNCED: usize = 1024;

/// What INFOs changed since the last report.
#[derive(Clone, Debug, Default)]
pub(super) struct News {
    added: Vec<Server>,
    removed: Vec<Server>,
}

impl News {
    /// Takes what one INFO changed.
    pub(super) fn note(&mut self, found: &Found) {
        self.raise(&found.raised);
        for server in &found.removed {
            // A server that came and went between two sessions was never reported.
            match self.added.iter().position(|added| added.id() == server.id()) {
                Some(place) => drop(self.added.remove(place)),
                None => self.removed.push(server.clone()),
            }
        }
        self.added.extend(found.added.iter().cloned());
    }

    /// These use TLS from now on.
    pub(super) fn raise(&mut self, raised: &[Server]) {
        for server in raised {
            for added in self.added.iter_mut().filter(|added| added.id() == server.id()) {
                *added = server.clone();
            }
        }
    }

    /// Forgets those that are no longer in the pool.
    pub(super) fn retain(&mut self, pool: &Pool) {
        self.added.retain(|server| pool.get(server.id()).is_some());
    }

    /// Servers that came and servers that left, if there are any.
    pub(super) fn take(&mut self) -> Option<(Vec<Server>, Vec<Server>)> {
        let Self { added, removed } = core::mem::take(self);
        (!added.is_empty() || !removed.is_empty()).then_some((added, removed))
    }
}

/// For exploration.
impl News {
    pub(super) fn canonical(&self, form: &mut Form) {
        let Self { added, removed } = self;
        form.list(added, |form, server| server.canonical(form));
        form.list(removed, |form, server| server.canonical(form));
    }
}

/// What came of the servers that one INFO announces.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) added: Vec<Server>,
    pub(super) removed: Vec<Server>,
    /// Known ones that TLS is used with from now on.
    pub(super) raised: Vec<Server>,
    pub(super) skipped: Vec<(String, UrlError)>,
}

/// What a new pool changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Replaced {
    /// Servers that are no longer in it.
    pub(super) gone: Vec<Server>,
    /// Servers that were named with and without TLS.
    pub(super) raised: Vec<Server>,
}

impl Pool {
    /// The pool, and the servers that the list names with and without TLS.
    pub(super) fn new(servers: &[ServerUrl], randomize: bool, rng: &mut Rng) -> (Self, Vec<Server>) {
        let mut pool = Self::empty();
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

    /// Takes the servers that `from` announces. An empty list changes nothing.
    pub(super) fn discover(
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

    /// Somewhere after the explicit servers.
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

    /// Replaces the pool. TLS is used with a server that is in both if either of them asks for it.
    pub(super) fn replace(&mut self, servers: &[ServerUrl], randomize: bool, rng: &mut Rng) -> Replaced {
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
