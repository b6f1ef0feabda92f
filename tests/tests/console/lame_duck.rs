//! Servers in lame duck mode.

use crate::scene::*;

consoles! {
    fn a_lame_duck_is_reported_once_a_link_and_with_notify_the_client_stays(adapter) {
        let (fake, mut link, mut console) = connected(adapter, "--lame-duck notify");
        link.info(json!({"ldm": true}));
        let duck = console.until("lame_duck");
        assert_eq!(duck["server"], fake.url());
        link.info(json!({"ldm": true}));
        link.info(json!({}));
        link.info(json!({"ldm": true}));
        console.send("rtt");
        link.pong();
        console.until("rtt");
        assert_eq!(console.count("lame_duck"), 1);
        let server = console.ask("servers")["servers"][0].clone();
        assert_eq!((&server["lame_duck"], &server["current"]), (&json!(true), &json!(true)));
        link.close();
        assert_eq!(console.until("disconnected")["reason"], "eof");
        let mut link = fake.shake();
        console.until("reconnected");
        assert_eq!(console.ask("servers")["servers"][0]["lame_duck"], false);
        link.info(json!({"ldm": true}));
        console.until("lame_duck");
        console.close();
    }

    fn an_initial_info_may_be_that_of_a_lame_duck(adapter) {
        let (_fake, _link, mut console) = connected_with(adapter, "", json!({"ldm": true}));
        assert_eq!(console.until("lame_duck")["ev"], "lame_duck");
        console.close();
    }

    fn a_lame_duck_goes_last(adapter) {
        let (one, two) = (Fake::new(), Fake::new());
        let mut console = adapter.start(&format!("--no-randomize --lame-duck notify {QUICK} --server {},{}", one.url(), two.url()));
        let mut link = one.shake();
        console.until("connected");
        link.info(json!({"ldm": true, "connect_urls": []}));
        console.until("lame_duck");
        link.close();
        assert_eq!(console.until("connecting")["server"], two.url());
        two.shake();
        console.until("reconnected");
        console.until("disconnected");
        assert_eq!(console.until("connecting")["server"], two.url(), "the one just lost, and still before the lame duck");
    }

    fn a_client_moves_away_with_everything_confirmed(adapter) {
        let (one, two) = (Fake::new(), Fake::new());
        let mut console = adapter.start(&format!("--no-randomize --seed 38 {QUICK} --server {},{}", one.url(), two.url()));
        let mut link = one.shake();
        console.until("connected");
        console.send("sub s a");
        link.expect("SUB a 1");
        console.send("pub b -- before");
        link.publish();
        link.info(json!({"ldm": true}));
        console.until("lame_duck");
        // One asks about the publish after a second, one leaves at a random moment within 10 s, early with this seed. None
        // is answered yet.
        link.expect("PING");
        link.expect("PING");
        console.send("pub b -- held");
        link.expect_silence(ms(50));
        link.send("PONG\r\nPONG\r\n");
        let moved = console.until("disconnected");
        assert_eq!((&moved["reason"], &moved["unconfirmed"], &moved["queued"]), (&json!("lame_duck"), &json!(0), &json!(1)));
        assert_eq!(console.next()["ev"], "connecting");
        let mut link = two.shake();
        link.expect("SUB a 1");
        link.expect("PING");
        link.expect_publish("PUB b 4", "held");
        console.close();
    }
}
