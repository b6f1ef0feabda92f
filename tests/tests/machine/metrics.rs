//! The numbers for monitoring (behaviour 6.2): the page is in Prometheus' text format, and counters never go back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nats_conn_sm::{Delivery, MetricKind, Metrics, MetricsPage};
use nats_conn_tests::scenario::Scenario;
use nats_conn_tests::sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// The samples of a page, by name and labels.
///
/// # Panics
/// If it is not in the format.
fn parse(page: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut finished = BTreeSet::new();
    let mut described = (String::new(), String::new());
    assert!(page.is_empty() || page.ends_with('\n'), "the last line ends");
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a help text");
            assert!(!text.is_empty() && is_name(name), "{line}");
            assert!(finished.insert(name.to_owned()), "{name} is there twice");
            described.0 = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert_eq!(name, described.0, "type and help stand together");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            described.1 = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a sample");
            let (name, labels) = series.split_at(series.find('{').unwrap_or(series.len()));
            assert_eq!(
                (name, name),
                (described.0.as_str(), described.1.as_str()),
                "{line}"
            );
            assert!(labels.is_empty() || are_labels(labels), "{line}");
            let value: f64 = value.parse().expect("a number");
            assert!(value.is_finite() && value >= 0.0, "{line}");
            assert_eq!(
                samples.insert(series.to_owned(), value),
                None,
                "{line} is there twice"
            );
        }
    }
    samples
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// `{name="value",…}`, where `\`, `"` and the end of a line are escaped in the value.
fn are_labels(text: &str) -> bool {
    let Some(mut rest) = text.strip_prefix('{') else {
        return false;
    };
    let mut names = BTreeSet::new();
    loop {
        let Some((name, value)) = rest.split_once("=\"") else {
            return false;
        };
        if !is_name(name) || !names.insert(name) {
            return false;
        }
        let mut letters = value.char_indices();
        let end = loop {
            match letters.next() {
                Some((place, '"')) => break place,
                Some((_, '\\')) if matches!(letters.next(), Some((_, '\\' | '"' | 'n'))) => {}
                None | Some((_, '\n' | '\\')) => return false,
                Some(_) => {}
            }
        };
        match &value[end + 1..] {
            "}" => return true,
            more => match more.strip_prefix(',') {
                Some(more) => rest = more,
                None => return false,
            },
        }
    }
}

fn metrics(world: &World) -> Metrics {
    world.client.metrics(world.now())
}

fn value(world: &World, name: &str) -> Option<f64> {
    let metrics = metrics(world);
    let metric = metrics.iter().find(|metric| metric.name == name);
    metric.map(|metric| metric.value)
}

// behaviour: 6.2
#[test]
fn the_page_is_in_the_text_format_whatever_the_labels_say() {
    let mut world = Scenario::new(2).connected();
    world.publish("a", b"x").expect("room");
    world.run_for(3 * SECOND);
    let plain = metrics(&world);
    let samples = parse(&plain.to_string());
    assert_eq!(samples.len(), plain.iter().count());
    for metric in plain.iter() {
        assert_eq!(samples[metric.name], metric.value);
    }
    let odd = plain
        .clone()
        .label("zone-1", "a \"b\"\\\n{c=\"d\",}")
        .label("é", "");
    assert_eq!(parse(&odd.to_string()).len(), samples.len());
    let page = MetricsPage::new(&[plain, odd]).to_string();
    assert_eq!(parse(&page).len(), 2 * samples.len());
}

// behaviour: 6.2
#[test]
fn the_numbers_say_what_has_happened() {
    let mut world = Scenario::new(2).connected();
    world.subscribe("a");
    let published = world.publish("b", b"x");
    published.expect("room");
    world.run_for(3 * SECOND);
    for (name, expected) in [
        ("nats_client_connected", 1.0),
        ("nats_client_connects_total", 1.0),
        ("nats_client_subscriptions", 1.0),
        ("nats_client_publishes_accepted_total", 1.0),
        ("nats_client_publishes_confirmed_total", 1.0),
        ("nats_client_publishes_queued", 0.0),
        ("nats_client_servers", 2.0),
        ("nats_client_servers_failing", 0.0),
        ("nats_client_link_unanswered_pings", 0.0),
        ("nats_client_round_trip_seconds", 0.002),
    ] {
        assert_eq!(value(&world, name), Some(expected), "{name}");
    }
    (0..2).for_each(|place| world.crash(place));
    world.wait("backoff_wait");
    for (name, expected) in [
        ("nats_client_connected", Some(0.0)),
        ("nats_client_link_silence_seconds", None),
        ("nats_client_servers_failing", Some(2.0)),
        ("nats_client_connect_attempts_total", Some(3.0)),
    ] {
        assert_eq!(value(&world, name), expected, "{name}");
    }
    world.close();
    world.wait("closed");
    assert_eq!(value(&world, "nats_client_closed"), Some(1.0));
}

// behaviour: 6.2
#[test]
fn counters_never_go_back() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let mut world = Scenario::new(2)
            .config(|config| {
                config.delivery = delivery;
                config.max_reconnects = None;
            })
            .connected();
        let mut before: BTreeMap<&str, f64> = BTreeMap::new();
        let mut moved = BTreeSet::new();
        for step in 0..200 {
            match step % 20 {
                5 => world.crash(0),
                9 => world.restart(0),
                12 => world.freeze(),
                15 => world.force_reconnect().expect("open"),
                _ => {
                    let _ = world.publish_numbered("a", 50);
                }
            }
            world.run_for(Duration::from_millis(150));
            for metric in metrics(&world).iter() {
                if metric.kind == MetricKind::Counter {
                    let last = before.insert(metric.name, metric.value).unwrap_or_default();
                    assert!(
                        metric.value >= last,
                        "{delivery:?}: {} in step {step}",
                        metric.name
                    );
                    if metric.value > last {
                        moved.insert(metric.name);
                    }
                }
            }
        }
        assert!(moved.contains("nats_client_reconnects_total"), "{moved:?}");
        assert!(
            moved.contains("nats_client_publishes_confirmed_total"),
            "{moved:?}"
        );
    }
}
