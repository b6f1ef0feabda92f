//! Drains of the whole connection.

use crate::scene::*;

consoles! {
    fn a_drain_loses_nothing(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("sub t b");
        link.expect("SUB a 1");
        link.expect("SUB b 2");
        console.send("drain");
        console.until("draining");
        for line in ["UNSUB 1", "UNSUB 2", "PING"] {
            link.expect(line);
        }
        assert_eq!(console.ask("state")["state"], "draining");
        console.refused("sub u c", "draining");
        console.refused("reconnect", "draining");
        console.refused("drain", "draining");
        console.send("pub c -- still");
        link.expect_publish("PUB c 5", "still");
        link.send("MSG a 1 4\r\nlate\r\nPONG\r\n");
        console.until_where("what was on its way", |line| line["payload"] == "late");
        for _ in 0..2 {
            assert_eq!(console.until("sub_ended")["reason"], "drained");
        }
        link.expect("PING");
        console.refused("req r c 1000", "draining");
        console.refused("pub c -- more", "draining");
        link.send("PONG\r\n");
        link.expect_end();
        let end = console.end();
        let closed = end.lines.last().unwrap();
        assert_eq!((end.status, &closed["reason"], &closed["complete"]), (0, &json!("drained"), &json!(true)));
        let before = &end.lines[end.lines.len() - 2];
        assert_eq!((&before["ev"], &before["reason"]), (&json!("disconnected"), &json!("closed")));
    }

    fn a_drain_waits_for_requests(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("req r a 60000 -- x");
        link.line();
        let (line, _) = link.publish();
        let reply = line.split(' ').nth(2).unwrap().to_owned();
        console.send("drain");
        console.until("draining");
        link.expect_silence(ms(50));
        link.send(format!("MSG {reply} 1 2\r\nok\r\n"));
        assert_eq!(console.until("response")["payload"], "ok");
        link.expect("UNSUB 1");
        link.pong();
        assert_eq!(console.end().status, 0);
    }

    fn without_a_link_a_drain_with_nothing_queued_ends_at_once(adapter) {
        let (_fake, link, mut console) = connected(adapter, "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000");
        console.send("sub s a");
        link.close();
        console.until("backoff_wait");
        console.send("drain");
        let end = console.end();
        let closed = end.lines.last().unwrap();
        assert_eq!((end.status, &closed["reason"], &closed["complete"]), (0, &json!("drained"), &json!(true)));
        let ended = end.lines.iter().find(|line| line["ev"] == "sub_ended").unwrap();
        assert_eq!(ended["reason"], "drained");
    }

    fn without_a_link_a_drain_continues_until_what_is_queued_is_confirmed(adapter) {
        let (fake, link, mut console) = connected(adapter, "--reconnect-wait-ms 200 --min-stable-ms 60000");
        console.send("sub s a");
        link.close();
        console.until("disconnected");
        console.send("pub b -- queued");
        console.send("drain");
        console.until("draining");
        let mut link = fake.shake();
        link.expect_publish("PUB b 6", "queued");
        link.pong();
        link.expect_end();
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["complete"]), (0, &json!(true)));
    }

    fn a_drain_that_takes_too_long_is_incomplete(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--drain-timeout-ms 200");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("req r b 60000");
        let begun = Instant::now();
        console.send("drain");
        console.until("draining");
        let end = console.end();
        assert!(begun.elapsed() >= ms(190), "{:?}", begun.elapsed());
        let closed = end.lines.last().unwrap();
        assert_eq!((end.status, &closed["reason"], &closed["complete"]), (1, &json!("drained"), &json!(false)));
        let response = end.lines.iter().find(|line| line["ev"] == "response").unwrap();
        assert_eq!(response["error"], "closed");
    }

    fn a_drain_that_never_finds_a_server_reports_what_was_left(adapter) {
        let (fake, link, mut console) = connected(adapter, "--drain-timeout-ms 300");
        drop((fake, link));
        console.until("connect_failed");
        console.send("pubn a 2 3");
        console.send("drain");
        let end = console.end();
        let closed = end.lines.last().unwrap();
        assert_eq!((end.status, &closed["complete"]), (1, &json!(false)));
        let dropped = end.lines.iter().find(|line| line["ev"] == "publish_dropped").unwrap();
        assert_eq!((&dropped["count"], &dropped["reason"]), (&json!(2), &json!("closed")));
    }

    fn a_link_that_is_lost_while_draining_leaves_the_drain_incomplete_if_something_was_lost(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000");
        console.send("pub a -- x");
        link.publish();
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("drain");
        link.expect("UNSUB 1");
        link.close();
        let end = console.end();
        let closed = end.lines.last().unwrap();
        assert_eq!((end.status, &closed["reason"], &closed["complete"]), (1, &json!("drained"), &json!(false)));
    }

    fn a_drain_waits_for_a_consumer_that_is_paused(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("pause s");
        console.nothing_of("error");
        link.send("MSG a 1 2\r\nhi\r\nPING\r\n");
        link.expect("PONG");
        console.send("drain");
        link.expect("UNSUB 1");
        link.pong();
        link.expect_silence(ms(100));
        console.send("resume s");
        console.until("message");
        assert_eq!(console.until("sub_ended")["reason"], "drained");
        link.pong();
        assert_eq!(console.end().status, 0);
    }

    fn a_subscription_that_stays_paused_is_left_unread_and_that_is_a_failure(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--drain-patience-ms 200");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("pause s");
        console.nothing_of("error");
        link.send("MSG a 1 2\r\nhi\r\nMSG a 1 2\r\nho\r\nPING\r\n");
        link.expect("PONG");
        let begun = Instant::now();
        console.send("drain");
        link.expect("UNSUB 1");
        link.pong();
        link.pong();
        assert!(begun.elapsed() >= ms(190), "{:?}", begun.elapsed());
        let end = console.end();
        let closed = end.lines.last().unwrap();
        assert_eq!((end.status, &closed["complete"], &closed["unread"]), (1, &json!(true), &json!(2)));
    }

    fn during_an_outage_a_drain_takes_replies_and_requests_of_running_handlers(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--reconnect-wait-ms 200 --min-stable-ms 60000");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("pause s");
        console.nothing_of("error");
        link.send("MSG a 1 2\r\nhi\r\nPING\r\n");
        link.expect("PONG");
        console.send("drain");
        link.expect("UNSUB 1");
        link.close();
        console.until("disconnected");
        console.send("pub b -- answer");
        console.send("req r c 60000 -- x");
        console.send("resume s");
        assert_eq!(console.until("message")["payload"], "hi");
        assert_eq!(console.until("sub_ended")["reason"], "drained");
        let mut link = fake.shake();
        console.until("reconnected");
        assert!(link.line().starts_with("SUB _INBOX."), "only the inbox is restored");
        link.expect("PING");
        link.send("PONG\r\n");
        link.expect_publish("PUB b 6", "answer");
        let (line, _) = link.publish();
        let reply = line.split(' ').nth(2).unwrap().to_owned();
        link.send(format!("MSG {reply} 2 2\r\nok\r\n"));
        assert_eq!(console.until("response")["payload"], "ok");
        link.expect("UNSUB 2");
        link.pong();
        assert_eq!(console.end().status, 0);
    }

    fn close_cuts_a_drain_short(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("drain");
        link.expect("SUB a 1");
        link.expect("UNSUB 1");
        console.send("close");
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (0, &json!("requested")));
    }

    fn the_end_of_input_lets_a_drain_end(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("drain");
        console.end_input();
        for line in ["SUB a 1", "UNSUB 1"] {
            link.expect(line);
        }
        link.pong();
        link.pong();
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (0, &json!("drained")));
    }
}
