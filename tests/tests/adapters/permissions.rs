//! What a real server does not allow: reported by name, and without effect on anything else.

use nats_conn_client::proto::PermissionOperation;
use nats_conn_client::{QueueGroup, RequestError, Sid, State};

use crate::scene::*;

fn ann() -> User {
    User::with_password("ann", "s3cret")
}

async fn start(adapter: Adapter, server: &RealServer) -> (Client, Watch) {
    let (client, mut watch) = adapter.start(options(&server.client_url_with("ann:s3cret")));
    watch.until("connected").await;
    (client, watch)
}

/// What was denied next.
async fn denied(watch: &mut Watch) -> (PermissionOperation, String, Option<String>, Option<Sid>) {
    watch
        .find("permission_denied", |event| match event {
            ClientEvent::Connection(ConnectionEvent::PermissionDenied {
                operation,
                subject,
                queue,
                subscription,
            }) => Some((*operation, subject.clone(), queue.clone(), *subscription)),
            _ => None,
        })
        .await
}

scenarios! {
    async fn a_denied_publish_is_reported_with_its_subject_and_affects_nothing_else(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(ann().deny_publish(&["secret.>"])));
        let (client, mut watch) = start(adapter, &server).await;
        let mut subscription = client.subscribe(filter("open.*")).expect("open");
        soon(client.publish("secret.plan", "x")).await.expect("room");
        soon(client.publish("open.door", "y")).await.expect("room");
        assert_eq!(denied(&mut watch).await, (PermissionOperation::Publish, "secret.plan".into(), None, None));
        assert_eq!(text(&mut subscription).await, "y");
        soon(client.flush()).await.expect("the same session");
        assert_eq!((client.state(), client.statistics().connects), (State::Connected, 1));
    }

    async fn a_denied_subscription_ends_and_no_other_one_does(adapter, version) {
        let permissions = ann().deny_subscribe(&["secret.>"]).allow_subscribe(&["open.>", "team red", "_INBOX.>"]);
        let server = real_server(version, ServerConfig::new().user(permissions));
        let (client, mut watch) = start(adapter, &server).await;
        let mut good = client.subscribe(filter("open.*")).expect("open");
        let mut bad = client.subscribe(filter("secret.plan")).expect("open");
        let (operation, subject, _, sub) = denied(&mut watch).await;
        assert_eq!((operation, subject.as_str(), sub), (PermissionOperation::Subscribe, "secret.plan", Some(bad.sid())));
        assert_eq!(soon(bad.next()).await, None);
        assert_eq!(bad.ended(), Some(EndReason::Refused));

        let red = client.queue_subscribe(filter("team"), QueueGroup::new("red").expect("a name")).expect("open");
        let mut blue = client.queue_subscribe(filter("team"), QueueGroup::new("blue").expect("a name")).expect("open");
        let (operation, subject, queue, sub) = denied(&mut watch).await;
        assert_eq!((operation, subject.as_str()), (PermissionOperation::Subscribe, "team"));
        assert_eq!((queue.as_deref(), sub), (Some("blue"), Some(blue.sid())));
        assert_eq!(soon(blue.next()).await, None);
        assert_eq!(red.ended(), None);

        soon(client.publish("open.door", "y")).await.expect("room");
        assert_eq!(text(&mut good).await, "y");
    }

    /// What was refused is not asked for again.
    async fn a_denied_subscription_is_not_restored(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(ann().deny_subscribe(&["secret.>"])));
        let (client, mut watch) = start(adapter, &server).await;
        let _good = client.subscribe(filter("open.*")).expect("open");
        let mut bad = client.subscribe(filter("secret.plan")).expect("open");
        assert_eq!(soon(bad.next()).await, None);
        client.force_reconnect().expect("a session");
        let restored = watch.until("resubscribed").await;
        assert!(
            matches!(restored, ClientEvent::Connection(ConnectionEvent::Resubscribed { subscriptions: 1, refused: 0, .. })),
            "{restored:?}"
        );
        assert_eq!(watch.count("permission_denied"), 1);
    }

    /// A permission that goes with a reload or a restart takes its subscription with it, and no other.
    async fn a_permission_that_is_taken_away_ends_its_subscription(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(ann()));
        let (client, mut watch) = start(adapter, &server).await;
        let mut good = client.subscribe(filter("open.*")).expect("open");
        let mut first = client.subscribe(filter("team.a")).expect("open");
        let mut second = client.subscribe(filter("team.a")).expect("open");
        soon(client.flush()).await.expect("a session");
        let reloading = server.clone();
        let config = ServerConfig::new().user(ann().deny_subscribe(&["team.>"]));
        soon(elsewhere(move || reloading.reload(config))).await;
        let mut reported = Vec::new();
        for _ in 0..2 {
            let (operation, subject, _, sub) = denied(&mut watch).await;
            assert_eq!((operation, subject.as_str()), (PermissionOperation::Subscribe, "team.a"));
            reported.push(sub.expect("it is known which"));
        }
        reported.sort_unstable();
        assert_eq!(reported, [first.sid(), second.sid()]);
        for subscription in [&mut first, &mut second] {
            assert_eq!(soon(subscription.next()).await, None);
            assert_eq!(subscription.ended(), Some(EndReason::Refused));
        }
        soon(client.publish("open.door", "y")).await.expect("room");
        assert_eq!(text(&mut good).await, "y");
        assert_eq!(client.statistics().connects, 1);
    }

    async fn a_subscription_that_the_next_server_refuses_is_counted_when_the_others_are_restored(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(ann()));
        let (client, mut watch) = start(adapter, &server).await;
        let _good = client.subscribe(filter("open.*")).expect("open");
        let mut bad = client.subscribe(filter("secret.plan")).expect("open");
        soon(client.flush()).await.expect("a session");
        let restarting = server.clone();
        let config = ServerConfig::new().user(ann().deny_subscribe(&["secret.>"]));
        soon(elsewhere(move || restarting.restart_with(config))).await;
        let restored = watch.until("resubscribed").await;
        assert!(
            matches!(restored, ClientEvent::Connection(ConnectionEvent::Resubscribed { subscriptions: 1, refused: 1, .. })),
            "{restored:?}"
        );
        assert_eq!(soon(bad.next()).await, None);
        assert_eq!(bad.ended(), Some(EndReason::Refused));
    }

    async fn a_request_on_a_denied_subject_ends_refused(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(ann().deny_publish(&["secret.>"])));
        let (client, mut watch) = start(adapter, &server).await;
        let secret = subject("secret.plan");
        let refused = soon(client.request(&secret, "?").into_future()).await;
        assert_eq!(refused, Err(RequestError::Refused { subject: named(&secret) }));
        assert_eq!(denied(&mut watch).await.0, PermissionOperation::Publish);
        let open = subject("open.door");
        let nobody = soon(client.request(&open, "?").into_future()).await;
        assert_eq!(nobody, Err(RequestError::NoResponders { subject: named(&open) }));
    }

    async fn requests_whose_inbox_is_denied_end_refused_and_work_when_it_is_allowed(adapter, version) {
        let server = real_server(version, ServerConfig::new().user(ann().deny_subscribe(&["_INBOX.>"])));
        let (client, mut watch) = start(adapter, &server).await;
        let _service = client.subscribe(filter("open.*")).expect("open");
        let door = subject("open.door");
        let (first, second) = (client.request(&door, "?").now(), client.request(&door, "?").now());
        for pending in [first, second] {
            let refused = soon(pending.expect("open")).await;
            assert_eq!(refused, Err(RequestError::Refused { subject: named(&door) }));
        }
        denied(&mut watch).await;
        let reloading = server.clone();
        let config = ServerConfig::new().user(ann());
        soon(elsewhere(move || reloading.reload(config))).await;
        let shut = subject("shut.door");
        let early = soon(client.request(&shut, "?").into_future()).await;
        assert_eq!(early, Err(RequestError::Refused { subject: named(&shut) }), "the inbox is not tried again yet");
        pause(Duration::from_millis(1_100)).await;
        let nobody = soon(client.request(&shut, "?").into_future()).await;
        assert_eq!(nobody, Err(RequestError::NoResponders { subject: named(&shut) }));
    }
}
