//! The numbers of a connection under the names by which monitoring collects them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::machine::State;
use crate::servers::ServerStatus;
use crate::statistics::{LinkHealth, PublishFates, Statistics};

/// How many metrics there are.
const COUNT: usize = 28;

/// All numbers of a connection at one moment, under the names that Prometheus collects them by.
///
/// It prints as a page in Prometheus' text format, to be answered to a scrape with the content type
/// [`CONTENT_TYPE`](Self::CONTENT_TYPE); several connections together print with [`MetricsPage`]. For other exporters it
/// can be [iterated over](Self::iter). The names stay as they are, and begin with `nats_client_`. Counters count from
/// the beginning of the connection and never go back; what is not known now, such as the round trip before the first
/// was measured, is left out.
///
/// ```
/// use nats_conn_sm::{Config, Connection, Timestamp};
///
/// let config = Config::new(nats_conn_sm::proto::ServerUrl::parse_list("nats://127.0.0.1:4222")?);
/// let connection = Connection::new(config, [0; 32], Timestamp::ZERO)?;
/// let metrics = connection.metrics(Timestamp::ZERO).label("connection", "orders");
/// assert!(metrics.to_string().contains("nats_client_connected{connection=\"orders\"} 0\n"));
/// assert!(metrics.iter().any(|metric| metric.name == "nats_client_connect_attempts_total" && metric.value == 1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    rows: [Row; COUNT],
    labels: Vec<(String, String)>,
}

/// One number of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name, which ends with its unit, where it has one, and with `_total` if it is a counter.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// Whether it only ever grows.
    pub kind: MetricKind,
    /// The number; durations are in seconds, sizes in bytes, and what is true or false is 1 or 0.
    pub value: f64,
}

/// Whether a number only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetricKind {
    /// It counts, and never goes back while the connection lives.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl MetricKind {
    /// What Prometheus calls it, which is a stable name for other machines, too.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// A metric, whether or not it has a value now.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    name: &'static str,
    help: &'static str,
    kind: MetricKind,
    value: Option<f64>,
}

impl Metrics {
    /// The content type of the page that it prints as.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    pub(crate) fn new(
        state: State,
        statistics: Statistics,
        health: Option<LinkHealth>,
        servers: &[ServerStatus],
    ) -> Self {
        Self {
            rows: rows(state, statistics, health, servers),
            labels: Vec::new(),
        }
    }

    /// The same with this label on every number, by which several connections or programs are told apart. A label of
    /// the same name is replaced. In the name, every character that Prometheus does not allow there becomes `_`; the
    /// value may be any text.
    #[must_use]
    pub fn label(mut self, name: &str, value: impl Into<String>) -> Self {
        let (name, value) = (label_name(name), value.into());
        self.labels.retain(|(known, _)| *known != name);
        self.labels.push((name, value));
        self
    }

    /// The labels, as they are printed.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.labels.iter();
        labels.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The numbers that are known now, each once.
    pub fn iter(&self) -> impl Iterator<Item = Metric> {
        self.rows.iter().filter_map(|row| {
            Some(Metric {
                name: row.name,
                help: row.help,
                kind: row.kind,
                value: row.value?,
            })
        })
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MetricsPage::new(core::slice::from_ref(self)).fmt(f)
    }
}

/// Several connections on one page in Prometheus' text format, which has the numbers of one name together. Give
/// each connection a [label](Metrics::label) of its own.
#[derive(Clone, Copy, Debug)]
pub struct MetricsPage<'a>(&'a [Metrics]);

impl<'a> MetricsPage<'a> {
    /// The page of these connections.
    pub const fn new(connections: &'a [Metrics]) -> Self {
        Self(connections)
    }
}

impl fmt::Display for MetricsPage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in 0..COUNT {
            let samples = || {
                self.0.iter().filter_map(move |metrics| {
                    let row = metrics.rows.get(place)?;
                    Some((metrics, row, row.value?))
                })
            };
            let Some((_, row, _)) = samples().next() else {
                continue;
            };
            // Of the help texts none has a character that would have to be escaped.
            writeln!(f, "# HELP {} {}", row.name, row.help)?;
            writeln!(f, "# TYPE {} {}", row.name, row.kind.code())?;
            for (metrics, row, value) in samples() {
                f.write_str(row.name)?;
                write_labels(&metrics.labels, f)?;
                writeln!(f, " {value}")?;
            }
        }
        Ok(())
    }
}

fn write_labels(labels: &[(String, String)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut before = '{';
    for (name, value) in labels {
        write!(f, "{before}{name}=\"")?;
        for character in value.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => fmt::Write::write_char(f, other)?,
            }
        }
        f.write_str("\"")?;
        before = ',';
    }
    if labels.is_empty() {
        Ok(())
    } else {
        f.write_str("}")
    }
}

/// Letters, digits and `_`, no digit at the beginning, and no `__` there, which is Prometheus' own.
fn label_name(text: &str) -> String {
    let allowed = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' => character,
        _ => '_',
    };
    let name: String = text.chars().map(allowed).collect();
    let rest = name.trim_start_matches('_');
    if rest.len() == name.len() && rest.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return name;
    }
    format!("_{rest}")
}

