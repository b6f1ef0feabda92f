//! What other threads report to the one that drives.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use nats_conn_client::machine::{AttemptId, LinkEnd, LinkId, ServerId};
use nats_conn_client::{AuthError, Credentials};
use std::io;
use std::time::Duration;

use crate::bell::Bell;
use crate::holders::Ours;
use crate::stream::Stream;
use crate::tls::Session;

/// What happened outside.
pub(crate) enum News {
    Dialled(LinkId, Result<Stream, LinkEnd>),
    Session(LinkId, Result<Session, LinkEnd>),
    /// Reading came to its end.
    Ended(LinkId, LinkEnd),
    Credentials(LinkId, Result<Credentials, AuthError>),
    Choice(AttemptId, ServerId, Duration),
    /// A thread panicked.
    Panicked,
}

/// Where to bring news.
#[derive(Clone)]
pub(crate) struct Post {
    sender: Sender<News>,
    bell: Arc<Bell>,
    connection: Ours,
}

impl Post {
    pub(crate) fn new(bell: Arc<Bell>, connection: Ours) -> (Self, Receiver<News>) {
        let (sender, receiver) = channel();
        let post = Self {
            sender,
            bell,
            connection,
        };
        (post, receiver)
    }

    /// Nobody cares once the driver has ended.
    pub(crate) fn send(&self, news: News) {
        let _ = self.sender.send(news);
        self.bell.ring();
    }

    /// Does this on a thread of its own. Nobody waits for that thread: what comes too late is ignored.
    pub(crate) fn elsewhere(
        &self,
        name: &str,
        work: impl FnOnce() -> News + Send + 'static,
    ) -> io::Result<()> {
        let post = self.clone();
        let work = move || {
            post.connection.enter();
            let news = catch_unwind(AssertUnwindSafe(work));
            post.send(news.unwrap_or(News::Panicked));
        };
        std::thread::Builder::new()
            .name(name.into())
            .spawn(work)
            .map(drop)
    }
}
