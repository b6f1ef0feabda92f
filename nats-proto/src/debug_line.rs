//! What errors print with `{:?}`.

/// The line of `Display`: `fn main() -> Result<_, _>` prints errors so.
macro_rules! debug_line {
    ($($error:ty),*) => { $(
        impl core::fmt::Debug for $error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }
    )* };
}
pub(crate) use debug_line;
