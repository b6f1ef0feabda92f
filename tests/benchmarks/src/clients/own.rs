//! The clients of this repository for asynchronous programs.

use std::future::Future;
use std::marker::PhantomData;

use bytes::Bytes;
use nats_conn_tokio::{Client, Headers, Subject, Subscription, TlsOptions};

use super::run_async::AsyncClient;
use super::{PATIENCE, Plan};
use crate::Outcome;
use crate::cells::{self, ECHO, HEADERS, SUBJECT};

/// An adapter.
pub(super) trait Adapter: Clone + Send + Sync + 'static {
    fn connect(plan: &Plan) -> impl Future<Output = Outcome<Client>> + Send;
}

/// `nats-conn-tokio`.
#[derive(Clone)]
pub(super) struct OnTokio;
/// `nats-conn-async-std`.
#[derive(Clone)]
pub(super) struct OnAsyncStd;

impl Adapter for OnTokio {
    async fn connect(plan: &Plan) -> Outcome<Client> {
        let mut options = nats_conn_tokio::ConnectOptions::from_url(&plan.url())?.connect_timeout(PATIENCE);
        if plan.cell.tls {
            options = options.tls(TlsOptions::new().with_ca_file(plan.authority()));
        }
        Ok(options.connect().await?)
    }
}

impl Adapter for OnAsyncStd {
    async fn connect(plan: &Plan) -> Outcome<Client> {
        let mut options =
            nats_conn_async_std::ConnectOptions::from_url(&plan.url())?.connect_timeout(PATIENCE);
        if plan.cell.tls {
            options = options.tls(TlsOptions::new().with_ca_file(plan.authority()));
        }
        Ok(options.connect().await?)
    }
}

/// The handles, which are the same on each runtime.
#[derive(Clone)]
pub(super) struct Own<A> {
    client: Client,
    subject: Subject,
    echo: Subject,
    payload: Bytes,
    headers: Option<Headers>,
    adapter: PhantomData<A>,
}

impl<A: Adapter> AsyncClient for Own<A> {
    type Subscription = Subscription;

    async fn connect(plan: &Plan) -> Outcome<Self> {
        let headers = match plan.cell.headers {
            cells::Headers::No => None,
            cells::Headers::Yes | cells::Headers::Unread => Some(Headers::try_from(HEADERS)?),
        };
        Ok(Self {
            client: A::connect(plan).await?,
            subject: Subject::new(SUBJECT)?,
            echo: Subject::new(ECHO)?,
            payload: vec![b'x'; plan.cell.payload].into(),
            headers,
            adapter: PhantomData,
        })
    }

    async fn publish(&self) -> Outcome<()> {
        let publish = self.client.publish(&self.subject, self.payload.clone());
        match &self.headers {
            None => publish.await?,
            Some(headers) => publish.headers(headers).await?,
        };
        Ok(())
    }

    async fn tell(&self, subject: &'static str) -> Outcome<()> {
        self.client.publish(subject, "").await?;
        Ok(())
    }

    async fn request(&self) -> Outcome<usize> {
        let payload = self.payload.slice(..self.payload.len().min(16));
        let reply = self.client.request(&self.echo, payload).await?;
        Ok(reply.payload().len())
    }

    async fn subscribe(&self, filter: String) -> Outcome<Subscription> {
        Ok(self.client.subscribe(filter)?)
    }

    async fn next(subscription: &mut Subscription, read_header: bool) -> Option<usize> {
        let message = subscription.next().await?;
        if read_header {
            let headers = message.headers().ok()??;
            std::hint::black_box(headers.get_str(HEADERS[1].0)?);
        }
        Some(message.payload().len())
    }
}
