//! Many clients and servers from one seed: a share of the seeds in every run. `SIMULATE_SEEDS=10000` is a long run;
//! the example `simulate` is faster and tells the story of a seed.

use nats_conn_sm::recording::{Recording, Replayer};
use nats_conn_tests::simulate::{Bug, Plan, Tally, run, shrink};

/// Seeds of an ordinary run.
const SEEDS: u64 = 200;
/// Seeds within which a bug that was planted is to be found.
const ENOUGH: u64 = 20;

// behaviour: 3.3, 4.1, 5.1, 6.2, 6.4, 6.5, 8.1, 9.3
#[test]
fn whatever_happens_to_a_crowd_everybody_comes_back_and_all_accounts_agree() {
    let seeds = std::env::var("SIMULATE_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok());
    let mut total = Tally::default();
    for seed in 0..seeds.unwrap_or(SEEDS) {
        let plan = Plan::of(seed);
        match run(&plan, false).outcome {
            Ok(tally) => total.add(&tally),
            Err(what) => panic!("seed {seed}: {what}\nreplay it with\n  {}", plan.command()),
        }
    }
    println!("{total:#?}");
    let each = |count: u64| count / total.clients;
    assert!(each(total.sessions) >= 2, "clients reconnect: {total:?}");
    assert!(each(total.failures) >= 1, "attempts fail: {total:?}");
    assert!(each(total.executed) >= 10, "clients publish: {total:?}");
    assert!(total.received >= total.expected / 2, "messages arrive: {total:?}");
}

fn found(bug: Bug) -> (Plan, String) {
    let plans = (0..ENOUGH).map(|seed| Plan::of(seed).with_bug(bug));
    let mut failed = plans.filter_map(|plan| run(&plan, false).outcome.err().map(|what| (plan, what)));
    failed.next().unwrap_or_else(|| panic!("{bug:?} is not found"))
}

#[test]
fn a_server_that_loses_a_publish_is_found_shrunk_to_a_step_and_replayed_by_its_command_and_its_recording() {
    let (plan, what) = found(Bug::LosesPublish);
    assert!(what.contains("not delivered to subscription"), "{what}");
    let (short, _) = shrink(plan.clone(), |plan| run(plan, false).outcome.is_err());
    assert!(short.steps.len() <= 3 && short.clients.len() <= 2, "{short:?}");

    let command = short.command();
    let list = |name: &str| -> Vec<usize> {
        let rest = command.split(name).nth(1).expect("it is named");
        let word = rest.split_whitespace().next().expect("a list");
        word.split(',').filter_map(|number| number.parse().ok()).collect()
    };
    let again = Plan::of(plan.seed).with_bug(Bug::LosesPublish);
    let clients = if command.contains("--clients") {
        list("--clients")
    } else {
        plan.clients.clone()
    };
    let again = again.keeping(clients, list("--steps"));
    let report = run(&again, true);
    assert_eq!(report.outcome, run(&short, false).outcome, "{command}");
    assert!(
        report.story.iter().any(|line| line.contains("got PUB")),
        "{:?}",
        report.story
    );
    for (name, recording) in report.recordings {
        let recording = Recording::read(recording).expect("a recording");
        assert!(Replayer::run(recording).is_ok_and(|inputs| inputs > 0), "{name}");
    }
}

#[test]
fn a_policy_that_never_waits_is_found() {
    let (_, what) = found(Bug::NeverWaits);
    assert!(what.contains("attempts within a second"), "{what}");
}

#[test]
fn a_seed_always_tells_the_same_story() {
    let stories = [(); 2].map(|()| run(&Plan::of(7), true));
    assert!(stories[0].story.len() > 50);
    assert_eq!(stories[0].story, stories[1].story);
    assert_eq!(stories[0].recordings, stories[1].recordings);
}
