//! Threads of a crowd that ask.

use std::time::{Duration, Instant};

use nats_conn_client::{Message, NextError, RequestError};
use nats_conn_std::{Replies, Response};

use super::hand::Hand;
use crate::chaos::account::{Answer, Asked, Many};
use crate::chaos::many::{self, Collected};
use crate::chaos::note::Note;
use crate::chaos::subjects::{ASKED, MANY};

const REQUEST: Duration = Duration::from_millis(1500);

impl Hand {
    pub(super) fn ask(&mut self) {
        let subject = format!("{ASKED}.{}", self.common.life);
        while !self.common.is_over() {
            let more = match self.dice.between(0, 3) {
                0 | 1 => self.ask_in_a_row(&subject),
                2 => self.ask_at_once(&subject),
                _ => self.ask_many(),
            };
            if more.is_none() {
                return;
            }
            let length = self.dice.millis(0, 60);
            self.rest(length);
        }
    }

    /// One after the other, with nothing between. `None`, here and below: nothing more is taken.
    fn ask_in_a_row(&mut self, subject: &str) -> Option<()> {
        for _ in 0..self.dice.between(1, 30) {
            let ((number, note), from) = (self.common.question(), Instant::now());
            let payload = note.payload(self.dice.spread(8, 1000) as usize);
            let client = self.client.clone();
            let request = client.request(subject, &payload[..]).timeout(REQUEST);
            let outcome = self.wait("a request", REQUEST, || request.wait());
            self.answered((number, note), from, outcome)?;
        }
        Some(())
    }

    /// Several at a time.
    fn ask_at_once(&mut self, subject: &str) -> Option<()> {
        let mut running = Vec::new();
        for _ in 0..self.dice.between(1, 12) {
            let (question, from) = (self.common.question(), Instant::now());
            let payload = question.1.payload(self.dice.spread(8, 1000) as usize);
            let request = self.client.request(subject, &payload[..]).timeout(REQUEST);
            running.push((question, from, request.now()));
        }
        let mut more = Some(());
        for (question, from, begun) in running {
            let outcome = match begun {
                Ok(_) if self.dice.one_in(20) => {
                    self.part.ended("requests that were given up");
                    self.asked(question.0, Answer::MayBeSeen, from, None);
                    continue;
                }
                Ok(response) => self.await_response(response),
                Err(error) => Err(error),
            };
            more = more.and(self.answered(question, from, outcome));
        }
        more
    }

    fn await_response(&mut self, mut response: Response) -> Result<Message, RequestError> {
        if self.dice.one_in(2) {
            return self.wait("a response", REQUEST, || response.wait());
        }
        loop {
            let slice = Duration::from_micros(self.dice.spread(1, 100_000));
            let waited = self.wait("a response, for a time", slice, || response.wait_timeout(slice));
            if let Some(outcome) = waited {
                return outcome;
            }
        }
    }

    fn answered(
        &mut self,
        (number, note): (u32, Note),
        from: Instant,
        outcome: Result<Message, RequestError>,
    ) -> Option<()> {
        let error = match outcome {
            Ok(reply) => {
                if Note::read(reply.payload()) != Ok(note) {
                    self.wrong(format!("request {number} has the reply {reply:?}"));
                }
                self.common
                    .tally
                    .answered
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                self.asked(number, Answer::Came, from, None);
                return Some(());
            }
            Err(error) => error,
        };
        self.common
            .tally
            .unanswered
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.part.ended(format!("requests that ended {}", error.code()));
        let answer = if error.written() {
            Answer::MayBeSeen
        } else {
            Answer::NeverLeft
        };
        self.asked(number, answer, from, None);
        match error {
            RequestError::Closed { .. } | RequestError::Draining => {
                self.refused("requests", &error);
                None
            }
            _ => Some(()),
        }
    }

    fn asked(&mut self, number: u32, answer: Answer, from: Instant, many: Option<Many>) {
        self.part.asked.push(Asked {
            number,
            answer,
            from,
            until: Instant::now(),
            many,
        });
    }

    /// Several replies, which are taken in one of several ways.
    fn ask_many(&mut self) -> Option<()> {
        let ((number, note), from) = (self.common.question(), Instant::now());
        let wanted = many::draw(&mut self.dice);
        self.part.unheard.push(note);
        let subject = format!("{MANY}.{}", self.common.life);
        let payload = note.payload(self.dice.spread(8, 1000) as usize);
        let client = self.client.clone();
        let request = client.request(subject, &payload[..]).many(wanted);
        let made = if self.dice.one_in(2) {
            self.wait("a request for several", wanted.timeout, || request.wait())
        } else {
            request.now()
        };
        let mut replies = match made {
            Ok(replies) => replies,
            Err(error) => {
                self.part
                    .ended(format!("requests for several that ended {}", error.code()));
                self.asked(number, Answer::NeverLeft, from, None);
                if matches!(error, RequestError::Closed { .. } | RequestError::Draining) {
                    self.refused("requests", &error);
                    return None;
                }
                return Some(());
            }
        };
        let mut collected = Collected::new(note, wanted);
        while let Some(reply) = self.next_reply(&mut replies, wanted.timeout) {
            if let Err(wrong) = collected.take(&reply) {
                self.wrong(wrong);
            }
        }
        match collected.end(replies.ended(), replies.dropped()) {
            Ok((answer, many)) => self.asked(number, answer, from, Some(many)),
            Err(wrong) => {
                self.wrong(wrong);
                self.asked(number, Answer::MayBeSeen, from, None);
            }
        }
        Some(())
    }

    fn next_reply(&mut self, replies: &mut Replies, limit: Duration) -> Option<Message> {
        if self.dice.one_in(2) {
            return self.wait("the next reply", limit, || replies.next());
        }
        loop {
            let slice = Duration::from_micros(self.dice.spread(1, 100_000));
            match self.wait("the next reply, for a time", slice, || {
                replies.next_timeout(slice)
            }) {
                Ok(reply) => return Some(reply),
                Err(NextError::Ended) => return None,
                Err(_) if self.dice.one_in(4) => {
                    if let Some(reply) = replies.try_next() {
                        return Some(reply);
                    }
                }
                Err(_) => {}
            }
        }
    }
}
