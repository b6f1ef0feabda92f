//! What holds of ways rather than of states: whoever cooperates comes to an end, and nothing goes round in a circle while no
//! time passes.

use super::known::{Id, NONE};

/// The steps between states that decide about that.
#[derive(Default)]
pub(super) struct Steps {
    /// By number: the next state in a world that cooperates, or none where there is nothing left to do, and how many
    /// milliseconds pass until then.
    next: Vec<(Id, u32)>,
    /// Steps in which no time passes, and that may be taken any number of times, in the order of where they begin.
    timeless: Vec<(Id, Id)>,
}

/// How long it takes at most, in a world that cooperates, until everything is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Longest {
    pub(super) steps: u32,
    pub(super) millis: u64,
    /// The state from which that many milliseconds pass.
    pub(super) from: Id,
}

impl Steps {
    /// In a world that cooperates this state is followed by that one.
    pub(super) fn follows(&mut self, state: Id, next: Id, millis: u32) {
        let place = state as usize;
        if self.next.len() <= place {
            self.next.resize(place + 1, (NONE, 0));
        }
        self.next[place] = (next, millis);
    }

    /// No time passes from the one to the other.
    pub(super) fn timeless(&mut self, from: Id, to: Id) {
        self.timeless.push((from, to));
    }

    /// How long it takes until everything is settled, or a state from which that never happens.
    pub(super) fn settles(&mut self, states: usize) -> Result<Longest, Id> {
        self.next.resize(states, (NONE, 0));
        // The steps and milliseconds from each state, once they are known; 0 steps: not yet.
        let mut known: Vec<(u32, u32)> = vec![(0, 0); states];
        let mut longest = Longest::default();
        let mut way = Vec::new();
        for first in 0..states {
            let mut place = first;
            while known[place].0 == 0 && way.len() <= states {
                way.push(place);
                match self.next[place].0 {
                    NONE => break,
                    next => place = next as usize,
                }
            }
            if way.len() > states {
                return Err(first as Id);
            }
            while let Some(place) = way.pop() {
                known[place] = match self.next[place] {
                    (NONE, _) => (1, 0),
                    (next, millis) => {
                        let (steps, rest) = known[next as usize];
                        (steps + 1, rest.saturating_add(millis))
                    }
                };
                let (steps, millis) = (known[place].0 - 1, u64::from(known[place].1));
                longest.steps = longest.steps.max(steps);
                if millis > longest.millis {
                    (longest.millis, longest.from) = (millis, place as Id);
                }
            }
        }
        Ok(longest)
    }

    /// A state on a circle on which no time passes, if there is one.
    pub(super) fn circle(&self, states: usize) -> Option<Id> {
        let mut incoming = vec![0_u32; states];
        for &(_, to) in &self.timeless {
            incoming[to as usize] += 1;
        }
        let mut ready: Vec<Id> = (0..states as Id)
            .filter(|&id| incoming[id as usize] == 0)
            .collect();
        let mut done = 0;
        while let Some(from) = ready.pop() {
            done += 1;
            let begin = self.timeless.partition_point(|&(other, _)| other < from);
            for &(_, to) in self.timeless[begin..]
                .iter()
                .take_while(|&&(other, _)| other == from)
            {
                incoming[to as usize] -= 1;
                if incoming[to as usize] == 0 {
                    ready.push(to);
                }
            }
        }
        if done == states {
            return None;
        }
        // Whoever goes back along steps that are left comes to a circle.
        let mut place = incoming.iter().position(|&count| count > 0)? as Id;
        let mut seen = std::collections::HashSet::new();
        while seen.insert(place) {
            let before = self
                .timeless
                .iter()
                .find(|&&(from, to)| to == place && incoming[from as usize] > 0)?;
            place = before.0;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_ends_is_measured_and_one_that_does_not_is_found() {
        let mut steps = Steps::default();
        steps.follows(0, 1, 5);
        steps.follows(1, 2, 7);
        let longest = steps.settles(4).unwrap();
        assert_eq!((longest.steps, longest.millis, longest.from), (2, 12, 0));
        steps.follows(2, 1, 0);
        assert_eq!(steps.settles(4), Err(0));
    }

    #[test]
    fn a_circle_without_time_is_found_and_what_only_leads_to_it_is_not() {
        let mut steps = Steps::default();
        for (from, to) in [(0, 1), (0, 2), (1, 3), (2, 3)] {
            steps.timeless(from, to);
        }
        assert_eq!(steps.circle(4), None);
        steps.timeless(3, 1);
        assert!(matches!(steps.circle(4), Some(1 | 3)));
    }
}
