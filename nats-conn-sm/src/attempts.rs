//! From one link to the next: rounds, waits, and the steps of an attempt up to CONNECT.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::{ClientOp, Connect, Decoder, ServerInfo, ServerUrl, Sid, TransmitBuf, UserInfo};

use crate::action::{Action, Credentials, TlsExpectation};
use crate::block::Tag;
use crate::config::CleartextPolicy;
use crate::connection::{Connection, Progress, Stage};
use crate::error::{AttemptFailure, AuthError, ConnectError, Phase as PublicPhase};
use crate::event::{ClosedReason, Event, RemovalReason, WaitReason};
use crate::ids::{AttemptId, LinkId, PublishSeq, ServerId};
use crate::link::{Cause, Challenge, HandedUpTo, Link};
use crate::phase::{Phase, Step, Upgrade};
use crate::pings::{Ping, PingKind, Unanswered};
use crate::servers::Server;
use crate::time::Timestamp;

/// What a server takes if its INFO does not say (`MAX_PAYLOAD_SIZE`, const.go).
const DEFAULT_MAX_PAYLOAD: u64 = 1 << 20;

/// Rounds and waits.
impl Connection {
    /// There is no link, and one is wanted: the next server of this round, or the end of the round.
    pub(crate) fn go_on(&mut self, now: Timestamp) {
        if self.pool.is_empty() {
            return self.pool_is_empty(now);
        }
        match self.pool.next(now) {
            Some(server) => self.head_for(now, server, Duration::ZERO, None),
            None => self.round_failed(now),
        }
    }

    fn round_failed(&mut self, now: Timestamp) {
        if self.is_initial() && !self.config.retry_initial {
            let failures = core::mem::take(&mut self.failures);
            return self.end(now, ClosedReason::ConnectFailed { failures });
        }
        if !self.is_initial() && !self.config.reconnect {
            return self.end(now, ClosedReason::NoReconnect);
        }
        self.rounds = self.rounds.saturating_add(1);
        self.wait(now, WaitReason::RoundFailed { rounds: self.rounds });
    }

    /// Begins a round with a wait.
    pub(crate) fn wait(&mut self, now: Timestamp, reason: WaitReason) {
        self.pool.start_round();
        let Some(server) = self.pool.next(now) else {
            return self.pool_is_empty(now);
        };
        let tls = self.config.tls_required || self.config.tls_first || self.pool.uses_tls(server);
        let delay = self.config.backoff.wait(self.rounds, tls, &mut self.rng);
        self.head_for(now, server, delay, Some(reason));
    }

    fn pool_is_empty(&mut self, now: Timestamp) {
        let reason = if self.is_initial() && !self.config.retry_initial {
            ClosedReason::ConnectFailed {
                failures: core::mem::take(&mut self.failures),
            }
        } else if self.pool.only_auth_removed() {
            ClosedReason::Auth
        } else {
            ClosedReason::PoolExhausted
        };
        self.end(now, reason);
    }

    fn head_for(&mut self, now: Timestamp, server: ServerId, delay: Duration, reason: Option<WaitReason>) {
        if !self.config.custom_selection {
            return self.wait_for(now, server, delay, reason);
        }
        let attempt = AttemptId::from_u64(self.next_attempt);
        self.next_attempt = self.next_attempt.saturating_add(1);
        self.stage = Stage::Choosing {
            attempt,
            default: server,
            delay,
            reason,
        };
        let servers = self.servers();
        self.forget_questions();
        self.actions.push_back(Action::ChooseServer {
            attempt,
            servers,
            default: server,
            default_delay: delay,
        });
    }

    /// Of questions that no driver has taken none counts any more.
    pub(crate) fn forget_questions(&mut self) {
        self.actions
            .retain(|action| !matches!(action, Action::ChooseServer { .. }));
    }

