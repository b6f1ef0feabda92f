//! What the application of the world does: each call of the machine, noted in the ledger.

use std::time::Duration;

use nats_conn_sm::{
    FlushError, FlushId, Publish, PublishError, PublishSeq, RequestId, RequestMany, RequestStartError,
    RoundTripId, StateError, SubscribeError, SubscriptionError,
};
use nats_proto::{Headers, QueueGroup, ServerUrl, Sid, Subject, SubjectFilter};

use super::World;
use crate::model_server::Reaction;

impl World {
    /// Publishes.
    ///
    /// # Errors
    /// As the machine says.
    ///
    /// # Panics
    /// If the subject cannot be published to; so do the others.
    pub fn publish(&mut self, subject: &str, payload: &[u8]) -> Result<PublishSeq, PublishError> {
        let subject = subject_of(subject);
        self.publish_as(Publish::new(&subject, payload))
    }

    /// Publishes with headers.
    ///
    /// # Errors
    /// As the machine says.
    pub fn publish_with_headers(
        &mut self,
        subject: &str,
        headers: &Headers,
        payload: &[u8],
    ) -> Result<PublishSeq, PublishError> {
        let subject = subject_of(subject);
        self.publish_as(Publish::new(&subject, payload).with_headers(headers))
    }

    /// Publishes what is asked for in full.
    ///
    /// # Errors
    /// As the machine says.
    pub fn publish_as(&mut self, publish: Publish<'_>) -> Result<PublishSeq, PublishError> {
        let (subject, payload) = (publish.subject.as_str().to_owned(), payload_of(&publish));
        let outcome = self.client.publish(publish);
        if let Ok(seq) = outcome {
            self.ledger.published(seq, &subject, &payload);
        }
        self.check();
        outcome
    }

    /// Publishes a payload of this size that begins with the number the publish would have.
    ///
    /// # Errors
    /// As the machine says.
    pub fn publish_numbered(&mut self, subject: &str, size: usize) -> Result<PublishSeq, PublishError> {
        let mut payload = (self.client.publish_fates().accepted + 1)
            .to_string()
            .into_bytes();
        payload.push(b' ');
        payload.resize(size.max(payload.len()), b'.');
        self.publish(subject, &payload)
    }

    /// Subscribes.
    ///
    /// # Panics
    /// If the machine refuses.
    pub fn subscribe(&mut self, filter: &str) -> Sid {
        self.try_subscribe(filter, None).expect("subscribed")
    }

    /// Subscribes, in a queue group or not.
    ///
    /// # Errors
    /// As the machine says.
    pub fn try_subscribe(&mut self, filter: &str, queue: Option<&str>) -> Result<Sid, SubscribeError> {
        let filter = SubjectFilter::new(filter).expect("a filter");
        let queue = queue.map(|queue| QueueGroup::new(queue).expect("a queue group"));
        let outcome = self.client.subscribe(self.now(), filter, queue);
        if let Ok(sid) = outcome {
            self.ledger.subscribed(sid);
        }
        self.check();
        outcome
    }

    /// Unsubscribes.
    ///
    /// # Errors
    /// As the machine says.
    pub fn unsubscribe(&mut self, sid: Sid) -> Result<(), SubscriptionError> {
        let outcome = self.client.unsubscribe(self.now(), sid);
        self.check();
        outcome
    }

    /// Unsubscribes after so many messages in all.
    ///
    /// # Errors
    /// As the machine says.
    pub fn unsubscribe_after(&mut self, sid: Sid, max: u64) -> Result<(), SubscriptionError> {
        let outcome = self.client.unsubscribe_after(self.now(), sid, max);
        self.check();
        outcome
    }

    /// Drains one subscription.
    ///
    /// # Errors
    /// As the machine says.
    pub fn drain_subscription(&mut self, sid: Sid) -> Result<(), SubscriptionError> {
        let outcome = self.client.drain_subscription(self.now(), sid);
        if outcome.is_ok() {
            self.ledger.drains(sid);
        }
        self.check();
        outcome
    }

