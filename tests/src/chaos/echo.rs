//! Publishing to a subscription of one's own: of that is known exactly what must arrive.

use std::pin::pin;
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{EndReason, Message, NextError, Subscription, SubscriptionError};

use super::dice::Dice;
use super::life::SLACK;
use super::note::Note;
use super::subjects::ECHO;

/// What a subscription of any adapter can do.
pub(super) trait Ear {
    fn next_within(&mut self, limit: Duration) -> Result<Message, NextError>;
    fn ends_after(&self, messages: u64) -> Result<(), SubscriptionError>;
    fn ends_now(&self) -> Result<(), SubscriptionError>;
    fn drains(&self) -> Result<(), SubscriptionError>;
    fn end(&self) -> Option<EndReason>;
}

impl Ear for Subscription {
    fn next_within(&mut self, limit: Duration) -> Result<Message, NextError> {
        let deadline = Instant::now() + limit;
        let next = pin!(self.next());
        blocking::wait(Some(deadline), next)
            .ok_or(NextError::TimedOut)?
            .ok_or(NextError::Ended)
    }

    fn ends_after(&self, messages: u64) -> Result<(), SubscriptionError> {
        self.unsubscribe_after(messages)
    }

    fn ends_now(&self) -> Result<(), SubscriptionError> {
        self.unsubscribe()
    }

    fn drains(&self) -> Result<(), SubscriptionError> {
        self.drain()
    }

    fn end(&self) -> Option<EndReason> {
        self.ended()
    }
}

impl Ear for nats_conn_std::Subscription {
    fn next_within(&mut self, limit: Duration) -> Result<Message, NextError> {
        self.next_timeout(limit)
    }

    fn ends_after(&self, messages: u64) -> Result<(), SubscriptionError> {
        self.unsubscribe_after(messages)
    }

    fn ends_now(&self) -> Result<(), SubscriptionError> {
        self.unsubscribe()
    }

    fn drains(&self) -> Result<(), SubscriptionError> {
        self.drain()
    }

    fn end(&self) -> Option<EndReason> {
        self.ended()
    }
}

/// What is to be done.
pub(super) struct Echo {
    pub(super) subject: String,
    pub(super) publishes: usize,
    /// It ends after so many.
    most: Option<u64>,
    /// The subscription is confirmed before something is published.
    pub(super) is_confirmed: bool,
    drains: bool,
}

impl Echo {
    pub(super) fn draw(life: u32, number: usize, dice: &mut Dice) -> Self {
        Self {
            subject: format!("{ECHO}.{life}.{number}"),
            publishes: dice.between(1, 20) as usize,
            most: dice.one_in(2).then(|| dice.between(1, 25)),
            is_confirmed: dice.one_in(2),
            drains: dice.one_in(2),
        }
    }

    /// Says when it is to end. An error means that it has ended already.
    pub(super) fn limit(&self, ear: &impl Ear) {
        if let Some(most) = self.most {
            let _ = ear.ends_after(most);
        }
    }

    /// All of these were sent. Where they are `known` to arrive they were confirmed in the session in which it was
    /// subscribed.
    ///
    /// # Errors
    /// What has not come, or must not have.
    pub(super) fn listen(&self, ear: &mut impl Ear, sent: &[Note], known: bool) -> Result<(), String> {
        let most = self.most.map_or(usize::MAX, |most| most as usize);
        let mut received = Vec::new();
        while known && received.len() < sent.len().min(most) {
            match ear.next_within(SLACK) {
                Ok(message) => received.push(Note::read(message.payload())?),
                Err(error) => {
                    let count = received.len();
                    return Err(format!("{count} of {} came, most {most}: {error}", sent.len()));
                }
            }
        }
        let is_full = received.len() >= most;
        if !is_full {
            // It may have ended with its connection.
            let _ = if self.drains { ear.drains() } else { ear.ends_now() };
        }
        loop {
            match ear.next_within(SLACK) {
                Ok(message) => received.push(Note::read(message.payload())?),
                Err(NextError::Ended) => break,
                Err(error) => return Err(format!("it does not end: {error}")),
            }
        }
        if is_full && ear.end() != Some(EndReason::MaxReached) {
            return Err(format!("it ended {:?} after {most} messages", ear.end()));
        }
        if received.len() > most {
            return Err(format!("{} messages, most {most}", received.len()));
        }
        if known && received != sent[..sent.len().min(most)] {
            return Err(format!("{sent:?} came as {received:?}, most {most}"));
        }
        match received.iter().find(|note| !sent.contains(note)) {
            Some(strange) => Err(format!("{strange:?} came, which was not sent: {sent:?}")),
            None => Ok(()),
        }
    }
}