    pub(crate) fn chosen(&mut self, now: Timestamp, answered: AttemptId, server: ServerId, wanted: Duration) {
        let Stage::Choosing {
            attempt,
            default,
            delay,
            reason,
        } = self.stage
        else {
            return;
        };
        if attempt != answered {
            return;
        }
        if self.pool.get(server).is_some() {
            let reason = if wanted == delay { reason } else { None };
            return self.wait_for(now, server, wanted, Some(reason.unwrap_or(WaitReason::Chosen)));
        }
        let Some(server) = self.pool.get(default).cloned() else {
            return self.go_on(now);
        };
        self.tell(Event::ServerChoiceRejected { server });
        self.wait_for(now, default, delay, reason);
    }

    fn wait_for(&mut self, now: Timestamp, id: ServerId, delay: Duration, reason: Option<WaitReason>) {
        // The very first attempt waits for nothing, whatever was chosen.
        if delay.is_zero() || self.counters.attempts == 0 {
            return self.begin_attempt(now, id);
        }
        let Some(server) = self.pool.get(id).cloned() else {
            return self.go_on(now);
        };
        let until = now + delay;
        self.tell(Event::BackoffWait {
            server,
            attempt: self.pool.attempt(id),
            delay,
            until,
            reason: reason.unwrap_or(WaitReason::Chosen),
        });
        self.stage = Stage::Waiting { until, server: id };
    }

    /// The wait is over.
    pub(crate) fn wait_is_over(&mut self, now: Timestamp) {
        let Stage::Waiting { server, .. } = self.stage else {
            return;
        };
        if self.pool.get(server).is_some() {
            self.begin_attempt(now, server)
        } else {
            self.go_on(now)
        }
    }

    fn begin_attempt(&mut self, now: Timestamp, id: ServerId) {
        let Some(server) = self.pool.get(id).cloned() else {
            return self.go_on(now);
        };
        let attempt = self.pool.begin_attempt(id, now);
        let link = LinkId::from_u64(self.next_link);
        self.next_link = self.next_link.saturating_add(1);
        self.counters.attempts = self.counters.attempts.saturating_add(1);
        self.tell(Event::Connecting {
            server: server.clone(),
            attempt,
            link,
        });
        let tls = self.tls_expectation(&server);
        self.actions.push_back(Action::Connect {
            link,
            server: server.clone(),
            tls,
        });
        self.stage = Stage::Linked(Box::new(Link {
            id: link,
            server,
            phase: Phase::Dialing(None),
            deadline: now + self.config.connect_timeout,
            decoder: Decoder::new(self.config.limits),
            encrypted: false,
            heard_encrypted: false,
            challenge: None,
            info: Arc::new(ServerInfo::default()),
            max_payload: DEFAULT_MAX_PAYLOAD,
            hello: None,
            unanswered: Unanswered::default(),
            pongs_due: 0,
            urgent: Vec::new(),
            handed: None,
            handed_up_to: HandedUpTo {
                publish: PublishSeq::from_u64(0),
                sub: Sid::new(0),
            },
            proven_subs: Sid::new(0),
            last_error: None,
            ending: None,
        }));
    }

    fn tls_expectation(&self, server: &Server) -> TlsExpectation {
        if self.begins_with_tls(server) {
            TlsExpectation::First
        } else if self.config.tls_required || server.wants_tls() {
            TlsExpectation::Required
        } else {
            TlsExpectation::IfDemanded
        }
    }

    /// Whether TLS comes before INFO with this server.
    fn begins_with_tls(&self, server: &Server) -> bool {
        self.config.tls_first || server.url().is_tls_first()
    }

    /// Whether no session was ever up.
    pub(crate) fn is_initial(&self) -> bool {
        self.counters.connects == 0
    }

