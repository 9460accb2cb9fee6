//! What ends a thread's wait from outside: its wake-up descriptor.

use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// A descriptor that any thread signals and that the thread which made it waits for. Signals add up to
/// one until that thread has cleared them.
#[derive(Debug)]
pub(crate) struct Wakeup {
    descriptor: OwnedFd,
    is_signaled: AtomicBool,
    thread: usize,
}

thread_local! {
    /// Its address tells a thread from others, also while the thread ends.
    static MARK: u8 = const { 0 };
}

fn this_thread() -> usize {
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

impl Wakeup {
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { descriptor, is_signaled: AtomicBool::new(false), thread: this_thread() })
    }

    /// From now on the descriptor is readable. The thread that waits for it is awake when it signals
    /// itself, and looks before it sleeps, so then nothing is done.
    pub(crate) fn signal(&self) {
        if self.thread != this_thread() && !self.is_signaled.swap(true, Ordering::AcqRel) {
            // A full counter (after 2^64 signals) would be the only error, and it is readable already.
            let _ = rustix::io::write(&self.descriptor, &1u64.to_ne_bytes());
        }
    }

    /// Clears the signals so far; whoever calls it looks afterwards for what they were about.
    /// `is_readable` says that the descriptor was seen to be so: the write of a signal may come after
    /// it was cleared.
    pub(crate) fn clear(&self, is_readable: bool) {
        if is_readable || self.is_signaled.load(Ordering::Acquire) {
            // In this order: a signal between the two finds the flag up and writes nothing, and is
            // cleared with the others. In the other order its write would be read with the flag left
            // up, and no later signal would write.
            let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
            self.is_signaled.swap(false, Ordering::AcqRel);
        }
    }
}

impl AsFd for Wakeup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll;
    use rustix::event::{PollFd, PollFlags};
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Duration;

    /// Two threads signal as fast as they can, so they often do while a signal is being cleared.
    #[test]
    fn no_signal_is_lost_that_comes_while_another_is_cleared() {
        const ROUNDS: u32 = 4_000_000;
        let wakeup = Wakeup::new().expect("a descriptor");
        let signals = AtomicU32::new(0);
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    for _ in 0..ROUNDS {
                        signals.fetch_add(1, Ordering::Release);
                        wakeup.signal();
                    }
                });
            }
            let mut seen = 0;
            while seen < 2 * ROUNDS {
                let mut descriptor = [PollFd::new(&wakeup, PollFlags::IN)];
                poll(&mut descriptor, Some(Duration::from_secs(5))).expect("a wait");
                let is_readable = !descriptor[0].revents().is_empty();
                assert!(is_readable, "silence after {seen} of {} signals", 2 * ROUNDS);
                wakeup.clear(is_readable);
                seen = signals.load(Ordering::Acquire);
            }
        });
    }
}
