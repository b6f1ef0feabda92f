//! One connection, its commands, and what happens.

use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nats_conn_client::driver::outcome;
use nats_conn_client::{Client, ClientEvent, Events, Flush, PublishError, Response, RoundTrip};
use nats_conn_sm::{ClosedReason, ConnectionEvent, State, StateError};
use nats_proto::{ServerUrl, Subject};

use crate::command::Command;
use crate::flags::Flags;
use crate::input::Input;
use crate::line::Line;
use crate::names::Names;
use crate::report;

/// How long `pubn` waits for room while there is a link.
const ROOM: Duration = Duration::from_secs(2);
/// Messages of one subscription that are printed before anything else has its turn.
const MESSAGES_A_TURN: usize = 256;

/// Runs until the connection is closed. Gives the exit status.
pub(crate) async fn run(client: Client, events: Events, flags: &Flags, input: Input) -> i32 {
    let mut session = Session::new(client.clone(), events, flags, input);
    let end = poll_fn(|cx| session.poll(cx)).await;
    if let End::Closed(status) = end {
        // The last bytes may still be on their way to the server.
        client.closed().await;
        return status;
    }
    0
}

enum End {
    Closed(i32),
    Quit,
}

struct Session {
    client: Client,
    events: Events,
    input: Input,
    output: Output,
    names: Names,
    requests: Vec<(String, Response)>,
    flushes: Vec<(String, Flush)>,
    round_trips: Vec<RoundTrip>,
    /// A command that takes its time: those after it wait.
    bulk: Option<Bulk>,
    retry_initial: bool,
    /// The first connect has come to an outcome.
    settled: bool,
    input_ended: bool,
    /// The end was asked for: it is no failure.
    asked: bool,
    draining: bool,
    closed: Option<ClosedReason>,
}

type Bulk = Pin<Box<dyn Future<Output = Option<Line>> + Send>>;

impl Session {
    fn new(client: Client, events: Events, flags: &Flags, input: Input) -> Self {
        Self {
            client,
            events,
            input,
            output: Output::new(flags.json),
            names: Names::default(),
            requests: Vec::new(),
            flushes: Vec::new(),
            round_trips: Vec::new(),
            bulk: None,
            retry_initial: flags.retries_initially(),
            settled: false,
            input_ended: false,
            asked: false,
            draining: false,
            closed: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let mut busy = self.print_news(cx);
            if let Some(reason) = self.closed.clone() {
                // What ended with the connection has been delivered before its end was told.
                self.print_news(cx);
                self.output.line(&report::closed(&reason));
                self.output.flush();
                return Poll::Ready(End::Closed(i32::from(!self.is_good(&reason))));
            }
            match self.take_command(cx) {
                Poll::Ready(Some(end)) => {
                    self.output.flush();
                    return Poll::Ready(end);
                }
                Poll::Ready(None) => busy = true,
                Poll::Pending => {}
            }
            self.output.flush();
            if !busy {
                return Poll::Pending;
            }
        }
    }

    fn is_good(&self, reason: &ClosedReason) -> bool {
        match reason {
            ClosedReason::Requested => self.asked,
            ClosedReason::Drained { complete, unread } => *complete && *unread == 0,
            _ => false,
        }
    }

    /// Prints what has happened. It is taken in the reverse of the order in which it is delivered, so that what came
    /// before a message, an end or an answer is printed before it. Says whether there may be more.
    fn print_news(&mut self, cx: &mut Context<'_>) -> bool {
        let answers = self.take_answers(cx);
        let (messages, more) = self.take_messages(cx);
        self.print_events(cx);
        for line in messages.iter().chain(&answers) {
            self.output.line(line);
        }
        more
    }

    /// Says whether there were any.
    fn print_events(&mut self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        while let Poll::Ready(Some(event)) = self.events.poll_event(cx) {
            any = true;
            self.settled |= outcome(&event, self.retry_initial).is_some();
            match event {
                ClientEvent::Connection(ConnectionEvent::Closed { reason }) => self.closed = Some(reason),
                event => {
                    if let Some(line) = report::event(&event, &self.names) {
                        self.output.line(&line);
                    }
                }
            }
        }
        any
    }

