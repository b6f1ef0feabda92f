//! `nats` 0.26, which blocks. Its authors have given it up for `async-nats`; it is still the fastest to publish.
#![expect(deprecated, reason = "it is there to be compared with")]

use bytes::Bytes;
use nats::{Connection, HeaderMap, Options, Subscription};

use super::Plan;
use super::run_blocking::BlockingClient;
use crate::Outcome;
use crate::cells::{ECHO, HEADERS, Headers, SUBJECT};

#[derive(Clone)]
pub(super) struct Nats {
    connection: Connection,
    payload: Bytes,
    headers: Option<HeaderMap>,
}

impl BlockingClient for Nats {
    type Subscription = Subscription;

    fn connect(plan: &Plan) -> Outcome<Self> {
        let mut options = Options::new();
        if plan.cell.tls {
            options = options.tls_required(true).add_root_certificate(plan.authority());
        }
        let headers = (plan.cell.headers != Headers::No).then(|| {
            let mut headers = HeaderMap::new();
            for (name, value) in HEADERS {
                headers.insert(name, value.to_string());
            }
            headers
        });
        Ok(Self {
            connection: options.connect(plan.url())?,
            payload: vec![b'x'; plan.cell.payload].into(),
            headers,
        })
    }

    fn publish(&self) -> Outcome<()> {
        match &self.headers {
            None => self.connection.publish(SUBJECT, &self.payload)?,
            Some(headers) => {
                self.connection
                    .publish_with_reply_or_headers(SUBJECT, None, Some(headers), &self.payload)?;
            }
        }
        Ok(())
    }

    fn tell(&self, subject: &'static str) -> Outcome<()> {
        self.connection.publish(subject, "")?;
        Ok(())
    }

    fn request(&self) -> Outcome<usize> {
        let reply = self
            .connection
            .request(ECHO, &self.payload[..self.payload.len().min(16)])?;
        Ok(reply.data.len())
    }

    fn subscribe(&self, filter: &str) -> Outcome<Subscription> {
        Ok(self.connection.subscribe(filter)?)
    }

    fn next(subscription: &mut Subscription, read_header: bool) -> Option<usize> {
        let message = subscription.next()?;
        if read_header {
            std::hint::black_box(message.headers.as_ref()?.get(HEADERS[1].0)?);
        }
        Some(message.data.len())
    }
}
