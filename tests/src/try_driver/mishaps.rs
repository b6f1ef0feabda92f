//! What goes wrong: servers that fail, streams that break, and a network of any sort.

use std::time::Duration;

use super::life::Life;
use super::network::{Conditions, Outcome};
use crate::model_server::{Op, Reaction, Step, Tls, When};

const ERRORS: [&str; 9] = [
    "Authorization Violation",
    "User Authentication Expired",
    "maximum connections exceeded",
    "Permissions Violation for Publish to \"a\"",
    "Permissions Violation for Subscription to \"a.>\"",
    "Stale Connection",
    "Slow Consumer",
    "maximum subscriptions exceeded",
    "something new",
];
/// What no good server says, at least not then.
const LIES: [&str; 12] = [
    "PONG\r\n",
    "+OK\r\n",
    "MSG a 1 1\r\nx\r\n",
    "MSG a 1 9\r\nx",
    "HMSG a 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n",
    "INFO {}\r\n",
    "INFO {\"max_payload\":1}\r\n",
    "INFO {\"headers\":false,\"ldm\":true,\"connect_urls\":[\"x.test:1\",\"n1.test:4222\"]}\r\n",
    "INFO {\"tls_required\":true}\r\n",
    "-ERR 'Maximum Payload Violation'\r\n",
    "-ERR\r\n",
    "\r\n",
];

impl Life<'_> {
    /// Everything works again. What cannot work again is over.
    pub(super) fn heal(&mut self) {
        self.note("everything works again");
        let network = &mut self.network;
        for place in 0..network.cluster.servers() {
            network.cluster.restart(place);
            let settings = network.cluster.settings_mut(place);
            settings.script.clear();
            settings.next_scripts.clear();
            if self.lies && settings.tls == Tls::None {
                // It may have been announced with TLS, and is believed.
                settings.tls = Tls::Available;
            }
        }
        network.conditions = Conditions::default();
        if network
            .stream
            .as_ref()
            .is_some_and(|stream| stream.frozen || stream.spoiled)
        {
            network.cut();
        }
    }

    pub(super) fn go_wrong(&mut self) {
        let place = self.choices.index(self.network.cluster.servers());
        let now = self.network.now;
        let chosen = self.choices.byte() % 24;
        self.note(name(chosen, self.lies));
        match chosen {
            0 => self.network.cluster.crash(now, place),
            1 | 2 => {
                self.network.cluster.crash(now, place);
                self.network.cluster.restart(place);
            }
            3 => self.network.react(Reaction::Close),
            4 => self.network.cut(),
            5 => {
                self.network.react(Reaction::error(self.choices.pick(&ERRORS)));
                if self.choices.one_in(2) {
                    self.network.react(Reaction::Close);
                }
            }
            6 => {
                if let Some(stream) = &mut self.network.stream {
                    (stream.frozen, stream.spoiled) = (true, true);
                }
            }
            7 => {
                self.network.react(Reaction::Silence);
                self.spoil();
            }
            8 => {
                let closes = self.choices.one_in(2).then_some(now + 5_000_000_000);
                self.network.cluster.lame_duck(place, closes);
            }
            9 => self.network.react(Reaction::Ping),
            10 => self.network.react(Reaction::Info),
            11 | 12 => self.speak_of_others(),
            13 => self.answer(),
            14 => self.refuse_next(place),
            15 => self.network.conditions.dial = self.outcome(),
            16 => self.network.conditions.tls = self.outcome(),
            17 => self.network.conditions.credentials = self.outcome(),
            18 => {
                let times = [0, 1, 20, 400, 3_000];
                self.network.conditions.setup = Duration::from_millis(self.choices.pick(&times));
                self.network.conditions.latency = Duration::from_millis(self.choices.pick(&times[..4]));
            }
            19 => {
                self.network.conditions.write_max = self.choices.pick(&[0, 1, 7, 100, 5_000]);
                self.network.conditions.small = 500;
            }
            20 => {
                self.network.conditions.read_max = self.choices.pick(&[1, 7, 100, 5_000]);
                self.network.conditions.small = 500;
            }
            _ if self.lies => self.lie(),
            _ => self.network.cut(),
        }
    }

    fn outcome(&mut self) -> Outcome {
        self.choices
            .pick(&[Outcome::Works, Outcome::Fails, Outcome::Hangs])
    }

    fn spoil(&mut self) {
        if let Some(stream) = &mut self.network.stream {
            stream.spoiled = true;
        }
    }

    fn speak_of_others(&mut self) {
        let subject = self.choices.pick(&["a", "a.b", "q", "c.x"]);
        for _ in 0..self.choices.index(4) {
            self.network.cluster.publish(subject, None, b"from elsewhere");
        }
    }

    /// Another client answers the last request, with or without a payload.
    fn answer(&mut self) {
        let last = self.network.cluster.logs().last();
        let frames = last.into_iter().flat_map(|log| log.frames.iter().rev());
        let mut replies = frames.filter_map(|frame| match &frame.op {
            Op::Publish { reply, .. } => reply.clone(),
            _ => None,
        });
        let Some(reply) = replies.next() else { return };
        let payload: &[u8] = if self.choices.one_in(3) { b"" } else { b"answer" };
        self.network.cluster.publish(&reply, None, payload);
    }

    fn refuse_next(&mut self, place: usize) {
        let (when, reactions) = match self.choices.byte() % 4 {
            0 => (When::Accept, vec![Reaction::Close]),
            1 => (When::Accept, vec![Reaction::Silence]),
            2 => {
                let error = Reaction::error(self.choices.pick(&ERRORS));
                (When::Connect, vec![error, Reaction::Close])
            }
            _ => (When::Ping(1), vec![Reaction::Reset]),
        };
        let settings = self.network.cluster.settings_mut(place);
        settings
            .next_scripts
            .push_back(vec![Step::instead(when, reactions)]);
    }

    /// The server sends what no good server sends: any bytes, or something that would be right elsewhere.
    fn lie(&mut self) {
        let bytes = match self.choices.index(3) {
            0 => self.choices.pick(&LIES).as_bytes().to_vec(),
            _ => self.choices.raw(64),
        };
        self.network.react(Reaction::Send(bytes));
        self.spoil();
    }
}

/// What goes wrong, for the story.
fn name(chosen: u8, lies: bool) -> &'static str {
    match chosen {
        0 => "a server crashes",
        1 | 2 => "a server crashes, and is back",
        3 => "the server closes the stream",
        5 => "the server sends an error",
        6 => "nothing passes the stream any more",
        7 => "the server does nothing any more",
        8 => "a server is a lame duck",
        9 => "the server sends a PING",
        10 => "the server sends INFO",
        11 | 12 => "others publish",
        13 => "somebody answers",
        14 => "a server will refuse a link",
        15..=18 => "dials, handshakes and credentials are other ones",
        19 => "writes are other ones",
        20 => "reads are other ones",
        4 => "the stream is reset",
        _ if lies => "the server sends what no server sends",
        _ => "the stream is reset",
    }
}
