//! Waiting for several descriptors of Linux at once: any that are named in the call, or those of a
//! set that is kept; and the bell that ends such a wait.

use rustix::event::{EventfdFlags, PollFd, Timespec, epoll, eventfd};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// A set of sockets of which one thread wants to know, edge by edge, when they may go on.
#[derive(Debug)]
pub(crate) struct ReadySet(OwnedFd);

/// Which directions of the socket with this token may go on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Edge {
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

const BELL: u64 = u64::MAX;

impl ReadySet {
    /// A set without sockets. A wait for it ends when `bell` rings, too.
    pub(crate) fn new(bell: &Bell) -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&set, bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        Ok(Self(set))
    }

    /// A socket that is ready yields its first edge at once. Closing it takes it out.
    pub(crate) fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        Ok(epoll::add(&self.0, socket, epoll::EventData::new_u64(token), flags)?)
    }

    /// Waits for edges, at most so long; gives whether the bell was readable. A signal may end it
    /// early.
    pub(crate) fn wait(&self, edges: &mut Vec<Edge>, timeout: Option<Duration>) -> bool {
        let timeout = timeout.map(timespec);
        let mut room = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; 64];
        let Ok((found, _)) = epoll::wait(&self.0, &mut room, timeout.as_ref()) else {
            return false;
        };
        let mut rung = false;
        for event in found {
            let (flags, token) = (event.flags, event.data.u64());
            if token == BELL {
                rung = true;
                continue;
            }
            let broken = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            let readable = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
            edges.push(Edge {
                token,
                readable: broken || flags.intersects(readable),
                writable: broken || flags.contains(epoll::EventFlags::OUT),
            });
        }
        rung
    }
}

impl AsFd for ReadySet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use rustix::event::PollFlags;
    use std::sync::atomic::AtomicU32;
    use std::thread;

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
