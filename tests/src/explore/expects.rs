//! What a server may expect of a link, beyond what its interest and its publishes show.

use nats_conn_sm::{ConnectionEvent, EndReason, Event};

use super::input::{Fault, Op};

/// What is due on one link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Expects {
    /// A PONG was sent.
    pong_came: bool,
    /// PINGs of the server that no PONG was written for.
    pongs_due: u8,
    /// The last INFO has a max_payload that no publish keeps.
    is_small: bool,
    lame_duck: LameDuck,
    /// The server has called this client stale.
    is_called_stale: bool,
    /// The session began with a subscription that the server was not told of yet.
    is_restore_due: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum LameDuck {
    #[default]
    No,
    /// INFO has announced it.
    Announced,
    /// The application has heard of it.
    Reported,
}

/// What is needed to judge an event of a link.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    /// There is a session, which is not on its way out.
    pub(super) is_in_session: bool,
    /// There is a subscription that holds.
    pub(super) has_interest: bool,
    /// When the machine gave the link up, all was written, and the server had answered every PING.
    pub(super) was_answered: bool,
    /// The server has the subscription, and was not told to end it.
    pub(super) has_server_interest: bool,
    /// The server has answered what it cannot have read.
    pub(super) is_server_lying: bool,
}

impl Expects {
    /// The server sends this.
    pub(super) fn sent(&mut self, op: Op) {
        match op {
            Op::Pong => self.pong_came = true,
            Op::Err(Fault::Stale) => self.is_called_stale = true,
            Op::Ping => self.pongs_due = self.pongs_due.saturating_add(1),
            Op::Info | Op::InfoTls | Op::InfoServers => self.is_small = false,
            Op::InfoSmall => self.is_small = true,
            Op::InfoLameDuck => {
                self.is_small = false;
                if self.lame_duck == LameDuck::No {
                    self.lame_duck = LameDuck::Announced;
                }
            }
            _ => {}
        }
    }

    /// These bytes are handed out.
    pub(super) fn handed_out(&mut self, text: &str) -> Result<(), String> {
        let pongs = text.split("\r\n").filter(|line| *line == "PONG").count();
        self.pongs_due = self
            .pongs_due
            .saturating_sub(u8::try_from(pongs).unwrap_or(u8::MAX));
        if self.is_small && text.contains("PUB p ") {
            return Err(String::from(
                "a publish is written that its server said it does not take",
            ));
        }
        Ok(())
    }

    /// The server was told of the subscription, or it holds no longer.
    pub(super) fn is_restored(&mut self) {
        self.is_restore_due = false;
    }

    /// The server has read a publish.
    pub(super) fn publish_read(self) -> Result<(), String> {
        if self.is_restore_due {
            return Err(String::from(
                "a publish reaches the server before the restored interest",
            ));
        }
        Ok(())
    }

    pub(super) fn event(&mut self, event: &Event, situation: Situation) -> Result<(), String> {
        match event {
            Event::Connection(ConnectionEvent::Connected(_) | ConnectionEvent::Reconnected(_)) => {
                self.is_restore_due = situation.has_interest;
                if !self.pong_came {
                    return Err(String::from("a session begins without a PONG"));
                }
            }
            Event::Connection(ConnectionEvent::LameDuck { .. }) => {
                if self.lame_duck != LameDuck::Announced {
                    return Err(String::from(
                        "lame duck mode is reported that was not announced on this link",
                    ));
                }
                self.lame_duck = LameDuck::Reported;
            }
            Event::Connection(ConnectionEvent::Disconnected { reason, .. })
                if reason.code() == "stale" && situation.was_answered && !self.is_called_stale =>
            {
                return Err(String::from(
                    "a server that has answered everything is called stale",
                ));
            }
            Event::SubscriptionEnded { reason, .. } => {
                self.is_restored();
                let is_early = situation.is_in_session && situation.has_server_interest;
                if *reason == EndReason::Drained && is_early && !situation.is_server_lying {
                    return Err(String::from(
                        "a drain of the subscription ends before the server was told",
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Everything was parsed and written.
    pub(super) fn at_rest(self) -> Result<(), String> {
        if self.pongs_due > 0 {
            return Err(String::from("a PING of the server is not answered"));
        }
        if self.lame_duck == LameDuck::Announced {
            return Err(String::from(
                "the server announced lame duck mode, and nobody was told",
            ));
        }
        Ok(())
    }
}
