//! What Linux says of the readiness of a socket, and how it is asked: by `poll` for one or several,
//! by an epoll instance for all sockets of a message window.

use super::descriptors::{Bell, poll};
use rustix::event::{PollFd, PollFlags, epoll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
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

impl From<epoll::EventFlags> for Ready {
    fn from(flags: epoll::EventFlags) -> Self {
        Self {
            readable: flags.contains(epoll::EventFlags::IN),
            writable: flags.contains(epoll::EventFlags::OUT),
            urgent: flags.contains(epoll::EventFlags::PRI),
            ended: flags.contains(epoll::EventFlags::RDHUP),
            hung_up: flags.contains(epoll::EventFlags::HUP),
            failed: flags.contains(epoll::EventFlags::ERR),
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

/// The sockets of one message window: an epoll instance in which each is registered once,
/// edge-triggered, for everything, and a bell that ends a wait.
#[derive(Debug)]
pub(crate) struct Watcher {
    set: OwnedFd,
    bell: Bell,
}

/// The token of the bell.
const BELL: u64 = u64::MAX;

impl Watcher {
    pub(crate) fn new() -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = Bell::new()?;
        epoll::add(&set, &bell, epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        Ok(Self { set, bell })
    }

    /// Each change of the socket from now on yields an event with this token. One that is ready
    /// yields its first event at once.
    pub(crate) fn add(&self, socket: &impl AsFd, token: u64) -> io::Result<()> {
        let everything = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::PRI
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        Ok(epoll::add(&self.set, socket, epoll::EventData::new_u64(token), everything)?)
    }

    pub(crate) fn remove(&self, socket: &impl AsFd) {
        // It can only fail for a descriptor that is not in the set, and then nothing is owed.
        let _ = epoll::delete(&self.set, socket.as_fd());
    }

    /// Waits for events, for the bell, or until the time is over, and gives what the sockets were
    /// when the wait ended. A signal may end it early.
    pub(crate) fn wait(&self, timeout: Option<Duration>, found: &mut Vec<(u64, Ready)>) {
        let timeout = timeout.map(|timeout| rustix::event::Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let mut room = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; 64];
        found.clear();
        let mut has_rung = false;
        if let Ok((events, _)) = epoll::wait(&self.set, &mut room[..], timeout.as_ref()) {
            for event in events {
                match event.data.u64() {
                    BELL => has_rung = true,
                    token => found.push((token, event.flags.into())),
                }
            }
        }
        self.bell.hear(has_rung);
    }

    /// Ends the wait, or the next one.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }
}
