//! What other threads report to the one that drives.

use std::io;
use std::mem::take;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nats_conn_client::driver::lock;
use nats_conn_client::machine::{AttemptId, LinkEnd, LinkId, ServerId};
use nats_conn_client::{AuthError, Credentials};

use crate::bell::Bell;
use crate::ours::Ours;
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
    /// A few at a time, and most of the time none: a channel of the library takes 5 KB for that. `None` when the driver has
    /// ended.
    news: Arc<Mutex<Option<Vec<News>>>>,
    bell: Arc<Bell>,
    connection: Ours,
}

impl Post {
    pub(crate) fn new(bell: Arc<Bell>, connection: Ours) -> Self {
        Self {
            news: Arc::new(Mutex::new(Some(Vec::new()))),
            bell,
            connection,
        }
    }

    /// Nobody cares once the driver has ended.
    pub(crate) fn send(&self, news: News) {
        if let Some(waiting) = &mut *lock(&self.news) {
            waiting.push(news);
        }
        self.bell.ring();
    }

    /// What was sent, in order. For the thread that drives.
    pub(crate) fn take(&self) -> Vec<News> {
        lock(&self.news).as_mut().map(take).unwrap_or_default()
    }

    /// The driver has ended: what is sent from now on is dropped, and what was sent and not taken.
    pub(crate) fn close(&self) {
        let waiting = lock(&self.news).take();
        drop(waiting);
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