    pub(crate) fn replace_pool(&mut self, now: Timestamp, servers: &[ServerUrl]) {
        let replaced = self.pool.replace(servers, self.config.randomize, &mut self.rng);
        for server in replaced.gone {
            self.tell(Event::ServerRemoved {
                server,
                reason: RemovalReason::Replaced,
            });
        }
        self.tls_was_raised(replaced.raised);
        self.rounds = 0;
        let pool = &self.pool;
        self.discovery
            .added
            .retain(|server| pool.get(server.id()).is_some());
        match &self.stage {
            Stage::Waiting { .. } | Stage::Choosing { .. } => self.go_on(now),
            Stage::Linked(link)
                if link.session().is_none()
                    && link.ending.is_none()
                    && (self.pool.get(link.server.id()).is_none() || self.lacks_raised_tls()) =>
            {
                self.give_up(now, Cause::Told, true);
            }
            _ => {}
        }
    }
}

/// Servers that are spoken to with TLS from now on.
impl Connection {
    /// Emits an event for each. An attempt that has not come to its TLS yet makes it; a session stays as it is.
    fn tls_was_raised(&mut self, raised: Vec<Server>) {
        for server in raised {
            for added in &mut self.discovery.added {
                if added.id() == server.id() {
                    *added = server.clone();
                }
            }
            if let Stage::Linked(link) = &mut self.stage
                && link.server.id() == server.id()
                && matches!(
                    link.phase,
                    Phase::Dialing(_) | Phase::UpgradingTls(_) | Phase::AwaitingInfo
                )
            {
                link.server = server.clone();
            }
            self.tell(Event::ServerTlsRaised { server });
        }
    }

    /// Whether this attempt is about to say who we are in clear text to a server that is now spoken to with TLS.
    pub(crate) fn lacks_raised_tls(&self) -> bool {
        let Some(link) = self.present_link() else {
            return false;
        };
        let wanted = self.pool.get(link.server.id()).is_some_and(Server::wants_tls);
        wanted
            && !link.encrypted
            && link.ending.is_none()
            && matches!(link.phase, Phase::Authenticating | Phase::AwaitingPong)
    }
}

/// The steps of an attempt.
impl Connection {
    pub(crate) fn progressed(&mut self, link: LinkId, progress: Progress) {
        if let Some(Link {
            phase: Phase::Dialing(known),
            ..
        }) = self.link_mut(link)
        {
            *known = Some(progress);
        }
    }

    pub(crate) fn stream_is_up(&mut self, now: Timestamp, id: LinkId) {
        let Some(link) = self.link_mut(id) else { return };
        let server = link.server.clone();
        let tls_first = self.begins_with_tls(&server);
        self.step(now, Step::Connected { tls_first });
    }

    pub(crate) fn tls_is_up(&mut self, now: Timestamp, id: LinkId) {
        let ask = self.config.ask_credentials;
        if let Some(link) = self.link_mut(id)
            && matches!(link.phase, Phase::UpgradingTls(_))
        {
            link.encrypted = true;
            let server = link.server.id();
            self.pool.note_tls(server);
            self.step(now, Step::TlsDone { ask });
        }
    }

    /// The first INFO is there: TLS, or who we are.
    pub(crate) fn info_is_there(&mut self, now: Timestamp) {
        let ask = self.config.ask_credentials;
        let required = self.config.tls_required || self.config.tls_first;
        let Stage::Linked(link) = &self.stage else { return };
        let wanted = required || link.server.wants_tls();
        let tls = !link.encrypted && (wanted || link.info.tls_required);
        if tls && !link.info.tls_required && !link.info.tls_available {
            return self.attempt_is_over(now, PublicPhase::Tls, ConnectError::TlsNotOffered);
        }
        self.step(now, Step::Info { tls, ask });
    }

