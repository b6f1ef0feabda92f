//! What a search is trying, for whoever wants to see that it does not come back from there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::input::Input;

/// What a search is trying at this moment.
#[derive(Debug, Default)]
pub struct Watch(Mutex<Attempt>);

/// An input that is tried in a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The number of this attempt, so that one is told from the next.
    pub number: u64,
    /// How many states are known.
    pub states: usize,
    /// The inputs that lead to the state, and the one that is tried there; none while nothing is tried.
    pub inputs: Option<Vec<Input>>,
}

impl Watch {
    /// What is being tried.
    pub fn attempt(&self) -> Attempt {
        self.lock().clone()
    }

    /// The search is in the state that these inputs lead to.
    pub(super) fn arrives(&self, states: usize, mut inputs: Vec<Input>) {
        let mut attempt = self.lock();
        // The place of the input that is tried.
        inputs.push(Input::Timeout);
        attempt.inputs = Some(inputs);
        attempt.states = states;
        attempt.number += 1;
    }

    /// It tries this input there.
    pub(super) fn tries(&self, input: Input) {
        let mut attempt = self.lock();
        attempt.number += 1;
        if let Some(last) = attempt.inputs.as_mut().and_then(|inputs| inputs.last_mut()) {
            *last = input;
        }
    }

    /// It makes the first state, which no input leads to.
    pub(super) fn begins(&self) {
        self.lock().inputs = Some(Vec::new());
    }

    /// It tries nothing.
    pub(super) fn rests(&self) {
        self.lock().inputs = None;
    }

    fn lock(&self) -> MutexGuard<'_, Attempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
