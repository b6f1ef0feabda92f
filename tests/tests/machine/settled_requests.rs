//! A settled request is never sent again, wherever its frame is and whatever settled it (behaviour 7.3).

use std::time::Duration;

use nats_conn_sm::{
    Action, Config, Delivery, Event, LinkEnd, Publish, ReceiveBuf, RequestId, RequestMany, SendBuf, Timestamp,
};
use nats_conn_tests::by_hand::{ByHand, START, after};
use nats_proto::Subject;

const SECOND: Duration = Duration::from_secs(1);
const INFO: &str = r#"{"max_payload":1048576,"headers":true}"#;
const ASK: Subject = Subject::from_static("ask");
const OTHER: Subject = Subject::from_static("other");

/// A machine with a session, and what is known of its inbox.
struct Asker {
    hand: ByHand,
    now: Timestamp,
    /// `<prefix>.<token>`.
    inbox: String,
    sid: u64,
    /// Everything that was handed out on the present link.
    written: String,
}

impl Asker {
    /// Its inbox was subscribed by a request that was answered.
    fn new(config: Config) -> Self {
        let mut asker = Self {
            hand: ByHand::connected(config, INFO),
            now: START,
            inbox: String::new(),
            sid: 0,
            written: String::new(),
        };
        let warm = asker.ask(None);
        asker.write();
        let sub = asker.written.lines().find_map(|line| line.strip_prefix("SUB "));
        let (filter, sid) = sub
            .and_then(|arguments| arguments.split_once(' '))
            .expect("an inbox");
        asker.inbox = filter.strip_suffix(".*").expect("a wildcard").to_owned();
        asker.sid = sid.parse().expect("a number");
        asker.reply(warm, "warm");
        asker.hand.client.flush(asker.now).expect("a session");
        asker.write();
        asker.read(b"PONG\r\n");
        assert_eq!(asker.hand.client.publish_fates().confirmed, 1);
        asker.written.clear();
        asker
    }

    fn ask(&mut self, many: Option<RequestMany>) -> RequestId {
        let subject = ASK;
        let request = Publish::new(&subject, "?");
        match many {
            None => self.hand.client.request(self.now, request, 600 * SECOND),
            Some(many) => self.hand.client.request_many(self.now, request, many),
        }
        .expect("room")
    }

    fn read(&mut self, bytes: &[u8]) {
        self.hand.read(bytes);
        self.hand.events(self.now);
    }

    fn reply(&mut self, request: RequestId, payload: &str) {
        let (inbox, sid, len) = (&self.inbox, self.sid, payload.len());
        let text = format!("MSG {inbox}.{} {sid} {len}\r\n{payload}\r\n", request.as_u64());
        self.read(text.as_bytes());
    }

    fn nobody_answers(&mut self, request: RequestId) {
        let (inbox, sid) = (&self.inbox, self.sid);
        let text = format!(
            "HMSG {inbox}.{} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
            request.as_u64()
        );
        self.read(text.as_bytes());
    }

    /// Takes the next block into the driver's hand. Whether there was one.
    fn take(&mut self) -> bool {
        let taken = self.hand.client.poll_transmit(self.now, &mut self.hand.tx);
        if taken {
            let bytes: Vec<u8> = self.hand.tx.chunks().flatten().copied().collect();
            self.written.push_str(&String::from_utf8_lossy(&bytes));
        }
        taken
    }

    /// The transport takes everything there is.
    fn write(&mut self) {
        self.hand.write_all();
        while self.take() {
            self.hand.write_all();
        }
    }

    /// The link ends; of the block in the driver's hand nothing was written. Whether there is another link, of which
    /// only the interest was written.
    fn cut(&mut self) -> bool {
        let Some(link) = self.hand.client.link() else {
            return false;
        };
        self.now = self.now + 5 * SECOND;
        self.hand
            .client
            .handle_link_closed(self.now, link, LinkEnd::Eof, &mut self.hand.tx);
        self.hand.events(self.now);
        let connect = std::iter::from_fn(|| self.hand.client.poll_action()).find_map(|action| match action {
            Action::Connect { link, .. } => Some(link),
            _ => None,
        });
        let Some(link) = connect else { return false };
        (self.hand.rx, self.hand.tx) = (ReceiveBuf::new(link), SendBuf::new(link));
        self.hand.client.handle_connected(self.now, link);
        self.read(format!("INFO {INFO}\r\n").as_bytes());
        assert!(self.take(), "CONNECT and PING");
        self.hand.write_all();
        self.read(b"PONG\r\n");
        self.written.clear();
        // There is none where the inbox was refused.
        if self.take() && self.written.starts_with("SUB ") {
            self.hand.write_all();
            self.written.clear();
        }
        true
    }
}

fn config(delivery: Delivery, survive: bool) -> Config {
    let mut config = ByHand::config();
    (config.delivery, config.requests_survive) = (delivery, survive);
    config
}

