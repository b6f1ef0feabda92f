//! What scenarios share: everything of it is imported with `use crate::scene::*`.

#![allow(unused_imports)]

pub(crate) use std::future::{Future, IntoFuture};
use std::ops::Deref;

pub(crate) use std::sync::Arc;
pub(crate) use std::time::{Duration, Instant};

pub(crate) use nats_conn_client::{
    Client, ClientEvent, ClosedReason, ConnectError, ConnectionEvent, DisconnectReason, EndReason, Events,
    Excerpt, Message, Subject, SubjectFilter, Subscription,
};
pub(crate) use nats_conn_tests::model_server::Settings;
pub(crate) use nats_conn_tests::real_server::{Cluster, RealServer, ServerConfig, User, Version};
use nats_conn_tests::tcp_server::TcpCluster;

pub(crate) use crate::adapter::{Adapter, Anywhere, Made, Options, Task, elsewhere};
pub(crate) use crate::clock::{LIMIT, pause, soon, within};
pub(crate) use crate::watch::Watch;

/// The default settings for the servers of this URL, or of a comma-separated list.
#[track_caller]
pub(crate) fn options(urls: &str) -> Options {
    match Options::from_url(urls) {
        // How long a busy machine takes for a handshake does not matter to a scenario that sets no timeout.
        Ok(options) => options.connect_timeout(Duration::from_secs(20)),
        Err(error) => panic!("{urls}: {error}"),
    }
}

/// A subject.
#[track_caller]
pub(crate) fn subject(text: &str) -> Subject {
    Subject::new(text).expect("a subject")
}

/// This subject as errors name it.
pub(crate) fn named(subject: &Subject) -> Excerpt {
    Excerpt::new(subject.as_str())
}

/// What to subscribe to.
#[track_caller]
pub(crate) fn filter(text: &str) -> SubjectFilter {
    text.parse().expect("a filter")
}

/// The next message, which has to come.
pub(crate) async fn message(subscription: &mut Subscription) -> Message {
    soon(subscription.next()).await.expect("a message")
}

/// The payload of the next message, as text.
pub(crate) async fn text(subscription: &mut Subscription) -> String {
    String::from_utf8_lossy(message(subscription).await.payload()).into_owned()
}

/// Waits for what can only be polled.
#[track_caller]
pub(crate) fn until(mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    soon(async move {
        while !condition() {
            pause(Duration::from_millis(2)).await;
        }
    })
}

/// A real server that can be shared with [`elsewhere`].
#[track_caller]
pub(crate) fn real_server(version: Version, config: ServerConfig) -> Arc<RealServer> {
    Arc::new(RealServer::start(version, config))
}

/// Model servers. At the end of a scenario that passed they report whether a client did what it must not do.
pub(crate) struct Model(TcpCluster);

impl Model {
    /// So many servers, which announce each other.
    #[track_caller]
    pub(crate) fn start(servers: usize) -> Self {
        Self(TcpCluster::start(servers).expect("free ports"))
    }

    /// Servers with these settings, whose ports are chosen here.
    #[track_caller]
    pub(crate) fn with(settings: impl IntoIterator<Item = Settings>) -> Self {
        let anywhere = |settings| Settings { port: 0, ..settings };
        Self(TcpCluster::start_with(settings.into_iter().map(anywhere).collect()).expect("free ports"))
    }
}

impl Deref for Model {
    type Target = TcpCluster;

    fn deref(&self) -> &TcpCluster {
        &self.0
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.violations(), [], "what a client must not do");
        }
    }
}
