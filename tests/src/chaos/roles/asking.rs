//! Connections that ask.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;
use nats_conn_client::{RequestError, Response};

use super::Running;
use crate::chaos::account::{Account, Answer, Asked, Many};
use crate::chaos::life::SLACK;
use crate::chaos::many::{self, Collected};
use crate::chaos::note::Note;
use crate::chaos::subjects::{ASKED, MANY};

const REQUEST: Duration = Duration::from_millis(1500);

impl Running<'_> {
    pub(super) fn ask(mut self) -> Account {
        let subject = format!("{ASKED}.{}", self.life.account.life);
        while !self.is_over() && !self.has_ended() {
            if self.dice.one_in(4) {
                self.ask_many();
            }
            let first = self.life.account.asked.len();
            let mut running: Vec<(Instant, Result<Response, RequestError>)> = Vec::new();
            for number in first..first + self.dice.between(1, 8) as usize {
                let payload = self.question(number).payload(self.size());
                let request = self
                    .client
                    .request(subject.as_str(), &payload[..])
                    .timeout(REQUEST);
                running.push((Instant::now(), request.now()));
            }
            for (number, (from, begun)) in (first..).zip(running) {
                let answer = self.await_answer(number, begun, from + REQUEST + SLACK);
                self.asked(number, answer, from, None);
            }
            self.life.look();
            std::thread::sleep(self.dice.millis(0, 30));
        }
        self.finish()
    }

    fn question(&self, number: usize) -> Note {
        Note::of_request(self.life.account.life, u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn asked(&mut self, number: usize, answer: Answer, from: Instant, many: Option<Many>) {
        self.life.account.asked.push(Asked {
            number: u32::try_from(number).unwrap_or(u32::MAX),
            answer,
            from,
            until: Instant::now(),
            many,
        });
    }

    fn await_answer(
        &mut self,
        number: usize,
        begun: Result<Response, RequestError>,
        deadline: Instant,
    ) -> Answer {
        if self.dice.one_in(20) && begun.is_ok() {
            // Dropped: it is taken back, or its reply ignored.
            self.life.ended("requests that were given up");
            return Answer::MayBeSeen;
        }
        let ended = begun.map(|mut response| blocking::wait(Some(deadline), pin!(&mut response)));
        let error = match ended {
            Ok(None) => {
                self.life.wrong(format!("request {number} has not ended"));
                return Answer::MayBeSeen;
            }
            Ok(Some(Ok(reply))) => {
                if Note::read(reply.payload()) != Ok(self.question(number)) {
                    self.life
                        .wrong(format!("request {number} has the reply {reply:?}"));
                }
                self.setting.tally.answered.fetch_add(1, Ordering::Relaxed);
                return Answer::Came;
            }
            Ok(Some(Err(error))) | Err(error) => error,
        };
        self.setting.tally.unanswered.fetch_add(1, Ordering::Relaxed);
        self.life.ended(format!("requests that ended {}", error.code()));
        if error.written() {
            Answer::MayBeSeen
        } else {
            Answer::NeverLeft
        }
    }

    /// Asks for several replies.
    fn ask_many(&mut self) {
        let (number, from) = (self.life.account.asked.len(), Instant::now());
        let (note, wanted) = (self.question(number), many::draw(self.dice));
        self.life.account.unheard.push(note);
        let subject = format!("{MANY}.{}", self.life.account.life);
        let payload = note.payload(self.dice.spread(8, 1000) as usize);
        let request = self.client.request(subject, &payload[..]).many(wanted).now();
        let mut collected = Collected::new(note, wanted);
        let limit = from + collected.timeout() + SLACK;
        let mut replies = match request {
            Ok(replies) => replies,
            Err(error) => {
                self.life
                    .ended(format!("requests for several that ended {}", error.code()));
                return self.asked(number, Answer::NeverLeft, from, None);
            }
        };
        loop {
            match blocking::wait_for(Some(limit), |cx| replies.poll_reply(cx)) {
                Some(Some(reply)) => {
                    if let Err(wrong) = collected.take(&reply) {
                        self.life.wrong(wrong);
                    }
                }
                Some(None) => break,
                None => {
                    self.life
                        .wrong(format!("request {number} for several has not ended"));
                    break;
                }
            }
        }
        match collected.end(replies.ended(), replies.dropped()) {
            Ok((answer, many)) => self.asked(number, answer, from, Some(many)),
            Err(wrong) => {
                self.life.wrong(wrong);
                self.asked(number, Answer::MayBeSeen, from, None);
            }
        }
    }
}
