//! What scenarios share.

pub(crate) use std::time::{Duration, Instant};

pub(crate) use serde_json::{Value, json};

pub(crate) use crate::fake::{Fake, Link};
pub(crate) use crate::process::{Adapter, Console};

/// Flags that make waits short and even.
pub(crate) const QUICK: &str =
    "--reconnect-wait-ms 20 --reconnect-wait-max-ms 40 --reconnect-jitter-ms 0 --min-stable-ms 0";

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A server, a console that is connected to it, and the link between them.
pub(crate) fn connected(adapter: Adapter, flags: &str) -> (Fake, Link, Console) {
    connected_with(adapter, flags, json!({}))
}

/// The same with these fields in INFO.
pub(crate) fn connected_with(adapter: Adapter, flags: &str, fields: Value) -> (Fake, Link, Console) {
    let fake = Fake::new();
    let mut console = adapter.start(&format!("--server {} {QUICK} {flags}", fake.url()));
    let link = fake.shake_with(fields);
    console.until("connected");
    (fake, link, console)
}

/// A port on which nobody listens.
pub(crate) fn dead_url() -> String {
    Fake::new().url()
}
