//! The client of this repository that blocks.

use bytes::Bytes;
use nats_conn_std::{Client, ConnectOptions, Headers, Subject, Subscription, TlsOptions};

use super::run_blocking::BlockingClient;
use super::{PATIENCE, Plan};
use crate::Outcome;
use crate::cells::{self, ECHO, HEADERS, SUBJECT};

#[derive(Clone)]
pub(super) struct OwnStd {
    client: Client,
    subject: Subject,
    echo: Subject,
    payload: Bytes,
    headers: Option<Headers>,
}

impl BlockingClient for OwnStd {
    type Subscription = Subscription;

    fn connect(plan: &Plan) -> Outcome<Self> {
        let headers = match plan.cell.headers {
            cells::Headers::No => None,
            cells::Headers::Yes | cells::Headers::Unread => Some(Headers::try_from(HEADERS)?),
        };
        let mut options = ConnectOptions::from_url(&plan.url())?.connect_timeout(PATIENCE);
        if plan.cell.tls {
            options = options.tls(TlsOptions::new().with_ca_file(plan.authority()));
        }
        Ok(Self {
            client: options.connect()?,
            subject: Subject::new(SUBJECT)?,
            echo: Subject::new(ECHO)?,
            payload: vec![b'x'; plan.cell.payload].into(),
            headers,
        })
    }

    fn publish(&self) -> Outcome<()> {
        let publish = self.client.publish(&self.subject, self.payload.clone());
        match &self.headers {
            None => publish.wait()?,
            Some(headers) => publish.headers(headers).wait()?,
        };
        Ok(())
    }

    fn tell(&self, subject: &'static str) -> Outcome<()> {
        self.client.publish(subject, "").wait()?;
        Ok(())
    }

    fn request(&self) -> Outcome<usize> {
        let payload = self.payload.slice(..self.payload.len().min(16));
        let reply = self.client.request(&self.echo, payload).wait()?;
        Ok(reply.payload().len())
    }

    fn subscribe(&self, filter: &str) -> Outcome<Subscription> {
        Ok(self.client.subscribe(filter)?)
    }

    fn next(subscription: &mut Subscription, read_header: bool) -> Option<usize> {
        let message = subscription.next()?;
        if read_header {
            let headers = message.headers().ok()??;
            std::hint::black_box(headers.get_str(HEADERS[1].0)?);
        }
        Some(message.payload().len())
    }
}
