//! The canonical form of a state, and the states of a small world.

use std::sync::Arc;

use nats_conn_sm::{Delivery, Timestamp};
use nats_conn_tests::explore::{Budget, Fault, Input, Op, Outcome, Scope, World, agreement, search, worlds};

/// Everything may happen a few times.
fn generous(budget: &mut Budget) {
    *budget = Budget {
        publishes: 4,
        subscriptions: 4,
        requests: 4,
        many: 4,
        choices: 4,
        flushes: 4,
        round_trips: 4,
        drains: 4,
        closes: 4,
        forces: 4,
        pools: 4,
        messages: 8,
        pings: 8,
        infos: 8,
        parts: 8,
        faults: 8,
    };
}

/// From the first dial to a session.
const SESSION: [Input; 4] = [
    Input::Connected,
    Input::Say(Op::Info),
    Input::WriteAll,
    Input::Say(Op::Pong),
];

/// The world after these inputs, each of which was possible.
fn after(delivery: Delivery, start: u64, inputs: &[Input]) -> World {
    let scope = Arc::new(Scope::new(delivery).with(generous));
    let mut world = World::new(&scope, Timestamp::from_millis(start));
    for &input in inputs {
        assert!(
            world.possible().contains(&input),
            "{input}: {:?}",
            world.possible()
        );
        world.apply(input).expect("nothing is wrong");
    }
    world
}

fn in_session(delivery: Delivery, start: u64, inputs: &[Input]) -> World {
    after(delivery, start, &[SESSION.as_slice(), inputs].concat())
}

/// A link that lived long enough is lost, and there is another one at once.
fn reconnected() -> Vec<Input> {
    let mut inputs = vec![Input::Timeout, Input::WriteAll, Input::Say(Op::Pong), Input::Eof];
    inputs.extend(SESSION);
    inputs
}

// design: 7.11
#[test]
fn equal_states_have_one_form_whatever_links_requests_and_time_there_were_before() {
    let ask = [Input::Request, Input::WriteAll];
    let answered = [Input::Say(Op::NoResponders)];
    let restored = [Input::WriteAll, Input::Say(Op::Pong)];
    let once = [&ask, answered.as_slice(), &reconnected(), &restored, &ask].concat();
    let once = in_session(Delivery::AtMostOnce, 1_000, &once);
    let often = [
        &ask,
        answered.as_slice(),
        &reconnected(),
        &restored,
        &ask,
        &answered,
        &ask,
        &answered,
        &reconnected(),
        &restored,
        &ask,
    ]
    .concat();
    let often = in_session(Delivery::AtMostOnce, 77_000_123, &often);
    assert_ne!(once.connection().link(), often.connection().link());
    assert_same(&once, &often);
}

// design: 7.11
#[test]
fn equal_states_have_one_form_whatever_subscriptions_and_publishes_there_were_before() {
    let end = [Input::Subscribe, Input::Publish, Input::WriteAll, Input::Limit];
    let flushed = [Input::Flush, Input::WriteAll, Input::Say(Op::Pong)];
    let early = in_session(Delivery::AtMostOnce, 5, &[flushed.as_slice(), &end].concat());
    let before = [
        Input::Publish,
        Input::WriteAll,
        Input::Subscribe,
        Input::WriteAll,
        Input::Unsubscribe,
        Input::WriteAll,
    ];
    let late = [before.as_slice(), &flushed, &end].concat();
    let late = in_session(Delivery::AtMostOnce, 900, &late);
    assert_same(&early, &late);
}

fn assert_same(one: &World, other: &World) {
    assert!(
        one.form() == other.form(),
        "two forms:\n{:#?}\n{:#?}",
        one.connection(),
        other.connection()
    );
}

