//! Where a process runs and how urgently: given to the thread that starts it for that moment, since a
//! child inherits both.
//!
//! # Platform
//! Linux alone; elsewhere a place can only be [`Place::default`], which is anywhere.

use crate::platform;

/// Processors and nice value of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Processors that it may use; empty leaves it to the system.
    pub processors: Vec<u32>,
    /// Nice value, where it is permitted; None leaves it as it is.
    pub nice: Option<i32>,
}

impl Place {
    /// Calls `start`, which starts processes, so that they run there.
    ///
    /// # Errors
    /// A processor is not there, or what `start` says.
    pub fn start<T>(&self, start: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        if *self == Self::default() {
            return start();
        }
        let before = platform::take_place(self)?;
        let started = start();
        platform::leave_place(before)?;
        started
    }
}