    /// Lines of messages and of subscriptions that have ended, and whether there may be more.
    fn take_messages(&mut self, cx: &mut Context<'_>) -> (Vec<Line>, bool) {
        let closed = self.closed.is_some();
        let (mut lines, mut more) = (Vec::new(), false);
        self.names.retain(|named| {
            let mut left = if closed { usize::MAX } else { MESSAGES_A_TURN };
            while !named.paused && left > 0 {
                left -= 1;
                match named.subscription.poll_message(cx) {
                    Poll::Pending => return true,
                    Poll::Ready(None) => break,
                    Poll::Ready(Some(message)) => {
                        let line = Line::new("message").with("sub", named.name.as_str());
                        lines.push(line.with_all(report::message(&message)));
                    }
                }
            }
            more |= left == 0;
            match named.subscription.ended() {
                Some(reason) if closed || (left > 0 && !named.paused) => {
                    let line = Line::new("sub_ended").with("sub", named.name.as_str());
                    lines.push(line.with("reason", reason.code()));
                    false
                }
                _ => true,
            }
        });
        (lines, more)
    }

    /// Lines of requests, flushes and measurements that have ended.
    fn take_answers(&mut self, cx: &mut Context<'_>) -> Vec<Line> {
        let mut lines = Vec::new();
        self.requests
            .retain_mut(|(id, response)| match Pin::new(response).poll(cx) {
                Poll::Ready(result) => taken(&mut lines, report::response(id, &result)),
                Poll::Pending => true,
            });
        self.flushes
            .retain_mut(|(id, flush)| match Pin::new(flush).poll(cx) {
                Poll::Ready(result) => taken(&mut lines, report::flushed(id, result)),
                Poll::Pending => true,
            });
        self.round_trips
            .retain_mut(|round_trip| match Pin::new(round_trip).poll(cx) {
                Poll::Ready(result) => taken(&mut lines, report::round_trip(result)),
                Poll::Pending => true,
            });
        lines
    }

