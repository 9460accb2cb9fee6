//! The default driver on Linux: one epoll instance, shared by the threads of the port.
//!
//! Each socket is registered once, edge-triggered, for both directions. The same set has an
//! `eventfd` that wakes a waiting thread (the kick), a `timerfd` for the timers of the port (the
//! alarm), another by which a thread comes back for what another has left in its own queue and, on a
//! port that watches signals, an `eventfd` for these. All are edge-triggered and never read: each
//! write and each expiry is an edge by itself.
//!
//! Main disadvantage: which of several waiting threads the kernel wakes is its own business
//! (newest first in practice, unspecified).

#[cfg(feature = "signals")]
use super::signals::Watch;
use super::{BATCH_MAX, Event, Met};
use rustix::event::{EventfdFlags, PollFd, PollFlags, epoll, eventfd, poll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

const KICK: u64 = u64::MAX - 1;
const LOOK: u64 = u64::MAX - 2;

/// What a socket is registered for.
const SOCKET: epoll::EventFlags = epoll::EventFlags::IN
    .union(epoll::EventFlags::OUT)
    .union(epoll::EventFlags::RDHUP)
    .union(epoll::EventFlags::ET);

#[derive(Debug)]
pub(crate) struct Epoll {
    set: OwnedFd,
    kick: OwnedFd,
    alarm: OwnedFd,
    look: OwnedFd,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let kick = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let alarm = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let look = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&set, &kick, epoll::EventData::new_u64(KICK), edge)?;
        epoll::add(&set, &alarm, epoll::EventData::new_u64(Event::ALARM), edge)?;
        epoll::add(&set, &look, epoll::EventData::new_u64(LOOK), edge)?;
        Ok(Self { set, kick, alarm, look })
    }

    pub(crate) fn register(&self, descriptor: &impl AsFd, token: u64) -> io::Result<()> {
        Ok(epoll::add(&self.set, descriptor, epoll::EventData::new_u64(token), SOCKET)?)
    }

    /// Registered anew, a socket that is ready yields its event again.
    pub(crate) fn rearm(&self, descriptor: &impl AsFd, token: u64) {
        // It can only fail for a descriptor that is not in the set, and then nothing is owed.
        let _ = epoll::modify(&self.set, descriptor, epoll::EventData::new_u64(token), SOCKET);
    }

    /// From now on each signal that the watch counts is an event.
    #[cfg(feature = "signals")]
    pub(crate) fn watch(&self, watch: &Watch) -> io::Result<()> {
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        Ok(epoll::add(&self.set, watch, epoll::EventData::new_u64(Event::SIGNAL), edge)?)
    }

    pub(crate) fn deregister(&self, descriptor: &impl AsFd) {
        // It can only fail for a descriptor that is not in the set, and then nothing is owed.
        let _ = epoll::delete(&self.set, descriptor.as_fd());
    }

    /// Each write to this eventfd, which is never read, yields an event that says that operations
    /// on files have completed.
    pub(crate) fn watch_files(&self, signal: impl AsFd) -> io::Result<()> {
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        Ok(epoll::add(&self.set, signal, epoll::EventData::new_u64(Event::FILES), edge)?)
    }

    pub(crate) fn arm(&self, at: Option<Instant>) {
        // A zero time would stop the timer, so an alarm that is due rings in a nanosecond.
        let after = at.map_or(Duration::ZERO, |at| {
            at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1))
        });
        set_timer(&self.alarm, after);
    }

    pub(crate) fn look_after(&self, after: Duration) {
        set_timer(&self.look, after);
    }

    pub(crate) fn wait(
        &self,
        events: &mut Vec<Event>,
        batch: usize,
        timeout: Option<Duration>,
    ) -> Met {
        let mut met = Met::default();
        let timeout = timeout.map(timespec);
        let mut room = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; BATCH_MAX];
        let batch = batch.min(room.len());
        // An interrupted wait is an early return; the thread decides anew and comes back.
        let Ok((found, _)) = epoll::wait(&self.set, &mut room[..batch], timeout.as_ref()) else {
            return met;
        };
        for event in found {
            let (flags, token) = (event.flags, event.data.u64());
            match token {
                KICK => {
                    met.kick = true;
                    continue;
                }
                LOOK => {
                    met.look = true;
                    continue;
                }
                _ => {}
            }
            let broken = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            let ended = broken || flags.contains(epoll::EventFlags::RDHUP);
            events.push(Event {
                token,
                readable: ended || flags.contains(epoll::EventFlags::IN),
                writable: broken || flags.contains(epoll::EventFlags::OUT),
                ended,
            });
        }
        met
    }

    /// Whether a wait would return at once. It is asked of the set as of any descriptor, and takes no
    /// event.
    pub(crate) fn has_events(&self) -> bool {
        let mut asked = [PollFd::new(&self.set, PollFlags::IN)];
        // A call that fails says nothing; the next look asks again.
        poll(&mut asked, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready > 0)
    }

    pub(crate) fn kick(&self) {
        // A full counter (after 2^64 kicks) would be the only error, and it is an edge already.
        let _ = rustix::io::write(&self.kick, &1u64.to_ne_bytes());
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

fn set_timer(timer: &OwnedFd, after: Duration) {
    let setting =
        Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: timespec(after) };
    timerfd_settime(timer, TimerfdTimerFlags::empty(), &setting)
        .expect("a timer descriptor takes every non-negative time");
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
