//! What owners are lent and none of them keeps: the clock, the settings and the one source of randomness.

use crate::canonical::Form;
use crate::config::Config;
use crate::rng::Rng;
use crate::time::Timestamp;

/// The clock, the settings and the generator of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    now: Timestamp,
    config: Config,
    rng: Rng,
}

impl Env {
    pub(crate) fn new(config: Config, seed: [u8; 32], now: Timestamp) -> Self {
        Self {
            now,
            config,
            rng: Rng::new(seed),
        }
    }

    /// The time of the call that is being made.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes the time of a call. It never runs backwards.
    #[inline]
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    #[inline]
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }

    /// The settings, and the generator beside them.
    pub(crate) fn config_and_rng(&mut self) -> (&Config, &mut Rng) {
        (&self.config, &mut self.rng)
    }

    /// A form at this time. It begins with the generator, where what it draws makes a difference: inboxes are renamed.
    pub(crate) fn form(&self) -> Form {
        let Self { now, config, rng } = self;
        let mut form = Form::new(*now, config.inbox_prefix.as_str());
        let is_drawn = config.randomize || config.backoff.jitter.is_none_or(|jitter| !jitter.is_zero());
        form.option(is_drawn.then_some(rng), |form, rng| rng.canonical(form));
        form
    }
}
