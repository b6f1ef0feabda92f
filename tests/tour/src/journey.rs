//! A connection that publishes to itself, and the tally of its messages.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nats_conn_client::{
    Client, ClientEvent, Events, Message, Subject, SubjectFilter, SubscribeError, Subscription,
};
use nats_conn_model_server::clock::{Pause, pause, within};

use super::narrator::Narrator;
use super::tally::Tally;

const SUBJECT: Subject = Subject::from_static("tour.tick");
const PACE: Duration = Duration::from_millis(100);

/// The connection, and the tally of its messages.
pub(super) struct Journey {
    client: Client,
    events: Events,
    ticks: Subscription,
    narrator: Narrator,
    tally: Tally,
    pace: Pause,
    number: u64,
}

/// What comes next.
enum Step {
    Event(ClientEvent),
    Message(Message),
    Publish,
    End,
}

impl Journey {
    pub(super) fn begin((client, events): (Client, Events)) -> Result<Self, SubscribeError> {
        let ticks = client.subscribe(SubjectFilter::from(SUBJECT))?;
        Ok(Self {
            client,
            events,
            ticks,
            narrator: Narrator::new(),
            tally: Tally::default(),
            pace: pause(PACE),
            number: 0,
        })
    }

    /// Prints what is done to the servers.
    pub(super) fn stage(&self, text: &str) {
        self.narrator.stage(text);
    }

    pub(super) async fn continue_for(&mut self, duration: Duration) {
        self.continue_until(pause(duration)).await;
    }

    /// Continues until this is done, or the connection closed.
    pub(super) async fn continue_until(&mut self, end: impl Future<Output = ()>) {
        let mut end = pin!(end);
        while self.turn_or(end.as_mut(), true).await {}
    }

    /// Continues until a step was seen so often, for 5 s at most.
    pub(super) async fn until(&mut self, step: &str, times: usize) {
        let mut end = pin!(pause(Duration::from_secs(5)));
        while self.tally.count(step) < times && self.turn_or(end.as_mut(), true).await {}
    }

    /// Lets everything that is on its way arrive, closes, and judges.
    pub(super) async fn finish(mut self, promised: &[&str]) -> Vec<String> {
        self.stage("the application closes the connection");
        let end = Instant::now() + Duration::from_secs(2);
        let mut flushed = pin!(self.client.flush());
        while within(Duration::ZERO, flushed.as_mut()).await.is_none() && Instant::now() < end {
            self.turn_or(pin!(pause(Duration::from_millis(10))), false).await;
        }
        while !self.tally.missing().is_empty() && Instant::now() < end {
            self.turn_or(pin!(pause(Duration::from_millis(50))), false).await;
        }
        let closed = self.client.close();
        while self.turn_or(pin!(std::future::pending()), false).await {}
        closed.await;
        let fates = self.client.publish_fates();
        self.tally.print(fates);
        self.tally.verdict(fates, promised)
    }

    /// Does whatever comes next: an event, a message, or a publish. `false` when `end` came first, or the connection
    /// closed.
    async fn turn_or(&mut self, mut end: Pin<&mut impl Future<Output = ()>>, publish: bool) -> bool {
        let step = poll_fn(|cx| match self.poll_step(cx, publish) {
            Poll::Pending => end.as_mut().poll(cx).map(|()| Step::End),
            step => step,
        })
        .await;
        match step {
            Step::Event(event) => {
                self.narrator.event(&event);
                self.tally.event(&event);
            }
            Step::Message(message) => {
                let text = String::from_utf8_lossy(message.payload());
                if let Ok(number) = text.parse() {
                    self.tally.receive(number);
                }
            }
            Step::Publish => self.publish(),
            Step::End => return false,
        }
        true
    }

    fn poll_step(&mut self, cx: &mut Context<'_>, publish: bool) -> Poll<Step> {
        if let Poll::Ready(event) = self.events.poll_event(cx) {
            return Poll::Ready(event.map_or(Step::End, Step::Event));
        }
        if let Poll::Ready(Some(message)) = self.ticks.poll_message(cx) {
            return Poll::Ready(Step::Message(message));
        }
        if publish && Pin::new(&mut self.pace).poll(cx).is_ready() {
            self.pace = pause(PACE);
            return Poll::Ready(Step::Publish);
        }
        Poll::Pending
    }

    fn publish(&mut self) {
        self.number += 1;
        let number = self.number.to_string();
        if let Ok(seq) = self.client.publish(&SUBJECT, number.as_str()).now() {
            self.tally.publish(self.number, seq);
        }
        if self.number.is_multiple_of(5) {
            // Nobody waits for it: its PONG confirms what was published before.
            drop(self.client.flush());
        }
    }
}
