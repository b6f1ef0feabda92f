//! The settings that a random life begins with.

use std::time::Duration;

use nats_conn_sm::{AuthError, Config, Credentials, Delivery, LameDuckPolicy, ServerId, WhenFull};

use super::choices::Choices;
use super::{Life, Manner};
use crate::model_server::{Settings, Tls, Urls};
use crate::scenario::Scenario;

const SECOND: Duration = Duration::from_secs(1);

impl<'a> Life<'a> {
    pub(super) fn begin(mut choices: Choices<'a>, manner: Manner) -> Self {
        let honest = !choices.one_in(5);
        let servers = choices.index(3) + 1;
        let mut scenario = Scenario::new(servers).seed(choices.below(256));
        for place in 0..servers {
            scenario = scenario.server(place, |settings| set_server(settings, &mut choices));
        }
        let mut limit = 0;
        scenario = scenario.config(|config| {
            set_client(config, &mut choices);
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

fn set_server(settings: &mut Settings, choices: &mut Choices<'_>) {
    settings.urls = if choices.one_in(2) {
        Urls::Gossip
    } else {
        Urls::None
    };
    settings.ping_interval = choices.one_in(2).then_some(5_000_000_000);
    settings.connect_info = !choices.one_in(3);
    settings.headers = !choices.one_in(6);
    if choices.one_in(8) {
        settings.tls = Tls::Required;
    } else if choices.one_in(2) {
        settings.tls = Tls::Available;
    }
    if choices.one_in(6) {
        settings.account_max_payload = Some(2_000);
    }
    if choices.one_in(8) {
        settings.deny_subscribe = vec![String::from("a.>")];
        settings.deny_publish = vec![String::from("b")];
    }
}

fn set_client(config: &mut Config, choices: &mut Choices<'_>) {
    config.retry_initial = !choices.one_in(8);
    config.reconnect = !choices.one_in(10);
    config.custom_selection = choices.one_in(4);
    config.ask_credentials = choices.one_in(4);
    config.requests_survive = choices.one_in(4);
    config.verbose = choices.one_in(8);
    config.echo = !choices.one_in(8);
    config.randomize = choices.one_in(2);
    config.max_reconnects = choices.one_in(5).then_some(3);
    config.send_buffer = choices.pick(&[8 << 20, 40_000, 2_000]);
    config.delivery = choices.pick(&[Delivery::AtMostOnce, Delivery::AtLeastOnce]);
    config.when_full = choices.pick(&[WhenFull::Error, WhenFull::DropOldest, WhenFull::Off]);
    if config.delivery == Delivery::AtLeastOnce && config.when_full == WhenFull::DropOldest {
        config.when_full = WhenFull::Error;
    }
    if choices.one_in(2) {
        config.ping_interval = 10 * SECOND;
    }
    config.lame_duck = if choices.one_in(4) {
        LameDuckPolicy::Notify
    } else {
        LameDuckPolicy::Move { within: 2 * SECOND }
    };
    config.confirm_after = choices.pick(&[Some(SECOND), Some(SECOND / 20), None]);
}
