//! Threads of a crowd that subscribe.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nats_conn_client::{MailboxLimits, Message, NextError};
use nats_conn_std::Subscription;

use super::Kind;
use super::hand::Hand;
use crate::chaos::account::{Mailbox, Role};
use crate::chaos::life::End;
use crate::chaos::many;
use crate::chaos::note::Note;
use crate::chaos::subjects::{ALL, ASKED, WORK};

/// Longer than anything else: others publish all the time, and where they do not everything is about to end.
const NEXT: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(3);

/// What became of a subscription.
enum Course {
    /// It was ended from here, and the next one may begin.
    Again,
    Over,
}

impl Hand {
    pub(super) fn receive(&mut self, kind: Kind) {
        loop {
            match self.receive_for_a_time(kind) {
                Course::Again if !self.common.is_over() => {}
                _ => return,
            }
        }
    }

    fn receive_for_a_time(&mut self, kind: Kind) -> Course {
        let (subscribed, role) = match kind {
            Kind::Worker => (
                self.client.queue_subscribe(format!("{WORK}.>"), "workers"),
                Role::Worker,
            ),
            Kind::Answerer => (self.client.subscribe(format!("{ASKED}.>")), Role::Answerer),
            _ => (self.client.subscribe(ALL), Role::Subscriber),
        };
        let mut subscription = match subscribed {
            Ok(subscription) => subscription,
            Err(error) => {
                self.refused("subscriptions", &error);
                return Course::Over;
            }
        };
        let is_slow = role == Role::Subscriber && self.dice.one_in(6);
        if is_slow {
            subscription.set_limits(MailboxLimits::new(64, 1 << 20));
        }
        let mut mailbox = Mailbox::new(role);
        let course = self.take_all(&mut subscription, &mut mailbox, is_slow);
        mailbox.dropped = subscription.dropped();
        self.part.mailboxes.push(mailbox);
        course
    }

    /// Takes messages until none follows, or the subscription is to be dropped.
    fn take_all(&mut self, subscription: &mut Subscription, mailbox: &mut Mailbox, is_slow: bool) -> Course {
        let until = Instant::now() + self.dice.millis(500, 6000);
        let mut was_ended = false;
        loop {
            let is_over = self.common.is_over();
            if is_over && self.end == End::Drop {
                return Course::Over;
            }
            if !is_over && !was_ended && Instant::now() > until {
                let ended = match self.dice.between(0, 2) {
                    0 => return Course::Again,
                    1 => subscription.unsubscribe(),
                    _ => subscription.drain(),
                };
                was_ended = ended.is_ok();
                if let Err(error) = ended {
                    self.refused("subscriptions that were to end", &error);
                }
            }
            match self.next(subscription) {
                Ok(message) => self.take_one(&message, mailbox),
                Err(NextError::Ended) => {
                    if !was_ended && !self.common.is_ending() && self.end != End::Drop {
                        self.wrong(format!(
                            "a subscription ended by itself: {:?}",
                            subscription.ended()
                        ));
                    }
                    return if was_ended { Course::Again } else { Course::Over };
                }
                Err(_) => {}
            }
            if is_slow && !is_over && self.dice.one_in(20) {
                let length = self.dice.millis(1, 300);
                self.rest(length);
            }
        }
    }

    fn next(&mut self, subscription: &mut Subscription) -> Result<Message, NextError> {
        // Who is to hear that it is over must not wait without a limit.
        if self.end != End::Drop && self.dice.one_in(2) {
            return self
                .wait("the next message", NEXT, || subscription.next())
                .ok_or(NextError::Ended);
        }
        if self.dice.one_in(4) {
            return subscription.try_next().ok_or(NextError::TimedOut).or_else(|_| {
                let slice = Duration::from_micros(self.dice.spread(1, 10_000));
                subscription.next_timeout(slice)
            });
        }
        let slice = Duration::from_micros(self.dice.spread(1, 50_000));
        self.wait("the next message, for a time", slice, || {
            subscription.next_timeout(slice)
        })
    }

    fn take_one(&mut self, message: &Message, mailbox: &mut Mailbox) {
        match Note::read(message.payload()) {
            Ok(note) => mailbox.received.push(note),
            Err(wrong) => self.wrong(format!("on {}: {wrong}", message.subject())),
        }
        self.common.tally.received.fetch_add(1, Ordering::Relaxed);
        if mailbox.role == Role::Answerer {
            let (life, waits, client) = (self.common.life, self.dice.one_in(2), self.client.clone());
            let answered = many::answer(life, message, |headers, payload| {
                let mut response = client.respond(message, payload).timeout(ANSWER);
                if let Some(headers) = headers {
                    response = response.headers(headers);
                }
                let answered = if waits {
                    self.wait("an answer", ANSWER, || response.wait())
                } else {
                    response.now()
                };
                answered.map(drop)
            });
            if let Err(error) = answered {
                self.part.ended(format!("answers that ended {}", error.code()));
            }
        }
    }
}