/// What settles a request, and for how many replies that asks.
type Way = (&'static str, Option<RequestMany>, fn(&mut Asker, RequestId));

const MANY: RequestMany = RequestMany::new(Duration::from_secs(600));

const WAYS: [Way; 13] = [
    ("a reply", None, |asker, request| asker.reply(request, "yes")),
    ("nobody there", None, Asker::nobody_answers),
    ("timeout", None, |asker, _| {
        asker.hand.client.handle_timeout(after(1_000))
    }),
    ("cancel", None, |asker, request| {
        assert!(asker.hand.client.cancel_request(asker.now, request));
    }),
    ("a publish refused", None, |asker, _| {
        asker.read(b"-ERR 'Permissions Violation for Publish to \"ask\"'\r\n");
    }),
    ("the inbox refused", None, |asker, _| {
        let text = format!(
            "-ERR 'Permissions Violation for Subscription to \"{}.*\" (sid \"{}\")'\r\n",
            asker.inbox, asker.sid
        );
        asker.read(text.as_bytes());
    }),
    ("close", None, |asker, _| asker.hand.client.close(asker.now)),
    ("abort", None, |asker, _| asker.hand.client.abort(asker.now)),
    (
        "the last of several replies",
        Some(MANY.max(1)),
        |asker, request| {
            asker.reply(request, "yes");
        },
    ),
    ("a sentinel", Some(MANY.sentinel()), |asker, request| {
        asker.reply(request, "");
    }),
    ("nobody there for several", Some(MANY), Asker::nobody_answers),
    ("the deadline of several", Some(MANY), |asker, _| {
        asker.hand.client.handle_timeout(after(1_000));
    }),
    ("a stall", Some(MANY.stall(SECOND)), |asker, request| {
        asker.reply(request, "one");
        asker.hand.client.handle_timeout(asker.now + 2 * SECOND);
    }),
];

/// Where the frame of a request is, and what becomes of it when the request is settled.
struct Place {
    name: &'static str,
    delivery: Delivery,
    survive: bool,
    /// Brings it there.
    reach: fn(&mut Asker),
    /// The link ends after the request was settled.
    cut: bool,
    /// The frame was with a transport before: it is not known whether the server has seen it.
    was_written: bool,
}

const ONCE: Delivery = Delivery::AtMostOnce;
const OFTEN: Delivery = Delivery::AtLeastOnce;

/// The driver has the block with the request in its hand.
fn in_hand(asker: &mut Asker) {
    assert!(asker.take() && asker.written.contains("PUB ask"));
    asker.written.clear();
}

fn written(asker: &mut Asker) {
    asker.write();
    assert!(asker.written.contains("PUB ask"));
    asker.written.clear();
}

fn places() -> Vec<Place> {
    let place = |name, delivery, survive, reach, cut, was_written| Place {
        name,
        delivery,
        survive,
        reach,
        cut,
        was_written,
    };
    let back_from_hand = |asker: &mut Asker| {
        in_hand(asker);
        assert!(asker.cut());
    };
    let back_from_server = |asker: &mut Asker| {
        written(asker);
        assert!(asker.cut());
    };
    vec![
        place("queued", ONCE, false, |_| (), false, false),
        place("queued", OFTEN, true, |_| (), false, false),
        place("queued before a cut", ONCE, false, |_| (), true, false),
        place("in the driver's hand", ONCE, false, in_hand, true, false),
        place("in the driver's hand", ONCE, true, in_hand, true, false),
        place("in the driver's hand", OFTEN, false, in_hand, true, false),
        place("in the driver's hand", OFTEN, true, in_hand, true, false),
        place(
            "back from the driver's hand",
            ONCE,
            false,
            back_from_hand,
            false,
            false,
        ),
        place(
            "back from the driver's hand",
            ONCE,
            true,
            back_from_hand,
            false,
            false,
        ),
        place(
            "back from the driver's hand",
            OFTEN,
            false,
            back_from_hand,
            false,
            false,
        ),
        place(
            "back from the driver's hand",
            OFTEN,
            true,
            back_from_hand,
            true,
            false,
        ),
        place("kept", OFTEN, true, written, true, true),
        place("to be sent again", OFTEN, true, back_from_server, false, true),
        place(
            "to be sent again before a cut",
            OFTEN,
            true,
            back_from_server,
            true,
            true,
        ),
        place(
            "in the driver's hand again",
            OFTEN,
            true,
            |asker| {
                written(asker);
                assert!(asker.cut());
                in_hand(asker);
            },
            true,
            true,
        ),
    ]
}

// behaviour: 7.3, 11.2
#[test]
fn a_settled_request_is_not_sent_again_wherever_its_frame_is_and_whatever_settled_it() {
    for place in places() {
        for (way, many, settle) in WAYS {
            let case = format!(
                "{way}, {} ({:?}, survive: {})",
                place.name, place.delivery, place.survive
            );
            let mut asker = Asker::new(config(place.delivery, place.survive));
            let request = asker.ask(many);
            (place.reach)(&mut asker);
            settle(&mut asker, request);
            asker.hand.events(asker.now);
            assert_eq!(asker.hand.client.statistics().requests, 0, "{case}");
            if place.cut {
                asker.now = asker.now.max(after(1_000));
                asker.cut();
            }
            asker.write();
            assert!(!asker.written.contains("PUB ask"), "{case}: {}", asker.written);
            let fates = asker.hand.client.publish_fates();
            let lost = if place.was_written {
                fates.unconfirmed
            } else {
                fates.dropped
            };
            assert_eq!(
                (fates.queued, lost, fates.accepted),
                (0, 1, 2),
                "{case}: {fates:?}"
            );
            assert_eq!(asker.hand.client.statistics().pending_bytes, 0, "{case}");
        }
    }
}

// behaviour: 7.3, 6.6
#[test]
fn a_reply_that_removes_a_queued_frame_makes_room_for_a_refused_publisher() {
    let mut settings = config(OFTEN, true);
    settings.send_buffer = 400;
    let mut asker = Asker::new(settings);
    let request = asker.ask(None);
    written(&mut asker);
    assert!(asker.cut());
    let client = &mut asker.hand.client;
    assert!(client.publish(Publish::new(&OTHER, &[b'x'; 350][..])).is_err());
    let text = format!(
        "MSG {}.{} {} 3\r\nyes\r\n",
        asker.inbox,
        request.as_u64(),
        asker.sid
    );
    asker.hand.read(text.as_bytes());
    let events = asker.hand.events(asker.now);
    assert!(
        matches!(events[..], [Event::Response { .. }, Event::Writable]),
        "{events:?}"
    );
}
