//! What reconnect policies do to servers and clients, at a small scale; the example `herd` has a large one.

use nats_conn_tests::herd::{Other, Outcome, Policy, Setup, Story, run};

fn lived(policy: Policy, story: Story) -> Outcome {
    run(policy, story, Setup::of(3_000), |_| ())
}

// behaviour: 4.1
#[test]
fn a_herd_with_growing_waits_and_jitter_is_back_sooner_than_with_waves_and_asks_less_than_without_waits() {
    let own = lived(Policy::Own, Story::Crash);
    let constant = lived(Policy::Other(Other::CycleWait), Story::Crash);
    let waves = lived(Policy::Other(Other::NoJitter), Story::Crash);
    let busy = lived(Policy::Other(Other::NoWait), Story::Crash);
    for outcome in [&own, &constant, &busy] {
        assert_eq!(outcome.left_out, 0, "{outcome:?}");
    }
    assert!(own.recovered[2] < constant.recovered[2] && own.recovered[2] < waves.recovered[2]);
    assert!(
        own.refused * 5 < busy.refused,
        "{} and {}",
        own.refused,
        busy.refused
    );
}

// behaviour: 10.2
#[test]
fn everybody_is_back_after_all_servers_were_renewed_in_turn() {
    let own = lived(Policy::Own, Story::LameDucks);
    assert_eq!(own.left_out, 0, "{own:?}");
    assert!(own.outages >= 3_000, "everybody moved: {}", own.outages);
}

#[test]
fn a_herd_is_the_same_in_every_run() {
    let outcomes = [(); 2].map(|()| lived(Policy::Own, Story::Crash));
    assert_eq!(outcomes[0].attempts, outcomes[1].attempts);
    assert_eq!(outcomes[0].recovered, outcomes[1].recovered);
}
