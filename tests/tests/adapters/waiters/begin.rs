//! How each waiter begins to wait, with futures and with calls that block.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use nats_conn_client::driver::{blocking, first_outcome};
use nats_conn_client::proto::{Decoder, ServerOp};
use nats_conn_client::{
    ConfirmError, FlushError, Headers, PublishError, PublishSeq, RepliesEnd, RequestError, RequestMany,
    RespondError, SubscribeError,
};

use super::Waiter;
use crate::scene::*;
use crate::watch::name_of;

pub(super) static SUBSCRIBED: SubjectFilter = SubjectFilter::from_static("wait.sub");
static PUBLISHED: Subject = Subject::from_static("wait.one");
static ASKED: Subject = Subject::from_static("wait.ask");
/// Larger than a server with a lowered limit takes.
static LARGE: [u8; 200] = [b'x'; 200];

/// The request of another client, which waits for an answer.
fn asked() -> Message {
    let mut wire = "MSG a 1 wait.answer 1\r\nx\r\n".into();
    match Decoder::default().decode(&mut wire) {
        Ok(Some(ServerOp::Message(message))) => message,
        other => panic!("{other:?}"),
    }
}

/// A subscription that can be given up while its next message is awaited.
pub(super) type Held = Arc<Mutex<Subscription>>;

pub(super) fn held(client: &Client) -> Held {
    Arc::new(Mutex::new(client.subscribe(SUBSCRIBED.clone()).expect("open")))
}

type Waiting = Pin<Box<dyn Future<Output = String> + Send>>;

fn headers() -> Headers {
    let mut headers = Headers::new();
    headers.append("a", "b").expect("a header");
    headers
}

fn published(outcome: Result<PublishSeq, PublishError>) -> String {
    match outcome {
        Ok(_) => "accepted".into(),
        Err(error) => error.code().into(),
    }
}

fn answered(outcome: Result<Message, RequestError>) -> String {
    match outcome {
        Ok(_) => "reply".into(),
        Err(error) => error.code().into(),
    }
}

fn fate(outcome: Result<PublishSeq, ConfirmError>) -> String {
    outcome.map_or_else(|error| error.code(), |_| "confirmed").into()
}

fn heard<T>(outcome: Result<T, SubscribeError>) -> String {
    outcome.map_or_else(|error| error.code(), |_| "confirmed").into()
}

fn confirmed<T>(outcome: Result<T, FlushError>) -> String {
    outcome.map_or_else(|error| error.code(), |_| "done").into()
}

fn closed(reason: &ClosedReason) -> String {
    match reason {
        ClosedReason::Drained { complete: false, .. } => "drained_in_part".into(),
        reason => reason.code().into(),
    }
}

fn connected<T>(outcome: Result<T, ConnectError>) -> String {
    match outcome {
        Ok(_) => "connected".into(),
        Err(ConnectError::Unreachable { .. }) => "unreachable".into(),
        Err(ConnectError::Closed { reason, .. }) => closed(&reason),
        Err(error) => panic!("{error}"),
    }
}

fn replied(reply: Option<Message>, ended: Option<Result<RepliesEnd, RequestError>>) -> String {
    match (reply, ended) {
        (Some(_), _) => "reply".into(),
        (None, Some(Ok(end))) => end.code().into(),
        (None, Some(Err(error))) => error.code().into(),
        (None, None) => panic!("neither a reply nor an end"),
    }
}

fn happened(event: Option<ClientEvent>) -> String {
    event.map_or("ended", |event| name_of(&event)).into()
}

fn arrived(message: Option<Message>) -> String {
    message.map_or("ended", |_| "message").into()
}

/// The same with futures. What it calls it has called when this returns.
pub(super) fn future(waiter: Waiter, client: Client, events: Events, limit: Duration) -> Waiting {
    match waiter {
        Waiter::Message => {
            let mut subscription = client.subscribe(SUBSCRIBED.clone()).expect("open");
            Box::pin(async move { arrived(subscription.next().await) })
        }
        Waiter::Event => {
            let mut events = client.events();
            Box::pin(async move { happened(events.next().await) })
        }
        Waiter::Publish | Waiter::PublishUnlessOff => {
            Box::pin(async move { published(client.publish(&PUBLISHED, "y").timeout(limit).await) })
        }
        Waiter::PublishLarge => Box::pin(async move {
            let headers = headers();
            published(
                client
                    .publish(&PUBLISHED, &LARGE[..])
                    .headers(&headers)
                    .timeout(limit)
                    .await,
            )
        }),
        Waiter::Respond => Box::pin(async move {
            // A client that holds an answer, however it got the request.
            let request = asked();
            match client.respond(&request, "y").await {
                Ok(_) => "accepted".into(),
                Err(RespondError::Publish(failure)) => published(Err(failure)),
                Err(error) => panic!("{error}"),
            }
        }),
        Waiter::PublishConfirmed => {
            let outcome = client.publish(&PUBLISHED, "y").confirmed().timeout(limit).now();
            Box::pin(async move { fate(outcome.expect("room").await) })
        }
        Waiter::PublishConfirmedQueued => {
            let headers = headers();
            let publish = client.publish(&PUBLISHED, &LARGE[..]).headers(&headers);
            let outcome = publish.confirmed().timeout(limit).now();
            Box::pin(async move { fate(outcome.expect("room").await) })
        }
        Waiter::SubscriptionConfirmed => {
            let subscribed = client.subscribe(SUBSCRIBED.clone()).expect("open");
            let confirmed = subscribed.confirmed().timeout(limit);
            Box::pin(async move { heard(confirmed.await) })
        }
        Waiter::Request => {
            let response = client.request(&ASKED, "?").timeout(limit).now().expect("room");
            Box::pin(async move { answered(response.await) })
        }
        Waiter::RequestQueued => {
            let headers = headers();
            let response = client
                .request(&ASKED, &LARGE[..])
                .headers(&headers)
                .timeout(limit)
                .now()
                .expect("room");
            Box::pin(async move { answered(response.await) })
        }
        Waiter::RequestForRoom => {
            Box::pin(async move { answered(client.request(&ASKED, "?").timeout(limit).await) })
        }
        Waiter::Replies => {
            let many = RequestMany::new(limit);
            let mut replies = client.request(&ASKED, "?").many(many).now().expect("room");
            Box::pin(async move {
                let reply = replies.next().await;
                replied(reply, replies.ended())
            })
        }
        Waiter::Flush => {
            let flush = client.flush();
            Box::pin(async move { confirmed(flush.await) })
        }
        Waiter::RoundTrip => {
            let round_trip = client.rtt();
            Box::pin(async move { confirmed(round_trip.await) })
        }
        Waiter::Drain => {
            let drained = client.drain();
            Box::pin(async move { closed(&drained.await) })
        }
        Waiter::Close => {
            let closing = client.close();
            Box::pin(async move { closed(&closing.await) })
        }
        Waiter::Closed => {
            let end = client.closed();
            Box::pin(async move { closed(&end.await) })
        }
        Waiter::Connect => Box::pin(async move { connected(first_outcome(&client, events, false).await) }),
    }
}

