//! Waiting for several descriptors of Linux at once, and the bell that ends such a wait.

use rustix::event::{EventfdFlags, PollFd, Timespec, eventfd};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A bell that any thread rings and one thread listens for, as a descriptor. Rings add up to one
/// until that thread has heard them.
#[derive(Debug)]
pub(crate) struct Bell {
    descriptor: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { descriptor, rung: AtomicBool::new(false) })
    }

    /// From now on the descriptor is readable.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
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

/// Waits until one of the descriptors is ready or the time is over. A signal may end it early, as
/// if the time were over.
pub(crate) fn poll(descriptors: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    let timeout = timeout.map(timespec);
    match rustix::event::poll(descriptors, timeout.as_ref()) {
        Ok(_) => Ok(()),
        Err(Errno::INTR) => {
            descriptors.iter_mut().for_each(PollFd::clear_revents);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
