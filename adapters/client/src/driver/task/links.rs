//! What the machine asks of the outside, and what comes of that: dialling, TLS, who we are, and the end of a link.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nats_conn_sm::{Action, AttemptId, LinkEnd, LinkId, ReceiveBuf, SendBuf, Server, ServerId, ServerStatus};

use super::{Driver, News};
use crate::core::delivery::Backpressure;
use crate::core::panics::{Caught, panicked};
use crate::driver::farewell::Farewell;
use crate::driver::link::Link;
use crate::driver::runtime::Runtime;
use crate::driver::target::Target;
use crate::options::identity::Challenge;

/// How long a link is still read when it cannot be written to any more: the system does not always report its end at once.
const LAST_WORDS: Duration = Duration::from_millis(100);

impl<R: Runtime> Driver<R> {
    pub(super) fn perform(&mut self, action: Action, now: Instant) {
        match action {
            Action::Connect { link, server } => {
                // A handshake does not wait for consumers that still read what an earlier link brought.
                self.backpressure = Backpressure::default();
                self.rx = ReceiveBuf::new(link);
                self.blocks.forget();
                self.appetite.delivered(0);
                self.tx = SendBuf::new(link);
                if let Some(end) = self.selector_failed.take() {
                    self.news.push_back(News::Ended(link, end));
                    return;
                }
                let (runtime, target) = (self.runtime.clone(), self.target(link, server));
                let dial = Caught::new(async move { runtime.dial(target).await });
                self.link = Link::Dialing(
                    link,
                    Box::pin(async {
                        dial.await
                            .unwrap_or_else(|text| Err(panicked("what dials", &text)))
                    }),
                );
            }
            Action::UpgradeTls { link, server } => match std::mem::replace(&mut self.link, Link::Down) {
                Link::Up { id, io, .. } if id == link => {
                    let (runtime, target) = (self.runtime.clone(), self.target(link, server));
                    let upgrade = Caught::new(async move { runtime.upgrade(io, target).await });
                    self.link = Link::Upgrading(
                        link,
                        Box::pin(async { upgrade.await.unwrap_or_else(|text| Err(panicked("TLS", &text))) }),
                    );
                }
                other => self.link = other,
            },
            Action::Authenticate { link, server, nonce } => {
                let answer = self.setup.identity.answer(Challenge::new(server, nonce));
                self.identity = Some((link, answer));
            }
            Action::ChooseServer {
                attempt,
                servers,
                default,
                default_delay,
            } => {
                self.choose(attempt, &servers, default, default_delay);
            }
            Action::Disconnect { link, abort } => self.leave(link, abort, now),
        }
    }

    fn target(&self, link: LinkId, server: Server) -> Target {
        Target::new(server, link, self.setup.clone(), self.shared.clone())
    }

    fn choose(&mut self, attempt: AttemptId, servers: &[ServerStatus], default: ServerId, delay: Duration) {
        // What was kept of an earlier question is about an attempt that was called off.
        self.selector_failed = None;
        let (server, delay) = match self.setup.choose(servers, default, delay) {
            Ok(chosen) => chosen,
            Err(end) => {
                self.selector_failed = Some(end);
                (default, delay)
            }
        };
        self.news.push_back(News::Choice(attempt, server, delay));
    }

    /// Leaves the link: its end has been reported to the machine already.
    fn leave(&mut self, link: LinkId, abort: bool, now: Instant) {
        self.identity.take_if(|(asked, _)| *asked == link);
        let is_this = match &self.link {
            Link::Down => false,
            Link::Dialing(id, _) | Link::Upgrading(id, _) => *id == link,
            Link::Up { id, .. } | Link::Failing { id, .. } => *id == link,
        };
        if !is_this {
            return;
        }
        if let Link::Up { io, .. } = std::mem::replace(&mut self.link, Link::Down)
            && !abort
        {
            self.farewells.push(Farewell::new(io, now));
        }
    }

    pub(super) fn poll_identity(&mut self, cx: &mut Context<'_>) {
        if let Some((link, answer)) = &mut self.identity
            && let Poll::Ready(answer) = answer.as_mut().poll(cx)
        {
            self.news.push_back(News::Credentials(*link, answer));
            self.identity = None;
        }
    }

    pub(super) fn poll_opening(&mut self, cx: &mut Context<'_>) {
        let (id, opened, upgraded) = match &mut self.link {
            Link::Dialing(id, opening) => (*id, opening.as_mut().poll(cx), false),
            Link::Upgrading(id, opening) => (*id, opening.as_mut().poll(cx), true),
            Link::Down | Link::Up { .. } | Link::Failing { .. } => return,
        };
        let Poll::Ready(opened) = opened else { return };
        match opened {
            Ok(io) => {
                self.dry = false;
                self.link = Link::Up {
                    id,
                    io,
                    flushed: true,
                };
                self.news.push_back(if upgraded {
                    // Nothing was read over the new stream yet.
                    News::Tls(id, self.rx.len())
                } else {
                    News::Connected(id)
                });
            }
            Err(end) => self.lost(id, end),
        }
    }

    /// Writing to the link has failed.
    pub(super) fn fail(&mut self, end: LinkEnd) {
        self.dry = false;
        self.link = match std::mem::replace(&mut self.link, Link::Down) {
            Link::Up { id, io, .. } => {
                let until = Instant::now() + LAST_WORDS;
                Link::Failing { id, io, end, until }
            }
            other => other,
        };
    }

    pub(super) fn lost(&mut self, link: LinkId, end: LinkEnd) {
        let first = match std::mem::replace(&mut self.link, Link::Down) {
            Link::Failing { end, .. } => end,
            _ => end,
        };
        self.news.push_back(News::Ended(link, first));
    }
}