/// Waits for the next message, and holds nothing meanwhile.
pub(super) fn next_of(held: Held) -> Waiting {
    Box::pin(async move { arrived(poll_fn(|cx| poll_next(&held, cx)).await) })
}

/// The same with a call that blocks.
pub(super) fn call_next_of(held: Held) -> Box<dyn FnOnce() -> String + Send> {
    Box::new(move || arrived(blocking::wait_for(None, |cx| poll_next(&held, cx)).flatten()))
}

fn poll_next(held: &Held, cx: &mut Context<'_>) -> Poll<Option<Message>> {
    held.lock().expect("no panic").poll_message(cx)
}

/// Polls it, and says when it waits for a waker and for nothing else.
pub(super) async fn noting(mut waiting: Waiting, waits: Arc<AtomicBool>) -> String {
    poll_fn(|cx| {
        // A publisher may let the driver run first, once.
        for _ in 0..3 {
            if let Poll::Ready(outcome) = waiting.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
        }
        waits.store(true, Ordering::SeqCst);
        Poll::Pending
    })
    .await
}

/// The same with calls that block. `None` where there is nothing to be begun with a connection that exists.
pub(super) fn call(
    waiter: Waiter,
    client: nats_conn_std::Client,
    limit: Duration,
) -> Option<Box<dyn FnOnce() -> String + Send>> {
    let publish = move |client: nats_conn_std::Client, payload: &'static [u8], with: bool| {
        let headers = headers();
        let publish = client.publish(&PUBLISHED, payload).timeout(limit);
        published(if with {
            publish.headers(&headers).wait()
        } else {
            publish.wait()
        })
    };
    Some(match waiter {
        Waiter::Message => {
            let mut subscription = client.subscribe(SUBSCRIBED.clone()).expect("open");
            drop(client);
            Box::new(move || arrived(subscription.next()))
        }
        Waiter::Event => {
            let mut events = client.events();
            drop(client);
            Box::new(move || happened(events.next()))
        }
        Waiter::Publish | Waiter::PublishUnlessOff => Box::new(move || publish(client, b"y", false)),
        Waiter::PublishLarge => Box::new(move || publish(client, &LARGE, true)),
        Waiter::Respond => Box::new(move || match client.respond(&asked(), "y").wait() {
            Ok(_) => "accepted".into(),
            Err(RespondError::Publish(failure)) => published(Err(failure)),
            Err(error) => panic!("{error}"),
        }),
        Waiter::PublishConfirmed => {
            Box::new(move || fate(client.publish(&PUBLISHED, "y").timeout(limit).confirmed().wait()))
        }
        Waiter::PublishConfirmedQueued => {
            let headers = headers();
            let publish = client.publish(&PUBLISHED, &LARGE[..]).headers(&headers);
            let outcome = publish.confirmed().timeout(limit).now().expect("room");
            drop(client);
            Box::new(move || fate(outcome.wait()))
        }
        Waiter::SubscriptionConfirmed => {
            let subscribed = client.subscribe(SUBSCRIBED.clone()).expect("open");
            drop(client);
            Box::new(move || heard(subscribed.confirmed().timeout(limit).wait()))
        }
        Waiter::Request | Waiter::RequestForRoom => {
            Box::new(move || answered(client.request(&ASKED, "?").timeout(limit).wait()))
        }
        Waiter::RequestQueued => {
            let headers = headers();
            let request = client
                .request(&ASKED, &LARGE[..])
                .headers(&headers)
                .timeout(limit);
            let response = request.now().expect("room");
            drop(client);
            Box::new(move || answered(response.wait()))
        }
        Waiter::Replies => {
            let many = RequestMany::new(limit);
            let mut replies = client.request(&ASKED, "?").many(many).now().expect("room");
            drop(client);
            Box::new(move || {
                let reply = replies.next();
                replied(reply, replies.ended())
            })
        }
        Waiter::Flush => Box::new(move || confirmed(client.flush().wait())),
        Waiter::RoundTrip => Box::new(move || confirmed(client.rtt().wait())),
        Waiter::Drain => {
            let drained = client.drain();
            drop(client);
            Box::new(move || closed(&drained.wait()))
        }
        Waiter::Close => Box::new(move || closed(&client.close().wait())),
        Waiter::Closed => {
            let end = client.closed();
            drop(client);
            Box::new(move || closed(&end.wait()))
        }
        Waiter::Connect => return None,
    })
}
