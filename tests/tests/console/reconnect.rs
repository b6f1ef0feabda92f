//! From one link to the next.

use crate::scene::*;

consoles! {
    fn the_first_attempt_is_made_at_once_and_the_next_ones_wait(adapter) {
        let fake = Fake::new();
        let flags = "--reconnect-wait-ms 50 --reconnect-wait-max-ms 150 --reconnect-jitter-ms 0 --min-stable-ms 0";
        let mut console = adapter.start(&format!("--server {} {flags}", fake.url()));
        let link = fake.shake();
        console.until("connected");
        let url = fake.url();
        drop(fake);
        // `t` is when a line was printed, which may be late; what came first here was first for the console, too.
        let (closed, mut least) = (Instant::now(), Duration::ZERO);
        link.close();
        let lost = console.until("disconnected");
        assert_eq!((&lost["reason"], &lost["unconfirmed"], &lost["queued"], &lost["server"]), (&json!("eof"), &json!(0), &json!(0), &json!(url)));
        for (attempt, delay) in [(1, None), (2, Some(50)), (3, Some(100)), (4, Some(150)), (5, Some(150))] {
            if let Some(delay) = delay {
                let wait = console.next();
                assert_eq!((&wait["ev"], &wait["attempt"], &wait["delay_ms"], &wait["server"]), (&json!("backoff_wait"), &json!(attempt), &json!(delay), &json!(url)));
                let begun = console.next();
                assert_eq!((&begun["ev"], &begun["attempt"]), (&json!("connecting"), &json!(attempt)));
                least += Duration::from_millis(delay);
                assert!((least..least + Duration::from_secs(5)).contains(&closed.elapsed()), "attempt {attempt}");
            } else {
                let begun = console.next();
                assert_eq!((&begun["ev"], &begun["attempt"]), (&json!("connecting"), &json!(attempt)));
            }
            assert_eq!(console.next()["ev"], "connect_failed");
        }
        let failures = console.ask("servers")["servers"][0].clone();
        assert!(failures["failures"].as_u64().unwrap() >= 5 && failures["last_error"] == "connection_refused", "{failures}");
        let fake = Fake::on(url.rsplit(':').next().unwrap().parse().unwrap());
        let link = fake.shake();
        console.until("reconnected");
        let server = console.ask("servers")["servers"][0].clone();
        assert_eq!((&server["failures"], &server["current"]), (&json!(0), &json!(true)));
        link.close();
        assert_eq!(console.until("connecting")["attempt"], 1);
        console.close();
    }

    fn jitter_stays_within_its_bound(adapter) {
        let console = |flags: &str| adapter.start(&format!("--retry-initial --server {} {flags}", dead_url()));
        let mut plain = console("--reconnect-wait-ms 40 --reconnect-wait-max-ms 400 --reconnect-jitter-ms 30");
        let mut seen = Vec::new();
        for round in 1..=5_u32 {
            let delay = plain.until("backoff_wait")["delay_ms"].as_u64().unwrap();
            let wait = (40 << (round - 1)).min(400);
            let most = 200.min(30.max(wait / 2));
            assert!((wait..=wait + most).contains(&delay), "round {round}: {delay}");
            seen.push(delay - wait);
        }
        assert!(seen.iter().any(|extra| *extra > 0), "{seen:?}");
    }

    fn a_server_that_flaps_is_waited_for(adapter) {
        let fake = Fake::new();
        let flags = "--reconnect-wait-ms 30 --reconnect-wait-max-ms 1000 --reconnect-jitter-ms 0 --min-stable-ms 5000";
        let mut console = adapter.start(&format!("--server {} {flags} --max-reconnects 1", fake.url()));
        for delay in [30, 60, 120, 240] {
            fake.shake().close();
            console.until("disconnected");
            let wait = console.next();
            assert_eq!((&wait["ev"], &wait["delay_ms"], &wait["attempt"]), (&json!("backoff_wait"), &json!(delay), &json!(1)));
        }
    }

    fn interest_is_restored_before_what_was_queued(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--reconnect-wait-ms 300 --min-stable-ms 60000");
        console.send("sub plain a.>");
        console.send("sub queue b workers");
        console.send("sub limited c");
        console.send("unsub limited 5");
        console.send("sub spent d");
        console.send("unsub spent 1");
        console.send("sub gone e");
        console.send("unsub gone");
        for line in ["SUB a.> 1", "SUB b workers 2", "SUB c 3", "UNSUB 3 5", "SUB d 4", "UNSUB 4 1", "SUB e 5", "UNSUB 5"] {
            link.expect(line);
        }
        link.send("MSG c 3 1\r\n1\r\nMSG c 3 1\r\n2\r\nMSG d 4 1\r\nx\r\n");
        console.until_where("the end of spent", |line| line["ev"] == "sub_ended" && line["sub"] == "spent");
        link.close();
        console.until("disconnected");
        console.send("pub p -- one");
        console.send("sub late f");
        console.send("unsub plain");
        console.send("pub p -- two");
        console.ask("state");
        let mut link = fake.shake();
        let reconnected = console.until("reconnected");
        assert_eq!(reconnected["server_id"], "NFAKE");
        for line in ["SUB b workers 2", "SUB c 3", "UNSUB 3 3", "SUB f 6", "PING"] {
            link.expect(line);
        }
        link.expect_publish("PUB p 3", "one");
        link.expect_publish("PUB p 3", "two");
        console.nothing_of("resubscribed");
        link.send("PONG\r\n");
        let resubscribed = console.until("resubscribed");
        assert_eq!((&resubscribed["subscriptions"], &resubscribed["refused"], &resubscribed["server"]), (&json!(3), &json!(0), &json!(fake.url())));
        link.send("MSG c 3 1\r\n3\r\nMSG c 3 1\r\n4\r\nMSG c 3 1\r\n5\r\nMSG c 3 1\r\n6\r\n");
        let ended = console.until("sub_ended");
        assert_eq!((&ended["sub"], &ended["reason"]), (&json!("limited"), &json!("max_reached")));
        console.nothing_of("message");
        let payloads: Vec<String> = console.seen_messages("limited");
        assert_eq!(payloads, ["1", "2", "3", "4", "5"]);
        console.close();
    }

    fn without_anything_to_restore_resubscribed_comes_at_once(adapter) {
        let (fake, link, mut console) = connected(adapter, "");
        link.close();
        let mut link = fake.shake();
        console.until("reconnected");
        let resubscribed = console.next();
        assert_eq!((&resubscribed["ev"], &resubscribed["subscriptions"]), (&json!("resubscribed"), &json!(0)));
        link.expect_silence(ms(50));
        console.close();
    }

    fn a_refused_subscription_counts_as_refused_and_is_not_restored_again(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "");
        console.send("sub good a");
        console.send("sub bad b");
        link.expect("SUB a 1");
        link.expect("SUB b 2");
        link.close();
        let mut link = fake.shake();
        link.expect("SUB a 1");
        link.expect("SUB b 2");
        link.expect("PING");
        link.send("-ERR 'Permissions Violation for Subscription to \"b\"'\r\nPONG\r\n");
        console.until("reconnected");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["operation"], &denied["subject"], &denied["sub"]), (&json!("subscribe"), &json!("b"), &json!("bad")));
        let resubscribed = console.until("resubscribed");
        assert_eq!((&resubscribed["subscriptions"], &resubscribed["refused"]), (&json!(1), &json!(1)));
        link.close();
        let mut link = fake.shake();
        link.expect("SUB a 1");
        link.expect("PING");
        console.close();
    }

    fn a_frame_that_was_cut_leaves_whole_and_first_on_the_next_link(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--send-buffer-bytes 20000000");
        console.send("pub before -- x");
        link.expect_publish("PUB before 1", "x");
        // More than the sockets hold: the writer is in the middle of it.
        console.send("pubn big 12 1000000");
        console.send("pub after -- y");
        // Printed after them: all are accepted.
        assert_eq!(console.ask("stats")["published"], 14);
        let (line, _) = link.publish();
        assert_eq!(line, "PUB big 1000000");
        link.bytes(500_000);
        link.reset();
        let lost = console.until("disconnected");
        let mut link = fake.shake();
        let mut numbers = Vec::new();
        loop {
            let (line, payload) = link.publish();
            if line == "PUB after 1" {
                break;
            }
            assert_eq!(line, "PUB big 1000000");
            numbers.push(String::from_utf8_lossy(&payload).split(' ').next().unwrap().parse::<u64>().unwrap());
        }
        let first = numbers[0];
        assert!(first >= 2, "the first was taken whole: {numbers:?}");
        assert_eq!(numbers, (first..=12).collect::<Vec<_>>());
        // The one before may be among what was written and not read.
        assert_eq!(lost["queued"], 12 - first + 2, "{lost}");
        assert_eq!(lost["unconfirmed"], first, "{lost}");
        console.send("flush f");
        link.pong();
        console.until("flushed");
        let stats = console.ask("stats");
        assert_eq!((&stats["published"], &stats["unconfirmed"], &stats["confirmed"]), (&json!(14), &json!(first), &json!(14 - first)));
        console.close();
    }

    fn flushes_and_measurements_go_with_their_link(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "");
        console.send("flush f");
        console.send("rtt");
        link.expect("PING");
        link.expect("PING");
        link.close();
        let flushed = console.until("flushed");
        assert_eq!((&flushed["ok"], &flushed["error"]), (&json!(false), &json!("disconnected")));
        let error = console.until("error");
        assert_eq!((&error["command"], &error["error"]), (&json!("rtt"), &json!("disconnected")));
        let mut link = fake.shake();
        link.send("PONG\r\nPONG\r\nPONG\r\n");
        console.until("resubscribed");
        console.nothing_of("flushed");
        console.close();
    }

    fn a_forced_reconnect_drops_the_link_and_dials_at_once(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000");
        console.send("reconnect");
        link.expect_end();
        assert_eq!(console.until("disconnected")["reason"], "forced");
        let link = fake.shake();
        console.until("reconnected");
        let stats = console.ask("stats");
        assert_eq!((&stats["connects"], &stats["reconnects"]), (&json!(2), &json!(1)), "{stats}");
        drop(fake);
        link.close();
        console.until("backoff_wait");
        console.send("reconnect");
        console.until("connecting");
        console.close();
    }

    fn a_forced_reconnect_abandons_an_attempt_and_dials_the_next_server(adapter) {
        let (one, two) = (Fake::new(), Fake::new());
        let mut console = adapter.start(&format!("--no-randomize --server {},{} {QUICK}", one.url(), two.url()));
        assert_eq!(console.until("connecting")["server"], one.url());
        let mut link = one.accept();
        console.send("reconnect");
        assert_eq!(link.rest(), "");
        assert_eq!(console.until("connecting")["server"], two.url());
        let _link = two.shake();
        console.until("connected");
        console.close();
    }

    fn retry_initial_continues_and_keeps_publishes_and_subscriptions(adapter) {
        let url = dead_url();
        let mut console = adapter.start(&format!("--retry-initial {QUICK} --server {url}"));
        console.send("sub s a");
        console.send("pub b hdr=K:v -- headers");
        console.send("pub b -- 123456");
        console.send("pub b -- 12345");
        console.until("backoff_wait");
        console.ask("state");
        let fake = Fake::on(url.rsplit(':').next().unwrap().parse().unwrap());
        let mut link = fake.shake_with(json!({"headers": false, "max_payload": 5}));
        console.until("connected");
        link.expect("SUB a 1");
        link.expect("PING");
        link.send("PONG\r\n");
        link.expect_publish("PUB b 5", "12345");
        let mut reasons = Vec::new();
        for _ in 0..2 {
            let dropped = console.until("publish_dropped");
            assert_eq!(dropped["count"], 1);
            reasons.push(dropped["reason"].as_str().unwrap().to_owned());
        }
        reasons.sort();
        assert_eq!(reasons, ["headers_unsupported", "too_large"]);
        console.send("flush f");
        link.pong();
        console.until("flushed");
        let stats = console.ask("stats");
        assert_eq!((&stats["dropped"], &stats["confirmed"]), (&json!(2), &json!(1)));
        let end = console.close();
        let resubscribed = end.lines.iter().find(|line| line["ev"] == "resubscribed").expect("there was something to restore");
        assert_eq!(resubscribed["subscriptions"], 1);
    }

    fn an_error_that_closes_is_the_reason_and_others_are_not(adapter) {
        for (text, kind, reason) in [
            ("User Authentication Expired", "user_authentication_expired", "server_error"),
            ("Maximum Connections Exceeded", "maximum_connections_exceeded", "server_error"),
            ("Stale Connection", "stale_connection", "stale"),
            ("Unknown Protocol Operation", "unknown_protocol_operation", "server_error"),
            ("maximum subscriptions exceeded", "maximum_subscriptions_exceeded", "eof"),
            ("Invalid Subject", "invalid_subject", "eof"),
            ("it's new", "other", "eof"),
        ] {
            let (fake, mut link, mut console) = connected(adapter, "");
            link.send(format!("-ERR '{text}'\r\n"));
            let error = console.until("server_error");
            assert_eq!((&error["kind"], &error["text"]), (&json!(kind), &json!(text)));
            console.send("rtt");
            link.pong();
            console.until("rtt");
            link.close();
            assert_eq!(console.until("disconnected")["reason"], reason, "{text}");
            let _link = fake.shake();
            console.until("reconnected");
            console.close();
        }
    }

    fn what_is_no_protocol_ends_the_link(adapter) {
        for bytes in ["NONSENSE\r\n", "INFO x\r\n", "MSG a 1 x\r\n", "MSG a 1 99999999999999999999999\r\n", "MSG a 1 1\r\nxy\r\n"] {
            let (fake, mut link, mut console) = connected(adapter, "");
            console.send("sub s a");
            link.expect("SUB a 1");
            link.send(bytes);
            assert_eq!(console.until("disconnected")["reason"], "protocol", "{bytes}");
            let _link = fake.shake();
            console.until("reconnected");
            console.close();
        }
    }

    fn a_message_that_was_cut_is_not_delivered(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        link.expect("SUB a 1");
        link.send("MSG a 1 2\r\nok\r\nMSG a 1 10\r\nhalf");
        link.close();
        console.until("disconnected");
        let mut link = fake.shake();
        link.expect("SUB a 1");
        link.send("MSG a 1 3\r\nnew\r\n");
        console.until_where("the new message", |line| line["payload"] == "new");
        assert_eq!(console.seen_messages("s"), ["ok", "new"]);
        console.close();
    }

    fn bytes_that_have_arrived_count_before_the_end(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        link.expect("SUB a 1");
        let many: String = (0..500).map(|n| format!("MSG a 1 {}\r\n{n}\r\n", n.to_string().len())).collect();
        link.send(many + "-ERR 'User Authentication Expired'\r\n");
        link.close();
        assert_eq!(console.until("disconnected")["reason"], "server_error");
        console.send("unsub s");
        console.until("sub_ended");
        assert_eq!(console.seen_messages("s").len(), 500);
        console.close();
    }
}
