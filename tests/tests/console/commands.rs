//! Every command, what it writes to the server, and what it prints.

use crate::scene::*;

consoles! {
    fn escapes_are_decoded_in_every_part_of_every_command(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send(r"pub a\x2eb reply=r\x2Es hdr=K\x31:v\sw\\ hdr=K1:a\t2 hdr=e: -- one\r\n\ttwo\sthree\\\x00\xfF -- four");
        let block = b"NATS/1.0\r\nK1:v w\\\r\nK1:a\t2\r\ne:\r\n\r\n";
        let payload = b"one\r\n\ttwo three\\\x00\xff -- four";
        let (line, bytes) = link.publish();
        // The encoder decides how blanks around a value are written, as long as they are read back the same.
        let text = String::from_utf8_lossy(&bytes).replace(": ", ":");
        assert_eq!(text, String::from_utf8_lossy(&[&block[..], payload].concat()));
        assert!(line.starts_with("HPUB a.b r.s "), "{line}");
        console.send(r"sub s c\x2e* \x71g");
        link.expect("SUB c.* qg 1");
        console.send(r"pubn d\x2ee 1 3");
        link.expect_publish("PUB d.e 3", "1 .");
        console.send(r"req r f\x2eg 5000 -- \x41\\");
        let inbox = link.line();
        let reply = inbox.split(' ').nth(1).unwrap().replace('*', "");
        assert!(inbox.starts_with("SUB _INBOX.") && inbox.ends_with(".* 2"), "{inbox}");
        let (line, payload) = link.publish();
        assert!(line.starts_with(&format!("PUB f.g {reply}")) && line.ends_with(" 2"), "{line}");
        assert_eq!(payload, b"A\\");
        console.close();
    }

    fn a_payload_is_what_follows_the_mark_to_the_end_of_the_line(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        for (command, line, payload) in [
            (&b"pub a"[..], "PUB a 0", &b""[..]),
            (b"pub a -- ", "PUB a 0", b""),
            (b"pub a --  b ", "PUB a 3", b" b "),
            (b"pub a -- \xff\xfe", "PUB a 2", b"\xff\xfe"),
            (b"  pub   a   reply=b  -- x", "PUB a b 1", b"x"),
            (b"pub a -- x\r", "PUB a 1", b"x"),
            ("pub grün -- ä".as_bytes(), "PUB grün 2", "ä".as_bytes()),
        ] {
            console.send_bytes(command);
            link.expect_publish(line, payload);
        }
        console.close();
    }

    fn an_unusable_command_prints_an_error_and_changes_nothing(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        for (command, code) in [
            ("nonsense", "unknown_command"),
            ("PUB a", "unknown_command"),
            ("sub s", "usage"),
            ("sub s a q r", "usage"),
            ("sub s a..b", "invalid_subject"),
            ("sub s a.>.b", "invalid_subject"),
            (r"sub s a\sb", "invalid_subject"),
            (r"sub s a q\r\n", "invalid_subject"),
            ("unsub s", "unknown_subscription"),
            ("unsub s x", "invalid_number"),
            ("drain-sub s", "unknown_subscription"),
            ("pause s", "unknown_subscription"),
            ("resume s", "unknown_subscription"),
            ("pub", "usage"),
            ("pub a.*", "invalid_subject"),
            (r"pub a\r\nPUB\sb\s0", "invalid_subject"),
            ("pub a reply=b..c", "invalid_subject"),
            ("pub a hdr=nocolon", "invalid_header"),
            (r"pub a hdr=K:v\r\nX:y", "invalid_header"),
            (r"pub a hdr=K\s:v", "invalid_header"),
            ("pub a hdr=:v", "invalid_header"),
            ("pub a strange", "usage"),
            (r"pub a -- \q", "invalid_escape"),
            (r"pub a -- \x4", "invalid_escape"),
            (r"pub a\q", "invalid_escape"),
            ("pubn a 1", "usage"),
            ("pubn a one 1", "invalid_number"),
            ("pubn a -1 1", "invalid_number"),
            ("req r a", "usage"),
            ("req r a soon", "invalid_number"),
            ("req r a.> 100", "invalid_subject"),
            ("flush", "usage"),
            ("rtt now", "usage"),
            ("state -- x", "usage"),
            ("set-servers", "usage"),
            ("set-servers ws://a", "invalid_url"),
            ("set-servers gopher://a", "invalid_url"),
            ("set-servers nats://a:x", "invalid_url"),
        ] {
            let line = console.refused(command, code);
            assert_eq!(line["command"], command.split(' ').next().unwrap(), "{command}");
        }
        let stats = console.ask("stats");
        assert_eq!((&stats["published"], &stats["subscriptions"]), (&json!(0), &json!(0)), "{stats}");
        console.send("pub still -- there");
        link.expect_publish("PUB still 5", "there");
        console.close();
    }

    fn blank_lines_are_no_commands(adapter) {
        let (_fake, _link, mut console) = connected(adapter, "");
        console.send("");
        console.send("  \t ");
        console.nothing_of("error");
        console.close();
    }

    fn a_message_is_printed_as_it_came(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub first a.>");
        link.expect("SUB a.> 1");
        link.send("MSG a.b 1 5\r\nhello\r\n");
        let message = console.until("message");
        let t = message["t"].clone();
        let expected = json!({"ev": "message", "t": t, "sub": "first", "subject": "a.b", "payload": "hello", "len": 5});
        assert_eq!(message, expected);
        link.send(b"HMSG a.c 1 r.1 41 45\r\nNATS/1.0\r\nKey: one\r\nKey:two\r\nk:\r\nX: \xff\r\n\r\n\xff\x00\"\n\r\n");
        let message = console.until("message");
        assert_eq!((&message["subject"], &message["reply"]), (&json!("a.c"), &json!("r.1")));
        assert_eq!(message["headers"], json!([["Key", "one"], ["Key", "two"], ["k", ""], ["X", "\u{fffd}"]]));
        assert_eq!((&message["payload"], &message["len"]), (&json!("\u{fffd}\u{0}\"\n"), &json!(4)));
        link.send("HMSG a.d 1 27 27\r\nNATS/1.0 100 Idle\r\nA: b\r\n\r\n\r\n");
        let message = console.until("message");
        assert_eq!((&message["status"], &message["len"], &message["payload"]), (&json!(100), &json!(0), &json!("")));
        console.close();
    }

    fn numbered_publishes_begin_with_their_number(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("pubn n 12 16");
        for number in 1..=12 {
            let (line, payload) = link.publish();
            let text = String::from_utf8(payload).unwrap();
            let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
            assert_eq!((line.as_str(), digits.as_str()), ("PUB n 16", number.to_string().as_str()));
        }
        console.send("pubn n 1 0");
        link.expect_publish("PUB n 0", "");
        console.send("pubn n 0 9");
        console.refused("pubn n 1 2000000", "too_large");
        console.close();
    }

    fn a_flush_is_a_ping_and_its_pong(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("pub a -- x");
        console.send("flush one");
        console.send("flush two");
        link.expect_publish("PUB a 1", "x");
        link.expect("PING");
        link.expect("PING");
        console.nothing_of("flushed");
        link.send("PONG\r\nPONG\r\n");
        for id in ["one", "two"] {
            let flushed = console.until("flushed");
            assert_eq!((&flushed["id"], &flushed["ok"]), (&json!(id), &json!(true)));
        }
        console.send("rtt");
        link.expect("PING");
        std::thread::sleep(ms(30));
        link.send("PONG\r\n");
        let rtt = console.until("rtt")["ms"].as_f64().unwrap();
        assert!((30.0..10_000.0).contains(&rtt), "{rtt}");
        console.close();
    }

    fn state_info_and_servers_show_the_present_state(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start(&format!("--server {} {QUICK}", fake.url()));
        assert_eq!(console.until("connecting")["attempt"], 1);
        assert_eq!(console.ask("state")["state"], "connecting");
        let info = console.ask("info");
        assert_eq!((&info["ev"], &info["error"]), (&json!("error"), &json!("disconnected")));
        let mut link = fake.shake_with(json!({"server_id": "NONE", "server_name": "n", "cluster": "c", "unknown": {"a": [1]}, "nonce": "abc"}));
        let connected = console.until("connected");
        assert_eq!(connected["server"], fake.url());
        let reported = ["server_id", "server_name", "version", "max_payload"].map(|field| connected[field].clone());
        assert_eq!(reported, [json!("NONE"), json!("n"), json!("2.12.0"), json!(1_048_576)]);
        assert_eq!(console.ask("state")["state"], "connected");
        let info = console.ask("info")["info"].clone();
        assert_eq!((&info["server_id"], &info["cluster"], &info["headers"]), (&json!("NONE"), &json!("c"), &json!(true)));
        assert_eq!((&info["port"], &info["max_payload"]), (&json!(fake.port), &json!(1_048_576)));
        link.info(json!({"max_payload": 999}));
        while console.ask("info")["info"]["max_payload"] != 999 {}
        console.close();
    }

    fn commands_without_a_link_say_so(adapter) {
        let (fake, link, mut console) = connected(adapter, "--reconnect-wait-ms 60000 --reconnect-wait-max-ms 60000 --min-stable-ms 60000");
        drop((fake, link));
        console.until("backoff_wait");
        assert_eq!(console.ask("state")["state"], "reconnecting");
        console.send("flush f");
        let flushed = console.until("flushed");
        assert_eq!((&flushed["ok"], &flushed["error"]), (&json!(false), &json!("disconnected")));
        assert_eq!(console.ask("rtt")["error"], "disconnected");
        console.send("pub a -- kept");
        let stats = console.ask("stats");
        assert_eq!((&stats["published"], &stats["queued"]), (&json!(1), &json!(1)));
        let servers = console.ask("servers")["servers"].clone();
        assert_eq!((&servers[0]["current"], &servers[0]["discovered"]), (&json!(false), &json!(false)));
        console.close();
    }

    fn names_of_subscriptions_are_free_again_when_they_have_ended(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.refused("sub s b", "name_in_use");
        console.send("unsub s");
        link.expect("UNSUB 1");
        let ended = console.until("sub_ended");
        assert_eq!((&ended["sub"], &ended["reason"]), (&json!("s"), &json!("unsubscribed")));
        console.send("sub s b");
        link.expect("SUB b 2");
        console.close();
    }
}
