//! What a model server does with a frame, and what it does wrong on purpose.

use serde_json::Value;

use super::frame::Op;
use super::info::Kind;
use super::link::{Frame, Interest, Stage, connect_faults};
use super::routing::{is_filter, matches};
use super::script::{Reaction, When};
use super::settings::Tls;
use super::violation::Fault;
use super::{Cluster, Delivery, Order, PeerId};

impl Cluster {
    /// The link is open: INFO, or what stands instead of it.
    pub(super) fn greet(&mut self, now: u64, peer: PeerId) {
        if self.scripted(now, peer, When::Accept) {
            return;
        }
        self.send_info(peer, Kind::First);
    }

    pub(super) fn send_info(&mut self, peer: PeerId, kind: Kind) {
        let line = self.info_line(peer, kind);
        let link = &mut self.links[peer.0];
        let settings = &self.servers[link.log.server].settings;
        link.announced_max_payload = link.announced_max_payload.max(settings.max_payload);
        link.say(&line);
    }

    pub(super) fn execute(&mut self, now: u64, peer: PeerId, op: Op, length: u64) {
        let link = &mut self.links[peer.0];
        let start = link.log.frames.last().map_or(0, |frame| frame.end);
        if !link.remember {
            link.log.frames.clear();
        }
        link.log.frames.push(Frame {
            at: now,
            start,
            end: start + length,
            op: op.clone(),
            refused: None,
        });
        self.check_order(peer, &op);
        match op {
            Op::Connect(json) => self.connect(now, peer, &json),
            Op::Ping => self.ping(now, peer),
            Op::Pong => self.pong(peer),
            Op::Publish {
                subject,
                reply,
                headers,
                payload,
            } => {
                self.take_publish(
                    now,
                    peer,
                    &subject,
                    reply.as_deref(),
                    headers.as_deref(),
                    &payload,
                );
            }
            Op::Subscribe { filter, queue, sid } => self.subscribe(now, peer, filter, queue, sid),
            Op::Unsubscribe { sid, max } => self.unsubscribe(peer, sid, max),
        }
    }

    /// CONNECT, PING, and then nothing but PONGs until ours has left.
    fn check_order(&mut self, peer: PeerId, op: &Op) {
        let fault = match (self.links[peer.0].stage, op) {
            (Stage::Greeted, Op::Connect(_)) | (Stage::Introduced, Op::Ping) | (Stage::Asked, Op::Pong) => {
                return;
            }
            (Stage::Mute, _) => Fault::TooEarly,
            (_, Op::Connect(_)) => Fault::ConnectAgain,
            (Stage::Greeted, op) => Fault::ConnectNotFirst(op.name()),
            (Stage::Introduced, op) => Fault::PingNotSecond(op.name()),
            (Stage::Asked, op) => Fault::BeforePong(op.name()),
            _ => return,
        };
        self.blame(peer, fault);
    }

    fn connect(&mut self, now: u64, peer: PeerId, json: &Value) {
        let link = &mut self.links[peer.0];
        let settings = &self.servers[link.log.server].settings;
        if matches!(settings.tls, Tls::Required | Tls::First) && !link.tls_done {
            link.close();
            return self.blame(peer, Fault::TooEarly);
        }
        let faults = connect_faults(json, link.announced_headers);
        let welcome = link.introduce(json, settings);
        if link.stage == Stage::Greeted {
            link.stage = Stage::Introduced;
        }
        for fault in faults {
            self.blame(peer, fault);
        }
        if self.scripted(now, peer, When::Connect) {
            return;
        }
        match welcome {
            Ok(()) => self.acknowledge(peer),
            Err(text) => self.links[peer.0].refuse(&text),
        }
    }

    fn ping(&mut self, now: u64, peer: PeerId) {
        let link = &mut self.links[peer.0];
        link.counts.pings += 1;
        let count = link.counts.pings;
        if link.stage == Stage::Introduced {
            link.stage = Stage::Asked;
        }
        if !self.scripted(now, peer, When::Ping(count)) {
            self.send_pong(peer);
        }
    }

    fn send_pong(&mut self, peer: PeerId) {
        let link = &mut self.links[peer.0];
        link.say(b"PONG\r\n");
        if link.stage == Stage::Asked {
            link.stage = Stage::Ready;
            link.log.first_pong = Some(link.log.sent);
            if self.servers[link.log.server].settings.connect_info {
                self.send_info(peer, Kind::Connection);
            }
        }
    }

    fn pong(&mut self, peer: PeerId) {
        let link = &mut self.links[peer.0];
        match link.pings_out.checked_sub(1) {
            Some(left) => link.pings_out = left,
            None => self.blame(peer, Fault::UnaskedPong),
        }
    }

    fn acknowledge(&mut self, peer: PeerId) {
        let link = &mut self.links[peer.0];
        if link.options.verbose {
            link.say(b"+OK\r\n");
        }
    }

