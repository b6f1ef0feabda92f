//! The settings of servers and clients, as bytes choose them.

use std::time::Duration;

use nats_conn_sm::{Config, Delivery, LameDuckPolicy, WhenFull};

use super::Choices;
use crate::model_server::{Settings, Tls, Urls};

const SECOND: Duration = Duration::from_secs(1);

/// What a server is like.
pub(crate) fn server(settings: &mut Settings, choices: &mut Choices<'_>) {
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

/// What is asked of the client.
pub(crate) fn client(config: &mut Config, choices: &mut Choices<'_>) {
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
