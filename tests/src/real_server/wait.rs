//! Waiting for something that can be observed, never longer than a limit.

use std::time::{Duration, Instant};

/// How often a condition is checked. Servers start within some 20 ms, so this is what a wait costs.
const INTERVAL: Duration = Duration::from_millis(3);

/// Calls `probe` again and again until it returns a value; `None` if it does not within `limit`.
///
/// The probe is called at least once, and once more after the limit has passed, so a slow machine is not blamed.
pub fn try_wait_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let late = Instant::now() >= deadline;
        let found = probe();
        if found.is_some() || late {
            return found;
        }
        std::thread::sleep(INTERVAL);
    }
}

/// Calls `probe` again and again until it returns a value.
///
/// # Panics
/// When it gave none within `limit`, naming `what` was waited for.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, probe: impl FnMut() -> Option<T>) -> T {
    match try_wait_for(limit, probe) {
        Some(value) => value,
        None => panic!("waited {limit:?} for {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_value_as_soon_as_there_is_one() {
        let mut asked = 0;
        let third = || {
            asked += 1;
            (asked == 3).then_some(asked)
        };
        assert_eq!(try_wait_for(Duration::from_secs(10), third), Some(3));
    }

    #[test]
    fn asks_once_even_without_time() {
        assert_eq!(try_wait_for(Duration::ZERO, || Some("there")), Some("there"));
        assert_eq!(try_wait_for(Duration::ZERO, || None::<()>), None);
    }

    #[test]
    #[should_panic(expected = "for the sea to part")]
    fn the_panic_names_what_was_waited_for() {
        wait_for("the sea to part", Duration::from_millis(1), || None::<()>);
    }
}
