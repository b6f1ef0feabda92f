//! Threads of a crowd that publish: in bursts, now and then, and one confirmation after the other.

use std::time::{Duration, Instant};

use nats_conn_client::{ConfirmError, Headers, PublishError};
use nats_conn_std::PublishOutcome;

use super::hand::Hand;
use crate::chaos::account::Fate;
use crate::chaos::echo::Echo;
use crate::chaos::note::Note;
use crate::chaos::roles::nameless;
use crate::chaos::subjects::of_life;

const PUBLISH: Duration = Duration::from_secs(3);
/// Of what has no time limit of its own: a link that has fallen silent is reset long before.
const ANYTHING: Duration = Duration::from_secs(60);
/// How long confirmations of what a life publishes to itself are awaited.
const ECHO: Duration = Duration::from_secs(10);

impl Hand {
    pub(super) fn publish(&mut self) {
        let subject = of_life(self.common.life, self.common.is_shared);
        let (began, mut count) = (Instant::now(), 0_u64);
        while !self.common.is_over() {
            let times = match self.dice.between(0, 9) {
                0 => self.burst(&subject),
                1 | 2 => self.row(&subject),
                3 => self.batch(&subject),
                4 => self.round_trips(),
                _ => self.some(&subject),
            };
            let Some(times) = times else { return };
            count += times;
            let due = Duration::from_secs(count) / u32::try_from(self.common.rate).unwrap_or(u32::MAX);
            let ahead = due.saturating_sub(began.elapsed());
            self.rest(ahead.min(Duration::from_secs(1)));
        }
    }

    /// As fast as it can. `None`, here and below: nothing more is taken.
    fn burst(&mut self, subject: &str) -> Option<u64> {
        let times = self.dice.between(20, 200);
        let largest = self.dice.spread(8, 8000);
        for _ in 0..times {
            self.publish_one(subject, largest)?;
        }
        Some(times)
    }

    fn some(&mut self, subject: &str) -> Option<u64> {
        let times = self.dice.between(1, 10);
        for _ in 0..times {
            let largest = if self.dice.one_in(20) { 100_000 } else { 1000 };
            self.publish_one(subject, largest)?;
            if self.dice.one_in(2) {
                let length = Duration::from_micros(self.dice.spread(1, 10_000));
                std::thread::sleep(length);
            }
        }
        Some(times)
    }

    /// One confirmation after the other, with nothing between.
    fn row(&mut self, subject: &str) -> Option<u64> {
        let times = self.dice.between(1, 60);
        for _ in 0..times {
            self.publish_confirmed(subject)?;
        }
        Some(times)
    }

    /// Several are awaited at a time, for as long as it takes or by looking again and again.
    fn batch(&mut self, subject: &str) -> Option<u64> {
        let times = self.dice.between(1, 30);
        let mut outcomes = Vec::new();
        for _ in 0..times {
            outcomes.extend(self.publish_now(subject).1?);
        }
        for (number, outcome) in outcomes {
            if !self.dice.one_in(10) {
                self.await_outcome(number, outcome, ANYTHING);
            }
        }
        Some(times)
    }

    fn round_trips(&mut self) -> Option<u64> {
        for _ in 0..self.dice.between(1, 20) {
            let client = self.client.clone();
            let outcome = if self.dice.one_in(2) {
                self.wait("flush", ANYTHING, || client.flush().wait())
            } else {
                self.wait("rtt", ANYTHING, || client.rtt().wait()).map(drop)
            };
            match outcome {
                Ok(()) => self.part.ended("round trips"),
                Err(error) => {
                    self.part
                        .ended(format!("round trips that ended {}", error.code()));
                    self.rest(Duration::from_millis(20));
                    return Some(0);
                }
            }
        }
        Some(0)
    }

    fn publish_one(&mut self, subject: &str, largest: u64) -> Option<()> {
        let (number, note) = self.common.reserve();
        let payload = note.payload(self.dice.spread(8, largest) as usize);
        let headers =
            Headers::try_from([("Chaos-Life", "some headers"), ("Chaos-Empty", "")]).expect("headers");
        let client = self.client.clone();
        let mut publish = client.publish(subject, &payload[..]).timeout(PUBLISH);
        if self.dice.one_in(8) {
            publish = publish.headers(&headers);
        }
        let published = if self.dice.one_in(5) {
            publish.now()
        } else {
            self.wait("publish", PUBLISH, || publish.wait())
        };
        let seq = published.as_ref().ok().map(|seq| seq.as_u64());
        self.common.published(number, seq, None);
        match published {
            Ok(_) | Err(PublishError::TimedOut { .. } | PublishError::BufferFull { .. }) => Some(()),
            Err(error) => {
                self.refused("publishes", &error);
                None
            }
        }
    }

