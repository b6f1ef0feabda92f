//! Requests and what becomes of them.

use crate::scene::*;

/// Takes the SUB of the inbox, where there is one, and a request. Gives the reply subject.
fn request(link: &mut Link) -> String {
    let mut line = link.line();
    if line.starts_with("SUB ") {
        line = link.line();
    }
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(words[0], "PUB", "{line}");
    link.bytes(words[3].parse::<usize>().unwrap() + 2);
    words[2].to_owned()
}

consoles! {
    fn the_first_reply_wins(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("req one a 60000 -- x");
        console.send("req two a 60000 -- y");
        let one = request(&mut link);
        let two = request(&mut link);
        assert_ne!(one, two);
        let sid = 1;
        link.send(format!("MSG {two} {sid} 3\r\ntwo\r\n"));
        let response = console.until("response");
        assert_eq!((&response["id"], &response["ok"], &response["payload"], &response["len"]), (&json!("two"), &json!(true), &json!("two"), &json!(3)));
        link.send(format!("MSG {one} {sid} back 3\r\none\r\nMSG {one} {sid} 5\r\nagain\r\n"));
        let response = console.until("response");
        assert_eq!((&response["id"], &response["payload"], &response["reply"]), (&json!("one"), &json!("one"), &json!("back")));
        console.nothing_of("response");
        assert_eq!(console.ask("stats")["requests"], 0);
        console.close();
    }

    fn no_responders_is_reported_at_once(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("req r a 60000 -- x");
        let reply = request(&mut link);
        link.send(format!("HMSG {reply} 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"));
        let response = console.until("response");
        assert_eq!((&response["id"], &response["ok"], &response["error"]), (&json!("r"), &json!(false), &json!("no_responders")));
        assert_eq!(response["written"], true);
        console.send("req s a 60000 -- x");
        let reply = request(&mut link);
        link.send(format!("HMSG {reply} 1 16 18\r\nNATS/1.0 503\r\n\r\nhi\r\n"));
        let response = console.until("response");
        assert_eq!((&response["ok"], &response["payload"], &response["status"]), (&json!(true), &json!("hi"), &json!(503)));
        console.close();
    }

    fn a_request_times_out_whether_it_was_written_or_not(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000");
        console.send("req r a 100 -- x");
        let reply = request(&mut link);
        let response = console.until("response");
        assert_eq!((&response["error"], &response["written"]), (&json!("timed_out"), &json!(true)));
        link.send(format!("MSG {reply} 1 4\r\nlate\r\n"));
        link.close();
        console.until("disconnected");
        let begun = Instant::now();
        console.send("req s a 100 -- x");
        let response = console.until("response");
        assert_eq!((&response["id"], &response["error"], &response["written"]), (&json!("s"), &json!("timed_out"), &json!(false)));
        assert!(begun.elapsed() >= ms(100));
        let stats = console.ask("stats");
        assert_eq!((&stats["dropped"], &stats["queued"], &stats["requests"]), (&json!(1), &json!(0), &json!(0)), "{stats}");
        assert_eq!(console.count("publish_dropped"), 0);
        console.close();
    }

    fn a_request_that_was_written_fails_with_its_link(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "");
        console.send("req r a 60000 -- x");
        request(&mut link);
        link.close();
        let response = console.until("response");
        assert_eq!((&response["error"], &response["written"]), (&json!("disconnected"), &json!(true)));
        let mut link = fake.shake();
        assert!(link.line().starts_with("SUB _INBOX."));
        console.send("req s a 60000 -- x");
        link.pong();
        let reply = request(&mut link);
        link.send(format!("MSG {reply} 1 2\r\nok\r\n"));
        assert_eq!(console.until("response")["payload"], "ok");
        let resubscribed = console.ask("stats");
        assert_eq!(resubscribed["subscriptions"], 0, "{resubscribed}");
        console.close();
    }

    fn a_request_without_a_link_waits_for_one(adapter) {
        let (fake, link, mut console) = connected(adapter, "--reconnect-wait-ms 200 --min-stable-ms 60000");
        link.close();
        console.until("disconnected");
        console.send("req r a 60000 -- x");
        console.ask("state");
        let mut link = fake.shake();
        let mut line = link.line_after_pings();
        assert!(line.starts_with("SUB _INBOX."), "{line}");
        line = link.line_after_pings();
        assert!(line.starts_with("PUB a _INBOX."), "{line}");
        let reply = line.split(' ').nth(2).unwrap().to_owned();
        link.send(format!("MSG {reply} 1 2\r\nok\r\n"));
        assert_eq!(console.until("response")["ok"], true);
        console.close();
    }

    fn a_request_that_was_dropped_is_reported(adapter) {
        let flags = "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000 --send-buffer-bytes 60 --when-full drop-oldest";
        let (_fake, link, mut console) = connected(adapter, flags);
        link.close();
        console.until("backoff_wait");
        console.send("req r a 60000");
        console.send("pubn b 3 20");
        let response = console.until("response");
        assert_eq!((&response["ok"], &response["error"], &response["written"]), (&json!(false), &json!("refused"), &json!(false)), "{response}");
        console.close();
    }

    fn a_refused_inbox_fails_all_requests_and_is_subscribed_again_after_a_wait(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("req r a 60000");
        console.send("req s a 60000");
        let inbox = link.line().split(' ').nth(1).unwrap().to_owned();
        request(&mut link);
        request(&mut link);
        link.send(format!("-ERR 'Permissions Violation for Subscription to \"{inbox}\"'\r\n"));
        for id in ["r", "s"] {
            let response = console.until("response");
            assert_eq!((&response["id"], &response["error"]), (&json!(id), &json!("refused")));
        }
        console.send("req early a 60000");
        let response = console.until("response");
        assert_eq!((&response["id"], &response["error"]), (&json!("early"), &json!("refused")));
        // A PING asks about the publishes of the first two, and no SUB comes.
        link.pong();
        link.expect_silence(ms(1_050));
        console.send("req t a 60000");
        assert!(link.line().starts_with("SUB _INBOX."));
        console.close();
    }
}
