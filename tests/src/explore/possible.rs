//! Which inputs are possible in a state, and what they cost.

use nats_conn_sm::State;
use nats_proto::Sid;

use super::driver::{Driver, Stage};
use super::input::{Fault, Input, Op};
use super::scope::Budget;
use super::world::World;

impl World {
    /// What may happen next.
    pub fn possible(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        if self.connection.state() != State::Closed {
            self.application(&mut inputs);
        }
        let is_answering = self
            .driver
            .as_ref()
            .is_some_and(|driver| driver.stage == Stage::Open && driver.is_answering);
        if self.connection.poll_timeout().is_some() && !is_answering {
            inputs.push(Input::Timeout);
        }
        if let Some(choice) = self.choice.filter(|_| self.connection.state() != State::Closed) {
            inputs.extend([Input::ChooseDefault, Input::ChooseNone]);
            inputs.extend(choice.other.map(|_| Input::ChooseOther));
        }
        if let Some(driver) = &self.driver {
            if driver.is_asked && driver.stage != Stage::Gone {
                inputs.extend([Input::Credentials, Input::NoCredentials]);
            }
            match driver.stage {
                Stage::Dialing => inputs.extend([Input::Connected, Input::DialFails]),
                Stage::Tls => inputs.extend([Input::TlsDone, Input::TlsFails]),
                Stage::Open => self.open(driver, &mut inputs),
                Stage::Leaving => inputs.push(Input::LastAnswer),
                Stage::Gone => {}
            }
        }
        inputs.retain(|&input| self.price(input).is_none_or(|price| has(self.budget, price)));
        inputs
    }

    fn application(&self, inputs: &mut Vec<Input>) {
        inputs.extend([Input::Publish, Input::Drain, Input::Close, Input::Abort]);
        inputs.extend([Input::ForceReconnect, Input::NewPool]);
        // Of these there is one at a time.
        let begun = [Input::Subscribe, Input::Request, Input::Flush, Input::RoundTrip];
        let is_open = self.checks.open();
        inputs.extend(
            begun
                .into_iter()
                .zip(is_open)
                .filter(|(_, is_open)| !is_open)
                .map(|(input, _)| input),
        );
        if !is_open[1] {
            inputs.push(Input::RequestMany);
        }
        if self.checks.may_limit() {
            inputs.push(Input::Limit);
        }
        if self.checks.has_subscription() {
            inputs.push(Input::Unsubscribe);
        }
        if self.checks.may_drain_subscription() {
            inputs.push(Input::DrainSubscription);
        }
        if is_open[1] {
            inputs.push(Input::Cancel);
        }
        if self.checks.is_drain_unfinished() {
            inputs.push(Input::FinishDrain);
        }
    }

    fn open(&self, driver: &Driver, inputs: &mut Vec<Input>) {
        if !driver.tx.is_empty() {
            inputs.push(Input::WriteAll);
            if !driver.is_cut {
                inputs.extend([Input::WriteOne, Input::WriteMost]);
            }
            inputs.extend([Input::EndUncertain, Input::EndTaken]);
        }
        inputs.push(Input::Eof);
        if !driver.rest.is_empty() {
            return inputs.push(Input::Rest);
        }
        let mut ops = vec![Op::Info, Op::InfoSmall, Op::InfoServers, Op::Pong, Op::Rubbish];
        ops.push(if driver.info_came {
            Op::InfoLameDuck
        } else {
            Op::InfoTls
        });
        let sid = self.subscription.map(Sid::get);
        let is_told = sid.is_some_and(|sid| driver.server.told(sid).is_some());
        // A server refuses no SUB that it has not read.
        let may_refuse = |fault: &Fault| match fault {
            Fault::Subscription => is_told || sid.is_none(),
            Fault::Inbox => driver.server.inbox().is_some(),
            _ => true,
        };
        ops.extend(Fault::ALL.into_iter().filter(may_refuse).map(Op::Err));
        if driver.info_came {
            ops.push(Op::Ping);
            if self.checks.is_in_session() {
                if is_told {
                    ops.push(Op::Message);
                }
                if self
                    .reply_to
                    .as_ref()
                    .is_some_and(|(_, subject)| !subject.is_empty())
                {
                    ops.extend([Op::Reply, Op::NoResponders]);
                }
            }
        }
        for op in ops {
            inputs.push(Input::Say(op));
            if matches!(op, Op::Info | Op::Pong | Op::Message | Op::Reply) {
                inputs.push(Input::Begin(op));
            }
            if matches!(op, Op::Pong | Op::Message | Op::Err(_)) {
                inputs.push(Input::SayAndEnd(op));
            }
        }
    }

