//! What connections do while their links are harmed.

mod asking;
mod echoing;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{
    Client, ConfirmError, Delivery, Headers, MailboxLimits, Message, PublishError, PublishOutcome,
    PublishSeq, Subscription,
};

use super::account::{Account, Fate, Mailbox, Published, Role};
use super::dice::Dice;
use super::life::{DRAIN, End, Life, SLACK, Setting, Starter};
use super::many;
use super::note::Note;
use super::subjects::{ALL, ASKED, WORK, of_life};

const PUBLISH: Duration = Duration::from_secs(3);
/// A peer that says nothing more is found within this.
const FLUSH: Duration = Duration::from_secs(3);
/// So many fates are awaited at a time.
const AWAITED: usize = 500;

/// How a confirmed publish ended, for counts, and what was told of one that has no number for it.
///
/// # Errors
/// It must not have ended so.
pub(super) fn nameless<T>(told: &Result<T, ConfirmError>) -> Result<(&'static str, Option<Fate>), String> {
    Ok(match told {
        Ok(_) => ("confirmed publishes that succeeded", None),
        Err(ConfirmError::Publish(PublishError::TimedOut { .. } | PublishError::BufferFull { .. })) => {
            ("confirmed publishes without room", None)
        }
        // Processed once at most, or not at all.
        Err(ConfirmError::Unconfirmed { .. } | ConfirmError::TimedOut { .. }) => {
            ("confirmed publishes that were not", Some(Fate::Unconfirmed))
        }
        Err(ConfirmError::Dropped { .. }) => ("confirmed publishes that were dropped", Some(Fate::Dropped)),
        Err(error) => return Err(error.to_string()),
    })
}

/// Lives one life in this role.
pub(super) fn live(
    setting: &Setting,
    starter: &Starter,
    role: Role,
    delivery: Delivery,
    dice: &mut Dice,
) -> Account {
    let life = match Life::start(setting, starter, role, delivery) {
        Ok(life) => life,
        Err(account) => return *account,
    };
    let (least, most) = setting.lifetime;
    let role = Running {
        setting,
        until: Instant::now() + dice.millis(least, most),
        headers: Headers::try_from([("Chaos-Life", "some headers"), ("Chaos-Empty", "")]).expect("headers"),
        awaited: Vec::new(),
        client: life.client(),
        life,
        dice,
    };
    match role.life.account.role {
        Role::Publisher => role.publish(),
        Role::Asker => role.ask(),
        Role::Echo => role.echo(),
        Role::Subscriber | Role::Worker | Role::Answerer | Role::Crowd => role.receive(),
    }
}

struct Running<'a> {
    setting: &'a Setting,
    life: Life<'a>,
    client: Client,
    until: Instant,
    headers: Headers,
    /// Fates that are awaited, by number. They hold the connection open.
    awaited: Vec<(usize, PublishOutcome)>,
    dice: &'a mut Dice,
}

