//! The bell that ends a thread's wait.

use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// A bell that any thread rings and the thread that made it listens for, as a descriptor. Rings add
/// up to one until that thread has heard them.
#[derive(Debug)]
pub(crate) struct Bell {
    descriptor: OwnedFd,
    rung: AtomicBool,
    thread: usize,
}

thread_local! {
    /// Its address tells a thread from others, also while the thread ends.
    static MARK: u8 = const { 0 };
}

fn this_thread() -> usize {
    MARK.with(|mark| std::ptr::from_ref(mark).addr())
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { descriptor, rung: AtomicBool::new(false), thread: this_thread() })
    }

    /// From now on the descriptor is readable. The listening thread itself is awake and looks before
    /// it sleeps, so it rings for nobody.
    pub(crate) fn ring(&self) {
        if self.thread != this_thread() && !self.rung.swap(true, Ordering::AcqRel) {
            // A full counter (after 2^64 rings) would be the only error, and it is readable already.
            let _ = rustix::io::write(&self.descriptor, &1u64.to_ne_bytes());
        }
    }

    /// Hears the rings so far; whoever calls it looks afterwards for what they were about.
    /// `is_readable` says that the descriptor was seen to be so: the write of a ring may come after
    /// it was heard.
    pub(crate) fn hear(&self, is_readable: bool) {
        if is_readable || self.rung.load(Ordering::Acquire) {
            // In this order: a ring between the two finds the flag up and writes nothing, and is
            // heard with the others. In the other order its write would be read with the flag left
            // up, and no later ring would write.
            let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
            self.rung.swap(false, Ordering::AcqRel);
        }
    }
}

impl AsFd for Bell {
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

    /// Two threads ring as fast as they can, so they often ring while a ring is being heard.
    #[test]
    fn no_ring_is_lost_that_comes_while_another_is_heard() {
        const ROUNDS: u32 = 4_000_000;
        let bell = Bell::new().expect("a bell");
        let rung = AtomicU32::new(0);
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    for _ in 0..ROUNDS {
                        rung.fetch_add(1, Ordering::Release);
                        bell.ring();
                    }
                });
            }
            let mut heard = 0;
            while heard < 2 * ROUNDS {
                let mut descriptor = [PollFd::new(&bell, PollFlags::IN)];
                poll(&mut descriptor, Some(Duration::from_secs(5))).expect("a wait");
                let is_readable = !descriptor[0].revents().is_empty();
                assert!(is_readable, "silence after {heard} of {} rings", 2 * ROUNDS);
                bell.hear(is_readable);
                heard = rung.load(Ordering::Acquire);
            }
        });
    }
}
