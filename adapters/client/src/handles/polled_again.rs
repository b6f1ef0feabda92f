//! What is polled again after its end.

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nats_conn_sm::{RequestMany, StateError};

use crate::handles::client::Client;
use crate::handles::publishing::Responding;
use crate::{ConfirmError, ConnectOptions, PublishError, RequestError, RespondError};

/// What the first poll and the second one say, of which the first must be the end.
fn twice<T: Debug, E: Debug>(future: impl Future<Output = Result<T, E>>) -> (Result<T, E>, E) {
    let mut future = pin!(future);
    let mut poll = || match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(said) => said,
        Poll::Pending => panic!("not ended"),
    };
    (poll(), poll().expect_err("it has ended"))
}

fn with_client(test: impl FnOnce(&Client)) {
    let prepared = ConnectOptions::<()>::default().prepare().expect("prepared");
    test(&prepared.client);
    drop(prepared.parts);
}

#[test]
fn a_publish_that_has_ended_is_not_made_again_however_often_it_is_polled() {
    with_client(|client| {
        let (first, again) = twice(client.publish("a", "b"));
        assert!(first.is_ok());
        assert_eq!(again, PublishError::Closed);
        assert_eq!(client.publish_fates().accepted, 1);
        let (first, again) = twice(Responding::new(Some(client.publish("a", "b"))));
        assert!(first.is_ok());
        assert_eq!(again, RespondError::Publish(PublishError::Closed));
        assert_eq!(client.publish_fates().accepted, 2);
        let (first, again) = twice(Responding::new(None));
        assert_eq!(first, Err(RespondError::NoReplySubject));
        assert_eq!(again, RespondError::NoReplySubject);
        let (first, again) = twice(client.publish("", "b"));
        assert!(matches!(first, Err(PublishError::Subject(_))), "{first:?}");
        assert_eq!(again, PublishError::Closed);
        let (first, again) = twice(client.publish("", "b").confirmed());
        assert!(
            matches!(first, Err(ConfirmError::Publish(PublishError::Subject(_)))),
            "{first:?}"
        );
        assert_eq!(again, ConfirmError::Publish(PublishError::Closed));
    });
}

#[test]
fn a_confirmed_publish_that_timed_out_says_once_what_came_of_it() {
    with_client(|client| {
        let confirmed = client.publish("a", "b").confirmed().timeout(Duration::ZERO);
        let (first, again) = twice(confirmed);
        assert!(matches!(first, Err(ConfirmError::TimedOut { .. })), "{first:?}");
        assert_eq!(again, ConfirmError::Publish(PublishError::Closed));
        assert_eq!(client.publish_fates().accepted, 1);
    });
}

#[test]
fn a_request_that_has_ended_is_not_made_again_however_often_it_is_polled() {
    with_client(|client| {
        let closed = RequestError::Closed { written: true };
        let (first, again) = twice(client.request("", "b"));
        assert!(matches!(first, Err(RequestError::Subject(_))), "{first:?}");
        assert_eq!(again, closed);
        let many = RequestMany::new(Duration::from_secs(1));
        let (first, again) = twice(client.request("", "b").many(many));
        assert!(matches!(first, Err(RequestError::Subject(_))), "{first:?}");
        assert_eq!(again, closed);
        let (first, again) = twice(client.request("a", "b").many(many));
        assert!(first.is_ok());
        assert_eq!(again, closed);
    });
}

#[test]
fn a_server_is_left_once_however_often_that_is_polled() {
    with_client(|client| {
        let (first, again) = twice(client.flush_and_reconnect(Duration::from_secs(1)));
        assert_eq!(first, Ok(false), "there is no link");
        assert_eq!(again, StateError::Closed);
    });
}