impl Running<'_> {
    fn is_over(&self) -> bool {
        self.setting.is_calm() || Instant::now() >= self.until
    }

    /// Whether the connection has ended by itself, which is a violation.
    fn has_ended(&self) -> bool {
        self.life.account.closed.is_some()
    }

    fn end(&mut self) -> End {
        match self.dice.between(0, 5) {
            _ if self.setting.is_calm() => End::Drain,
            0 => End::Close,
            1 => End::Drop,
            _ => End::Drain,
        }
    }

    fn finish(mut self) -> Account {
        let end = self.end();
        self.life.begin_end(end);
        if end != End::Drop {
            self.hear_all(end);
        }
        drop(self.awaited);
        drop(self.client);
        self.life.finish(end)
    }

    /// Takes the fates that are known.
    fn hear(&mut self) {
        let mut told = Vec::new();
        self.awaited.retain_mut(|(number, outcome)| {
            let Poll::Ready(result) = blocking::poll_once(|cx| Pin::new(outcome).poll(cx)) else {
                return true;
            };
            told.push((*number, result));
            false
        });
        for (number, result) in told {
            self.told(number, result);
        }
    }

    /// A connection that ends leaves nobody waiting.
    fn hear_all(&mut self, end: End) {
        let deadline = Instant::now() + DRAIN + SLACK;
        for (number, mut outcome) in std::mem::take(&mut self.awaited) {
            match blocking::wait(Some(deadline), Pin::new(&mut outcome)) {
                Some(result) => self.told(number, result),
                None => {
                    return self
                        .life
                        .wrong(format!("{end:?}: nobody is told of publish {number}"));
                }
            }
        }
    }

    fn told(&mut self, number: usize, result: Result<PublishSeq, ConfirmError>) {
        let seq = self.life.account.published[number].seq;
        let fate = match result {
            Ok(told) if Some(told.as_u64()) == seq => Fate::Confirmed,
            Err(ConfirmError::Unconfirmed { .. }) => Fate::Unconfirmed,
            Err(ConfirmError::Dropped { .. }) => Fate::Dropped,
            other => {
                return self
                    .life
                    .wrong(format!("publish {number}, {seq:?}, was told to be {other:?}"));
            }
        };
        self.life.account.told.push((number, fate));
    }

    fn note(&self, number: usize) -> Note {
        Note {
            life: self.life.account.life,
            number: u32::try_from(number).unwrap_or(u32::MAX),
        }
    }

    fn size(&mut self) -> usize {
        let largest = if self.dice.one_in(20) { 100_000 } else { 1000 };
        self.dice.spread(8, largest) as usize
    }

    fn publish(mut self) -> Account {
        let life = self.life.account.life;
        self.life.account.is_shared = life.is_multiple_of(2);
        let subject = of_life(life, self.life.account.is_shared);
        let began = Instant::now();
        while !self.is_over() && !self.has_ended() {
            for _ in 0..self.dice.spread(1, 30) {
                if !self.publish_one(&subject) {
                    return self.finish();
                }
            }
            match self.dice.between(0, 299) {
                0 => self.life.force_reconnect(),
                1..=10 => self.flush(),
                _ => {}
            }
            self.life.look();
            self.hear();
            let due = Duration::from_secs(self.life.account.published.len() as u64)
                / u32::try_from(self.setting.rate).unwrap_or(u32::MAX);
            let ahead = due.saturating_sub(began.elapsed());
            std::thread::sleep(ahead.min(Duration::from_millis(100)));
        }
        self.finish()
    }

    /// Where a flush succeeds, everything that was published before it has its fate.
    fn flush(&mut self) {
        let last = self
            .life
            .account
            .published
            .iter()
            .rev()
            .find_map(|published| published.seq);
        let flush = self.client.flush();
        match blocking::wait(Some(Instant::now() + FLUSH + SLACK), pin!(flush)) {
            None => self.life.wrong("a flush has not ended".into()),
            Some(Err(error)) => self.life.ended(format!("flushes that ended {}", error.code())),
            Some(Ok(())) => {
                let settled = self.client.publish_fates().settled;
                if last.is_some_and(|last| last > settled) {
                    self.life
                        .wrong(format!("flushed, with {last:?} published and {settled} settled"));
                }
                self.life.ended("flushes that succeeded");
            }
        }
    }

    /// `false`: nothing more is taken, and should be.
    fn publish_one(&mut self, subject: &str) -> bool {
        let payload = self.note(self.life.account.published.len()).payload(self.size());
        let from = Instant::now();
        if self.dice.one_in(10) && self.awaited.len() < AWAITED {
            return self.publish_confirmed(subject, &payload, from);
        }
        if self.dice.one_in(100) {
            return self.publish_and_wait(subject, &payload, from);
        }
        let mut publishing = self.client.publish(subject, &payload[..]).timeout(PUBLISH);
        if self.dice.one_in(8) {
            publishing = publishing.headers(&self.headers);
        }
        let published = blocking::wait(Some(from + PUBLISH + SLACK), pin!(publishing));
        let seq = match published {
            Some(Ok(seq)) => Some(seq.as_u64()),
            Some(Err(PublishError::TimedOut { .. })) => None,
            Some(Err(error)) => {
                self.life.wrong(format!("a publish was refused: {error}"));
                return false;
            }
            None => {
                self.life.wrong("a publish has not ended".into());
                return false;
            }
        };
        self.published(seq, from);
        true
    }

    fn published(&mut self, seq: Option<u64>, from: Instant) {
        let refused = Published::refused(from);
        self.life
            .account
            .published
            .push(seq.map_or(refused, |seq| Published::accepted(seq, from)));
        self.setting.tally.published.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, and waits for its fate.
    fn publish_and_wait(&mut self, subject: &str, payload: &[u8], from: Instant) -> bool {
        let publish = self.client.publish(subject, payload).confirmed().timeout(PUBLISH);
        let told = blocking::wait(Some(from + PUBLISH + SLACK), pin!(publish));
        let Some(told) = told else {
            self.life.wrong("a confirmed publish has not ended".into());
            return false;
        };
        match nameless(&told) {
            Ok((ends, nameless)) => {
                self.life.ended(ends);
                let seq = told.ok().map(|seq| seq.as_u64());
                if seq.is_some() {
                    let number = self.life.account.published.len();
                    self.life.account.told.push((number, Fate::Confirmed));
                }
                self.published(seq, from);
                if let Some(last) = self.life.account.published.last_mut() {
                    last.nameless = nameless;
                }
                true
            }
            Err(error) => {
                self.life
                    .wrong(format!("a confirmed publish was refused: {error}"));
                false
            }
        }
    }

    /// The same without waiting for room, to await its fate.
    fn publish_confirmed(&mut self, subject: &str, payload: &[u8], from: Instant) -> bool {
        let number = self.life.account.published.len();
        let seq = match self.client.publish(subject, payload).confirmed().now() {
            Ok(outcome) => {
                let seq = outcome.seq().as_u64();
                self.awaited.push((number, outcome));
                Some(seq)
            }
            Err(PublishError::BufferFull { .. }) => None,
            Err(error) => {
                self.life.wrong(format!("a publish was refused: {error}"));
                return false;
            }
        };
        self.published(seq, from);
        true
    }

    fn receive(mut self) -> Account {
        let subscribed = match self.life.account.role {
            Role::Worker => self.client.queue_subscribe(format!("{WORK}.>"), "workers"),
            Role::Answerer => self.client.subscribe(format!("{ASKED}.>")),
            _ => self.client.subscribe(ALL),
        };
        let mut subscription = match subscribed {
            Ok(subscription) => subscription,
            Err(error) => {
                self.life.wrong(format!("a subscription was refused: {error}"));
                return self.finish();
            }
        };
        let mailbox = Mailbox::new(self.life.account.role);
        self.life.account.mailboxes.push(mailbox);
        let is_slow = self.life.account.role == Role::Subscriber && self.dice.one_in(4);
        if is_slow {
            subscription.set_limits(MailboxLimits::new(64, 1 << 20));
        }
        while !self.is_over() && !self.has_ended() {
            let look = Instant::now() + Duration::from_millis(50);
            if let Poll::Ready(None) = self.take(&mut subscription, look) {
                break;
            }
            self.life.look();
            if is_slow && self.dice.one_in(5) {
                std::thread::sleep(self.dice.millis(1, 300));
            }
        }
        self.end_of(subscription)
    }

    /// Takes messages until none comes before this time, or a number has come. `Ready(None)`: none follows.
    fn take(&mut self, subscription: &mut Subscription, until: Instant) -> Poll<Option<()>> {
        for _ in 0..256 {
            match blocking::wait_for(Some(until), |cx| subscription.poll_message(cx)) {
                Some(Some(message)) => self.receive_one(&message),
                Some(None) => return Poll::Ready(None),
                None => return Poll::Pending,
            }
        }
        Poll::Ready(Some(()))
    }

    fn receive_one(&mut self, message: &Message) {
        match Note::read(message.payload()) {
            Ok(note) => {
                if let Some(mailbox) = self.life.account.mailboxes.last_mut() {
                    mailbox.received.push(note);
                }
            }
            Err(wrong) => self.life.wrong(format!("on {}: {wrong}", message.subject())),
        }
        self.setting.tally.received.fetch_add(1, Ordering::Relaxed);
        if self.life.account.role == Role::Answerer {
            let answered = many::answer(self.life.account.life, message, |headers, payload| {
                let mut response = self.client.respond(message, payload);
                if let Some(headers) = headers {
                    response = response.headers(headers);
                }
                response.now().map(drop)
            });
            if let Err(error) = answered {
                self.life.ended(format!("answers that ended {}", error.code()));
            }
        }
    }

    fn end_of(mut self, mut subscription: Subscription) -> Account {
        let end = self.end();
        if end == End::Drain && self.dice.one_in(2) && subscription.drain().is_err() && !self.has_ended() {
            self.life.wrong("the subscription ended by itself".into());
        }
        self.life.begin_end(end);
        if end != End::Drop {
            self.take_the_rest(&mut subscription, end);
        }
        if let Some(mailbox) = self.life.account.mailboxes.last_mut() {
            mailbox.dropped = subscription.dropped();
        }
        drop(subscription);
        drop(self.client);
        self.life.finish(end)
    }

    /// To the end of the subscription, which a drain and a close bring about.
    fn take_the_rest(&mut self, subscription: &mut Subscription, end: End) {
        loop {
            match self.take(subscription, Instant::now() + SLACK) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) => return,
                Poll::Pending => return self.life.wrong(format!("{end:?} does not end the subscription")),
            }
        }
    }
}
