//! Locks whose holders never wait, and wakers that are kept.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Locks, whatever became of those who held it before: a panic elsewhere is reported by
/// [`ClientEvent::DriverFailed`](crate::ClientEvent::DriverFailed), not by more panics.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps this waker, without a clone where it is kept already.
pub(crate) fn remember(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *place = Some(waker.clone()),
    }
}
