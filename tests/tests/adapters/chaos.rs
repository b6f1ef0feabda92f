//! Bad networks: every link is harmed, and every message is accounted for. The example `soak` does it for longer.

use nats_conn_std::Std;
use nats_conn_tests::chaos::soak::{Outcome, Starter, Wishes, run};
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
    let asked = wishes;
    let outcome = elsewhere(move || run(&asked, &[starter])).await;
    is_well(&wishes, &outcome);
}

#[track_caller]
fn is_well(wishes: &Wishes, outcome: &Outcome) {
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
        "requests for several replies",
        "replies to requests for several",
        "messages in order of senders that lost no link",
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

/// The blocking client itself, with which whoever waits may write and read: by threads of a crowd, beside connections of
/// the same adapter that are used as all others are.
fn soak_the_blocking_client(version: Version) {
    if version.is_switched_off() {
        return;
    }
    let starter = Starter::new("std_client", |options| {
        let (client, events) = options.adapter(Std::default()).start()?;
        Ok((client.into_inner(), events.into_inner()))
    });
    let starter = starter.with_crowds(|options| options.adapter(Std::default()).start());
    let wishes = Wishes {
        rate: 100,
        ..wishes(version)
    };
    let outcome = run(&wishes, &[starter]);
    is_well(&wishes, &outcome);
    for name in [
        "crowds of one",
        "crowds of several",
        "echoes, known",
        "confirmed publishes that succeeded",
    ] {
        let count = outcome.counts.get(name).copied().unwrap_or(0);
        assert!(count > 0, "{name}: {count}, of\n{}", outcome.table());
    }
}

mod every_message_of_threads_that_share_a_blocking_client_is_accounted_for {
    use super::*;

    #[test]
    fn v2_9() {
        soak_the_blocking_client(Version::V2_9);
    }

    #[test]
    fn v2_15() {
        soak_the_blocking_client(Version::V2_15);
    }
}
