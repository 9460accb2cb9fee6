//! What Linux says of the readiness of a socket, and `poll`, which asks it for some that are named in
//! the call.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// What a socket is at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Urgent data is there.
    pub(crate) urgent: bool,
    /// The peer has ended its direction.
    pub(crate) ended: bool,
    /// Both directions are ended.
    pub(crate) hung_up: bool,
    /// It has an error.
    pub(crate) failed: bool,
}

impl Ready {
    /// Nothing more will come from the peer.
    pub(crate) fn is_over(self) -> bool {
        self.ended || self.is_broken()
    }

    /// Nothing more will come or go.
    pub(crate) fn is_broken(self) -> bool {
        self.hung_up || self.failed
    }
}

impl From<PollFlags> for Ready {
    fn from(flags: PollFlags) -> Self {
        Self {
            readable: flags.contains(PollFlags::IN),
            writable: flags.contains(PollFlags::OUT),
            urgent: flags.contains(PollFlags::PRI),
            ended: flags.contains(PollFlags::RDHUP),
            hung_up: flags.contains(PollFlags::HUP),
            failed: flags.contains(PollFlags::ERR),
        }
    }
}

/// What a socket is asked for. That it is broken is told whatever it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) urgent: bool,
    pub(crate) end: bool,
}

impl Wanted {
    /// `None` when nothing is wanted.
    pub(crate) fn flags(self) -> Option<PollFlags> {
        let mut flags = PollFlags::empty();
        // An end is readable as well, so who asks for data must be able to tell them apart.
        flags.set(PollFlags::IN, self.read);
        flags.set(PollFlags::RDHUP, self.read || self.end);
        flags.set(PollFlags::OUT, self.write);
        flags.set(PollFlags::PRI, self.urgent);
        (!flags.is_empty()).then_some(flags)
    }
}

/// What the socket is now.
pub(crate) fn look(socket: &impl AsFd, wanted: PollFlags) -> io::Result<Ready> {
    let mut descriptors = [PollFd::new(socket, wanted)];
    poll(&mut descriptors, Some(Duration::ZERO))?;
    Ok(descriptors[0].revents().into())
}

/// Waits until one of the descriptors is ready, or the time is over, or a signal comes; and gives
/// what each is, in their order.
pub(crate) fn wait_for(
    descriptors: &[(BorrowedFd<'_>, Wanted)],
    timeout: Option<Duration>,
) -> io::Result<Vec<Ready>> {
    let mut asked: Vec<_> = descriptors
        .iter()
        .map(|(descriptor, wanted)| {
            PollFd::from_borrowed_fd(*descriptor, wanted.flags().unwrap_or(PollFlags::empty()))
        })
        .collect();
    poll(&mut asked, timeout)?;
    Ok(asked.iter().map(|one| one.revents().into()).collect())
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

pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
