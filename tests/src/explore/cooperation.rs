//! What a world does that wishes the connection well: dials succeed, servers answer, transports take what they are
//! given, drivers and applications do what is due, and time passes.
//!
//! Nothing of that is limited, so that each of these steps is possible in every state, and leads to a state of the same
//! world. From each state there is one such way.

use nats_conn_sm::State;

use super::driver::Stage;
use super::input::{Input, Op};
use super::world::World;

impl World {
    /// The next step of a world that cooperates; none once the connection is closed, or is connected, with nothing that
    /// waits to be settled.
    pub fn cooperate(&self) -> Option<Input> {
        if self.connection.state() == State::Closed {
            return None;
        }
        if self.choice.is_some() {
            return Some(Input::ChooseDefault);
        }
        let Some(driver) = &self.driver else {
            return Some(Input::Timeout);
        };
        let step = match driver.stage {
            Stage::Dialing => Some(Input::Connected),
            Stage::Tls => Some(Input::TlsDone),
            Stage::Leaving => Some(Input::LastAnswer),
            Stage::Gone => None,
            Stage::Open if !driver.rest.is_empty() => Some(Input::Rest),
            Stage::Open if !driver.tx.is_empty() => Some(Input::WriteAll),
            Stage::Open if !driver.info_came => Some(Input::Say(Op::Info)),
            Stage::Open if driver.is_asked => Some(Input::Credentials),
            Stage::Open if driver.pings > 0 => Some(Input::Say(Op::Pong)),
            Stage::Open => None,
        };
        if step.is_some() {
            return step;
        }
        if self.checks.is_drain_unfinished() {
            return Some(Input::FinishDrain);
        }
        (!self.is_at_rest()).then_some(Input::Timeout)
    }

    /// It is connected, and nothing waits to be settled.
    fn is_at_rest(&self) -> bool {
        let fates = self.connection.publish_fates();
        self.connection.state() == State::Connected
            && !self.checks.is_waiting()
            && (fates.queued, fates.written) == (0, 0)
    }
}
