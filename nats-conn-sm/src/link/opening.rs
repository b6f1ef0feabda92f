//! The steps of a handshake, and what each of them needs next.

use alloc::boxed::Box;
use alloc::sync::Arc;

use nats_proto::{ClientOp, Connect, Decoder, ServerInfo, TransmitBuf, UserInfo};

use super::handshake::{Handshake, Step};
use super::session::Session;
use super::{Challenge, End, Hello, Link, Need, Stage};
use crate::action::Credentials;
use crate::buffers::ReceiveBuf;
use crate::config::CleartextPolicy;
use crate::dialer::Dial;
use crate::env::Env;
use crate::error::{AttemptError, Phase};
use crate::event;
use crate::frames::Tag;
use crate::input::Progress;
use crate::servers::Server;

impl Link {
    pub(crate) fn dial(dial: Dial, env: &Env) -> Self {
        let config = env.config();
        Self {
            id: dial.link,
            server: dial.server,
            stage: Stage::Opening(Handshake::Dialing(None)),
            end: End::None,
            deadline: env.now() + config.connect_timeout,
            attempt: dial.attempt,
            decoder: Decoder::new(config.limits),
            info: Arc::new(ServerInfo::default()),
            max_payload: dial.max_payload.unwrap_or(u64::MAX),
            is_encrypted: false,
            heard_encrypted: false,
            challenge: None,
            last_error: None,
        }
    }

    fn begins_with_tls(&self, env: &Env) -> bool {
        env.config().tls_first || self.server.url().is_tls_first()
    }

    pub(crate) fn progressed(&mut self, progress: Progress) {
        if let Stage::Opening(Handshake::Dialing(known)) = &mut self.stage {
            *known = Some(progress);
        }
    }

    /// The stream is there; none if that was not awaited.
    pub(crate) fn connected(&mut self, env: &Env) -> Option<Need> {
        let tls_first = self.begins_with_tls(env);
        self.step(Step::Connected { tls_first }, env)
    }

    /// The TLS handshake is done; none if that was not awaited.
    pub(crate) fn tls_done(&mut self, env: &Env) -> Option<Need> {
        let ask = env.config().ask_credentials;
        let need = self.step(Step::TlsDone { ask }, env)?;
        self.is_encrypted = true;
        Some(need)
    }

    /// The first INFO was taken, and what it announces was learned: TLS comes next, or credentials.
    pub(crate) fn first_info_taken(&mut self, rx: &mut ReceiveBuf, env: &Env) -> Need {
        let config = env.config();
        let is_required = config.tls_required || config.tls_first || self.server.wants_tls();
        let tls = !self.is_encrypted && (is_required || self.info.tls_required);
        if tls && !self.info.tls_required && !self.info.tls_available {
            return Need::Fail(Phase::Tls, AttemptError::TlsNotOffered);
        }
        let ask = config.ask_credentials;
        let need = self.step(Step::Info { tls, ask }, env).unwrap_or(Need::Nothing);
        // What follows INFO is looked at before anything else happens.
        if tls && !rx.is_empty() {
            return Need::Fail(Phase::Tls, self.plaintext_before_tls(rx));
        }
        need
    }

    /// The driver answered with credentials. Whether they were asked for.
    pub(crate) fn challenge_answered(&mut self, env: &Env) -> bool {
        let is_asked = matches!(self.stage, Stage::Opening(Handshake::Authenticating));
        if let Some(challenge) = self.challenge.as_mut().filter(|_| is_asked) {
            challenge.answer_took = Some(env.now().since(challenge.since));
        }
        is_asked
    }

    /// Takes a step. Of a link that has ended only the phase moves, which decides what the failure is called.
    fn step(&mut self, step: Step, env: &Env) -> Option<Need> {
        let Stage::Opening(handshake) = &mut self.stage else {
            return None;
        };
        *handshake = handshake.step(step)?;
        let next = *handshake;
        if self.has_ended() {
            return Some(Need::Nothing);
        }
        Some(match next {
            Handshake::UpgradingTls(_) => Need::UpgradeTls,
            Handshake::Authenticating => {
                self.challenge = Some(Box::new(Challenge {
                    since: env.now(),
                    answer_took: None,
                }));
                Need::Authenticate {
                    nonce: self.info.nonce.clone(),
                }
            }
            Handshake::AwaitingPong => Need::Hello,
            Handshake::AwaitingInfo | Handshake::Dialing(_) => Need::Nothing,
        })
    }

    /// CONNECT with the credentials, and PING.
    pub(crate) fn hello(&mut self, credentials: Credentials, env: &Env) -> Result<Hello, AttemptError> {
        // From the question for credentials; without that it awaits the PONG already.
        let _ = self.step(Step::Credentials, env);
        let credentials = self.with_userinfo(credentials);
        let in_clear =
            credentials.has_cleartext_secret() && !self.is_encrypted && !self.server.url().is_loopback();
        let policy = env.config().cleartext_credentials;
        if in_clear && policy == CleartextPolicy::Refuse {
            return Err(AttemptError::CleartextCredentials);
        }
        let connect = self.connect_of(credentials, env);
        let mut frames = TransmitBuf::new();
        for op in [ClientOp::Connect(&connect), ClientOp::Ping] {
            // CONNECT and PING have no limit that they could break.
            if op.encode_within(usize::MAX, &mut frames).is_ok() {
                frames.end_frame(Tag::Control);
            }
        }
        Ok(Hello {
            frames,
            warns: in_clear && policy == CleartextPolicy::Warn,
        })
    }

    /// User, password or token of the URL replace those of the options: only one of them is sent.
    fn with_userinfo(&self, mut credentials: Credentials) -> Credentials {
        match self.server.url().userinfo() {
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
        credentials
    }

    fn connect_of(&self, credentials: Credentials, env: &Env) -> Connect {
        let config = env.config();
        let mut connect = Connect::default();
        connect.verbose = config.verbose;
        connect.pedantic = config.pedantic;
        connect.tls_required = self.is_encrypted;
        connect.name.clone_from(&config.name);
        connect.lang = config.lang.clone();
        connect.version = config.version.clone();
        connect.protocol = 1;
        connect.echo = config.echo;
        connect.headers = self.info.headers;
        connect.no_responders = self.info.headers;
        connect.user = credentials.user;
        connect.pass = credentials.password;
        connect.auth_token = credentials.token;
        connect.jwt = credentials.jwt;
        connect.nkey = credentials.nkey;
        connect.sig = credentials.signature;
        connect
    }

    /// TLS is used with this server from now on: an attempt that has not reached that step yet will use it.
    pub(crate) fn raise_tls(&mut self, server: &Server) {
        if self.server.id() == server.id()
            && matches!(&self.stage, Stage::Opening(handshake) if handshake.is_before_tls())
        {
            self.server = server.clone();
        }
    }

    /// Whether the attempt has reached the step of sending credentials, and does that in clear text.
    pub(crate) fn is_exposed(&self) -> bool {
        !self.is_encrypted
            && !self.has_ended()
            && matches!(&self.stage, Stage::Opening(handshake) if !handshake.is_before_tls())
    }

    /// The PONG of the handshake: the session begins.
    pub(crate) fn open(&mut self, is_first: bool, env: &Env) -> event::Session {
        self.challenge = None;
        self.stage = Stage::Up(Box::new(Session::new(is_first, env)));
        event::Session {
            server: self.server.clone(),
            link: self.id,
            info: Arc::clone(&self.info),
            max_payload: self.max_payload,
        }
    }
}