    /// Takes a step, and asks the driver for what the new phase waits for.
    fn step(&mut self, now: Timestamp, step: Step) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let phase = core::mem::replace(&mut link.phase, Phase::Dialing(None));
        let taken = phase.step(step);
        let moved = taken.is_ok();
        link.phase = taken.unwrap_or_else(|same| same);
        // Of a link that has ended the phase tells what failed, and nothing is asked for any more.
        if !moved || link.ending.is_some() {
            return;
        }
        let (id, server) = (link.id, link.server.clone());
        match link.phase {
            Phase::UpgradingTls(Upgrade::First | Upgrade::AfterInfo) => {
                self.actions.push_back(Action::UpgradeTls { link: id, server });
            }
            Phase::Authenticating => {
                link.challenge = Some(Box::new(Challenge {
                    since: now,
                    answer_took: None,
                }));
                let nonce = link.info.nonce.clone();
                self.actions.push_back(Action::Authenticate {
                    link: id,
                    server,
                    nonce,
                });
            }
            Phase::AwaitingPong if step != Step::Credentials => self.say_hello(now, Credentials::default()),
            Phase::AwaitingPong | Phase::AwaitingInfo | Phase::Dialing(_) | Phase::Ready(_) => {}
        }
    }

    pub(crate) fn identified(&mut self, now: Timestamp, id: LinkId, answer: Result<Credentials, AuthError>) {
        let Some(Link {
            phase: Phase::Authenticating,
            challenge,
            ..
        }) = self.link_mut(id)
        else {
            return;
        };
        if let Some(challenge) = challenge {
            challenge.answer_took = Some(now.since(challenge.since));
        }
        match answer {
            Ok(credentials) => {
                self.step(now, Step::Credentials);
                self.say_hello(now, credentials);
            }
            Err(error) => self.fail_attempt(now, PublicPhase::Auth, ConnectError::Auth(error)),
        }
    }

    /// Writes CONNECT and PING.
    fn say_hello(&mut self, now: Timestamp, mut credentials: Credentials) {
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        // It goes in place of what the options say of the same: who we are is said in one way.
        match link.server.url().userinfo() {
            Some(UserInfo::Token(token)) => {
                credentials.token = Some(token.clone());
                (credentials.user, credentials.password) = (None, None);
            }
            Some(UserInfo::Password { user, password }) => {
                credentials.token = None;
                credentials.user = Some(user.clone());
                credentials.password = Some(password.clone());
            }
            _ => {}
        }
        let in_clear =
            credentials.has_cleartext_secret() && !link.encrypted && !link.server.url().is_loopback();
        let server = link.server.clone();
        if in_clear {
            match self.config.cleartext_credentials {
                CleartextPolicy::Refuse => {
                    return self.fail_attempt(now, PublicPhase::Auth, ConnectError::CleartextCredentials);
                }
                CleartextPolicy::Warn if self.pool.warn_once(server.id()) => {
                    self.events.push_back(Event::CleartextCredentials { server });
                }
                CleartextPolicy::Warn | CleartextPolicy::Allow => {}
            }
        }
        let connect = self.connect_of(credentials);
        let Stage::Linked(link) = &mut self.stage else {
            return;
        };
        let mut hello = TransmitBuf::new();
        for op in [ClientOp::Connect(&connect), ClientOp::Ping] {
            // CONNECT and PING have no limit that they could break.
            if op.encode_within(usize::MAX, &mut hello).is_ok() {
                hello.end_frame(Tag::Control);
            }
        }
        link.hello = Some(hello);
    }

    fn connect_of(&self, credentials: Credentials) -> Connect {
        let mut connect = Connect::default();
        let link = self.present_link();
        let headers = link.is_some_and(|link| link.info.headers);
        connect.verbose = self.config.verbose;
        connect.pedantic = self.config.pedantic;
        connect.tls_required = link.is_some_and(|link| link.encrypted);
        connect.name.clone_from(&self.config.name);
        connect.lang = self.config.lang.clone();
        connect.version = self.config.version.clone();
        connect.protocol = 1;
        connect.echo = self.config.echo;
        connect.headers = headers;
        connect.no_responders = headers;
        connect.user = credentials.user;
        connect.pass = credentials.password;
        connect.auth_token = credentials.token;
        connect.jwt = credentials.jwt;
        connect.nkey = credentials.nkey;
        connect.sig = credentials.signature;
        connect
    }

    /// The hello was handed out.
    pub(crate) fn hello_pings() -> Ping {
        Ping {
            kind: PingKind::Handshake,
            covers: PublishSeq::from_u64(0),
            subs: Sid::new(0),
        }
    }

    /// Tells that the attempt failed, judges its server, and gives up the link.
    pub(crate) fn fail_attempt(&mut self, now: Timestamp, phase: PublicPhase, error: ConnectError) {
        self.tell_failure(now, phase, error);
        self.give_up(now, Cause::Told, true);
    }

    pub(crate) fn tell_failure(&mut self, now: Timestamp, phase: PublicPhase, error: ConnectError) {
        let Stage::Linked(link) = &self.stage else { return };
        let server = link.server.clone();
        let id = server.id();
        let failure = AttemptFailure::new(&server, phase, error.clone());
        let counts = !self.is_initial() || self.config.retry_initial;
        if !counts {
            self.failures.push(failure.clone());
        }
        let counted = self.pool.fail(id, failure, counts);
        let strike = match &error {
            ConnectError::Server(said) if said.is_authentication() => {
                self.pool
                    .strike(id, said.code(), now, self.config.auth_strike_gap)
                    && !self.config.ignore_auth_strikes
            }
            ConnectError::Server(_) | ConnectError::AuthenticationTimeout { .. } => {
                self.pool.end_auth_row(id);
                false
            }
            _ => false,
        };
        self.tell(Event::ConnectFailed {
            server,
            phase,
            error: Box::new(error),
        });
        let spent = counts && self.config.max_reconnects.is_some_and(|max| counted >= max);
        if strike {
            self.remove_server(id, RemovalReason::Auth);
        } else if spent {
            self.remove_server(id, RemovalReason::MaxReconnects);
        }
    }

    fn remove_server(&mut self, id: ServerId, reason: RemovalReason) {
        if let Some(server) = self.pool.remove(id, reason) {
            self.discovery.added.retain(|added| added.id() != id);
            self.tell(Event::ServerRemoved { server, reason });
        }
    }

    /// Takes what an INFO says about other servers.
    pub(crate) fn learn_servers(&mut self, urls: &[alloc::string::String]) {
        if self.config.ignore_discovered {
            return;
        }
        let Stage::Linked(link) = &self.stage else { return };
        let from = link.server.clone();
        let found = self
            .pool
            .discover(&from, urls, self.config.randomize, &mut self.rng);
        for (url, error) in found.skipped {
            self.tell(Event::ServerSkipped { url, error });
        }
        for server in &found.removed {
            self.tell(Event::ServerRemoved {
                server: server.clone(),
                reason: RemovalReason::Pruned,
            });
        }
        self.tls_was_raised(found.raised);
        for server in found.removed {
            // A server that came and went between two sessions was never told of.
            if let Some(place) = self
                .discovery
                .added
                .iter()
                .position(|added| added.id() == server.id())
            {
                self.discovery.added.remove(place);
            } else {
                self.discovery.removed.push(server);
            }
        }
        self.discovery.added.extend(found.added);
    }

    /// Tells what INFO taught, once there is a session.
    pub(crate) fn tell_discovery(&mut self) {
        let found = core::mem::take(&mut self.discovery);
        if !found.added.is_empty() || !found.removed.is_empty() {
            self.tell(Event::DiscoveredServers {
                added: found.added,
                removed: found.removed,
            });
        }
    }

    /// The lowest max_payload that is known of this server.
    pub(crate) fn limit_of(&self, server: ServerId, info: &ServerInfo) -> u64 {
        let said = info.max_payload.unwrap_or(DEFAULT_MAX_PAYLOAD);
        self.pool
            .max_payload(server)
            .map_or(said, |known| known.min(said))
    }
}
