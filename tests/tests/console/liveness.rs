//! Whether the server is still there.

use crate::scene::*;

consoles! {
    fn a_server_that_is_silent_is_stale(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--ping-interval-ms 100 --max-pings-out 2");
        let begun = Instant::now();
        link.expect("PING");
        assert!(begun.elapsed() >= ms(50), "{:?}", begun.elapsed());
        link.expect("PING");
        let lost = console.until("disconnected");
        assert_eq!(lost["reason"], "stale");
        assert!((ms(250)..Duration::from_secs(10)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        link.expect_end();
        let mut link = fake.shake();
        console.until("reconnected");
        link.pong();
        link.pong();
        link.pong();
        console.nothing_of("disconnected");
        console.close();
    }

    fn only_what_arrives_puts_a_ping_off(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "--ping-interval-ms 300");
        let begun = Instant::now();
        for _ in 0..8 {
            std::thread::sleep(ms(60));
            link.send("+OK\r\n");
        }
        assert!(link.try_line(ms(20)).is_none() || begun.elapsed() > ms(700), "a PING in spite of what arrives");
        // What we write does not.
        let begun = Instant::now();
        loop {
            console.send("pub a");
            let line = link.line();
            if line == "PING" {
                break;
            }
            link.bytes(2);
            std::thread::sleep(ms(20));
            assert!(begun.elapsed() < Duration::from_secs(10), "no PING while we write");
        }
        link.send("PONG\r\n");
        console.close();
    }

    fn pings_of_the_server_are_answered(adapter) {
        let (_fake, mut link, mut console) = connected(adapter, "");
        link.send("PING\r\nPING\r\nping\n");
        for _ in 0..3 {
            link.expect("PONG");
        }
        // Unsolicited answers; the PING after them shows when they were read.
        link.send("PONG\r\nPONG\r\nPING\r\n");
        link.expect("PONG");
        console.send("flush f");
        link.expect("PING");
        console.nothing_of("flushed");
        link.send("PONG\r\n");
        assert_eq!(console.until("flushed")["ok"], true);
        console.close();
    }

    fn a_server_that_reads_nothing_is_stale(adapter) {
        let (_fake, link, mut console) = connected(adapter, "--ping-interval-ms 100");
        console.send("pubn a 7 1000000");
        let lost = console.until("disconnected");
        assert_eq!(lost["reason"], "stale");
        let sum = lost["queued"].as_u64().unwrap() + lost["unconfirmed"].as_u64().unwrap();
        assert_eq!(sum, 7, "{lost}");
        drop(link);
    }
}
