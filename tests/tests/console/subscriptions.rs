//! Subscriptions: their ends, their limits, and consumers that are slow.

use crate::scene::*;

fn ended(console: &mut Console, name: &str, reason: &str) {
    let line = console.until("sub_ended");
    assert_eq!((&line["sub"], &line["reason"]), (&json!(name), &json!(reason)));
}

consoles! {
    fn unsubscribe_after_counts_all_messages(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        link.expect("SUB a 1");
        link.send("MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n");
        console.until_where("the second", |line| line["payload"] == "2");
        console.send("unsub s 4");
        link.expect("UNSUB 1 4");
        link.send("MSG a 1 1\r\n3\r\nMSG a 1 1\r\n4\r\nMSG a 1 1\r\n5\r\n");
        ended(&mut console, "s", "max_reached");
        assert_eq!(console.seen_messages("s"), ["1", "2", "3", "4"]);
        console.send("sub t b");
        link.expect("SUB b 2");
        link.send("MSG b 2 1\r\n1\r\nMSG b 2 1\r\n2\r\n");
        console.until_where("the second", |line| line["sub"] == "t" && line["payload"] == "2");
        console.send("unsub t 2");
        ended(&mut console, "t", "max_reached");
        // The server still has it, and needs an UNSUB.
        assert!(link.line().starts_with("UNSUB 2"));
        console.close();
    }

    fn a_later_limit_replaces_the_earlier_one(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("unsub s 10");
        console.send("unsub s 2");
        for line in ["SUB a 1", "UNSUB 1 10", "UNSUB 1 2"] {
            link.expect(line);
        }
        link.send("MSG a 1 0\r\n\r\nMSG a 1 0\r\n\r\n");
        ended(&mut console, "s", "max_reached");
        console.close();
    }

    fn messages_without_a_subscription_are_skipped(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("unsub s");
        link.expect("SUB a 1");
        link.expect("UNSUB 1");
        ended(&mut console, "s", "unsubscribed");
        link.send("MSG a 1 7\r\nPING\r\n\r\r\nMSG b 99 2\r\nhi\r\n");
        console.send("rtt");
        link.pong();
        console.until("rtt");
        assert_eq!(console.count("message"), 0);
        console.close();
    }

    fn a_drained_subscription_ends_at_its_pong(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("drain-sub s");
        for line in ["SUB a 1", "UNSUB 1", "PING"] {
            link.expect(line);
        }
        link.send("MSG a 1 4\r\nlate\r\n");
        console.until("message");
        console.nothing_of("sub_ended");
        link.send("PONG\r\n");
        ended(&mut console, "s", "drained");
        console.close();
    }

    fn without_a_link_a_drained_subscription_ends_at_once(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000");
        console.send("sub s a");
        console.send("sub t b");
        link.expect("SUB a 1");
        link.expect("SUB b 2");
        console.send("drain-sub t");
        link.expect("UNSUB 2");
        link.close();
        console.until("disconnected");
        ended(&mut console, "t", "drained");
        console.send("drain-sub s");
        ended(&mut console, "s", "drained");
        console.close();
    }

    fn a_refused_subscription_ends(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a.>");
        console.send("sub q b workers");
        console.send("sub t a.>");
        for line in ["SUB a.> 1", "SUB b workers 2", "SUB a.> 3"] {
            link.expect(line);
        }
        link.send("-ERR 'Permissions Violation for Subscription to \"a.>\"'\r\n");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["operation"], &denied["subject"], &denied["sub"]), (&json!("subscribe"), &json!("a.>"), &json!("s")));
        ended(&mut console, "s", "refused");
        link.send("-ERR 'Permissions Violation for Subscription to \"b\" using queue \"workers\"'\r\n");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["queue"], &denied["sub"]), (&json!("workers"), &json!("q")));
        ended(&mut console, "q", "refused");
        link.send("-ERR 'Permissions Violation for Subscription to \"a.>\" (sid \"3\")'\r\n");
        assert_eq!(console.until("permission_denied")["sub"], "t");
        ended(&mut console, "t", "refused");
        link.send("-ERR 'Permissions Violation for Subscription to \"nobody\"'\r\n");
        let denied = console.until("permission_denied");
        assert_eq!((&denied["subject"], denied.get("sub")), (&json!("nobody"), None));
        assert_eq!(console.ask("state")["state"], "connected");
        console.close();
    }

    fn a_slow_consumer_loses_the_newest_messages_and_is_reported_once(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--pending-msgs 4");
        console.send("sub s a");
        console.send("sub t b");
        link.expect("SUB a 1");
        link.expect("SUB b 2");
        console.send("pause s");
        console.nothing_of("error");
        let burst: String = (1..=9).map(|n| format!("MSG a 1 1\r\n{n}\r\n")).collect();
        link.send(burst + "MSG b 2 5\r\nother\r\nPING\r\n");
        let slow = console.until("slow_consumer");
        assert!(slow["sub"] == "s" && (1..=5).contains(&slow["dropped"].as_u64().unwrap()), "{slow}");
        link.expect("PONG");
        console.until_where("the other", |line| line["sub"] == "t" && line["payload"] == "other");
        console.send("resume s");
        console.until_where("the fourth", |line| line["sub"] == "s" && line["payload"] == "4");
        link.send("MSG a 1 3\r\nnew\r\n");
        console.until_where("the new one", |line| line["payload"] == "new");
        assert_eq!(console.seen_messages("s"), ["1", "2", "3", "4", "new"]);
        assert_eq!(console.count("slow_consumer"), 1);
        console.send("pause s");
        console.nothing_of("error");
        let burst: String = (1..=9).map(|n| format!("MSG a 1 1\r\n{n}\r\n")).collect();
        link.send(burst);
        let slow = console.until("slow_consumer");
        // Five of the first burst, and of this one as many as came at once.
        assert!((6..=10).contains(&slow["dropped"].as_u64().unwrap()), "{slow}");
        console.close();
    }

    fn bytes_are_limited_too(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--pending-bytes 20000");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("pause s");
        console.nothing_of("error");
        let payload = "x".repeat(9000);
        for _ in 0..4 {
            link.send(format!("MSG a 1 9000\r\n{payload}\r\n"));
        }
        assert_eq!(console.until("slow_consumer")["sub"], "s");
        console.send("resume s");
        console.until("message");
        console.close();
    }

    fn an_exhausted_subscription_that_was_paused_ends_when_it_is_taken_up_again(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("pause s");
        console.send("unsub s 2");
        link.expect("SUB a 1");
        link.expect("UNSUB 1 2");
        link.send("MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\nPING\r\n");
        link.expect("PONG");
        console.nothing_of("sub_ended");
        console.send("resume s");
        ended(&mut console, "s", "max_reached");
        assert_eq!(console.seen_messages("s"), ["1", "2"]);
        console.close();
    }

    fn a_message_with_headers_that_are_none_is_delivered(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        link.expect("SUB a 1");
        link.send("HMSG a 1 12 14\r\nNONSENSE\r\n\r\nhi\r\n");
        assert_eq!(console.until("message")["payload"], "hi");
        link.send(b"MSG \xff\xfe 1 2\r\nho\r\n");
        let message = console.until("message");
        assert_eq!((&message["payload"], &message["subject"]), (&json!("ho"), &json!("\u{fffd}\u{fffd}")));
        link.send("msg\ta  1   0002  \r\nhe\r\n");
        assert_eq!(console.until("message")["payload"], "he");
        console.close();
    }

    fn a_great_many_messages_all_come(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("unsub s 5000");
        let many: String = (0..5000).map(|n| format!("MSG a 1 4\r\n{n:04}\r\n")).collect();
        link.send(many);
        ended(&mut console, "s", "max_reached");
        let expected: Vec<String> = (0..5000).map(|n| format!("{n:04}")).collect();
        assert_eq!(console.seen_messages("s"), expected);
        console.close();
    }
}
