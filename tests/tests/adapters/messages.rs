//! Messages over real servers: what arrives, where, and what is refused before it leaves.

use nats_conn_client::{Headers, MailboxLimits, PublishError, QueueGroup, RequestError, State};

use crate::scene::*;

const SUBJECT: Subject = Subject::from_static("mail.one");

async fn connected(adapter: Adapter, server: &RealServer) -> Client {
    soon(adapter.connect(options(&server.url())))
        .await
        .expect("a server")
}

scenarios! {
    async fn headers_reply_and_payload_arrive_as_they_were_sent(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let (sender, receiver) = (connected(adapter, &server).await, connected(adapter, &server).await);
        let mut subscription = receiver.subscribe(filter("mail.>")).expect("open");
        soon(receiver.flush()).await.expect("a session");
        let mut headers = Headers::new();
        for (name, value) in [("Kind", "first"), ("kind", "lower"), ("Kind", "second"), ("Empty", "")] {
            headers.append(name, value).expect("valid");
        }
        let reply = subject("mail.reply");
        let payload = b"\r\nPING\r\nMSG mail.one 1 1\r\n\0\xff";
        soon(sender.publish(&SUBJECT, &payload[..]).headers(&headers).reply_to(&reply)).await.expect("room");
        soon(sender.publish("mail.empty", "")).await.expect("room");
        let first = message(&mut subscription).await;
        assert_eq!((first.subject_bytes(), first.reply_bytes(), first.payload()), (&b"mail.one"[..], Some(&b"mail.reply"[..]), &payload[..]));
        let arrived = first.headers().expect("a good block").expect("headers");
        assert_eq!(arrived.get_all("Kind").collect::<Vec<_>>(), [b"first".as_slice(), b"second"]);
        assert_eq!((arrived.get("kind"), arrived.get("Empty"), arrived.len()), (Some(&b"lower"[..]), Some(&b""[..]), 4));
        let second = message(&mut subscription).await;
        assert_eq!((second.subject_bytes(), second.reply_bytes(), second.payload()), (&b"mail.empty"[..], None, &b""[..]));
        assert!(second.headers().expect("no block").is_none());
    }

    async fn a_message_of_any_size_up_to_the_limit_arrives_and_no_larger_one_leaves(adapter, version) {
        let server = real_server(version, ServerConfig::new().max_payload(200_000));
        let client = connected(adapter, &server).await;
        let mut subscription = client.subscribe(&SUBJECT).expect("open");
        for size in [0, 1, 4095, 4096, 65_535, 65_536, 199_999, 200_000] {
            let payload: Vec<u8> = (0..size).map(|place: usize| (place % 251) as u8).collect();
            soon(client.publish(&SUBJECT, &payload[..])).await.expect("not too large");
            assert!(message(&mut subscription).await.payload() == payload, "{size}");
        }
        let large = vec![b'x'; 200_001];
        assert_eq!(
            soon(client.publish(&SUBJECT, &large[..])).await,
            Err(PublishError::TooLarge { subject: named(&SUBJECT), size: 200_001, max_payload: 200_000 })
        );
        assert_eq!(
            soon(client.request(&SUBJECT, &large[..])).await.err(),
            Some(RequestError::TooLarge { subject: named(&SUBJECT), size: 200_001, max_payload: 200_000 })
        );
        let mut headers = Headers::new();
        headers.append("k", "v").expect("valid");
        let refused = soon(client.publish(&SUBJECT, &large[..200_000]).headers(&headers)).await;
        assert!(refused.is_err(), "headers count");
        soon(client.flush()).await.expect("the same session");
        assert_eq!(client.statistics().connects, 1);
    }

    async fn headers_are_refused_where_the_server_has_none(adapter, version) {
        let server = real_server(version, ServerConfig::new().without_headers());
        let client = connected(adapter, &server).await;
        let mut headers = Headers::new();
        headers.append("k", "v").expect("valid");
        assert_eq!(
            soon(client.publish(&SUBJECT, "x").headers(&headers)).await,
            Err(PublishError::HeadersUnsupported)
        );
        soon(client.publish(&SUBJECT, "x")).await.expect("room");
        soon(client.flush()).await.expect("the same session");
    }

    async fn a_control_line_that_would_end_the_link_is_refused(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = connected(adapter, &server).await;
        let long = subject(&"s".repeat(4094));
        assert!(matches!(
            client.publish(&long, "x").now(),
            Ok(_) | Err(PublishError::ControlLineTooLong { .. })
        ));
        let longer = subject(&"s".repeat(5000));
        assert!(matches!(
            client.publish(&longer, "x").now(),
            Err(PublishError::ControlLineTooLong { .. })
        ));
        assert!(client.subscribe(longer).is_err());
        soon(client.flush()).await.expect("the same session");
        assert_eq!(client.statistics().connects, 1);
    }

    async fn wildcards_match_and_other_subjects_do_not(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = connected(adapter, &server).await;
        let filters = ["mail.*", "mail.>", "mail.*.two", "mail.one.two", ">", "other.>"];
        let mut subscriptions = filters.map(|text| client.subscribe(filter(text)).expect("open"));
        for to in ["mail.one", "mail.one.two"] {
            soon(client.publish(to, to)).await.expect("room");
        }
        soon(client.flush()).await.expect("a session");
        let received = subscriptions.each_mut().map(|subscription| {
            std::iter::from_fn(|| subscription.try_next()).map(|message| message.payload().len()).collect::<Vec<_>>()
        });
        assert_eq!(received, [vec![8], vec![8, 12], vec![12], vec![12], vec![8, 12], vec![]]);
    }

    async fn each_message_goes_to_one_member_of_a_queue_group_and_to_every_plain_subscription(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let sender = connected(adapter, &server).await;
        let clients = [connected(adapter, &server).await, connected(adapter, &server).await];
        let group = || QueueGroup::new("workers").expect("a name");
        let mut members = Vec::new();
        for client in &clients {
            members.push(client.queue_subscribe(&SUBJECT, group()).expect("open"));
            members.push(client.queue_subscribe(&SUBJECT, group()).expect("open"));
            soon(client.flush()).await.expect("a session");
        }
        let mut listener = sender.subscribe(&SUBJECT).expect("open");
        for number in 0..200 {
            soon(sender.publish(&SUBJECT, number.to_string().as_str())).await.expect("room");
        }
        soon(sender.flush()).await.expect("a session");
        for client in &clients {
            soon(client.flush()).await.expect("a session");
        }
        let taken = |subscription: &mut Subscription| -> Vec<u32> {
            std::iter::from_fn(|| subscription.try_next())
                .map(|message| String::from_utf8_lossy(message.payload()).parse().expect("a number"))
                .collect()
        };
        assert_eq!(taken(&mut listener), (0..200).collect::<Vec<_>>());
        let shares: Vec<Vec<u32>> = members.iter_mut().map(taken).collect();
        assert!(shares.iter().all(|share| !share.is_empty() && share.is_sorted()), "{shares:?}");
        let mut all = shares.concat();
        all.sort_unstable();
        assert_eq!(all, (0..200).collect::<Vec<_>>());
    }

    async fn without_echo_a_client_receives_from_others_and_not_from_itself(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let other = connected(adapter, &server).await;
        let client = soon(adapter.connect(options(&server.url()).echo(false))).await.expect("a server");
        let mut subscription = client.subscribe(&SUBJECT).expect("open");
        soon(client.publish(&SUBJECT, "my own")).await.expect("room");
        soon(client.flush()).await.expect("a session");
        soon(other.publish(&SUBJECT, "another's")).await.expect("room");
        assert_eq!(text(&mut subscription).await, "another's");
        assert_eq!(subscription.pending(), 0);
    }

    async fn an_automatic_unsubscribe_delivers_exactly_as_many(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = connected(adapter, &server).await;
        let mut few = client.subscribe(&SUBJECT).expect("open");
        few.unsubscribe_after(5).expect("alive");
        let mut none = client.subscribe(&SUBJECT).expect("open");
        for _ in 0..10 {
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
        }
        soon(client.flush()).await.expect("a session");
        // As many were received already: it ends at once.
        none.unsubscribe_after(10).expect("alive");
        let mut counts = [0; 2];
        for (count, subscription) in counts.iter_mut().zip([&mut few, &mut none]) {
            while soon(subscription.next()).await.is_some() {
                *count += 1;
            }
            assert_eq!(subscription.ended(), Some(EndReason::MaxReached));
        }
        assert_eq!(counts, [5, 10]);
        assert!(few.unsubscribe().is_err(), "it has ended");
        soon(client.flush()).await.expect("a session");
        let connections = server.monitor("/connz").expect("it is up");
        assert_eq!(connections["connections"][0]["subscriptions"], 0);
    }

    async fn a_subscription_that_is_dropped_or_drained_is_forgotten_by_the_server(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let client = connected(adapter, &server).await;
        let mut drained = client.subscribe(&SUBJECT).expect("open");
        let dropped = client.subscribe(&SUBJECT).expect("open");
        for _ in 0..100 {
            soon(client.publish(&SUBJECT, "x")).await.expect("room");
        }
        drained.drain().expect("alive");
        soon(client.publish(&SUBJECT, "too late")).await.expect("room");
        drop(dropped);
        let mut taken = 0;
        while soon(drained.next()).await.is_some() {
            taken += 1;
        }
        assert_eq!((taken, drained.ended()), (100, Some(EndReason::Drained)));
        soon(client.flush()).await.expect("a session");
        let connections = server.monitor("/connz").expect("it is up");
        assert_eq!(connections["connections"][0]["subscriptions"], 0);
        assert_eq!(client.statistics().subscriptions, 0);
    }

    async fn one_subscription_too_many_is_reported_and_affects_no_other(adapter, version) {
        let server = real_server(version, ServerConfig::new().max_subscriptions(2));
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let mut first = client.subscribe(&SUBJECT).expect("open");
        let _second = client.subscribe(filter("mail.two")).expect("open");
        let _third = client.subscribe(filter("mail.three")).expect("open");
        let reported = watch.until("server_error").await;
        assert!(format!("{reported:?}").to_lowercase().contains("maximum subscriptions exceeded"), "{reported:?}");
        soon(client.publish(&SUBJECT, "x")).await.expect("room");
        assert_eq!(text(&mut first).await, "x");
        assert_eq!(client.state(), State::Connected);
    }

    /// Only the subscription whose holder takes nothing loses anything, and learns how much.
    async fn a_slow_consumer_affects_no_other(adapter, version) {
        let server = real_server(version, ServerConfig::new());
        let sender = connected(adapter, &server).await;
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let mut slow = client.subscribe(&SUBJECT).expect("open");
        slow.set_limits(MailboxLimits::new(1000, 64 << 20));
        let mut quick = client.subscribe(&SUBJECT).expect("open");
        soon(client.flush()).await.expect("a session");
        let publishing = adapter.spawn(async move {
            for number in 0..20_000_u32 {
                soon(sender.publish(&SUBJECT, number.to_string().as_str())).await.expect("room");
            }
            soon(sender.flush()).await.expect("a session");
            sender
        });
        for number in 0..20_000_u32 {
            assert_eq!(text(&mut quick).await, number.to_string());
        }
        let sender = soon(publishing).await;
        // Mailboxes are filled one after the other: the last batch may be on its way to the slow one still.
        soon(client.flush()).await.expect("a session");
        assert_eq!((slow.pending(), slow.dropped()), (1000, 19_000));
        assert_eq!(quick.dropped(), 0);
        watch.until("slow_consumer").await;
        // The oldest were kept; when there is room again messages arrive again.
        for number in 0..1000_u32 {
            assert_eq!(text(&mut slow).await, number.to_string());
        }
        soon(sender.publish(&SUBJECT, "again")).await.expect("room");
        assert_eq!(text(&mut slow).await, "again");
        watch.catch_up();
        assert_eq!((watch.count("slow_consumer"), watch.count("disconnected")), (1, 0));
    }

    async fn without_credentials_a_client_is_the_no_auth_user(adapter, version) {
        let guest = User::with_password("guest", "unused").allow_publish(&["mail.>"]).allow_subscribe(&["mail.>"]);
        let server = real_server(version, ServerConfig::new().user(guest).no_auth_user("guest"));
        let (client, mut watch) = adapter.start(options(&server.url()));
        watch.until("connected").await;
        let mut subscription = client.subscribe(&SUBJECT).expect("open");
        soon(client.publish(&SUBJECT, "x")).await.expect("room");
        assert_eq!(text(&mut subscription).await, "x");
        soon(client.publish("elsewhere", "x")).await.expect("room");
        watch.until("permission_denied").await;
    }

    async fn what_is_published_at_most_once_is_confirmed_without_a_flush(adapter) {
        let cluster = Model::start(1);
        let client = soon(adapter.connect(options(&cluster.urls()))).await.expect("a server");
        let pings = || cluster.logs()[0].names().iter().filter(|name| **name == "PING").count();
        for round in 1..=2 {
            for _ in 0..10 {
                soon(client.publish(&SUBJECT, "x")).await.expect("room");
            }
            // Nothing but the clock wakes the driver.
            until(|| client.publish_fates().confirmed == 10 * round).await;
            assert!(client.all_confirmed());
            assert!(pings() as u64 > round, "that of the handshake, and at least one for each ten");
        }
        let silent = options(&cluster.urls()).confirm_after(Duration::MAX);
        let client = soon(adapter.connect(silent)).await.expect("a server");
        soon(client.publish(&SUBJECT, "x")).await.expect("room");
        pause(Duration::from_millis(1_500)).await;
        assert!(!client.all_confirmed(), "it was switched off");
        soon(client.flush()).await.expect("a session");
        assert!(client.all_confirmed());
    }
}
