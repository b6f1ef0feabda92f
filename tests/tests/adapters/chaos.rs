//! Bad networks: every link is harmed, and every message is accounted for. The example `soak` does it for longer.

use nats_conn_tests::chaos::soak::{Starter, Wishes, run};
use tokio::runtime::Handle;

use crate::scene::*;

fn wishes(version: Version) -> Wishes {
    Wishes {
        seed: 20,
        length: Duration::from_secs(5),
        version,
        cluster: false,
        rate: 300,
        lifetime: (500, 3000),
        verbose: false,
    }
}

/// Runs it beside the scenario, whose runtime drives the connections.
async fn soak(adapter: Adapter, wishes: Wishes) {
    let runtime = Handle::try_current().ok();
    let starter = Starter::new(adapter.name(), move |options| {
        let _inside = runtime.as_ref().map(Handle::enter);
        adapter.try_start(options.adapter(Anywhere))
    });
    let outcome = elsewhere(move || run(&wishes, &[starter])).await;
    assert!(
        outcome.violations.is_empty(),
        "seed {}:\n{}",
        wishes.seed,
        outcome.table()
    );
    for name in [
        "publishes at most once, confirmed",
        "publishes at least once, confirmed",
        "requests, answered",
    ] {
        let count = outcome.counts.get(name).copied().unwrap_or(0);
        assert!(count > 0, "{name}: {count}, of\n{}", outcome.table());
    }
    assert!(
        outcome.counts["links lost in a session"] > 0,
        "{}",
        outcome.table()
    );
}

scenarios! {
    async fn every_message_is_accounted_for_whatever_happens_to_links(adapter, version) {
        soak(adapter, wishes(version)).await;
    }
}
