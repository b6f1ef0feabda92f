//! What is measured: the list of cells.

/// What the application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// So many tasks or threads publish over one connection; all of it is processed by the server at the end.
    Publish { tasks: u64 },
    /// The server sends, to so many subscriptions in turn; every message is handed to the application.
    Receive { subscriptions: u64 },
    /// Requests, so many in flight at any time.
    Request { in_flight: u64 },
    /// So many subscriptions are made, and restored after the server has closed the link.
    Restore,
    /// So many connections that do nothing.
    Connections,
}

/// The headers of each message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    /// None.
    No,
    /// Two, 76 bytes with their first line. Who receives them looks at one of them.
    Yes,
    /// The same, and who receives them does not look at them: a client may put parsing them off.
    Unread,
}

/// One thing that is measured of every client.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// As `--cells` takes it.
    pub(crate) name: String,
    /// For people.
    pub(crate) title: String,
    pub(crate) work: Work,
    /// Bytes of each payload.
    pub(crate) payload: usize,
    pub(crate) headers: Headers,
    pub(crate) tls: bool,
    /// How many messages, requests, subscriptions or connections in the short form.
    pub(crate) count: u64,
    /// Whether the short form has it.
    pub(crate) in_short: bool,
}

impl Cell {
    /// How many there are in the long form: what costs a fixed time is not made longer.
    pub(crate) fn count_when(&self, short: bool) -> u64 {
        match self.work {
            Work::Restore | Work::Connections => self.count,
            Work::Publish { .. } | Work::Receive { .. } | Work::Request { .. } if short => self.count,
            Work::Publish { .. } | Work::Receive { .. } | Work::Request { .. } => self.count * 4,
        }
    }

    fn new(name: String, title: String, work: Work, payload: usize, count: u64) -> Self {
        Self {
            name,
            title,
            work,
            payload,
            headers: Headers::No,
            tls: false,
            count,
            in_short: true,
        }
    }
}

const SIZES: [(usize, &str, &str); 4] = [
    (16, "16", "16 B"),
    (128, "128", "128 B"),
    (1024, "1k", "1 KiB"),
    (65_536, "64k", "64 KiB"),
];

/// Enough that one measurement takes a fraction of a second.
fn messages(payload: usize) -> u64 {
    match payload {
        0..=128 => 200_000,
        129..=1024 => 100_000,
        _ => 4000,
    }
}

/// All cells, in the order in which they are measured and shown.
pub(crate) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (verb, work) in [
        ("publish", Work::Publish { tasks: 1 }),
        ("receive", Work::Receive { subscriptions: 1 }),
    ] {
        for (payload, name, size) in SIZES {
            let count = messages(payload);
            cells.push(Cell::new(
                format!("{verb}-{name}"),
                format!("{verb} {size}"),
                work,
                payload,
                count,
            ));
        }
        for (payload, name, size) in SIZES {
            let (name, title) = (
                format!("{verb}-headers-{name}"),
                format!("{verb} {size} with headers"),
            );
            let mut cell = Cell::new(name, title, work, payload, messages(payload));
            cell.headers = Headers::Yes;
            cell.in_short = payload == 128;
            cells.push(cell);
        }
    }
    let mut unread = Cell::new(
        "receive-headers-unread-128".into(),
        "receive 128 B with headers that nobody looks at".into(),
        Work::Receive { subscriptions: 1 },
        128,
        messages(128),
    );
    unread.headers = Headers::Unread;
    unread.in_short = false;
    cells.push(unread);
    for (in_flight, name, title, count) in [
        (1, "request", "requests of 16 B, one at a time", 4000),
        (64, "request-64", "requests of 16 B, 64 in flight", 40_000),
    ] {
        cells.push(Cell::new(
            name.into(),
            title.into(),
            Work::Request { in_flight },
            16,
            count,
        ));
    }
    for tasks in [2, 4, 8] {
        let title = format!("publish 128 B from {tasks} tasks or threads");
        let mut cell = Cell::new(
            format!("publishers-{tasks}"),
            title,
            Work::Publish { tasks },
            128,
            // Several have to take several slices of the scheduler's time.
            messages(128) * 3,
        );
        cell.in_short = tasks != 2;
        cells.push(cell);
    }
    for (subscriptions, written) in [(100, "100"), (10_000, "10 000")] {
        let title = format!("receive 128 B with {written} subscriptions, in turn");
        let name = format!("subscriptions-{subscriptions}");
        cells.push(Cell::new(
            name,
            title,
            Work::Receive { subscriptions },
            128,
            messages(128),
        ));
    }
    for (verb, work) in [
        ("publish", Work::Publish { tasks: 1 }),
        ("receive", Work::Receive { subscriptions: 1 }),
    ] {
        for (payload, name, size) in SIZES {
            let (name, title) = (format!("tls-{verb}-{name}"), format!("{verb} {size} over TLS"));
            let mut cell = Cell::new(name, title, work, payload, messages(payload) / 2);
            cell.tls = true;
            cell.in_short = payload == 128;
            cells.push(cell);
        }
    }
    let title = "100 000 subscriptions, idle and restored".into();
    cells.push(Cell::new("restore".into(), title, Work::Restore, 16, 100_000));
    let title = "500 idle connections".into();
    cells.push(Cell::new("connections".into(), title, Work::Connections, 16, 500));
    cells
}

/// The cell of this name.
pub(crate) fn named(name: &str) -> Option<Cell> {
    all().into_iter().find(|cell| cell.name == name)
}

/// The names and values of the headers: 76 bytes with their first and last line.
pub(crate) const HEADERS: [(&str, &str); 2] = [
    ("Order-Id", "00012345"),
    ("Trace-Id", "4bf92f3577b34da6a3ce929d0e0e4736"),
];

/// The headers as they are on the wire.
pub(crate) fn header_block() -> Vec<u8> {
    let mut block = b"NATS/1.0\r\n".to_vec();
    for (name, value) in HEADERS {
        block.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    block.extend_from_slice(b"\r\n");
    block
}

/// What is published to.
pub(crate) const SUBJECT: &str = "orders.eu.created.12345";
/// The server answers requests here.
pub(crate) const ECHO: &str = "echo";
/// A message here makes the server send.
pub(crate) const GO: &str = "go";
/// A message here makes the server close the link.
pub(crate) const CUT: &str = "cut";

/// The filter of a subscription; what the server sends to it ends with [`SUBJECT_END`] in place of the `>`.
pub(crate) fn filter(subscription: u64) -> String {
    format!("orders.{subscription:05}.>")
}

/// See [`filter`].
pub(crate) const SUBJECT_END: &str = "created.12345";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_cells_have_one_name() {
        let names: BTreeSet<String> = all().into_iter().map(|cell| cell.name).collect();
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn the_headers_are_as_long_as_is_said() {
        assert_eq!(header_block().len(), 76);
    }
}