// design: 7.11
#[test]
fn different_situations_have_different_forms() {
    let err = |fault| Input::Say(Op::Err(fault));
    let session = |inputs: &[Input]| [SESSION.as_slice(), inputs].concat();
    let situations: Vec<(&str, Vec<Input>)> = vec![
        ("dialling", vec![]),
        ("INFO is awaited", vec![Input::Connected]),
        ("CONNECT is in the driver's hand", SESSION[..2].to_vec()),
        (
            "a byte of CONNECT was taken",
            [&SESSION[..2], &[Input::WriteOne]].concat(),
        ),
        ("the PONG is awaited", SESSION[..3].to_vec()),
        ("a session", session(&[])),
        (
            "half a PONG has come",
            [&SESSION[..3], &[Input::Begin(Op::Pong)]].concat(),
        ),
        ("a publish in the driver's hand", session(&[Input::Publish])),
        (
            "a publish is queued before the session",
            [&SESSION[..3], &[Input::Publish]].concat(),
        ),
        (
            "two publishes are queued before the session",
            [&SESSION[..3], &[Input::Publish; 2]].concat(),
        ),
        (
            "a publish is written",
            session(&[Input::Publish, Input::WriteAll]),
        ),
        (
            "two publishes are written",
            session(&[Input::Publish, Input::WriteAll, Input::Publish, Input::WriteAll]),
        ),
        ("a SUB in the driver's hand", session(&[Input::Subscribe])),
        ("a SUB is written", session(&[Input::Subscribe, Input::WriteAll])),
        (
            "a message has come",
            session(&[Input::Subscribe, Input::WriteAll, Input::Say(Op::Message)]),
        ),
        (
            "a subscription with a maximum",
            session(&[Input::Subscribe, Input::WriteAll, Input::Limit, Input::WriteAll]),
        ),
        ("a request in the driver's hand", session(&[Input::Request])),
        (
            "a request that several may answer in the driver's hand",
            session(&[Input::RequestMany]),
        ),
        (
            "a request that several may answer is written",
            session(&[Input::RequestMany, Input::WriteAll]),
        ),
        (
            "one of several has answered",
            session(&[Input::RequestMany, Input::WriteAll, Input::Say(Op::Reply)]),
        ),
        (
            "a request and the inbox are written",
            session(&[Input::Request, Input::WriteAll]),
        ),
        (
            "a PING of a flush is written",
            session(&[Input::Flush, Input::WriteAll]),
        ),
        ("a keep-alive in the driver's hand", session(&[Input::Timeout])),
        (
            "a keep-alive is written",
            session(&[Input::Timeout, Input::WriteAll]),
        ),
        ("a PONG is owed", session(&[Input::Publish, Input::Say(Op::Ping)])),
        ("draining", session(&[Input::Drain])),
        (
            "draining, and everything was consumed",
            session(&[Input::Drain, Input::FinishDrain]),
        ),
        (
            "draining with a subscription",
            session(&[Input::Subscribe, Input::WriteAll, Input::Drain]),
        ),
        (
            "draining with a subscription, and everything was consumed",
            session(&[
                Input::Subscribe,
                Input::WriteAll,
                Input::Drain,
                Input::FinishDrain,
            ]),
        ),
        ("closing", session(&[Input::Publish, Input::Close])),
        (
            "closing while draining",
            session(&[Input::Publish, Input::Drain, Input::Close]),
        ),
        ("closed", vec![Input::Close]),
        ("the link is being left", session(&[Input::ForceReconnect])),
        ("waiting", session(&[Input::Eof])),
        ("dialling again", session(&[Input::Eof, Input::Timeout])),
        (
            "an authentication error that closes nothing yet",
            session(&[err(Fault::Expired)]),
        ),
        ("an error that says nothing", session(&[err(Fault::Other)])),
        (
            "the server is in lame duck mode",
            session(&[Input::Say(Op::InfoLameDuck)]),
        ),
        ("the server takes less", session(&[Input::Say(Op::InfoSmall)])),
    ];
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let forms: Vec<(&str, Vec<u8>)> = situations
            .iter()
            .map(|(name, inputs)| (*name, after(delivery, 1_000, inputs).form()))
            .collect();
        for (place, (name, form)) in forms.iter().enumerate() {
            for (other, other_form) in &forms[..place] {
                let same_on_purpose = (*other, *name) == ("a session", "a publish is written")
                    || (*other, *name) == ("a session", "two publishes are written");
                assert!(
                    form != other_form || same_on_purpose,
                    "{name} has the form of: {other}"
                );
            }
        }
    }
}

// design: 7.11
#[test]
fn states_with_one_form_have_one_future() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let plenty = |budget: &mut Budget| {
            generous(budget);
            (budget.publishes, budget.subscriptions, budget.messages) = (5, 8, 200);
            (budget.flushes, budget.pings, budget.faults, budget.forces) = (200, 200, 200, 20);
            (budget.many, budget.choices) = (8, 200);
        };
        let plain = Scope::new(delivery);
        let scopes = [
            plain.clone().two_servers().choosing(),
            plain.clone().with_login(),
            plain,
        ];
        for scope in scopes {
            let mut scope = scope.in_session().with(plenty);
            scope.config.max_reconnects = None;
            let seen = agreement(&Arc::new(scope), 30).expect("they agree");
            println!("{delivery:?}: {seen:?}");
            assert!(
                seen.compared > 50 && seen.unlike > 20 && seen.steps > 700,
                "{seen:?}"
            );
        }
    }
}

// design: 7.8, 7.9, 7.10
#[test]
fn in_no_state_of_a_small_world_is_a_promise_broken() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let scope = Scope::new(delivery).with(|budget| (budget.publishes, budget.faults) = (1, 0));
        let outcome = searched(scope, usize::MAX);
        assert!(
            outcome.is_complete && outcome.progress.connected > 20,
            "{:?}",
            outcome.progress
        );
    }
}

// design: 7.8, 7.9, 7.10
#[test]
fn near_the_beginning_of_a_session_no_promise_is_broken_whatever_happens() {
    for delivery in [Delivery::AtMostOnce, Delivery::AtLeastOnce] {
        let scope = Scope::new(delivery).in_session().with(generous);
        let outcome = searched(scope, 250);
        assert!(outcome.progress.connected > 100, "{:?}", outcome.progress);
    }
}

// behaviour: 14; design: 7.8, 7.10
#[test]
fn from_every_state_near_the_beginning_of_every_world_a_world_that_cooperates_settles_everything() {
    for (name, scope) in worlds() {
        let outcome = searched(scope, 120);
        let progress = outcome.progress;
        assert!(
            progress.unfinished > 0 || outcome.is_complete,
            "{name}: {progress:?}"
        );
        assert!(progress.settled_after_steps > 3, "{name}: {progress:?}");
    }
}

fn searched(scope: Scope, most: usize) -> Outcome {
    let outcome = search(&Arc::new(scope), most, |_| ());
    println!("{:?}", outcome.progress);
    if let Some(found) = &outcome.found {
        panic!("{}\n{}", found.what, found.story);
    }
    outcome
}
