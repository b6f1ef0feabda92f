//! How long to wait before the next round of attempts.

use core::time::Duration;

use crate::config::Backoff;
use crate::rng::Rng;

impl Backoff {
    /// The wait after this many rounds without success, in a row.
    pub(super) fn wait(&self, rounds: u32, tls: bool, rng: &mut Rng) -> Duration {
        let wait = self.fixed(rounds);
        let jitter = self.jitter.unwrap_or(if tls {
            Duration::from_secs(1)
        } else {
            Duration::from_millis(100)
        });
        if jitter.is_zero() {
            return wait;
        }
        let most = self.half_of(self.max).min(self.half_of(wait).max(jitter));
        wait.saturating_add(rng.duration(most))
    }

    fn fixed(&self, rounds: u32) -> Duration {
        let doublings = rounds.saturating_sub(1).min(62);
        let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
        let nanos = self.base.as_nanos().saturating_mul(u128::from(factor));
        self.max
            .min(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn half_of(&self, duration: Duration) -> Duration {
        duration.checked_div(2).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_maximum() {
        let backoff = Backoff {
            jitter: Some(Duration::ZERO),
            ..Backoff::default()
        };
        let waits: alloc::vec::Vec<u128> = [1, 2, 3, 6, 7, 8, 1000, u32::MAX]
            .map(|round| backoff.wait(round, false, &mut Rng::new([0; 32])).as_millis())
            .into();
        assert_eq!(waits, [100, 200, 400, 3200, 4000, 4000, 4000, 4000]);
    }

    #[test]
    fn jitter_is_within_its_bound_and_uses_it() {
        let backoff = Backoff::default();
        let mut rng = Rng::new([5; 32]);
        let mut extra = |round, tls, base| {
            (0..500)
                .map(|_| backoff.wait(round, tls, &mut rng).as_millis() - base)
                .fold((u128::MAX, 0), |(least, most), x| (least.min(x), most.max(x)))
        };
        let (least, most) = extra(1, false, 100);
        assert!(least <= 5 && (95..=100).contains(&most), "{least} {most}");
        let (_, most) = extra(5, false, 1600);
        assert!((760..=800).contains(&most), "{most}");
        let (_, most) = extra(1, true, 100);
        assert!((950..=1000).contains(&most), "{most}");
        let (_, most) = extra(50, true, 4000);
        assert!((1900..=2000).contains(&most), "{most}");
    }
}
