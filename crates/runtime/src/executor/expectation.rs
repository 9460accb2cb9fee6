//! Whether a task is expected to block, since it did so lately.
//!
//! A task that blocks and does not say so holds its slot until the monitor of the port has seen it, which
//! takes some 0.03 to 0.5 ms. With one such task nobody notices; with 64 of them at a time, others wait for
//! dozens of such looks. Who blocked in one poll mostly does so in the next ones: a connection whose client asks for
//! the same again, a job in a loop.

/// So many polls of a task say beforehand that they block, after it was seen to. Then it is looked at once more.
const POLLS: u8 = 15;

/// What is expected of the next poll of a task.
#[derive(Debug, Default)]
pub(super) struct Expectation {
    /// So many polls are expected to block.
    left: u8,
}

impl Expectation {
    /// Runs a poll, which lets another thread in at once if it is expected to block.
    pub(super) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return overlapped::blocking(poll);
        }
        let polled = poll();
        if overlapped::was_seen_asleep() {
            self.left = POLLS;
        }
        polled
    }
}