    fn publish_confirmed(&mut self, subject: &str) -> Option<()> {
        let (number, note) = self.common.reserve();
        let payload = note.payload(self.dice.spread(8, 1000) as usize);
        let client = self.client.clone();
        let publish = client.publish(subject, &payload[..]).confirmed().timeout(PUBLISH);
        let told = self.wait("a confirmed publish", PUBLISH, || publish.wait());
        let seq = told.as_ref().ok().map(|seq| seq.as_u64());
        match nameless(&told) {
            Ok((ends, fate)) => {
                self.common.published(number, seq, fate);
                self.part.ended(ends);
                if seq.is_some() {
                    self.part.told.push((number, Fate::Confirmed));
                }
                Some(())
            }
            Err(error) => {
                self.common.published(number, None, None);
                self.refused("confirmed publishes", &error);
                None
            }
        }
    }

    /// `Some(None)`: there is no room.
    fn publish_now(&mut self, subject: &str) -> (Note, Option<Option<(usize, PublishOutcome)>>) {
        let (number, note) = self.common.reserve();
        let payload = note.payload(self.dice.spread(8, 1000) as usize);
        let published = self.client.publish(subject, &payload[..]).confirmed().now();
        let seq = published.as_ref().ok().map(|outcome| outcome.seq().as_u64());
        self.common.published(number, seq, None);
        let published = match published {
            Ok(outcome) => Some(Some((number, outcome))),
            Err(PublishError::BufferFull { .. }) => Some(None),
            Err(error) => {
                self.refused("publishes", &error);
                None
            }
        };
        (note, published)
    }

    /// Whether it is confirmed.
    fn await_outcome(&mut self, number: usize, mut outcome: PublishOutcome, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let told = if limit == ANYTHING && self.dice.one_in(3) {
            self.wait("the outcome of a publish", ANYTHING, || outcome.wait())
        } else {
            loop {
                let slice = Duration::from_micros(self.dice.spread(1, 100_000));
                let waited = self.wait("the outcome of a publish, for a time", slice, || {
                    outcome.wait_timeout(slice)
                });
                match waited {
                    Some(told) => break told,
                    None if Instant::now() > deadline => {
                        if limit == ANYTHING {
                            self.wrong(format!("nobody is told of publish {number}"));
                        }
                        return false;
                    }
                    None => {}
                }
            }
        };
        let fate = match told {
            Ok(_) => Fate::Confirmed,
            Err(ConfirmError::Unconfirmed { .. }) => Fate::Unconfirmed,
            Err(ConfirmError::Dropped { .. }) => Fate::Dropped,
            Err(error) => {
                self.wrong(format!("publish {number} was told to be {error}"));
                return false;
            }
        };
        self.part.told.push((number, fate));
        fate == Fate::Confirmed
    }

    /// Publishes to itself.
    pub(super) fn echo(&mut self) {
        let mut number = 0;
        while !self.common.is_over() {
            if self.echo_once(number).is_none() {
                return;
            }
            number += 1;
            let length = self.dice.millis(0, 50);
            self.rest(length);
        }
    }

    fn echo_once(&mut self, number: usize) -> Option<()> {
        let echo = Echo::draw(self.common.life, number, &mut self.dice);
        let session = self.client.statistics().connects;
        let subscribed = self.client.subscribe(echo.subject.as_str());
        let mut subscription = match subscribed {
            Ok(subscription) => subscription,
            Err(error) => {
                self.refused("subscriptions", &error);
                return None;
            }
        };
        if echo.is_confirmed {
            let confirmed = subscription.confirmed().timeout(PUBLISH);
            subscription = match self.wait("a confirmed subscription", PUBLISH, || confirmed.wait()) {
                Ok(subscription) => subscription,
                Err(error) => {
                    self.part
                        .ended(format!("confirmed subscriptions that ended {}", error.code()));
                    return Some(());
                }
            };
        }
        echo.limit(&subscription);
        let (mut sent, mut outcomes) = (Vec::new(), Vec::new());
        for _ in 0..echo.publishes {
            let (note, published) = self.publish_now(&echo.subject);
            self.part.unheard.push(note);
            if let Some(outcome) = published? {
                sent.push(note);
                outcomes.push(outcome);
            }
        }
        let mut known = true;
        let deadline = Instant::now() + ECHO;
        for (number, outcome) in outcomes {
            let left = deadline.saturating_duration_since(Instant::now());
            known &= self.await_outcome(number, outcome, left);
        }
        // A drain ends the subscription while publishes are still taken.
        known &= self.client.statistics().connects == session && !self.common.is_ending();
        self.part.ended(if known {
            "echoes, known"
        } else {
            "echoes, uncertain"
        });
        let listened = self.wait("an echo", ANYTHING, || {
            echo.listen(&mut subscription, &sent, known)
        });
        if let Err(wrong) = listened {
            self.wrong(format!("{}: {wrong}", echo.subject));
        }
        Some(())
    }
}
