//! Whether states with one canonical form have one future.

use std::collections::HashMap;
use std::sync::Arc;

use nats_conn_sm::Timestamp;

use super::check::told;
use super::scope::Scope;
use super::world::World;

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// States that differ in their form.
    pub states: usize,
    /// States that had the form of an earlier one, and whose next steps were compared with it.
    pub compared: usize,
    /// Steps that were compared.
    pub steps: usize,
    /// Of the states that were compared, those that differ from the earlier one in what the form leaves out: by the time, or
    /// by the number of links.
    pub unlike: usize,
}

/// Visits states breadth first until so many are known. Whenever one has the form of an earlier one, the same inputs must be
/// possible in both, say the same, and lead to equal forms.
///
/// # Errors
/// What differs.
pub fn agreement(scope: &Arc<Scope>, states: usize) -> Result<Agreement, String> {
    let first = World::new(scope, Timestamp::from_millis(1_000));
    let mut known: HashMap<Vec<u8>, usize> = HashMap::from([(first.key(), 0)]);
    let mut worlds = vec![first];
    let mut seen = Agreement::default();
    let mut next = 0;
    while let Some(world) = worlds.get(next).cloned() {
        next += 1;
        for input in world.possible() {
            let mut after = world.clone();
            after.apply(input)?;
            match known.get(&after.key()) {
                Some(&place) => compare(&worlds[place], &after, &mut seen)?,
                None if worlds.len() < states => {
                    known.insert(after.key(), worlds.len());
                    worlds.push(after);
                }
                None => {}
            }
        }
    }
    seen.states = worlds.len();
    Ok(seen)
}

fn compare(one: &World, other: &World, seen: &mut Agreement) -> Result<(), String> {
    let attempts = |world: &World| world.connection().statistics().attempts;
    seen.compared += 1;
    seen.unlike += usize::from(one.now != other.now || attempts(one) != attempts(other));
    let possible = one.possible();
    if possible != other.possible() {
        return Err(format!(
            "{possible:?} in one, {:?} in the other",
            other.possible()
        ));
    }
    for input in possible {
        let (mut one, mut other) = (one.clone(), other.clone());
        one.apply(input)?;
        other.apply(input)?;
        let said = [told(one.events()), told(other.events())];
        if said[0] != said[1] {
            return Err(format!("{input}: {said:?}"));
        }
        if one.key() != other.key() {
            return Err(format!(
                "{input} leads from equal forms to different ones:\n{:#?}\n{:#?}",
                one.connection(),
                other.connection()
            ));
        }
        seen.steps += 1;
    }
    Ok(())
}
