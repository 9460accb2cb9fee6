//! How often the library writes memory atomically, and on which cache lines, in a build that counts.
//!
//! That build has the feature `_count`, which nobody but this repository's measurements asks for.
//! In every other there is nothing to ask, and nothing is paid.
//!
//! A read-modify-write counts one, a lock two (taking it and letting it go), a copy of a reference
//! count two (making it and dropping it), a wait for a condition variable two (the lock is let go
//! and taken again; they are counted on the line of the variable). An exchange that fails counts as
//! one that succeeds: both take the line.

use std::panic::Location;

/// What one place in the code has written on one cache line by one thread.
#[derive(Debug, Clone, Copy)]
pub struct Writes {
    /// The line: its address divided by its size.
    pub line: usize,
    /// Where in the library's code.
    pub place: &'static Location<'static>,
    /// By which thread. Threads are numbered as they write first.
    pub thread: usize,
    /// Read-modify-writes, one for each.
    pub read_modify_writes: u64,
    /// Plain writes of atomics.
    pub stores: u64,
}

/// All that was written since the start of the process, in no order; `None` in a build that does
/// not count.
pub fn writes() -> Option<Vec<Writes>> {
    super::platform::writes()
}
