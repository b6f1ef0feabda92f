//! What the application does, with any arguments.

use std::sync::LazyLock;
use std::time::Duration;

use nats_conn_sm::{Publish, PublishSeq, RequestId, RequestMany};
use nats_proto::{Headers, Sid, Subject};

use super::Life;
use crate::model_server::Op;

const SUBJECTS: [&str; 5] = ["a", "a.b", "b", "q", "c.d.e"];
/// Longer than a line may be. Made once, which takes longer than all else in many a life.
static LONG: LazyLock<Subject> = LazyLock::new(|| Subject::new(&"s".repeat(5_000)).expect("a subject"));
const FILTERS: [&str; 6] = ["a", "a.*", ">", "b", "q", "c.>"];

impl Life<'_> {
    pub(super) fn call(&mut self) {
        match self.choices.byte() % 24 {
            0..=7 => self.publish(),
            8..=10 => self.subscribe(),
            11 => {
                let sid = self.sid();
                let _ = self.world.unsubscribe(sid);
            }
            12 => {
                let (sid, max) = (self.sid(), self.choices.below(6));
                let _ = self.world.unsubscribe_after(sid, max);
            }
            13 => {
                let sid = self.sid();
                let _ = self.world.drain_subscription(sid);
            }
            14 | 15 => self.request(),
            16 => self.request_many(),
            17 => {
                let request = self.request_id();
                self.world.cancel_request(request);
            }
            18 | 19 => _ = self.world.flush(),
            20 => _ = self.world.rtt(),
            21 => _ = self.world.force_reconnect(),
            22 => self.set_servers(),
            _ => self.answer(),
        }
    }

    /// Rarely: what ends a life must not end all of them before anything has happened.
    pub(super) fn end_perhaps(&mut self) {
        match self.choices.byte() {
            0..=29 => _ = self.world.drain(),
            30..=99 => self.world.finish_drain(),
            100..=119 => self.world.close(),
            120..=129 => self.world.abort(),
            _ => self.cooperate(100),
        }
    }

    /// What is known of it may be asked at any time, and is never wrong about the past.
    pub(super) fn look(&mut self) {
        let client = &self.world.client;
        let fates = client.publish_fates();
        let seq = self.choices.below(fates.accepted + 3);
        let fate = client.fate(PublishSeq::from_u64(seq));
        assert_eq!(fate.is_none(), seq == 0 || seq > fates.accepted);
        assert!(client.read_hint() >= 8 * 1024);
        assert!(!client.why(self.world.now()).is_empty());
        let next = client.servers().into_iter().filter(|status| status.next).count();
        assert!(next <= 1, "{next} servers come next");
        let statistics = client.statistics();
        assert_eq!(statistics.publishes, fates);
        let open = self.world.ledger.open_subscriptions();
        assert!(
            statistics.subscriptions <= open,
            "more than were made and not ended"
        );
        if self.choices.one_in(16) {
            assert!(!format!("{client:?}").is_empty());
        }
    }

    fn publish(&mut self) {
        let size = match self.choices.byte() {
            0..=199 => self.choices.below(200),
            200..=249 => self.choices.below(4_000),
            _ => self.choices.below(90_000),
        };
        let subject = self.choices.pick(&SUBJECTS);
        let outcome = if self.choices.one_in(6) {
            let mut headers = Headers::new();
            headers.append("Key", "value").expect("a header");
            let payload = format!("{} h", self.world.client.publish_fates().accepted + 1);
            self.world
                .publish_with_headers(subject, &headers, payload.as_bytes())
        } else {
            self.world
                .publish_numbered(subject, usize::try_from(size).unwrap_or_default())
        };
        if outcome.is_ok() {
            self.note_alone();
        }
    }

    fn subscribe(&mut self) {
        let filter = self.choices.pick(&FILTERS);
        let queue = self.choices.one_in(4).then_some("workers");
        if let Ok(sid) = self.world.try_subscribe(filter, queue) {
            self.sids.push(sid);
        }
    }

    fn request(&mut self) {
        let subject = self.choices.pick(&SUBJECTS);
        let timeout = Duration::from_millis(self.choices.below(8_000));
        if let Ok(request) = self.world.request(subject, b"?", timeout) {
            self.requests.push(request);
            self.note_alone();
        }
    }

    fn request_many(&mut self) {
        let subject = self.choices.pick(&SUBJECTS);
        let mut many = RequestMany::new(Duration::from_millis(self.choices.below(8_000)));
        if self.choices.one_in(2) {
            many = many.max(u32::from(self.choices.byte() % 4));
        }
        if self.choices.one_in(2) {
            many = many.stall(Duration::from_millis(self.choices.below(500)));
        }
        if self.choices.one_in(2) {
            many = many.sentinel();
        }
        if let Ok(request) = self.world.request_many(subject, b"?", many) {
            self.requests.push(request);
            self.note_alone();
        }
    }

    /// A frame above the limit is accepted only where nothing else is held.
    fn note_alone(&mut self) {
        let statistics = self.world.client.statistics();
        if statistics.pending_bytes <= self.limit.max(self.alone) {
            return;
        }
        let kept = if self.world.resends {
            statistics.publishes.written
        } else {
            0
        };
        assert_eq!(
            statistics.publishes.queued + kept,
            1,
            "more than one frame above the limit"
        );
        self.alone = statistics.pending_bytes;
    }

    /// Another client answers the last request, with or without a payload.
    fn answer(&mut self) {
        let frames = self
            .world
            .cluster
            .logs()
            .last()
            .into_iter()
            .flat_map(|log| log.frames.iter().rev());
        let mut replies = frames.filter_map(|frame| match &frame.op {
            Op::Publish { reply, .. } => reply.clone(),
            _ => None,
        });
        let Some(reply) = replies.next() else { return };
        let payload: &[u8] = if self.choices.one_in(3) { b"" } else { b"answer" };
        self.world.cluster.publish(&reply, None, payload);
    }

    fn set_servers(&mut self) {
        let known = self.world.cluster.servers();
        let names: Vec<String> = (0..=self.choices.index(3))
            .map(|_| match self.choices.index(known + 1) {
                place if place < known && self.choices.one_in(8) => format!("tls://n{}.test:4222", place + 1),
                place if place < known => format!("n{}", place + 1),
                _ => String::from("nowhere"),
            })
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let _ = self.world.set_servers(&names);
        let refused = self.world.publish_as(Publish::new(&*LONG, "x"));
        assert!(refused.is_err(), "a line that no server takes");
    }

    /// A subscription of ours, or any number.
    fn sid(&mut self) -> Sid {
        if self.sids.is_empty() || self.choices.one_in(8) {
            return Sid::new(self.choices.below(40));
        }
        self.choices.pick(&self.sids)
    }

    fn request_id(&mut self) -> RequestId {
        if self.requests.is_empty() || self.choices.one_in(8) {
            return RequestId::from_u64(self.choices.below(1 << 32));
        }
        self.choices.pick(&self.requests)
    }
}
