//! `async-nats`.

use async_nats::{ConnectOptions, HeaderMap, Subject};
use bytes::Bytes;
use futures_util::StreamExt;

use super::run_async::AsyncClient;
use super::{PATIENCE, Plan};
use crate::Outcome;
use crate::cells::{ECHO, HEADERS, Headers, SUBJECT, Work};

#[derive(Clone)]
pub(super) struct AsyncNats {
    client: async_nats::Client,
    subject: Subject,
    echo: Subject,
    payload: Bytes,
    headers: Option<HeaderMap>,
}

impl AsyncClient for AsyncNats {
    type Subscription = async_nats::Subscriber;

    async fn connect(plan: &Plan) -> Outcome<Self> {
        let mut options = ConnectOptions::new().connection_timeout(PATIENCE);
        if let Work::Receive { .. } = plan.cell.work {
            // With its own limit it drops most of what arrives faster than it is read.
            options = options.subscription_capacity(usize::try_from(plan.count)? + 1);
        }
        if plan.cell.tls {
            options = options.add_root_certificates(plan.authority()).require_tls(true);
        }
        let headers = (plan.cell.headers != Headers::No).then(|| {
            let mut headers = HeaderMap::new();
            for (name, value) in HEADERS {
                headers.insert(name, value);
            }
            headers
        });
        Ok(Self {
            client: options.connect(plan.url()).await?,
            subject: Subject::from_static(SUBJECT),
            echo: Subject::from_static(ECHO),
            payload: vec![b'x'; plan.cell.payload].into(),
            headers,
        })
    }

    async fn publish(&self) -> Outcome<()> {
        let (subject, payload) = (self.subject.clone(), self.payload.clone());
        match &self.headers {
            None => self.client.publish(subject, payload).await?,
            Some(headers) => {
                self.client
                    .publish_with_headers(subject, headers.clone(), payload)
                    .await?
            }
        }
        Ok(())
    }

    async fn tell(&self, subject: &'static str) -> Outcome<()> {
        self.client.publish(subject, Bytes::new()).await?;
        Ok(())
    }

    async fn request(&self) -> Outcome<usize> {
        let payload = self.payload.slice(..self.payload.len().min(16));
        let reply = self.client.request(self.echo.clone(), payload).await?;
        Ok(reply.payload.len())
    }

    async fn subscribe(&self, filter: String) -> Outcome<Self::Subscription> {
        Ok(self.client.subscribe(filter).await?)
    }

    async fn next(subscription: &mut Self::Subscription, read_header: bool) -> Option<usize> {
        let message = subscription.next().await?;
        if read_header {
            let value = message.headers.as_ref()?.get(HEADERS[1].0)?;
            std::hint::black_box(value.as_str());
        }
        Some(message.payload.len())
    }
}