/// Every field of the statistics is taken apart by name, without `..`, so that a new one does not compile before it has
/// a metric.
fn rows(
    state: State,
    statistics: Statistics,
    health: Option<LinkHealth>,
    servers: &[ServerStatus],
) -> [Row; COUNT] {
    let Statistics {
        in_messages,
        in_bytes,
        out_messages,
        out_bytes,
        attempts,
        connects,
        reconnects,
        pending_bytes,
        subscriptions,
        requests,
        // How long ago that is stands in the health of the link, which has the same PINGs, too.
        last_inbound: _,
        pings_out: _,
        round_trip,
        smoothed_round_trip,
        publishes,
    } = statistics;
    let PublishFates {
        accepted,
        queued,
        written,
        confirmed,
        unconfirmed,
        dropped,
        settled,
    } = publishes;
    let (silence, pings_out) = match health {
        Some(LinkHealth { silence, pings_out }) => (Some(silence), Some(pings_out)),
        None => (None, None),
    };
    let how_many = |is: fn(&ServerStatus) -> bool| servers.iter().filter(|server| is(server)).count() as u64;
    [
        flag(
            "nats_client_connected",
            "Whether there is a session with a server.",
            health.is_some(),
        ),
        flag(
            "nats_client_draining",
            "Whether the connection is being drained.",
            state == State::Draining,
        ),
        flag(
            "nats_client_closed",
            "Whether the connection is closed for good.",
            state == State::Closed,
        ),
        counter(
            "nats_client_connect_attempts_total",
            "Attempts to connect that began.",
            attempts,
        ),
        counter("nats_client_connects_total", "Sessions that began.", connects),
        counter(
            "nats_client_reconnects_total",
            "Sessions that began, but for the first.",
            reconnects,
        ),
        counter(
            "nats_client_received_messages_total",
            "Messages received.",
            in_messages,
        ),
        counter(
            "nats_client_received_bytes_total",
            "Bytes received from sockets.",
            in_bytes,
        ),
        counter(
            "nats_client_sent_messages_total",
            "Publishes written whole to sockets.",
            out_messages,
        ),
        counter(
            "nats_client_sent_bytes_total",
            "Bytes that sockets have taken.",
            out_bytes,
        ),
        counter(
            "nats_client_publishes_accepted_total",
            "Publishes accepted for sending.",
            accepted,
        ),
        counter(
            "nats_client_publishes_confirmed_total",
            "Publishes that a server has processed.",
            confirmed,
        ),
        counter(
            "nats_client_publishes_unconfirmed_total",
            "Publishes that were written and whose link ended before a server confirmed them.",
            unconfirmed,
        ),
        counter(
            "nats_client_publishes_dropped_total",
            "Publishes that were dropped and not sent.",
            dropped,
        ),
        counter(
            "nats_client_publishes_settled_total",
            "Publishes, from the first on, up to which every fate is final.",
            settled,
        ),
        size(
            "nats_client_publishes_queued",
            "Publishes that wait to be written.",
            queued,
        ),
        size(
            "nats_client_publishes_written",
            "Publishes that are written and not yet confirmed.",
            written,
        ),
        size(
            "nats_client_pending_bytes",
            "Bytes of frames in the send buffer.",
            pending_bytes,
        ),
        size(
            "nats_client_subscriptions",
            "Subscriptions that are alive.",
            subscriptions,
        ),
        size(
            "nats_client_pending_requests",
            "Requests that wait for a reply.",
            requests,
        ),
        seconds(
            "nats_client_round_trip_seconds",
            "The last round trip that was measured.",
            round_trip,
        ),
        seconds(
            "nats_client_round_trip_smoothed_seconds",
            "The round trip, smoothed over the last eight measurements.",
            smoothed_round_trip,
        ),
        seconds(
            "nats_client_link_silence_seconds",
            "How long ago the server was heard.",
            silence,
        ),
        gauge(
            "nats_client_link_unanswered_pings",
            "PINGs that the server has not answered yet.",
            pings_out.map(|pings| pings as f64),
        ),
        size(
            "nats_client_servers",
            "Servers in the pool.",
            servers.len() as u64,
        ),
        size(
            "nats_client_servers_discovered",
            "Servers in the pool that were learned from others.",
            how_many(|server| server.discovered),
        ),
        size(
            "nats_client_servers_lame_duck",
            "Servers in the pool that will shut down.",
            how_many(|server| server.lame_duck),
        ),
        size(
            "nats_client_servers_failing",
            "Servers in the pool whose last attempt failed.",
            how_many(|server| server.failures > 0),
        ),
    ]
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Row {
    Row {
        name,
        help,
        kind: MetricKind::Counter,
        value: Some(value as f64),
    }
}

fn gauge(name: &'static str, help: &'static str, value: impl Into<Option<f64>>) -> Row {
    Row {
        name,
        help,
        kind: MetricKind::Gauge,
        value: value.into(),
    }
}

fn size(name: &'static str, help: &'static str, value: u64) -> Row {
    gauge(name, help, value as f64)
}

fn flag(name: &'static str, help: &'static str, value: bool) -> Row {
    gauge(name, help, f64::from(u8::from(value)))
}

fn seconds(name: &'static str, help: &'static str, value: Option<Duration>) -> Row {
    gauge(name, help, value.map(|value| value.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::ToString;

    use super::*;
    use crate::time::Timestamp;

    const SECOND: Duration = Duration::from_secs(1);

    /// Every number is another one.
    fn all_different() -> Statistics {
        Statistics {
            in_messages: 101,
            in_bytes: 102,
            out_messages: 103,
            out_bytes: 104,
            attempts: 105,
            connects: 106,
            reconnects: 107,
            pending_bytes: 108,
            subscriptions: 109,
            requests: 110,
            last_inbound: Some(Timestamp::ZERO + SECOND * 1000),
            pings_out: 111,
            round_trip: Some(SECOND * 112),
            smoothed_round_trip: Some(SECOND * 113),
            publishes: PublishFates {
                accepted: 114,
                queued: 115,
                written: 116,
                confirmed: 117,
                unconfirmed: 118,
                dropped: 119,
                settled: 120,
            },
        }
    }

    fn metrics() -> Metrics {
        let statistics = all_different();
        let health = statistics.link_health(Timestamp::ZERO + SECOND * 1121);
        Metrics::new(State::Connected, statistics, health, &[])
    }

    #[test]
    fn every_number_of_the_statistics_has_a_metric_of_its_own() {
        let metrics = metrics();
        for number in 101..=121 {
            let of_it = metrics.iter().filter(|metric| metric.value == f64::from(number));
            assert_eq!(of_it.count(), 1, "{number}");
        }
        let value = |name: &str| metrics.iter().find(|metric| metric.name == name).unwrap().value;
        assert_eq!(value("nats_client_sent_bytes_total"), 104.0);
        assert_eq!(value("nats_client_publishes_dropped_total"), 119.0);
        assert_eq!(value("nats_client_link_silence_seconds"), 121.0);
        assert_eq!(value("nats_client_connected"), 1.0);
    }

    #[test]
    fn names_are_unique_and_follow_the_rules_of_prometheus() {
        let metrics = metrics();
        let names: BTreeSet<&str> = metrics.rows.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), COUNT);
        for row in metrics.rows {
            let name = row.name;
            assert!(name.starts_with("nats_client_"), "{name}");
            assert!(
                name.chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter == '_'),
                "{name}"
            );
            let is_counter = row.kind == MetricKind::Counter;
            assert_eq!(name.ends_with("_total"), is_counter, "{name}");
            assert!(
                row.help.ends_with('.') && !row.help.contains(['\\', '\n']),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_not_known_is_left_out_of_list_and_page() {
        let nothing = Metrics::new(State::Closed, Statistics::default(), None, &[]);
        let page = nothing.to_string();
        for name in [
            "round_trip_seconds",
            "link_silence_seconds",
            "link_unanswered_pings",
        ] {
            assert!(!page.contains(name), "{page}");
            assert!(nothing.iter().all(|metric| !metric.name.ends_with(name)));
        }
        assert!(page.contains("\nnats_client_closed 1\n"), "{page}");
    }

    #[test]
    fn a_label_is_escaped_and_its_name_made_one_that_is_allowed() {
        for (text, name) in [
            ("connection", "connection"),
            ("Zone2", "Zone2"),
            ("my-zone.eu", "my_zone_eu"),
            ("__name__", "_name__"),
            ("2nd", "_2nd"),
            ("", "_"),
            ("ä", "_"),
        ] {
            assert_eq!(label_name(text), name, "{text}");
        }
        let labelled = metrics()
            .label("a", "old")
            .label("b", "x")
            .label("a", "C:\\ \"é\"\nend");
        let page = labelled.to_string();
        let line = "nats_client_connects_total{b=\"x\",a=\"C:\\\\ \\\"é\\\"\\nend\"} 106\n";
        assert!(page.contains(line), "{page}");
        assert_eq!(labelled.labels().count(), 2);
    }

    #[test]
    fn a_page_of_several_connections_has_the_numbers_of_one_name_together() {
        let mut never_connected = Metrics::new(State::Connecting, Statistics::default(), None, &[]);
        never_connected = never_connected.label("connection", "new");
        let both = [metrics().label("connection", "old"), never_connected];
        let page = MetricsPage::new(&both).to_string();
        let expected = "# TYPE nats_client_connects_total counter\n\
                        nats_client_connects_total{connection=\"old\"} 106\n\
                        nats_client_connects_total{connection=\"new\"} 0\n# HELP";
        assert!(page.contains(expected), "{page}");
        assert_eq!(
            page.matches("# TYPE nats_client_round_trip_seconds gauge\n")
                .count(),
            1
        );
        assert_eq!(
            page.matches("\nnats_client_round_trip_seconds{").count(),
            1,
            "{page}"
        );
        assert_eq!(MetricsPage::new(&[]).to_string(), "");
    }
}
