//! The settings that a random life begins with.

use std::time::Duration;

use nats_conn_sm::{AuthError, Credentials, ServerId};

use super::{Life, Manner};
use crate::choices::{Choices, settings};
use crate::scenario::Scenario;

const SECOND: Duration = Duration::from_secs(1);

impl<'a> Life<'a> {
    pub(super) fn begin(mut choices: Choices<'a>, manner: Manner) -> Self {
        let honest = !choices.one_in(5);
        let servers = choices.index(3) + 1;
        let mut scenario = Scenario::new(servers).seed(choices.below(256));
        for place in 0..servers {
            scenario = scenario.server(place, |settings| settings::server(settings, &mut choices));
        }
        let mut limit = 0;
        scenario = scenario.config(|config| {
            settings::client(config, &mut choices);
            limit = config.send_buffer as u64;
        });
        if manner == Manner::Unrecorded {
            scenario = scenario.unrecorded();
        }
        let mut world = scenario.begin();
        world.varies = true;
        let odd = choices.byte();
        world.driver.chooser = Some(Box::new(move |servers, default, delay| match odd % 4 {
            0 | 1 => None,
            2 => Some((servers.last()?.server.id(), delay)),
            _ => Some((ServerId::from_u64(u64::from(odd)), delay.max(SECOND)))
                .filter(|_| default.as_u64() % 2 == 0),
        }));
        for _ in 0..choices.index(3) {
            let time = (!choices.one_in(4)).then(|| Duration::from_millis(10));
            let answer = if choices.one_in(4) {
                Err(AuthError::NoNonce)
            } else {
                Ok(Credentials::default())
            };
            world.driver.answers.push_back((time, answer));
        }
        Self {
            world,
            choices,
            honest,
            copies: manner == Manner::Copied,
            sids: Vec::new(),
            requests: Vec::new(),
            limit,
            alone: 0,
        }
    }
}
