//! What happens to one link, drawn from a seed.

use std::time::Duration;

use super::dice::Dice;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the server.
    ToClient,
    /// From the client.
    ToServer,
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    /// In good order, on both sides.
    Fin,
    /// By a reset, on both sides: what was not read yet may be gone.
    Reset,
    /// The client reads the end, and the server hears on.
    FinToClient,
    /// The server reads the end, and what it still says goes on to the client.
    FinToServer,
    /// Nothing passes any more, and nobody is told.
    Silence,
}

impl Cut {
    /// For summaries.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fin => "FIN",
            Self::Reset => "RST",
            Self::FinToClient => "FIN to the client",
            Self::FinToServer => "FIN to the server",
            Self::Silence => "silence",
        }
    }
}

/// When a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// When one of its ends does.
    ByItself,
    /// After this time.
    After(Duration),
    /// Behind exactly so many bytes this way, wherever in a frame that is.
    Behind(Direction, u64),
}

/// What happens to one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPlan {
    /// Its end.
    pub when: When,
    /// How it ends.
    pub cut: Cut,
    /// Each piece that was read waits so long at most.
    pub delay: Duration,
    /// The first bytes go on in pieces of so many bytes at most, and how many these first ones are.
    pub pieces: Option<(usize, u64)>,
    /// Bytes a second, each way.
    pub rate: Option<u64>,
    /// Nothing passes from then on, for so long.
    pub pause: Option<(Duration, Duration)>,
}

impl LinkPlan {
    /// Nothing happens.
    pub const CALM: Self = Self {
        when: When::ByItself,
        cut: Cut::Fin,
        delay: Duration::ZERO,
        pieces: None,
        rate: None,
        pause: None,
    };

    /// Draws a plan.
    pub fn draw(dice: &mut Dice) -> Self {
        Self {
            when: Self::draw_when(dice),
            cut: match dice.between(0, 9) {
                0 | 1 => Cut::Fin,
                2..=4 => Cut::Reset,
                5 => Cut::FinToClient,
                6 => Cut::FinToServer,
                7 => Cut::Silence,
                _ => Cut::Reset,
            },
            delay: if dice.one_in(2) {
                dice.millis(1, 20)
            } else {
                Duration::ZERO
            },
            pieces: match dice.between(0, 3) {
                0 => Some((dice.between(1, 7) as usize, 4 << 10)),
                1 => Some((dice.between(1, 1500) as usize, 256 << 10)),
                _ => None,
            },
            rate: dice.one_in(5).then(|| dice.spread(50_000, 1_000_000)),
            pause: dice
                .one_in(6)
                .then(|| (dice.millis(100, 3000), dice.millis(100, 3000))),
        }
    }

    fn draw_when(dice: &mut Dice) -> When {
        let direction = if dice.one_in(2) {
            Direction::ToClient
        } else {
            Direction::ToServer
        };
        match dice.between(0, 9) {
            // Within the handshake: INFO, CONNECT, PING, PONG.
            0 => When::Behind(direction, dice.between(0, 500)),
            1..=4 => When::Behind(direction, dice.spread(600, 1 << 20)),
            5..=8 => When::After(dice.millis(200, 6000)),
            _ => When::ByItself,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fault_is_drawn_and_the_same_seed_draws_the_same() {
        let draw = || (0..500).map(|link| LinkPlan::draw(&mut Dice::new(1, link)));
        let plans: Vec<LinkPlan> = draw().collect();
        assert_eq!(plans, draw().collect::<Vec<_>>());
        for cut in [
            Cut::Fin,
            Cut::Reset,
            Cut::FinToClient,
            Cut::FinToServer,
            Cut::Silence,
        ] {
            assert!(plans.iter().any(|plan| plan.cut == cut), "{cut:?}");
        }
        assert!(plans.iter().any(|plan| plan.when == When::ByItself));
        assert!(plans.iter().any(|plan| matches!(plan.when, When::After(_))));
        for way in [Direction::ToClient, Direction::ToServer] {
            let behind =
                |plan: &&LinkPlan| matches!(plan.when, When::Behind(direction, _) if direction == way);
            assert!(plans.iter().any(|plan| behind(&plan)), "{way:?}");
        }
        assert!(
            plans
                .iter()
                .any(|plan| plan.rate.is_some() && plan.pieces.is_some())
        );
        assert!(
            plans
                .iter()
                .any(|plan| plan.pause.is_some() && !plan.delay.is_zero())
        );
    }
}
