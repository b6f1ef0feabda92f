//! How a console ends, and with which status.

use crate::scene::*;

consoles! {
    fn close_ends_with_requested_and_status_0(adapter) {
        let (_fake, _link, console) = connected(adapter, "");
        let end = console.close();
        assert_eq!(end.errors, "");
        assert_eq!(end.lines.last().unwrap()["reason"], "requested");
        let last_but_one = &end.lines[end.lines.len() - 2];
        assert_eq!((&last_but_one["ev"], &last_but_one["reason"]), (&json!("disconnected"), &json!("closed")));
    }

    fn quit_ends_at_once_with_status_0(adapter) {
        let (_fake, _link, mut console) = connected(adapter, "");
        console.send("quit");
        let end = console.end();
        assert_eq!((end.status, end.errors.as_str()), (0, ""));
    }

    fn quit_ends_at_once_during_the_first_connect(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {}", fake.url()));
        console.until("connecting");
        console.send("quit");
        assert_eq!(console.end().status, 0);
    }

    fn what_was_published_before_the_end_of_input_still_leaves(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("pub a -- one");
        console.send("pubn b 3 2");
        console.end_input();
        link.expect_publish("PUB a 3", "one");
        for payload in ["1 ", "2 ", "3 "] {
            link.expect_publish("PUB b 2", payload);
        }
        link.expect_end();
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (0, &json!("requested")));
    }

    fn the_last_command_needs_no_line_end(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send_raw(b"pub a -- x");
        console.end_input();
        link.expect_publish("PUB a 1", "x");
        assert_eq!(console.end().status, 0);
    }

    fn the_end_of_input_awaits_the_first_connect(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {}", fake.url()));
        console.send("pub a -- early");
        console.end_input();
        let mut link = fake.accept();
        std::thread::sleep(ms(100));
        link.shake(json!({}));
        link.expect_publish("PUB a 5", "early");
        link.expect_end();
        let end = console.end();
        assert_eq!(end.status, 0, "{:?}", end.lines);
        assert!(end.lines.iter().any(|line| line["ev"] == "connected"));
    }

    fn the_end_of_input_awaits_a_first_connect_that_fails(adapter) {
        let mut console = adapter.start(&format!("--server {}", dead_url()));
        console.end_input();
        let end = console.end();
        let last = end.lines.last().unwrap();
        assert_eq!((end.status, &last["reason"]), (1, &json!("connect_failed")));
        assert!(last["detail"].is_string());
    }

    fn the_end_of_input_closes_what_tries_again(adapter) {
        let mut console = adapter.start(&format!("--retry-initial {QUICK} --server {}", dead_url()));
        console.end_input();
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (0, &json!("requested")));
    }

    fn the_end_of_input_closes_while_reconnecting(adapter) {
        let (fake, link, mut console) = connected(adapter, "");
        drop((fake, link));
        console.until("connect_failed");
        console.send("pub a -- lost");
        console.end_input();
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (0, &json!("requested")));
        let dropped = end.lines.iter().find(|line| line["ev"] == "publish_dropped").expect("reported");
        assert_eq!((&dropped["count"], &dropped["reason"]), (&json!(1), &json!("closed")));
        assert!(dropped["bytes"].as_u64().unwrap() > 0);
    }

    fn a_first_connect_that_fails_everywhere_ends_with_status_1(adapter) {
        let (one, two) = (dead_url(), dead_url());
        let console = adapter.start(&format!("--no-randomize --server {one},{two}"));
        let end = console.end();
        assert_eq!((end.status, end.errors.as_str()), (1, ""));
        let names: Vec<&str> = end.lines.iter().map(|line| line["ev"].as_str().unwrap()).collect();
        assert_eq!(names, ["connecting", "connect_failed", "connecting", "connect_failed", "closed"]);
        for (place, url) in [(1, &one), (3, &two)] {
            let failed = &end.lines[place];
            assert_eq!((&failed["server"], &failed["phase"]), (&json!(url), &json!("dial")));
            assert_eq!(failed["error"], "connection_refused");
        }
        let closed = &end.lines[4];
        assert_eq!(closed["reason"], "connect_failed");
        let detail = closed["detail"].as_str().unwrap();
        assert!(detail.contains(&one) && detail.contains(&two), "{detail}");
    }

    fn without_reconnecting_the_first_disconnect_ends_with_status_1(adapter) {
        let (_fake, link, mut console) = connected(adapter, "--no-reconnect");
        link.close();
        assert_eq!(console.until("disconnected")["reason"], "eof");
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (1, &json!("no_reconnect")));
    }

    fn without_reconnecting_a_forced_reconnect_still_works(adapter) {
        let (fake, _link, mut console) = connected(adapter, "--no-reconnect");
        console.send("reconnect");
        assert_eq!(console.until("disconnected")["reason"], "forced");
        let mut link = fake.shake_with(json!({}));
        console.until("reconnected");
        console.send("reconnect");
        link.rest();
        drop(fake);
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (1, &json!("no_reconnect")));
    }

    fn close_ends_everything_that_waits(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        console.send("flush f");
        console.send("req r b 60000 -- x");
        link.expect("SUB a 1");
        link.expect("PING");
        let end = console.close();
        let ev = |name: &str| end.lines.iter().find(|line| line["ev"] == name).unwrap_or_else(|| panic!("{name}")).clone();
        assert_eq!(ev("sub_ended")["reason"], "closed");
        assert_eq!(ev("flushed")["error"], "closed");
        assert_eq!(ev("response")["error"], "closed");
    }

    fn close_is_prompt_in_every_phase(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {}", fake.url()));
        console.until("connecting");
        let began = Instant::now();
        assert_eq!(console.close().lines.last().unwrap()["reason"], "requested");
        let fake = Fake::new();
        let console = adapter.start(&format!("--server {}", fake.url()));
        let mut link = fake.accept();
        link.info(json!({}));
        link.connect();
        console.close();
        let mut console = adapter.start(&format!("--retry-initial --reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --server {}", dead_url()));
        console.until("backoff_wait");
        console.close();
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    fn close_hands_over_what_is_queued_and_reports_the_rest(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        // More than the sockets hold, and the server does not read.
        console.send("pubn a 12 1000000");
        console.send("pubn b 1 3");
        let began = Instant::now();
        console.send("close");
        let end = console.end();
        assert!(began.elapsed() >= ms(400) && began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(end.status, 0);
        let dropped: u64 = end
            .lines
            .iter()
            .filter(|line| line["ev"] == "publish_dropped")
            .map(|line| {
                assert_eq!(line["reason"], "closed");
                line["count"].as_u64().unwrap()
            })
            .sum();
        assert!(dropped >= 1, "{dropped}");
        let text = link.rest();
        assert!(text.starts_with("PUB a 1000000\r\n1 "), "what was handed over begins with the first frame");
    }

    fn close_hands_over_what_is_queued(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("pubn a 4 1000000");
        console.send("close");
        for _ in 0..4 {
            link.publish();
        }
        link.expect_end();
        let end = console.end();
        assert_eq!(end.lines.iter().filter(|line| line["ev"] == "publish_dropped").count(), 0);
    }
}
