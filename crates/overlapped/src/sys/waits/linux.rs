//! Any descriptor that epoll takes, armed for one event at a time.
//!
//! It is in the set from its association on, so that one which epoll refuses is refused there. Errors and
//! hangups are events that epoll cannot leave out; one that comes while nobody waits has the token of no
//! wait, and disarms the descriptor.

use super::{Readiness, closed_by_others, not_simulated};
use crate::sys::epoll::Epoll;
use crate::sys::{Backend, Driver, Event};
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What users give and get back.
pub(crate) type Owned = OwnedFd;

/// No wait has this number.
const NOBODY: u32 = 0;

/// A descriptor that is closed with this, unless it is known that somebody else has closed it: then its
/// number may be a stranger's.
#[derive(Debug)]
pub(crate) struct Source {
    descriptor: Option<OwnedFd>,
    lost: AtomicBool,
}

/// Nothing is to be kept of a wait: the epoll set has it.
#[derive(Debug)]
pub(crate) struct Armed;

impl Source {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self { descriptor: Some(descriptor), lost: AtomicBool::new(false) }
    }

    pub(crate) fn into_owned(mut self) -> OwnedFd {
        self.descriptor.take().expect("only this and the drop take it")
    }

    /// What a call on the set says, if it shows that the descriptor is not the one that was added.
    fn judge(&self, error: Errno) -> io::Error {
        if matches!(error, Errno::BADF | Errno::NOENT | Errno::PERM) {
            self.lost.store(true, Ordering::Relaxed);
            return closed_by_others();
        }
        error.into()
    }
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_ref().expect("it is there until the end").as_fd()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if *self.lost.get_mut()
            && let Some(descriptor) = self.descriptor.take()
        {
            let _ = descriptor.into_raw_fd();
        }
    }
}

impl<'a> Backend<'a> {
    /// Ties a source to the port.
    pub(crate) fn admit(self, source: &Source) -> io::Result<()> {
        let epoll = self.epoll()?;
        let nobody = EventData::new_u64(Event::token_of_wait(NOBODY));
        epoll::add(epoll, source, nobody, EventFlags::ONESHOT).map_err(|error| match error {
            Errno::PERM => io::Error::new(
                io::ErrorKind::Unsupported,
                "the system cannot wait for this descriptor: it is a regular file or a folder, which is \
                 always ready; OpenFile is for files, and for changes of a folder there is inotify",
            ),
            error => error.into(),
        })
    }

    /// Begins a wait whose event has this token.
    pub(crate) fn start_wait(
        self,
        source: &Arc<Source>,
        interest: Readiness,
        token: u64,
    ) -> io::Result<Armed> {
        let mut flags = EventFlags::ONESHOT;
        if interest.is_readable() {
            flags |= EventFlags::IN | EventFlags::RDHUP;
        }
        if interest.is_writable() {
            flags |= EventFlags::OUT;
        }
        let changed = epoll::modify(self.epoll()?, source, EventData::new_u64(token), flags);
        changed.map(|()| Armed).map_err(|error| source.judge(error))
    }

    /// Ends a wait; true if its event cannot come any more, or is of no use to anybody.
    pub(crate) fn stop_wait(self, source: &Source, _: &mut Armed) -> bool {
        if let Ok(epoll) = self.epoll() {
            let nobody = EventData::new_u64(Event::token_of_wait(NOBODY));
            let changed = epoll::modify(epoll, source, nobody, EventFlags::ONESHOT);
            // What it says of the descriptor is kept; the wait is over in any case.
            let _ = changed.map_err(|error| source.judge(error));
        }
        true
    }

    /// Unties a source, for which nobody waits, from the port, before it is closed or given back.
    pub(crate) fn dismiss(self, source: &Source) {
        if let Ok(epoll) = self.epoll() {
            let _ = epoll::delete(epoll, source).map_err(|error| source.judge(error));
        }
    }

    fn epoll(self) -> io::Result<&'a Epoll> {
        match self {
            Backend::Readiness(Driver::Epoll(epoll)) => Ok(epoll),
            Backend::Readiness(Driver::Simulated(_)) => Err(not_simulated()),
        }
    }
}

/// What is readable once the child has ended. The child must not have been waited for by others.
pub(crate) fn exit_source(child: &mut Child) -> io::Result<OwnedFd> {
    // Of a child that has ended and was waited for, the number may be another's by now.
    if child.try_wait()?.is_some() {
        return Ok(eventfd(1, EventfdFlags::CLOEXEC)?);
    }
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).map_err(|error| match error {
        Errno::NOSYS => io::Error::new(
            io::ErrorKind::Unsupported,
            "this system has no descriptors of processes; Linux has them from 5.3 on",
        ),
        error => error.into(),
    })
}