    /// Whether this may happen any number of times: on a way without an end there is nothing else.
    pub(super) fn is_free(&self, input: Input) -> bool {
        self.price(input).is_none()
    }

    /// Whether something goes wrong.
    pub(super) fn is_fault(&self, input: Input) -> bool {
        let mut budget = Budget {
            faults: 1,
            ..Budget::default()
        };
        self.price(input).is_some_and(|price| *price(&mut budget) > 0)
    }

    pub(super) fn pay(&mut self, input: Input) {
        for price in [self.price(input), self.surcharge(input)].into_iter().flatten() {
            let left = price(&mut self.budget);
            *left = left.saturating_sub(1);
        }
    }

    /// What an input uses up, if anything.
    fn price(&self, input: Input) -> Option<Price> {
        let driver = self.driver.as_ref();
        let first_info = driver.is_some_and(|driver| !driver.info_came);
        let awaited_pong = driver.is_some_and(|driver| driver.pings > 0);
        Some(match input {
            Input::Publish => |budget| &mut budget.publishes,
            Input::Subscribe => |budget| &mut budget.subscriptions,
            Input::Request => |budget| &mut budget.requests,
            Input::RequestMany => |budget| &mut budget.many,
            Input::ChooseOther => |budget| &mut budget.choices,
            Input::Flush => |budget| &mut budget.flushes,
            Input::RoundTrip => |budget| &mut budget.round_trips,
            Input::Drain => |budget| &mut budget.drains,
            Input::Close | Input::Abort => |budget| &mut budget.closes,
            Input::NewPool => |budget| &mut budget.pools,
            Input::ForceReconnect => |budget| &mut budget.forces,
            Input::WriteOne | Input::WriteMost | Input::Begin(_) => |budget| &mut budget.parts,
            Input::Say(Op::Info) if first_info => return None,
            Input::Say(Op::Info | Op::InfoLameDuck | Op::InfoServers) => |budget| &mut budget.infos,
            Input::Say(Op::Pong) if awaited_pong => return None,
            Input::Say(Op::Ping) => |budget| &mut budget.pings,
            Input::Say(Op::Message | Op::Reply | Op::NoResponders) => |budget| &mut budget.messages,
            Input::Say(_)
            | Input::SayAndEnd(_)
            | Input::Eof
            | Input::EndUncertain
            | Input::EndTaken
            | Input::DialFails
            | Input::ChooseNone
            | Input::NoCredentials
            | Input::TlsFails => |budget| &mut budget.faults,
            Input::Limit
            | Input::Unsubscribe
            | Input::DrainSubscription
            | Input::Cancel
            | Input::FinishDrain
            | Input::ChooseDefault
            | Input::Credentials
            | Input::Timeout
            | Input::Connected
            | Input::TlsDone
            | Input::WriteAll
            | Input::LastAnswer
            | Input::Rest => return None,
        })
    }

    /// A message that comes in part, or with the end of its link, is one of the messages too.
    fn surcharge(&self, input: Input) -> Option<Price> {
        match input {
            Input::Begin(Op::Message | Op::Reply) | Input::SayAndEnd(Op::Message) => {
                Some(|budget| &mut budget.messages)
            }
            _ => None,
        }
    }
}

type Price = fn(&mut Budget) -> &mut u8;

fn has(mut budget: Budget, price: Price) -> bool {
    *price(&mut budget) > 0
}
