//! Keeps a panic of the user's code from taking anything else along.
//!
//! The library drops values of the user's (keys, per-operation data, messages, closures) and calls
//! closures of theirs, always where it holds no lock. Such code may panic. What else the library has
//! to do then is done all the same, and other values are neither lost nor forgotten.
//!
//! Where does the panic go? A call that was asked to drop something (closing a port or a handle,
//! starting an operation that the closed port refuses) does everything first and then lets it go on
//! to its caller: [`Panics::resume`]. Threads that only pass by, to take a packet or to serve files,
//! have nothing to do with the value: there it ends, and the panic hook has told of it ([`contained`]).

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs steps of which each may run code of the user's, whatever happens in the others.
#[derive(Default)]
pub(crate) struct Panics {
    first: Option<Box<dyn Any + Send>>,
}

impl Panics {
    /// Runs one step; `None` when it panicked.
    pub(crate) fn run<R>(&mut self, step: impl FnOnce() -> R) -> Option<R> {
        // What a step leaves behind is valid: it changes nothing of ours once it runs code of the
        // user's.
        match catch_unwind(AssertUnwindSafe(step)) {
            Ok(result) => Some(result),
            Err(payload) if self.first.is_none() => {
                self.first = Some(payload);
                None
            }
            Err(payload) => {
                discard(payload);
                None
            }
        }
    }

    /// Drops each value by itself. A collection that is dropped as one ends the process when two of
    /// its values panic.
    pub(crate) fn drop_each<T>(&mut self, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.run(|| drop(value));
        }
    }

    /// The first panic goes on, when all steps are done; not on a thread that is unwinding already,
    /// since that would end the process.
    pub(crate) fn resume(mut self) {
        if let Some(payload) = self.first.take() {
            if std::thread::panicking() {
                discard(payload);
            } else {
                resume_unwind(payload);
            }
        }
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if let Some(payload) = self.first.take() {
            discard(payload);
        }
    }
}

/// Runs code of the user's, in whose panic the caller has no part; `None` when it panicked.
pub(crate) fn contained<R>(step: impl FnOnce() -> R) -> Option<R> {
    Panics::default().run(step)
}

/// What a panic carried is the user's as well, and its destructor may panic, too.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(further) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(further);
    }
}