    /// Marks the last frame as refused.
    fn deny(&mut self, peer: PeerId, text: String) {
        let link = &mut self.links[peer.0];
        link.say(format!("-ERR '{text}'\r\n").as_bytes());
        if let Some(frame) = link.log.frames.last_mut() {
            frame.refused = Some(text);
        }
    }

    fn take_publish(
        &mut self,
        now: u64,
        peer: PeerId,
        subject: &str,
        reply: Option<&str>,
        headers: Option<&[u8]>,
        payload: &[u8],
    ) {
        let link = &mut self.links[peer.0];
        link.counts.publishes += 1;
        let count = link.counts.publishes;
        if headers.is_some() && !link.options.headers {
            link.close();
            return self.blame(peer, Fault::HeadersUnsupported);
        }
        if self.scripted(now, peer, When::Publish(count)) {
            return;
        }
        let settings = &self.servers[self.links[peer.0].log.server].settings;
        let denied = |subject: &str| {
            settings
                .deny_publish
                .iter()
                .any(|filter| matches(filter, subject))
        };
        if denied(subject) {
            return self.deny(peer, format!("Permissions Violation for Publish to {subject:?}"));
        }
        if let Some(reply) = reply.filter(|reply| denied(reply)) {
            return self.deny(
                peer,
                format!("Permissions Violation for Publish with Reply of {reply:?}"),
            );
        }
        let ordered = settings.orders.as_deref() == Some(subject);
        self.acknowledge(peer);
        if ordered {
            self.orders.push(Order {
                server: self.links[peer.0].log.server,
                reply: reply.map(str::to_owned),
                text: String::from_utf8_lossy(payload).into_owned(),
            });
            return;
        }
        self.route(Some(peer), subject, reply, headers, payload);
    }

    fn subscribe(&mut self, now: u64, peer: PeerId, filter: String, queue: Option<String>, sid: u64) {
        self.check_sid(peer, sid, &filter, queue.as_deref());
        let link = &mut self.links[peer.0];
        link.counts.subscribes += 1;
        let count = link.counts.subscribes;
        if self.scripted(now, peer, When::Subscribe(count)) {
            return;
        }
        if !is_filter(&filter) {
            return self.deny(peer, "Invalid Subject".into());
        }
        let link = &self.links[peer.0];
        let settings = &self.servers[link.log.server].settings;
        if settings
            .deny_subscribe
            .iter()
            .any(|denied| matches(denied, &filter))
        {
            let group = queue
                .map(|queue| format!(" using queue {queue:?}"))
                .unwrap_or_default();
            return self.deny(
                peer,
                format!("Permissions Violation for Subscription to {filter:?}{group}"),
            );
        }
        if settings
            .max_subscriptions
            .is_some_and(|limit| link.subscriptions.len() >= limit)
        {
            return self.deny(peer, "maximum subscriptions exceeded".into());
        }
        let interest = Interest {
            filter,
            queue,
            delivered: 0,
            max: None,
        };
        // As a real server: the first subscription under a sid wins.
        self.links[peer.0].subscriptions.entry(sid).or_insert(interest);
        self.acknowledge(peer);
    }

    /// A sid means one thing, once on a link and always to a client.
    fn check_sid(&mut self, peer: PeerId, sid: u64, filter: &str, queue: Option<&str>) {
        let link = &mut self.links[peer.0];
        let fresh = link.sids_seen.insert(sid);
        let name = link.options.name.clone().filter(|_| link.remember);
        if !fresh {
            self.blame(peer, Fault::SidTwice(sid));
        }
        if let Some(name) = name {
            let meaning = (filter.to_owned(), queue.map(str::to_owned));
            let known = self.sids.entry((name, sid)).or_insert_with(|| meaning.clone());
            if *known != meaning {
                self.blame(peer, Fault::SidReused(sid));
            }
        }
    }

    fn unsubscribe(&mut self, peer: PeerId, sid: u64, max: Option<u64>) {
        let link = &mut self.links[peer.0];
        let known = link.sids_seen.contains(&sid);
        let done = link.subscriptions.get_mut(&sid).is_some_and(|interest| {
            interest.max = max;
            max.is_none_or(|max| interest.delivered >= max)
        });
        if done {
            link.subscriptions.remove(&sid);
        }
        if !known {
            self.blame(peer, Fault::UnsubWithoutSub(sid));
        }
        self.acknowledge(peer);
    }

    /// Does what the script has for this moment; whether the usual answer is left out.
    fn scripted(&mut self, now: u64, peer: PeerId, when: When) -> bool {
        let (reactions, instead) = self.links[peer.0].reactions(when);
        for reaction in reactions {
            self.perform(now, peer, reaction);
        }
        instead || !self.links[peer.0].stage.listens()
    }

