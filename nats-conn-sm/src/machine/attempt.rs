//! Attempts: what comes next, the steps of a handshake, and failure.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use nats_proto::ServerUrl;

use super::Machine;
use crate::action::{Action, Credentials};
use crate::dialer::{Dial, Next};
use crate::error::{AttemptError, AuthError, DisconnectReason, Phase, StateError};
use crate::event::{ConnectionEvent, Event, RemovalReason};
use crate::ids::{AttemptId, LinkId, ServerId};
use crate::input::Progress;
use crate::link::{Cause, InfoChange, Link, LinkState, Need};
use crate::servers::Server;

/// What comes next.
impl Machine {
    /// There is no link, and one is wanted.
    pub(super) fn next_attempt(&mut self) {
        let next = self.dialer.next(&mut self.env);
        self.go(next);
    }

    pub(super) fn go(&mut self, next: Next) {
        match next {
            Next::Dial(dial) => self.begin_attempt(dial),
            Next::Wait {
                server,
                attempt,
                delay,
                until,
                reason,
            } => self.output.emit(Event::Connection(ConnectionEvent::BackoffWait {
                server,
                attempt,
                delay,
                until,
                reason,
            })),
            Next::Choose {
                attempt,
                servers,
                default,
                delay,
            } => {
                self.output.withdraw_choice();
                self.output.ask(Action::ChooseServer {
                    attempt,
                    servers,
                    default,
                    default_delay: delay,
                });
            }
            Next::GiveUp(reason) => self.end(reason),
        }
    }

    fn begin_attempt(&mut self, dial: Dial) {
        let (id, server) = (dial.link, dial.server.clone());
        self.output.emit(Event::Connection(ConnectionEvent::Connecting {
            server: server.clone(),
            attempt: dial.attempt,
            link: id,
        }));
        self.output.ask(Action::Connect { link: id, server });
        self.outbound.begin(id);
        self.link = Some(Box::new(Link::dial(dial, &self.env)));
    }

    /// The driver has chosen a server.
    pub(crate) fn server_chosen(&mut self, attempt: AttemptId, server: ServerId, delay: Duration) {
        let Some(chosen) = self.dialer.chosen(attempt, server, delay, &mut self.env) else {
            return;
        };
        if let Some(server) = chosen.fallback {
            self.output
                .emit(Event::Connection(ConnectionEvent::ServerChoiceRejected {
                    server,
                }));
        }
        self.go(chosen.next);
    }
}

/// The steps of a handshake.
impl Machine {
    /// The driver reports how far its dialling has come.
    pub(crate) fn progressed(&mut self, id: LinkId, progress: Progress) {
        if let Some(link) = self.link.as_deref_mut().filter(|link| link.is_live(id)) {
            link.progressed(progress);
        }
    }

    /// The stream is there.
    pub(crate) fn connected(&mut self, id: LinkId) {
        let Some(link) = self.link.as_deref_mut().filter(|link| link.is_live(id)) else {
            return;
        };
        if let Some(need) = link.connected(&self.env) {
            self.provide(need);
        }
    }

    /// TLS is established. Not `is_clean`: clear text has arrived before it.
    pub(crate) fn tls_done(&mut self, id: LinkId, is_clean: bool) {
        let Some(link) = self.link.as_deref_mut().filter(|link| link.is_live(id)) else {
            return;
        };
        let Some(need) = link.tls_done(&self.env) else {
            return;
        };
        self.dialer.note_tls(link.server().id());
        if is_clean {
            self.provide(need);
        } else {
            self.fail_attempt(Phase::Tls, AttemptError::PlaintextBeforeTls);
        }
    }

    /// The driver answers with credentials.
    pub(crate) fn credentials(&mut self, id: LinkId, answer: Result<Credentials, AuthError>) {
        let Some(link) = self.link.as_deref_mut().filter(|link| link.is_live(id)) else {
            return;
        };
        if !link.challenge_answered(&self.env) {
            return;
        }
        match answer {
            Ok(credentials) => self.say_hello(credentials),
            Err(error) => self.fail_attempt(Phase::Auth, AttemptError::Auth(error)),
        }
    }

    /// Takes what an INFO contains about its own server and about others.
    pub(super) fn learn(&mut self, change: &InfoChange) {
        let Some(link) = &self.link else { return };
        let from = link.server().clone();
        if change.lame_duck {
            self.dialer.mark_lame_duck(from.id(), &self.env);
        }
        let learned = self.dialer.learn(&from, &change.urls, &mut self.env);
        for (url, error) in learned.skipped {
            self.output
                .emit(Event::Connection(ConnectionEvent::ServerSkipped { url, error }));
        }
        for server in learned.pruned {
            let reason = RemovalReason::Pruned;
            self.output
                .emit(Event::Connection(ConnectionEvent::ServerRemoved {
                    server,
                    reason,
                }));
        }
        self.tls_raised(learned.raised);
    }

