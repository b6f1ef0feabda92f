//! `watermelon`.

use bytes::Bytes;
use futures_util::StreamExt;
use watermelon::core::{Client, Subscription};
use watermelon::proto::Subject;
use watermelon::proto::headers::{HeaderMap, HeaderName, HeaderValue};

use super::run_async::AsyncClient;
use super::{PATIENCE, Plan};
use crate::Outcome;
use crate::cells::{ECHO, HEADERS, Headers, SUBJECT};

#[derive(Clone)]
pub(super) struct Watermelon {
    client: Client,
    subject: Subject,
    echo: Subject,
    payload: Bytes,
    headers: Option<HeaderMap>,
}

impl AsyncClient for Watermelon {
    type Subscription = Subscription;

    async fn connect(plan: &Plan) -> Outcome<Self> {
        let headers = (plan.cell.headers != Headers::No).then(|| {
            HEADERS
                .into_iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect()
        });
        Ok(Self {
            client: Client::builder()
                .connect_timeout(PATIENCE)
                .connect(plan.url().parse()?)
                .await?,
            subject: Subject::from_static(SUBJECT),
            echo: Subject::from_static(ECHO),
            payload: vec![b'x'; plan.cell.payload].into(),
            headers,
        })
    }

    async fn publish(&self) -> Outcome<()> {
        let mut publish = self.client.publish(self.subject.clone());
        if let Some(headers) = &self.headers {
            publish = publish.headers(headers.clone());
        }
        publish.payload(self.payload.clone()).await?;
        Ok(())
    }

    async fn tell(&self, subject: &'static str) -> Outcome<()> {
        self.client
            .publish(Subject::from_static(subject))
            .payload(Bytes::new())
            .await?;
        Ok(())
    }

    async fn request(&self) -> Outcome<usize> {
        let payload = self.payload.slice(..self.payload.len().min(16));
        let reply = self
            .client
            .request(self.echo.clone())
            .payload(payload)
            .await?
            .await?;
        Ok(reply.base.payload.len())
    }

    async fn subscribe(&self, filter: String) -> Outcome<Subscription> {
        Ok(self.client.subscribe(filter.try_into()?, None).await?)
    }

    async fn next(subscription: &mut Subscription, read_header: bool) -> Option<usize> {
        let message = subscription.next().await?.ok()?;
        if read_header {
            let value = message.base.headers.get(&HeaderName::from_static(HEADERS[1].0))?;
            std::hint::black_box(value.as_bytes());
        }
        Some(message.base.payload.len())
    }
}
