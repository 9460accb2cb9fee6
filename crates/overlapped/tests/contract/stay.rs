//! Threads that start operations and stay until what they started was taken.
//!
//! Under Wine the result of an operation is lost when it completes, or is cancelled, while the thread
//! that started it ends (docs/windows.md). So such a thread calls [`Stay::until_let_go`] at its end. A
//! test whose point is that a thread has gone joins it instead, before anything can complete.

use std::sync::{RwLock, RwLockWriteGuard};

/// What the threads of a test wait for at their end.
#[derive(Default)]
pub struct Stay(RwLock<()>);

impl Stay {
    /// Keeps the threads until what this returns is dropped, also by a panic. Call it before the
    /// first of them is started, inside of their scope: the scope waits for them.
    pub fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().expect("nobody panicked with it before")
    }

    /// Waits until the test lets its threads go.
    pub fn until_let_go(&self) {
        // A test that failed lets them go as well.
        drop(self.0.read());
    }
}
