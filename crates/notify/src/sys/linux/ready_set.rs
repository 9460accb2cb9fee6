//! A set of sockets that is kept: one epoll instance, for the message windows and for the threads that
//! use routines.

use super::poll::timespec;
use super::{Ready, Wakeup};
use rustix::event::{PollFlags, epoll};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The sockets of which one thread is told when they change. Each is registered once, edge-triggered
/// and for everything, under a token.
#[derive(Debug)]
pub(crate) struct ReadySet(OwnedFd);

/// The token of the wake-up descriptor. No socket has it.
const WAKEUP: u64 = u64::MAX;

/// How many sockets one wait tells of at the most.
const BATCH: usize = 64;

impl ReadySet {
    /// A set without sockets. A wait for it ends when `wakeup` is signaled, too.
    pub(crate) fn new(wakeup: &Wakeup) -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&set, wakeup, epoll::EventData::new_u64(WAKEUP), epoll::EventFlags::IN)?;
        Ok(Self(set))
    }

    /// Each change of the socket from now on is told under this token. One that is ready is told of
    /// at once.
    pub(crate) fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        let everything = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::PRI
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        Ok(epoll::add(&self.0, socket, epoll::EventData::new_u64(token), everything)?)
    }

    /// Takes a socket out. A close alone does not, as long as somebody has a duplicate of it (L13).
    pub(crate) fn remove(&self, socket: impl AsFd) {
        // It can only fail for a descriptor that is not in the set, and then nothing is owed.
        let _ = epoll::delete(&self.0, socket);
    }

    /// Waits for changes, for the wake-up descriptor, or until the time is over, and gives the tokens with what the
    /// sockets were then, and whether that descriptor was readable. A signal may end it early.
    pub(crate) fn wait(&self, timeout: Option<Duration>, found: &mut Vec<(u64, Ready)>) -> bool {
        let timeout = timeout.map(timespec);
        let mut room = [const { MaybeUninit::<epoll::Event>::uninit() }; BATCH];
        found.clear();
        let mut is_woken = false;
        if let Ok((events, _)) = epoll::wait(&self.0, &mut room, timeout.as_ref()) {
            for event in events {
                let (token, flags) = (event.data.u64(), event.flags);
                if token == WAKEUP {
                    is_woken = true;
                } else {
                    // Both calls of the system have the same bits.
                    let flags = PollFlags::from_bits_truncate(flags.bits() as u16);
                    found.push((token, flags.into()));
                }
            }
        }
        is_woken
    }
}

impl AsFd for ReadySet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
