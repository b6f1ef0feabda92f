//! The pool of servers: discovery, order, and who leaves it.

use crate::scene::*;

consoles! {
    fn announced_servers_join_and_leave(adapter) {
        let (one, two) = (Fake::new(), Fake::new());
        let mut console = adapter.start(&format!("--server nats://ann:pw@{} {QUICK}", one.address()));
        let mut link = one.shake_with(json!({"connect_urls": [one.address(), two.address(), "127.0.0.1:1"]}));
        console.until("connected");
        let found = console.next();
        assert_eq!((&found["ev"], &found["removed"]), (&json!("discovered_servers"), &json!([])));
        let mut added: Vec<String> = found["added"].as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()).collect();
        added.sort();
        let mut expected = vec![two.url(), "nats://127.0.0.1:1".to_owned()];
        expected.sort();
        assert_eq!(added, expected);
        link.info(json!({"connect_urls": [one.address(), two.address(), "127.0.0.1:1"]}));
        link.info(json!({"connect_urls": []}));
        link.info(json!({}));
        link.info(json!({"connect_urls": [two.address(), "ws://x", "[::1", "127.0.0.1:99999"]}));
        let mut skipped = Vec::new();
        loop {
            let line = console.next();
            match line["ev"].as_str().unwrap() {
                "server_skipped" => skipped.push(line["url"].as_str().unwrap().to_owned()),
                "discovered_servers" => {
                    assert_eq!((&line["added"], &line["removed"]), (&json!([]), &json!(["nats://127.0.0.1:1"])));
                }
                "server_removed" => {
                    assert_eq!((&line["reason"], &line["server"]), (&json!("pruned"), &json!("nats://127.0.0.1:1")));
                }
                _ => panic!("{line}"),
            }
            if skipped.len() == 3 && console.count("discovered_servers") == 2 {
                break;
            }
        }
        assert_eq!(skipped, ["ws://x", "[::1", "127.0.0.1:99999"]);
        let servers = console.ask("servers")["servers"].clone();
        let of = |url: String| servers.as_array().unwrap().iter().find(|server| server["url"] == url).unwrap_or_else(|| panic!("{servers}")).clone();
        assert_eq!((&of(one.url())["discovered"], &of(two.url())["discovered"]), (&json!(false), &json!(true)));
        link.close();
        let mut link = two.accept();
        let connect = link.shake(json!({}));
        assert_eq!((&connect["user"], &connect["pass"]), (&json!("ann"), &json!("pw")), "inherited");
        assert_eq!(console.until("reconnected")["server"], two.url());
        console.close();
    }

    fn announced_servers_may_be_ignored(adapter) {
        let (_fake, mut link, mut console) = connected_with(adapter, "--ignore-discovered", json!({"connect_urls": ["127.0.0.1:1"]}));
        link.info(json!({"connect_urls": ["127.0.0.1:2"]}));
        console.send("rtt");
        link.pong();
        console.until("rtt");
        assert_eq!(console.count("discovered_servers"), 0);
        assert_eq!(console.ask("servers")["servers"].as_array().unwrap().len(), 1);
        console.close();
    }

    fn what_a_failed_attempt_taught_comes_with_the_next_session(adapter) {
        let (one, two) = (Fake::new(), Fake::new());
        let mut console = adapter.start(&format!("--server {} {QUICK}", one.url()));
        let mut link = one.accept();
        link.info(json!({"connect_urls": [one.address(), two.address()]}));
        link.connect();
        link.send("-ERR 'Authorization Violation'\r\n");
        link.close();
        assert_eq!(console.until("connect_failed")["phase"], "auth");
        assert_eq!(console.next()["server"], two.url());
        let _link = two.shake();
        assert_eq!(console.next()["ev"], "connected");
        assert_eq!(console.next()["ev"], "discovered_servers");
        console.close();
    }

    fn a_server_that_fails_too_often_leaves_and_the_last_one_closes(adapter) {
        let (fake, link, console) = connected(adapter, "--max-reconnects 3");
        let url = fake.url();
        drop(fake);
        link.close();
        let end = console.end();
        let attempts = end.lines.iter().filter(|line| line["ev"] == "connecting").count();
        assert_eq!(attempts, 1 + 3);
        let removed = end.lines.iter().find(|line| line["ev"] == "server_removed").unwrap();
        assert_eq!((&removed["server"], &removed["reason"]), (&json!(url), &json!("max_reconnects")));
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (1, &json!("pool_exhausted")));
    }

    fn retry_initial_counts_the_first_round_too(adapter) {
        let end = adapter.start(&format!("--retry-initial --max-reconnects 2 {QUICK} --server {}", dead_url())).end();
        let attempts: Vec<&Value> = end.lines.iter().filter(|line| line["ev"] == "connecting").map(|line| &line["attempt"]).collect();
        assert_eq!(attempts, [&json!(1), &json!(2)]);
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (1, &json!("pool_exhausted")));
    }

    fn the_same_authentication_error_twice_takes_a_server_out(adapter) {
        let (fake, link, mut console) = connected(adapter, "--auth-strike-gap-ms 60 --reconnect-wait-ms 40");
        link.close();
        let refuse = |text: &str| {
            let mut link = fake.accept();
            link.info(json!({}));
            link.connect();
            link.send(format!("-ERR '{text}'\r\n"));
            link.close();
        };
        let mut refused = 0;
        let begun = Instant::now();
        loop {
            refuse("Authorization Violation");
            refused += 1;
            let failed = console.until("connect_failed");
            assert_eq!((&failed["phase"], &failed["error"]), (&json!("auth"), &json!("authorization_violation")));
            let next = console.next();
            if next["ev"] == "server_removed" {
                assert_eq!(next["reason"], "auth");
                break;
            }
            assert!(refused < 20, "it never leaves");
        }
        assert!(refused >= 2 && begun.elapsed() >= ms(60), "{refused} in {:?}", begun.elapsed());
        let end = console.end();
        assert_eq!((end.status, &end.lines.last().unwrap()["reason"]), (1, &json!("auth")));
    }

    fn within_the_gap_and_with_another_error_a_server_stays(adapter) {
        let (fake, link, mut console) = connected(adapter, "--auth-strike-gap-ms 60000");
        link.close();
        let refuse = |text: &str| {
            let mut link = fake.accept();
            link.info(json!({}));
            link.connect();
            link.send(format!("-ERR '{text}'\r\n"));
            link.close();
        };
        for attempt in 1..=4 {
            refuse("Authorization Violation");
            assert_eq!(console.until("connecting")["attempt"], attempt);
            assert_eq!(console.until("connect_failed")["phase"], "auth");
        }
        let _link = fake.shake();
        console.until("reconnected");
        assert_eq!(console.count("server_removed"), 0);
        console.close();

        let (fake, link, mut console) = connected(adapter, "--auth-strike-gap-ms 0");
        link.close();
        for text in ["Authorization Violation", "User Authentication Expired", "maximum connections exceeded", "Authentication Timeout", "Authentication Timeout"] {
            let mut link = fake.accept();
            link.info(json!({}));
            link.connect();
            link.send(format!("-ERR '{text}'\r\n"));
            link.close();
            console.until("connect_failed");
        }
        let _link = fake.shake();
        console.until("reconnected");
        assert_eq!(console.count("server_removed"), 0);
        console.close();
    }

    fn a_new_pool_replaces_the_old_one(adapter) {
        let (one, two) = (Fake::new(), Fake::new());
        let mut console = adapter.start(&format!("--server {} {QUICK}", one.url()));
        let link = one.shake_with(json!({"connect_urls": ["127.0.0.1:1"]}));
        console.until("discovered_servers");
        console.send(&format!("set-servers {} nats://127.0.0.1:2,127.0.0.1:3", two.url()));
        let mut removed = Vec::new();
        for _ in 0..2 {
            let line = console.until("server_removed");
            assert_eq!(line["reason"], "replaced");
            removed.push(line["server"].as_str().unwrap().to_owned());
        }
        removed.sort();
        let mut expected = vec![one.url(), "nats://127.0.0.1:1".to_owned()];
        expected.sort();
        assert_eq!(removed, expected);
        assert_eq!(console.ask("state")["state"], "connected");
        link.close();
        console.until("disconnected");
        let _link = two.shake();
        assert_eq!(console.until("reconnected")["server"], two.url());
        console.close();
    }

    fn a_server_that_is_listed_with_and_without_tls_is_raised_before_the_first_attempt(adapter) {
        let fake = Fake::new();
        let (plain, tls) = (fake.url(), format!("tls://{}", fake.address()));
        for list in [format!("{plain} --server {tls}"), format!("{tls},{plain}")] {
            let mut console = adapter.start(&format!("--server {list}"));
            let raised = console.next();
            assert_eq!((&raised["ev"], &raised["server"]), (&json!("tls_raised"), &json!(tls)));
            let connecting = console.next();
            assert_eq!((&connecting["ev"], &connecting["server"]), (&json!("connecting"), &json!(tls)));
            let mut link = fake.accept();
            link.info(json!({}));
            assert_eq!(link.rest(), "", "nothing in clear text");
            assert_eq!(console.until("connect_failed")["error"], "tls_not_offered");
            let end = console.end();
            assert_eq!(end.lines.iter().filter(|line| line["ev"] == "tls_raised").count(), 1);
        }
    }

    fn a_new_pool_and_an_announcement_raise_servers_and_the_link_stays(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--no-randomize");
        let tls = format!("tls://{}", fake.address());
        console.send(&format!("set-servers {tls} nats://127.0.0.1:2"));
        assert_eq!(console.until("tls_raised")["server"], tls);
        assert_eq!(console.ask("state")["state"], "connected");
        assert_eq!(console.ask("servers")["servers"][0]["url"], tls);
        // The way back is none.
        console.send(&format!("set-servers {} nats://127.0.0.1:2", fake.url()));
        assert_eq!(console.until("tls_raised")["server"], tls);
        link.info(json!({"connect_urls": ["tls://127.0.0.1:2"]}));
        assert_eq!(console.until("tls_raised")["server"], "tls://127.0.0.1:2");
        link.info(json!({"connect_urls": ["tls://127.0.0.1:2"]}));
        console.send("rtt");
        link.pong();
        console.until("rtt");
        assert_eq!((console.count("tls_raised"), console.count("disconnected")), (3, 0));
        console.close();
    }

    fn a_new_pool_ends_a_wait(adapter) {
        let mut console = adapter.start(&format!("--retry-initial --reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --server {}", dead_url()));
        console.until("backoff_wait");
        let fake = Fake::new();
        console.send(&format!("set-servers {}", fake.url()));
        let _link = fake.shake();
        console.until("connected");
        console.close();
    }

    fn the_one_just_lost_goes_last_among_equals(adapter) {
        let fakes = [Fake::new(), Fake::new(), Fake::new()];
        let urls: Vec<String> = fakes.iter().map(Fake::url).collect();
        let mut console = adapter.start(&format!("--no-randomize --server {} {QUICK}", urls.join(",")));
        for turn in [0, 1, 0, 1] {
            assert_eq!(console.until("connecting")["server"], urls[turn]);
            fakes[turn].shake().close();
            console.until("disconnected");
        }
    }

    fn the_lowest_max_payload_of_a_server_holds_for_its_next_links(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {} --reconnect-wait-ms 300 --min-stable-ms 60000", fake.url()));
        let mut link = fake.shake();
        console.until("connected");
        link.info(json!({"max_payload": 4, "connect_info": true}));
        while console.ask("info")["info"]["max_payload"] != 4 {}
        link.close();
        console.until("backoff_wait");
        console.send("pub a -- 1234");
        console.ask("state");
        let mut link = fake.shake();
        assert_eq!(console.until("reconnected")["max_payload"], 4);
        link.expect_publish("PUB a 4", "1234");
        console.refused("pub a -- 12345", "too_large");
        link.info(json!({"max_payload": 100, "connect_info": true}));
        while console.ask("info")["info"]["max_payload"] != 100 {}
        console.send("pub a -- 12345");
        link.expect_publish("PUB a 5", "12345");
        console.close();
    }
}
