//! A life that a person lives step by step: what a page needs to show where it has come to.

use std::sync::Arc;

use serde_json::{Value, json};

use super::input::Input;
use super::scope::Scope;
use super::search::{BEGINNING, caught};
use super::tell::consequences;
use super::world::World;

/// What holds in every state, as far as a page can say it in a line each.
const PROMISES: [&str; 14] = [
    "events keep the grammar of a life",
    "nothing but CONNECT, PING and PONG is written before the PONG of the handshake",
    "the server has the subscriptions that the application has, and their maxima",
    "publishes reach the server in order, and never after they were settled",
    "at most once: none twice; at least once: none is given up while the connection goes on",
    "what is confirmed was read by a server; the five counters add up",
    "every id is settled exactly once, and all of them before Closed",
    "a request reaches the server once at most, and not after it was settled",
    "PINGs of the server are answered; a server that answers is not called stale",
    "a reply is given to the request that waits for it",
    "it closes when it is asked to, or because an attempt has failed",
    "there is a deadline until Closed, and none after it; none lies in the past",
    "no server is dialled twice before time passes",
    "answers about links that are gone, and looking, change nothing",
];

/// Lives this life from its beginning. Each step is a place in the list of what is possible.
pub fn walk(scope: &Arc<Scope>, steps: &[usize]) -> Value {
    let mut world = match caught(|| World::begin(scope, BEGINNING)) {
        Ok(world) => world,
        Err(what) => return json!({ "trace": [], "possible": [], "wrong": what }),
    };
    let mut trace = vec![entry(&world, None, 0)];
    let mut wrong = None;
    for step in steps {
        let Some(&input) = world.possible().get(*step) else {
            break;
        };
        let before = world.now();
        let mut after = world.clone();
        let what = caught(|| after.apply(input).and_then(|()| after.verify()));
        let passed = after.now().since(before).as_millis();
        trace.push(entry(
            &after,
            Some(input),
            u64::try_from(passed).unwrap_or(u64::MAX),
        ));
        world = after;
        if let Err(what) = what {
            wrong = Some(what);
            break;
        }
    }
    let possible = world.possible();
    let cooperation = world.cooperate();
    let cooperation = cooperation.and_then(|input| possible.iter().position(|other| *other == input));
    json!({
        "trace": trace,
        "possible": possible.iter().map(|&input| json!({
            "text": input.to_string(),
            "wrong": leads_to(&world, input),
        })).collect::<Vec<_>>(),
        "cooperation": cooperation,
        "wrong": wrong,
        "promises": PROMISES,
        "state": world.connection().state().code(),
        "why": world.connection().why(world.now()),
        "now": world.now().since(BEGINNING).as_millis() as u64,
        "fates": fates(&world),
        "debug": format!("{:#?}", world.connection()),
    })
}

fn entry(world: &World, input: Option<Input>, passed: u64) -> Value {
    let text = input.map_or_else(
        || String::from("the connection is made"),
        |input| input.to_string(),
    );
    json!({ "text": text, "passed": passed, "consequences": consequences(world) })
}

/// What would be wrong after this.
fn leads_to(world: &World, input: Input) -> Option<String> {
    let mut after = world.clone();
    caught(|| after.apply(input).and_then(|()| after.verify())).err()
}

fn fates(world: &World) -> Value {
    let fates = world.connection().publish_fates();
    json!({
        "accepted": fates.accepted,
        "queued": fates.queued,
        "written": fates.written,
        "confirmed": fates.confirmed,
        "unconfirmed": fates.unconfirmed,
        "dropped": fates.dropped,
    })
}