    /// Requests.
    ///
    /// # Errors
    /// As the machine says.
    pub fn request(
        &mut self,
        subject: &str,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<RequestId, RequestStartError> {
        let subject = subject_of(subject);
        let accepted = self.client.publish_fates().accepted;
        let outcome = self
            .client
            .request(self.now(), Publish::new(&subject, payload), timeout);
        if let Ok(request) = outcome {
            self.note_request(request, accepted);
        }
        self.check();
        outcome
    }

    /// Requests several replies.
    ///
    /// # Errors
    /// As the machine says.
    pub fn request_many(
        &mut self,
        subject: &str,
        payload: &[u8],
        many: RequestMany,
    ) -> Result<RequestId, RequestStartError> {
        let subject = subject_of(subject);
        let accepted = self.client.publish_fates().accepted;
        let outcome = self
            .client
            .request_many(self.now(), Publish::new(&subject, payload), many);
        if let Ok(request) = outcome {
            self.note_request(request, accepted);
        }
        self.check();
        outcome
    }

    /// One that was refused before it was sent has no publish.
    fn note_request(&mut self, request: RequestId, accepted: u64) {
        if self.client.publish_fates().accepted == accepted {
            self.ledger.requested_unsent(request);
        } else {
            self.ledger.requested(request);
        }
    }

    /// Cancels a request; whether it was pending.
    pub fn cancel_request(&mut self, request: RequestId) -> bool {
        let possible = self.client.cancel_request(self.now(), request);
        self.ledger.cancelled(request, possible);
        self.check();
        possible
    }

    /// Flushes.
    ///
    /// # Errors
    /// As the machine says.
    pub fn flush(&mut self) -> Result<FlushId, FlushError> {
        let outcome = self.client.flush(self.now());
        if let Ok(flush) = outcome {
            self.ledger.flushing(flush);
        }
        self.check();
        outcome
    }

    /// Measures the round trip.
    ///
    /// # Errors
    /// As the machine says.
    pub fn rtt(&mut self) -> Result<RoundTripId, FlushError> {
        let outcome = self.client.rtt(self.now());
        if let Ok(round_trip) = outcome {
            self.ledger.measuring(round_trip);
        }
        self.check();
        outcome
    }

    /// Drains the connection.
    ///
    /// # Errors
    /// As the machine says.
    pub fn drain(&mut self) -> Result<(), StateError> {
        let outcome = self.client.drain(self.now());
        if outcome.is_ok() {
            self.ledger.all_drain();
        }
        self.check();
        outcome
    }

    /// Reports that what was delivered has been consumed.
    pub fn finish_drain(&mut self) {
        self.give_up_unread(0);
    }

    /// Reports that what was delivered has been consumed, but for so many messages.
    pub fn give_up_unread(&mut self, unread: u64) {
        self.client.finish_drain(self.now(), unread);
        self.check();
    }

    /// Closes.
    pub fn close(&mut self) {
        self.client.close(self.now());
        self.check();
    }

    /// Aborts.
    pub fn abort(&mut self) {
        self.client.abort(self.now());
        self.check();
    }

    /// Forces a reconnect.
    ///
    /// # Errors
    /// As the machine says.
    pub fn force_reconnect(&mut self) -> Result<(), StateError> {
        let outcome = self.client.force_reconnect(self.now());
        if outcome.is_ok() {
            self.grammar.may_be_cut_short();
            self.planned.may_be_cut_short();
        }
        self.check();
        outcome
    }

    /// Replaces the pool by these servers, of this world: `n1` stands for `nats://n1.test:4222`, a URL for itself.
    ///
    /// # Errors
    /// As the machine says.
    pub fn set_servers(&mut self, names: &[&str]) -> Result<(), StateError> {
        let urls = names.iter().map(|name| {
            let whole = name.contains(':');
            let url = if whole {
                (*name).to_owned()
            } else {
                format!("nats://{name}.test:4222")
            };
            ServerUrl::parse(&url).expect("a URL")
        });
        let outcome = self.client.set_servers(self.now(), urls.collect());
        if outcome.is_ok() {
            self.grammar.may_be_cut_short();
            self.planned.may_be_cut_short();
        }
        self.check();
        outcome
    }
}

/// What happens to the servers.
impl World {
    /// The server at this place tears down its links and is gone.
    pub fn crash(&mut self, place: usize) {
        self.cluster.crash(self.nanos(), place);
    }

    /// The server at this place is back.
    pub fn restart(&mut self, place: usize) {
        self.cluster.restart(place);
    }

    /// The server of the present link does something on it.
    ///
    /// # Panics
    /// If there is no link.
    pub fn reaction(&mut self, reaction: Reaction) {
        let peer = self.pipe().peer.expect("the link is open");
        let now = self.nanos();
        self.cluster.reaction(now, peer, reaction);
    }

    /// The server of the present link sends this.
    pub fn send(&mut self, text: &str) {
        self.reaction(Reaction::send(text));
    }

    /// Nothing passes the present link any more, in either direction, and nobody notices.
    pub fn freeze(&mut self) {
        self.pipe().deaf = true;
        self.pipe().mute = true;
    }
}

fn subject_of(subject: &str) -> Subject {
    Subject::new(subject).expect("a subject")
}

fn payload_of(publish: &Publish<'_>) -> Vec<u8> {
    publish.payload.as_slice().to_vec()
}