    /// Pending when there is no command, or one that takes its time.
    fn take_command(&mut self, cx: &mut Context<'_>) -> Poll<Option<End>> {
        if let Some(bulk) = &mut self.bulk {
            let Poll::Ready(line) = bulk.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            if let Some(line) = line {
                self.output.line(&line);
            }
            self.bulk = None;
        }
        if !self.input_ended {
            let Poll::Ready(line) = self.input.poll_line(cx) else {
                return Poll::Pending;
            };
            if let Some(line) = line {
                return Poll::Ready(self.obey(&line, cx));
            }
            self.input_ended = true;
        }
        if self.settled && !self.asked && !self.draining {
            self.close();
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    fn obey(&mut self, line: &[u8], cx: &mut Context<'_>) -> Option<End> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        let word = line
            .split(u8::is_ascii_whitespace)
            .find(|word| !word.is_empty())
            .unwrap_or_default();
        let word = String::from_utf8_lossy(word).into_owned();
        let refused = match Command::parse(line) {
            Ok(Command::Quit) => return Some(End::Quit),
            Ok(command @ (Command::State | Command::Servers | Command::Statistics | Command::Info)) => {
                self.tell_what_is(&command, cx)
            }
            Ok(command) => self.execute(command),
            Err(error) => Err((error.code(), error.to_string())),
        };
        if let Err((code, detail)) = refused {
            self.output.line(&report::error(&word, code, detail));
        }
        None
    }

    fn execute(&mut self, command: Command) -> Result<(), (&'static str, String)> {
        match command {
            Command::Subscribe { name, filter, queue } => {
                if self.names.get(&name).is_some() {
                    return Err(("name_in_use", format!("there is a subscription {name} already")));
                }
                let subscribed = match queue {
                    Some(queue) => self.client.queue_subscribe(filter, queue),
                    None => self.client.subscribe(filter),
                };
                let subscription = subscribed.map_err(|error| (error.code(), error.to_string()))?;
                self.names.add(name, subscription);
            }
            Command::Unsubscribe { .. }
            | Command::DrainSubscription { .. }
            | Command::Pause { .. }
            | Command::Resume { .. } => return self.change_subscription(command),
            Command::Publish { .. } | Command::PublishMany { .. } | Command::Request { .. } => {
                return self.send(command);
            }
            Command::Flush { id } => self.flushes.push((id, self.client.flush())),
            Command::RoundTrip => self.round_trips.push(self.client.rtt()),
            Command::State | Command::Servers | Command::Statistics | Command::Info => {}
            Command::SetServers { servers } => return self.set_servers(servers),
            Command::Reconnect => self.client.force_reconnect().map_err(refused_by_state)?,
            Command::Drain => {
                // The client takes it as done already; here it is a mistake of whoever types.
                match self.client.state() {
                    State::Draining => return Err(refused_by_state(StateError::Draining)),
                    _ if self.asked => return Err(refused_by_state(StateError::Closed)),
                    _ => self.client.begin_drain(),
                }
                self.draining = true;
            }
            Command::Close | Command::Quit => self.close(),
        }
        Ok(())
    }

    fn close(&mut self) {
        self.asked = true;
        self.client.begin_close();
    }

    fn change_subscription(&mut self, command: Command) -> Result<(), (&'static str, String)> {
        let (Command::Unsubscribe { name, .. }
        | Command::DrainSubscription { name }
        | Command::Pause { name }
        | Command::Resume { name }) = &command
        else {
            return Ok(());
        };
        let unknown = || ("unknown_subscription", format!("there is no subscription {name}"));
        let named = self.names.get(name).ok_or_else(unknown)?;
        match command {
            Command::Unsubscribe { max: None, .. } => named.subscription.unsubscribe(),
            Command::Unsubscribe { max: Some(max), .. } => named.subscription.unsubscribe_after(max),
            Command::DrainSubscription { .. } => named.subscription.drain(),
            Command::Pause { .. } => {
                named.paused = true;
                Ok(())
            }
            _ => {
                named.paused = false;
                Ok(())
            }
        }
        .map_err(|error| ("unknown_subscription", error.to_string()))
    }

    fn send(&mut self, command: Command) -> Result<(), (&'static str, String)> {
        match command {
            Command::Publish {
                subject,
                reply,
                headers,
                payload,
            } => {
                let mut publish = self.client.publish(&subject, &payload[..]).headers(&headers);
                if let Some(reply) = &reply {
                    publish = publish.reply_to(reply);
                }
                let refused = |error: PublishError| (error.code(), error.to_string());
                publish.now().map(drop).map_err(refused)
            }
            Command::PublishMany { subject, count, size } => {
                self.bulk = Some(Box::pin(publish_many(self.client.clone(), subject, count, size)));
                Ok(())
            }
            Command::Request {
                id,
                subject,
                timeout,
                payload,
            } => {
                let request = self.client.request(&subject, &payload[..]).timeout(timeout);
                let response = request.now().map_err(|error| (error.code(), error.to_string()))?;
                self.requests.push((id, response));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Answers, which come after the events that they take account of.
    fn tell_what_is(&mut self, what: &Command, cx: &mut Context<'_>) -> Result<(), (&'static str, String)> {
        loop {
            let line = match what {
                Command::State => Line::new("state").with("state", self.client.state().code()),
                Command::Servers => report::servers(&self.client.servers()),
                Command::Statistics => {
                    report::statistics(&self.client.statistics(), self.client.link_health())
                }
                _ => {
                    let info = self.client.server_info();
                    report::info(&*info.ok_or(("disconnected", "no server has said anything yet".into()))?)
                }
            };
            if !self.print_events(cx) {
                self.output.line(&line);
                return Ok(());
            }
        }
    }

    fn set_servers(&mut self, servers: Vec<ServerUrl>) -> Result<(), (&'static str, String)> {
        self.client
            .set_servers(servers)
            .map_err(|error| (error.code(), error.to_string()))
    }
}

fn refused_by_state(error: StateError) -> (&'static str, String) {
    (error.code(), error.to_string())
}

/// Keeps the line, and not what it tells the end of.
fn taken(lines: &mut Vec<Line>, line: Line) -> bool {
    lines.push(line);
    false
}

/// Publishes numbered messages. While there is a link it waits for room; without one it stops when the buffer is
/// full. Gives the line that says so.
async fn publish_many(client: Client, subject: Subject, count: u64, size: usize) -> Option<Line> {
    let mut payload = Vec::with_capacity(size);
    for number in 1..=count {
        payload.clear();
        // Writing to a vector does not fail.
        let _ = write!(payload, "{number} ");
        payload.resize(size, b'.');
        let published = if client.state() == State::Connected {
            client.publish(&subject, &payload[..]).timeout(ROOM).await
        } else {
            client.publish(&subject, &payload[..]).now()
        };
        let Err(error) = published else { continue };
        let code = match error {
            PublishError::TimedOut { .. } => "buffer_full",
            _ => error.code(),
        };
        return Some(report::error(
            "pubn",
            code,
            format!("after {} messages: {error}", number - 1),
        ));
    }
    None
}

/// Standard output: whole lines, handed over whenever there is nothing more to say for now.
struct Output {
    json: bool,
    began: Instant,
    buffer: Vec<u8>,
}

impl Output {
    fn new(json: bool) -> Self {
        Self {
            json,
            began: Instant::now(),
            buffer: Vec::new(),
        }
    }

    fn line(&mut self, line: &Line) {
        let at = self.began.elapsed();
        let text = if self.json { line.json(at) } else { line.text(at) };
        self.buffer.extend_from_slice(text.as_bytes());
        self.buffer.push(b'\n');
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let mut out = std::io::stdout().lock();
        if out.write_all(&self.buffer).and_then(|()| out.flush()).is_err() {
            // Nobody reads any more.
            std::process::exit(1);
        }
        self.buffer.clear();
    }
}