    pub(super) fn perform(&mut self, now: u64, peer: PeerId, reaction: Reaction) {
        let link = &mut self.links[peer.0];
        if !link.stage.listens() && !matches!(reaction, Reaction::Close | Reaction::Reset) {
            return;
        }
        match reaction {
            Reaction::Send(bytes) => link.say(&bytes),
            Reaction::Error(text) => link.say(format!("-ERR '{text}'\r\n").as_bytes()),
            Reaction::Info => {
                let kind = if link.stage == Stage::Ready {
                    Kind::Update
                } else {
                    Kind::First
                };
                self.send_info(peer, kind);
            }
            Reaction::InfoWith(field, value) => {
                let server = link.log.server;
                let before = self.servers[server].settings.info.insert(field.clone(), value);
                self.perform(now, peer, Reaction::Info);
                let info = &mut self.servers[server].settings.info;
                match before {
                    Some(value) => info.insert(field, value),
                    None => info.remove(&field),
                };
            }
            Reaction::Pong => self.send_pong(peer),
            Reaction::Ping => {
                link.pings_out += 1;
                link.say(b"PING\r\n");
            }
            Reaction::Close => link.close(),
            Reaction::Reset => link.reset(now),
            Reaction::Silence => link.stage = Stage::Silent,
            Reaction::Later(nanos, reaction) => link.later.push((now.saturating_add(nanos), *reaction)),
        }
    }

    /// Delivers a message to everybody who subscribed to it, or a 503 to its publisher if there is nobody.
    pub(super) fn route(
        &mut self,
        from: Option<PeerId>,
        subject: &str,
        reply: Option<&str>,
        headers: Option<&[u8]>,
        payload: &[u8],
    ) {
        let targets = self.targets(from, subject);
        for (peer, sid) in &targets {
            self.deliver(*peer, *sid, subject, reply, headers, payload);
        }
        if let (Some(peer), Some(reply), true) = (from, reply, targets.is_empty()) {
            self.no_responders(peer, subject, reply);
        }
    }

    /// Every plain subscription, and one member of every queue group.
    fn targets(&mut self, from: Option<PeerId>, subject: &str) -> Vec<(PeerId, u64)> {
        let mut plain = Vec::new();
        let mut groups: std::collections::BTreeMap<(&str, &str), Vec<(PeerId, u64)>> = Default::default();
        for (index, link) in self
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| link.stage == Stage::Ready)
        {
            let peer = PeerId(index);
            if from == Some(peer) && !link.options.echo {
                continue;
            }
            let out_of_sight = |from: PeerId| self.is_split(self.links[from.0].log.server, link.log.server);
            if from.is_some_and(out_of_sight) {
                continue;
            }
            for (sid, interest) in link
                .subscriptions
                .iter()
                .filter(|(_, i)| matches(&i.filter, subject))
            {
                match &interest.queue {
                    None => plain.push((peer, *sid)),
                    Some(queue) => groups
                        .entry((&interest.filter, queue))
                        .or_default()
                        .push((peer, *sid)),
                }
            }
        }
        for members in groups.values() {
            self.rotation += 1;
            plain.push(members[self.rotation % members.len()]);
        }
        plain
    }

    fn deliver(
        &mut self,
        peer: PeerId,
        sid: u64,
        subject: &str,
        reply: Option<&str>,
        headers: Option<&[u8]>,
        payload: &[u8],
    ) {
        let link = &mut self.links[peer.0];
        let Some(interest) = link.subscriptions.get_mut(&sid) else {
            return;
        };
        interest.delivered += 1;
        if interest.max.is_some_and(|max| interest.delivered >= max) {
            link.subscriptions.remove(&sid);
        }
        let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
        // A client without headers gets the message without them.
        let headers = headers.filter(|_| link.options.headers);
        let line = match headers {
            Some(block) => {
                format!(
                    "HMSG {subject} {sid} {reply}{} {}\r\n",
                    block.len(),
                    block.len() + payload.len()
                )
            }
            None => format!("MSG {subject} {sid} {reply}{}\r\n", payload.len()),
        };
        link.say(&[line.as_bytes(), headers.unwrap_or_default(), payload, b"\r\n"].concat());
        link.counts.messages += 1;
        let (reactions, _) = link.reactions(When::Message(link.counts.messages));
        // At the next tick, which is due at once.
        link.later
            .extend(reactions.into_iter().map(|reaction| (0, reaction)));
        if let Some(deliveries) = &mut self.deliveries {
            deliveries.push(Delivery {
                peer,
                sid,
                end: link.log.sent,
                payload: payload.to_vec(),
            });
        }
    }

    /// Only a plain subscription of the publisher itself gets the 503 (`client.go`).
    fn no_responders(&mut self, peer: PeerId, subject: &str, reply: &str) {
        let link = &self.links[peer.0];
        if !link.options.no_responders || !link.options.headers {
            return;
        }
        let plain = |interest: &Interest| interest.queue.is_none() && matches(&interest.filter, reply);
        let Some((sid, _)) = link.subscriptions.iter().find(|(_, interest)| plain(interest)) else {
            return;
        };
        let block = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
        self.deliver(peer, *sid, reply, None, Some(block.as_bytes()), b"");
    }
}
