//! The console's output for people.

use crate::scene::*;

consoles! {
    fn without_json_a_line_has_a_time_a_name_and_the_details(adapter) {
        let fake = Fake::new();
        let mut console = adapter.start_for_people(&format!("--server {}", fake.url()));
        let mut link = fake.shake();
        let mut next = |name: &str| loop {
            let line = console.next_text(Duration::from_secs(15)).unwrap_or_else(|| panic!("no {name}"));
            let mut words = line.split_whitespace();
            let time: f64 = words.next().expect("a time").parse().expect("seconds");
            assert!((0.0..60.0).contains(&time), "{line}");
            if words.next() == Some(name) {
                return line;
            }
        };
        assert!(next("connecting").contains(&fake.url()));
        let line = next("connected");
        assert!(line.contains("version=2.12.0") && !line.contains('{'), "{line}");
        console.send("sub s a");
        console.send(r"sub s b");
        link.expect("SUB a 1");
        link.send("MSG a 1 12\r\ntwo\nlines ä\r\n");
        let mut seen = Vec::new();
        while seen.len() < 2 {
            seen.push(console.next_text(Duration::from_secs(15)).expect("a line"));
        }
        let all = seen.join("\n");
        assert!(all.contains(r#"payload="two\nlines ä""#), "{all}");
        assert!(all.contains("name_in_use"), "{all}");
        console.send("servers");
        assert!(console.next_text(Duration::from_secs(15)).expect("a line").contains("servers"));
        let line = console.next_text(Duration::from_secs(15)).expect("a line");
        assert!(line.contains(&fake.url()) && line.contains("current"), "{line}");
        console.send("close");
        let end = console.end();
        assert_eq!((end.status, end.errors.as_str()), (0, ""));
    }
}
