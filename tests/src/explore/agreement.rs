//! Whether states with one canonical form have one future.

use std::collections::HashMap;
use std::sync::Arc;

use nats_conn_sm::Timestamp;

use super::input::Input;
use super::scope::Scope;
use super::tell::consequences;
use super::world::World;

/// Inputs of one life.
const LENGTH: usize = 60;

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// States that differ in their form.
    pub states: usize,
    /// States that had the form of an earlier one, of another life or time, whose next steps were compared with those of
    /// the earlier one.
    pub compared: usize,
    /// Of these, such as differ in the number of links, subscriptions or publishes that there were.
    pub unlike: usize,
    /// Steps that were compared.
    pub steps: usize,
}

/// Lives random lives that begin at different times. Whenever a state has the form of an earlier one, the same inputs must
/// say the same in both, and lead to equal forms.
///
/// # Errors
/// What differs.
pub fn agreement(scope: &Arc<Scope>, lives: u64) -> Result<Agreement, String> {
    let mut known: HashMap<Vec<u8>, World> = HashMap::new();
    let mut seen = Agreement::default();
    for life in 0..lives {
        let mut world = World::new(scope, Timestamp::from_millis(life * 977));
        let mut dice = Dice::new(life);
        for _ in 0..LENGTH {
            match known.get(&world.likeness()) {
                Some(earlier) => compare(earlier, &world, &mut seen)?,
                None => _ = known.insert(world.likeness(), world.clone()),
            }
            let Some(input) = choose(&world, &mut dice) else {
                break;
            };
            world.apply(input).map_err(|what| format!("{input}: {what}"))?;
        }
    }
    seen.states = known.len();
    Ok(seen)
}

fn compare(one: &World, other: &World, seen: &mut Agreement) -> Result<(), String> {
    if one.now == other.now && counted(one) == counted(other) {
        return Ok(());
    }
    seen.compared += 1;
    seen.unlike += usize::from(counted(one) != counted(other));
    let also = other.possible();
    for input in one.possible().into_iter().filter(|input| also.contains(input)) {
        let (mut one, mut other) = (one.clone(), other.clone());
        one.apply(input)?;
        other.apply(input)?;
        let said = [&one, &other].map(|world| masked(&consequences(world).join("\n")));
        if said[0] != said[1] {
            return Err(format!("{input}: {said:?}"));
        }
        if one.likeness() != other.likeness() {
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

/// Without the names of inboxes: each is drawn, and the next one is another one.
fn masked(text: &str) -> String {
    let mut parts = text.split("_INBOX.");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.find('.').map_or("", |place| &part[place..]);
        masked.push_str("_INBOX");
        masked.push_str(rest);
    }
    masked
}

/// What the form leaves out.
fn counted(world: &World) -> (u64, u64, Option<u64>) {
    let statistics = world.connection().statistics();
    let subscription = world.subscription.map(|sid| sid.get());
    (statistics.attempts, statistics.publishes.accepted, subscription)
}

/// The ends of lives are rare, and what goes wrong is rarer than what does not, so that lives come far.
fn choose(world: &World, dice: &mut Dice) -> Option<Input> {
    let possible = world.possible();
    for _ in 0..100 {
        let input = *possible.get(dice.below(possible.len().max(1)))?;
        let of = match input {
            Input::Close | Input::Abort | Input::Drain => 40,
            _ if world.is_fault(input) => 50,
            _ => 1,
        };
        if dice.below(of) == 0 {
            return Some(input);
        }
    }
    None
}

/// Xorshift: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % end as u64).unwrap_or_default()
    }
}
