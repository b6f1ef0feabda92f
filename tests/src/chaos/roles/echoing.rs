//! Connections that publish to themselves.

use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use nats_conn_client::driver::blocking;

use super::{PUBLISH, Running};
use crate::chaos::account::Account;
use crate::chaos::echo::Echo;
use crate::chaos::life::SLACK;

/// How long confirmations are awaited.
const CONFIRMED: Duration = Duration::from_secs(10);

impl Running<'_> {
    /// Publishes to itself.
    pub(super) fn echo(mut self) -> Account {
        let mut number = 0;
        while !self.is_over() && !self.has_ended() {
            self.echo_once(number);
            number += 1;
            self.life.look();
            std::thread::sleep(self.dice.millis(0, 50));
        }
        self.finish()
    }

    fn echo_once(&mut self, number: usize) {
        let echo = Echo::draw(self.life.account.life, number, self.dice);
        let session = self.client.statistics().connects;
        let subscribed = self.client.subscribe(echo.subject.as_str());
        let mut subscription = match subscribed {
            Ok(subscription) => subscription,
            Err(error) => return self.life.wrong(format!("a subscription was refused: {error}")),
        };
        if echo.is_confirmed {
            let confirmed = subscription.confirmed().timeout(PUBLISH);
            subscription = match blocking::wait(Some(Instant::now() + PUBLISH + SLACK), pin!(confirmed)) {
                Some(Ok(subscription)) => subscription,
                Some(Err(error)) => {
                    return self
                        .life
                        .ended(format!("confirmed subscriptions that ended {}", error.code()));
                }
                None => return self.life.wrong("a confirmed subscription has not ended".into()),
            };
        }
        echo.limit(&subscription);
        let first = self.life.account.published.len();
        let (mut sent, mut outcomes) = (Vec::new(), Vec::new());
        for number in first..first + echo.publishes {
            self.life.account.unheard.push(self.note(number));
            let payload = self.note(number).payload(self.dice.spread(8, 1000) as usize);
            let published = self
                .client
                .publish(echo.subject.as_str(), &payload[..])
                .confirmed()
                .now();
            let outcome = published.ok();
            self.published(
                outcome.as_ref().map(|outcome| outcome.seq().as_u64()),
                Instant::now(),
            );
            if let Some(outcome) = outcome {
                sent.push(self.note(number));
                outcomes.push((number, outcome));
            }
        }
        let deadline = Instant::now() + CONFIRMED;
        let mut known = true;
        for (number, mut outcome) in outcomes {
            match blocking::wait(Some(deadline), Pin::new(&mut outcome)) {
                Some(result) => {
                    known &= result.is_ok();
                    self.told(number, result);
                }
                None => known = false,
            }
        }
        known &= self.client.statistics().connects == session;
        self.life.ended(if known {
            "echoes, known"
        } else {
            "echoes, uncertain"
        });
        if let Err(wrong) = echo.listen(&mut subscription, &sent, known) {
            self.life.wrong(format!("{}: {wrong}", echo.subject));
        }
    }
}
