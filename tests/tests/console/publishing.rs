//! Publishing, the outbound buffer, and the fate of what was published.

use crate::scene::*;

/// Waits that outlast a scenario.
const OUTAGE: &str = "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000";

fn fates(console: &mut Console) -> [u64; 6] {
    let stats = console.ask("stats");
    [
        "published",
        "queued",
        "written",
        "confirmed",
        "unconfirmed",
        "dropped",
    ]
    .map(|field| stats[field].as_u64().unwrap())
}

consoles! {
    fn each_publish_has_one_fate(adapter) {
        let (fake, mut link, mut console) = connected(adapter, OUTAGE);
        console.send("pubn a 2 4");
        link.publish();
        link.publish();
        while fates(&mut console) != [2, 0, 2, 0, 0, 0] {}
        console.send("flush f");
        link.pong();
        console.until("flushed");
        assert_eq!(fates(&mut console), [2, 0, 0, 2, 0, 0]);
        console.send("pub a -- lost");
        link.publish();
        while fates(&mut console) != [3, 0, 1, 2, 0, 0] {}
        link.close();
        let lost = console.until("disconnected");
        assert_eq!((&lost["unconfirmed"], &lost["queued"]), (&json!(1), &json!(0)));
        assert_eq!(fates(&mut console), [3, 0, 0, 2, 1, 0]);
        console.send("pub a -- queued");
        assert_eq!(fates(&mut console), [4, 1, 0, 2, 1, 0]);
        drop(fake);
        let end = console.close();
        let dropped = end.lines.iter().find(|line| line["ev"] == "publish_dropped").unwrap();
        assert_eq!((&dropped["count"], &dropped["reason"]), (&json!(1), &json!("closed")));
    }

    fn statistics_count_messages_and_bytes_on_the_socket(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        // As below: the handshake's PONG may be read before the thread that wrote CONNECT has returned its buffer.
        let before = loop {
            let before = console.ask("stats");
            if before["out_bytes"] != 0 {
                break before;
            }
        };
        console.send("sub s a");
        console.send("pub b -- four");
        link.expect("SUB a 1");
        link.expect_publish("PUB b 4", "four");
        link.send("MSG a 1 2\r\nhi\r\n");
        console.until("message");
        // The message may arrive before the thread that wrote the publish has returned its buffer.
        let after = loop {
            let after = console.ask("stats");
            if after["queued"] == 0 {
                break after;
            }
        };
        let grew = |field: &str| after[field].as_u64().unwrap() - before[field].as_u64().unwrap();
        assert_eq!((grew("in_msgs"), grew("out_msgs")), (1, 1), "{after}");
        assert_eq!(grew("in_bytes"), "MSG a 1 2\r\nhi\r\n".len() as u64, "{after}");
        assert_eq!(grew("out_bytes"), "SUB a 1\r\nPUB b 4\r\nfour\r\n".len() as u64, "{after}");
        assert_eq!((&after["subscriptions"], &after["requests"], &after["connects"], &after["reconnects"]), (&json!(1), &json!(0), &json!(1), &json!(0)));
        console.send("req r c 60000");
        assert_eq!(console.ask("stats")["requests"], 1);
        console.close();
    }

    fn at_most_once_sends_nothing_twice(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "");
        console.send("pubn a 3 2");
        for _ in 0..3 {
            link.publish();
        }
        while fates(&mut console)[2] != 3 {}
        link.close();
        assert_eq!(console.until("disconnected")["unconfirmed"], 3);
        let mut link = fake.shake();
        console.until("resubscribed");
        console.send("pub b -- new");
        link.expect_publish("PUB b 3", "new");
        console.close();
    }

    fn at_least_once_sends_again_what_was_not_confirmed(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--delivery at-least-once");
        console.send("pub a -- 1");
        link.expect_publish("PUB a 1", "1");
        // The machine asks for a confirmation by itself.
        link.pong();
        while fates(&mut console) != [1, 0, 0, 1, 0, 0] {}
        console.send("pubn a 2 1");
        link.expect_publish("PUB a 1", "1");
        link.expect_publish("PUB a 1", "2");
        link.close();
        let lost = console.until("disconnected");
        assert_eq!((&lost["unconfirmed"], &lost["queued"]), (&json!(0), &json!(2)));
        console.send("pub a -- 3");
        let mut link = fake.shake();
        for payload in ["1", "2", "3"] {
            link.expect_publish("PUB a 1", payload);
        }
        link.pong();
        while fates(&mut console) != [4, 0, 0, 4, 0, 0] {}
        console.close();
    }

    fn requests_are_never_sent_again(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--delivery at-least-once");
        console.send("req r a 60000 -- x");
        link.line();
        link.publish();
        while fates(&mut console)[2] != 1 {}
        link.close();
        let response = console.until("response");
        assert_eq!((&response["error"], &response["written"]), (&json!("disconnected"), &json!(true)));
        let mut link = fake.shake();
        assert!(link.line().starts_with("SUB _INBOX."));
        link.pong();
        console.until("resubscribed");
        console.send("pub b -- new");
        link.expect_publish("PUB b 3", "new");
        console.close();
    }

    fn a_full_buffer_refuses(adapter) {
        // One frame is "PUB a 10\r\n", ten bytes, and "\r\n".
        let (_fake, link, mut console) = connected(adapter, &format!("{OUTAGE} --send-buffer-bytes 50"));
        link.close();
        console.until("backoff_wait");
        console.send("pubn a 5 10");
        let error = console.until("error");
        assert_eq!((&error["command"], &error["error"]), (&json!("pubn"), &json!("buffer_full")));
        assert_eq!(fates(&mut console), [2, 2, 0, 0, 0, 0]);
        assert_eq!(console.ask("stats")["pending_bytes"], 44);
        console.refused("pub a -- 1", "buffer_full");
        assert_eq!(console.count("publish_dropped"), 0);
        console.close();
    }

    fn a_frame_that_is_alone_is_taken_however_large(adapter) {
        let (fake, link, mut console) = connected(adapter, &format!("{OUTAGE} --send-buffer-bytes 50"));
        link.close();
        console.until("backoff_wait");
        console.send("pubn a 1 1000");
        console.refused("pub a -- 1", "buffer_full");
        console.send("reconnect");
        let mut link = fake.shake();
        link.publish();
        console.close();
    }

    fn with_drop_oldest_the_oldest_publishes_make_room(adapter) {
        let (fake, link, mut console) = connected(adapter, &format!("{OUTAGE} --send-buffer-bytes 50 --when-full drop-oldest"));
        link.close();
        console.until("backoff_wait");
        console.send("pubn a 5 10");
        let mut dropped = 0;
        while dropped < 3 {
            let line = console.until("publish_dropped");
            assert_eq!(line["reason"], "overflow");
            assert_eq!(line["bytes"].as_u64().unwrap(), 22 * line["count"].as_u64().unwrap(), "{line}");
            dropped += line["count"].as_u64().unwrap();
        }
        assert_eq!(fates(&mut console), [5, 2, 0, 0, 0, 3]);
        console.send("reconnect");
        let mut link = fake.shake();
        link.expect_publish("PUB a 10", "4 ........");
        link.expect_publish("PUB a 10", "5 ........");
        console.close();
    }

    fn nothing_is_kept_over_an_outage_if_buffering_is_off(adapter) {
        let (fake, mut link, mut console) = connected(adapter, &format!("{OUTAGE} --when-full off"));
        console.send("pub a -- 1");
        link.publish();
        link.close();
        console.until("backoff_wait");
        console.refused("pub a -- 2", "not_connected");
        console.refused("req r a 1000", "not_connected");
        console.send("reconnect");
        let mut link = fake.shake();
        console.until("reconnected");
        console.send("pub a -- 3");
        link.expect_publish("PUB a 1", "3");
        console.close();
    }

    fn what_is_too_large_is_refused_and_the_link_kept(adapter) {
        let (_fake, mut link, mut console) = connected_with(adapter, "", json!({"max_payload": 30}));
        console.send("pubn a 1 30");
        link.publish();
        console.refused("pubn a 1 31", "too_large");
        // "NATS/1.0\r\nK: v\r\n\r\n" and more.
        console.refused("pub a hdr=K:v -- 0123456789012", "too_large");
        console.refused(&format!("pub {}", "a".repeat(4097)), "control_line_too_long");
        console.refused(&format!("sub s {}", "a".repeat(4097)), "control_line_too_long");
        link.info(json!({"max_payload": 5}));
        while console.ask("info")["info"]["max_payload"] != 5 {}
        console.refused("pub a -- 123456", "too_large");
        console.send("pub a -- 12345");
        link.expect_publish("PUB a 5", "12345");
        console.close();
    }

    fn what_the_next_server_cannot_take_is_dropped_and_reported(adapter) {
        let (fake, link, mut console) = connected(adapter, "--reconnect-wait-ms 300 --min-stable-ms 60000");
        link.close();
        console.until("backoff_wait");
        console.send("pub a -- 123456");
        console.send("pub a hdr=K:v -- x");
        console.send("pub a -- 1");
        console.ask("state");
        let mut link = fake.shake_with(json!({"headers": false, "max_payload": 5}));
        link.expect_publish("PUB a 1", "1");
        let reasons: Vec<Value> = (0..2).map(|_| console.until("publish_dropped")["reason"].clone()).collect();
        assert!(reasons.contains(&json!("too_large")) && reasons.contains(&json!("headers_unsupported")), "{reasons:?}");
        console.close();
    }

    fn a_message_that_ended_the_link_is_not_sent_again(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--delivery at-least-once");
        console.send("pub a -- small");
        console.send("pubn a 1 5000");
        link.publish();
        link.publish();
        link.send("-ERR 'Maximum Payload Violation'\r\n");
        link.close();
        let lost = console.until_where("the loss", |line| line["ev"] == "disconnected");
        assert_eq!(lost["reason"], "server_error");
        let mut link = fake.shake();
        link.expect_publish("PUB a 5", "small");
        assert_eq!(console.count("publish_dropped"), 1);
        console.send("flush f");
        link.pong();
        let stats = console.ask("stats");
        assert_eq!(stats["dropped"], 1, "{stats}");
        console.close();
    }

    fn a_publish_that_is_not_permitted_is_reported_and_affects_nothing_else(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("pub a.b -- x");
        link.publish();
        link.send("-ERR 'Permissions Violation for Publish to \"a.b\"'\r\n");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["operation"], &denied["subject"], denied.get("sub")), (&json!("publish"), &json!("a.b"), None));
        console.send("req r c.d 60000 -- x");
        link.line();
        link.publish();
        link.send("-ERR 'Permissions Violation for Publish to \"c.d\"'\r\n");
        let response = console.until("response");
        assert_eq!((&response["ok"], &response["error"]), (&json!(false), &json!("refused")));
        assert_eq!(console.ask("state")["state"], "connected");
        console.close();
    }
}