    /// TLS is used with these servers from now on. An attempt that has not reached its TLS step yet will use it; a
    /// session stays as it is.
    pub(super) fn tls_raised(&mut self, raised: Vec<Server>) {
        for server in raised {
            if let Some(link) = &mut self.link {
                link.raise_tls(&server);
            }
            self.output
                .emit(Event::Connection(ConnectionEvent::ServerTlsRaised { server }));
        }
    }

    /// Whether the attempt is about to send credentials in clear text to a server that TLS is used with.
    pub(super) fn lacks_tls(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.is_exposed() && self.dialer.wants_tls(link.server().id()))
    }

    /// Does what a handshake needs next.
    pub(super) fn provide(&mut self, need: Need) {
        let Some(link) = &self.link else { return };
        let (id, server) = (link.id(), link.server());
        match need {
            Need::Nothing => {}
            Need::UpgradeTls => self.output.ask(Action::UpgradeTls {
                link: id,
                server: server.clone(),
            }),
            Need::Authenticate { nonce } => self.output.ask(Action::Authenticate {
                link: id,
                server: server.clone(),
                nonce,
            }),
            Need::Hello => self.say_hello(Credentials::default()),
            Need::Fail(phase, error) => self.fail_attempt(phase, error),
        }
    }

    /// Writes CONNECT and PING.
    fn say_hello(&mut self, credentials: Credentials) {
        let Some(link) = &mut self.link else { return };
        match link.hello(credentials, &self.env) {
            Ok(hello) => {
                if hello.warns && self.dialer.warn_once(link.server().id()) {
                    let server = link.server().clone();
                    self.output
                        .emit(Event::Connection(ConnectionEvent::CleartextCredentials {
                            server,
                        }));
                }
                self.outbound.hello(hello.frames);
            }
            Err(error) => self.fail_attempt(Phase::Auth, error),
        }
    }
}

/// Failure.
impl Machine {
    /// Reports that the attempt failed, and gives up its link.
    pub(super) fn fail_attempt(&mut self, phase: Phase, error: AttemptError) {
        if let Some(server) = self.link.as_ref().map(|link| link.server().clone()) {
            self.report_failure(server, phase, error);
            self.leave(Cause::Abandoned, true);
        }
    }

    /// Reports that an attempt failed; its server may leave the pool for that.
    fn report_failure(&mut self, server: Server, phase: Phase, error: AttemptError) {
        let removed = self.dialer.failed(&server, phase, &error, &self.env);
        self.output
            .emit(Event::Connection(ConnectionEvent::ConnectFailed {
                server,
                phase,
                error: Box::new(error),
            }));
        if let Some((server, reason)) = removed {
            self.output
                .emit(Event::Connection(ConnectionEvent::ServerRemoved {
                    server,
                    reason,
                }));
        }
    }

    /// The link of an attempt is gone.
    pub(super) fn attempt_over(&mut self, server: Server, failure: Option<(Phase, AttemptError)>) {
        self.outbound.abandon();
        if let Some((phase, error)) = failure {
            self.report_failure(server, phase, error);
        }
        if !self.end_drained_without_link() {
            self.next_attempt();
        }
    }
}

/// What the application changes.
impl Machine {
    /// The application wants another link, now.
    pub(crate) fn force_reconnect(&mut self) -> Result<(), StateError> {
        self.life.require_open()?;
        self.dialer.forget_rounds();
        let Some(link) = &mut self.link else {
            let next = self.dialer.hurry(&mut self.env);
            self.go(next);
            return Ok(());
        };
        match link.state() {
            LinkState::Up => self.leave(Cause::Decided(DisconnectReason::Forced), true),
            // Asked twice before the driver looked: the attempt of the first call is the one.
            LinkState::Opening if self.output.is_unheard(link.id()) => {}
            LinkState::Opening => {
                self.dialer.pass_over(link.server().id());
                self.dialer.start_round();
                self.leave(Cause::Abandoned, true);
            }
            // The attempt has failed already, and is being left: the next one waits for nothing.
            LinkState::OpeningEnded => self.dialer.start_round(),
            LinkState::UpEnded => link.force(),
        }
        Ok(())
    }

    /// The application gives another list of servers.
    pub(crate) fn set_servers(&mut self, servers: &[ServerUrl]) -> Result<(), StateError> {
        if servers.is_empty() {
            return Err(StateError::NoServers);
        }
        if self.life.is_ending() {
            return Err(StateError::Closed);
        }
        let replaced = self.dialer.set_pool(servers, &mut self.env);
        for server in replaced.gone {
            let reason = RemovalReason::Replaced;
            self.output
                .emit(Event::Connection(ConnectionEvent::ServerRemoved {
                    server,
                    reason,
                }));
        }
        self.tls_raised(replaced.raised);
        let Some(link) = &self.link else {
            self.next_attempt();
            return Ok(());
        };
        let is_gone = !self.dialer.contains(link.server().id());
        if link.state() == LinkState::Opening && (is_gone || self.lacks_tls()) {
            self.leave(Cause::Abandoned, true);
        }
        Ok(())
    }
}
