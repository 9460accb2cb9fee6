//! What a start that fails at once gives back.

use std::fmt;
use std::io;

/// An error together with everything that was moved into the failed call.
///
/// Nothing was queued for it (P33). `?` turns it into the [`io::Error`] and drops the rest.
pub struct Refused<T> {
    /// What was wrong, with the code of the operating system where it has one.
    pub error: io::Error,
    /// What the call was given.
    pub returned: T,
}

impl<T> Refused<T> {
    pub(crate) fn new(error: io::Error, returned: T) -> Self {
        Self { error, returned }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Refused<U> {
        Refused { error: self.error, returned: change(self.returned) }
    }
}

impl<T> From<Refused<T>> for io::Error {
    fn from(refused: Refused<T>) -> Self {
        refused.error
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Refused<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}
