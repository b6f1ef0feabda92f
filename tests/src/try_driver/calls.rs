//! What the application does between the turns of the driver.

use std::time::Duration;

use nats_conn_sm::{Publish, PublishError, RequestMany};
use nats_proto::{Headers, QueueGroup, ServerUrl, Sid, Subject, SubjectFilter};

use super::life::Life;

const SUBJECTS: [Subject; 5] = [
    Subject::from_static("a"),
    Subject::from_static("a.b"),
    Subject::from_static("b"),
    Subject::from_static("q"),
    Subject::from_static("c.d.e"),
];
const FILTERS: [&str; 6] = ["a", "a.*", ">", "b", "q", "c.>"];

impl Life<'_> {
    pub(super) fn call(&mut self) {
        let now = self.network.now();
        let chosen = self.choices.byte() % 24;
        self.note(name(chosen));
        match chosen {
            0..=8 => self.publish(),
            9..=11 => self.subscribe(),
            12 => {
                let sid = self.sid();
                let _ = self.connection.unsubscribe(now, sid);
            }
            13 => {
                let (sid, max) = (self.sid(), self.choices.below(6));
                let _ = self.connection.unsubscribe_after(now, sid, max);
            }
            14 => {
                let sid = self.sid();
                if self.connection.drain_subscription(now, sid).is_ok() {
                    self.ledger.drains(sid);
                }
            }
            15..=17 => self.request(),
            18 => {
                let request = self.choices.below(self.requests.len().max(1) as u64);
                if let Some(request) = self.requests.get(usize::try_from(request).unwrap_or_default()) {
                    let possible = self.connection.cancel_request(now, *request);
                    self.ledger.cancelled(*request, possible);
                }
            }
            19 | 20 => {
                if let Ok(flush) = self.connection.flush(now) {
                    self.ledger.flushing(flush);
                }
            }
            21 => {
                if let Ok(round_trip) = self.connection.rtt(now) {
                    self.ledger.measuring(round_trip);
                }
            }
            22 => {
                if self.connection.force_reconnect(now).is_ok() {
                    self.is_cut_short();
                }
            }
            _ => self.set_servers(),
        }
    }

    /// Rarely: what ends a life must not end all of them before anything has happened.
    pub(super) fn end_perhaps(&mut self) {
        let now = self.network.now();
        match self.choices.byte() {
            0..=39 => {
                self.note("drain");
                if self.connection.drain(now).is_ok() {
                    self.ledger.all_drain();
                }
            }
            40..=99 => self.connection.finish_drain(now, 0),
            100..=119 => {
                self.note("close");
                self.connection.close(now);
            }
            120..=129 => {
                self.note("abort");
                self.connection.abort(now);
            }
            _ => {}
        }
    }

    pub(super) fn publish_text(&mut self, subject: &'static str, payload: &[u8]) -> Result<(), PublishError> {
        let subject = Subject::from_static(subject);
        self.publish_what(Publish::new(&subject, payload), payload)
    }

    fn publish_what(&mut self, publish: Publish<'_>, payload: &[u8]) -> Result<(), PublishError> {
        let subject = publish.subject;
        let seq = self.connection.publish(publish)?;
        self.ledger.published(seq, subject.as_str(), payload);
        Ok(())
    }

    fn publish(&mut self) {
        let size = match self.choices.byte() {
            0..=239 => self.choices.below(200),
            240..=252 => self.choices.below(4_000),
            _ => self.choices.below(90_000),
        };
        let subject = &SUBJECTS[self.choices.index(SUBJECTS.len())];
        // Each says something else, so that the servers' logs show which one it was.
        let number = self.connection.publish_fates().accepted + 1;
        let mut payload = format!("{number} ").into_bytes();
        payload.resize(payload.len() + usize::try_from(size).unwrap_or_default(), b'.');
        let mut headers = Headers::new();
        let mut publish = Publish::new(subject, payload.as_slice());
        if self.choices.one_in(6) {
            headers.append("Key", "value").expect("a header");
            publish = publish.with_headers(&headers);
        }
        // What is refused has no fate.
        let _ = self.publish_what(publish, &payload);
    }

    fn subscribe(&mut self) {
        let filter = SubjectFilter::new(self.choices.pick(&FILTERS)).expect("a filter");
        let queue = self.choices.one_in(4);
        let queue = queue.then(|| QueueGroup::new("workers").expect("a queue group"));
        if let Ok(sid) = self.connection.subscribe(self.network.now(), filter, queue) {
            self.ledger.subscribed(sid);
            self.sids.push(sid);
        }
    }

    fn request(&mut self) {
        let now = self.network.now();
        let subject = &SUBJECTS[self.choices.index(SUBJECTS.len())];
        let time = Duration::from_millis(self.choices.below(8_000));
        let accepted = self.connection.publish_fates().accepted;
        let request = if self.choices.one_in(4) {
            let many = RequestMany::new(time)
                .max(u32::from(self.choices.byte() % 4))
                .sentinel();
            self.connection
                .request_many(now, Publish::new(subject, "?"), many)
        } else {
            self.connection.request(now, Publish::new(subject, "?"), time)
        };
        let Ok(request) = request else { return };
        // One that was refused before it was sent has no publish.
        if self.connection.publish_fates().accepted == accepted {
            self.ledger.requested_unsent(request);
        } else {
            self.ledger.requested(request);
        }
        self.requests.push(request);
    }

    /// Servers that there are, or there would be no coming back: of the others one may be left when two refusals have taken
    /// those out.
    fn set_servers(&mut self) {
        let known = self.network.cluster.servers();
        let first = self.choices.index(known) + 1;
        let mut urls = vec![url_of(first)];
        for _ in 0..self.choices.index(3) {
            urls.push(url_of(self.choices.index(known) + 1));
        }
        if self.connection.set_servers(self.network.now(), urls).is_ok() {
            self.is_cut_short();
        }
    }

    fn is_cut_short(&mut self) {
        self.grammar.may_be_cut_short();
        self.planned.may_be_cut_short();
    }

    /// A subscription of ours, or any number.
    fn sid(&mut self) -> Sid {
        if self.sids.is_empty() || self.choices.one_in(8) {
            return Sid::new(self.choices.below(40));
        }
        self.choices.pick(&self.sids)
    }
}

/// The server of this number; there is none beyond the last.
pub(super) fn url_of(number: usize) -> ServerUrl {
    ServerUrl::parse(&format!("nats://n{number}.test:4222")).expect("a URL")
}

/// The verb, for the story.
fn name(chosen: u8) -> &'static str {
    match chosen {
        0..=8 => "publish",
        9..=11 => "subscribe",
        12 => "unsubscribe",
        13 => "unsubscribe_after",
        14 => "drain_subscription",
        15..=17 => "request",
        18 => "cancel_request",
        19 | 20 => "flush",
        21 => "rtt",
        22 => "force_reconnect",
        _ => "set_servers",
    }
}
