//! What carries operations to a kernel and brings their completions back.
//!
//! # The contract
//!
//! Two families of drivers stand behind the port, and the operations know which one carries them.
//!
//! A **readiness** driver ([`epoll`], [`simulated`]) never holds an operation. It is an
//! [`EventSource`]: it says, edge by edge, that a registered socket may be able to go on, and a
//! [`Socket`] performs one non-blocking call. Everything else (which operation is next, what its
//! packet says, who takes it) is decided above it, once for all readiness drivers. Such a driver
//! provides:
//!
//! - *register*: from then on each change of a socket from "cannot" to "may" in either direction
//!   yields an event with the token given, at least once, to at least one thread in the wait. A
//!   socket that is ready when it is registered yields its first event at once.
//! - *rearm*: a registered socket that is ready yields its event once more.
//! - *deregister*: no event with that token is taken from the kernel afterwards; one that another
//!   thread took before may still be on its way, so tokens carry a generation.
//! - *wait*: any number of threads at once; an event is given to one of them.
//! - *kick*: at least one thread comes back from the wait, now or when it next enters it.
//! - *look*: one thread comes back from the wait with `true` after a given time.
//! - *arm*: one alarm for the whole port, reported as [`Event::ALARM`].
//! - the socket calls of [`Socket`]: each is one attempt that does not block, says
//!   `WouldBlock` when it cannot proceed, and has either happened or not when it returns.
//!
//! A **completion** driver (`iocp`, the Windows port) takes the whole operation, owns its block until
//! the packet is taken, and is itself the scheduler: start, cancel, take, post and close map to one
//! system call each. Its operation block is complete before the starting call and is not touched
//! after it, since the packet may be taken before that call returns.
//!
//! Files go another way, whatever carries the sockets: `uring` or `iocp` holds what they ask for, or the
//! call waits; see [`files`]. What is not ours is only waited for; see [`waits`],
//! and [`directories`].
//!
//! Only this folder talks to an operating system. It knows nothing of packets, handles or threads.

pub(crate) mod code;
pub(crate) mod datagram_options;
pub(crate) mod directories;
#[cfg(target_os = "linux")]
pub(crate) mod epoll;
pub(crate) mod family;
pub(crate) mod files;
#[cfg(windows)]
pub(crate) mod iocp;
pub(crate) mod options;
pub(crate) mod signals;
#[cfg(feature = "simulated")]
pub mod simulated;
#[cfg(not(feature = "simulated"))]
#[path = "no_simulated.rs"]
pub(crate) mod simulated;
pub(crate) mod sleep;
pub(crate) mod socket;
pub(crate) mod system;
pub(crate) mod thread_view;
#[cfg(target_os = "linux")]
pub(crate) mod uring;
pub(crate) mod waits;

use crate::sync;
use socket::Socket;
use std::io;
use std::time::{Duration, Instant};

/// How many events one wait yields at most.
pub(crate) const BATCH_MAX: usize = 64;

/// What a thread has met in the wait besides events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// The look that was asked for is due.
    pub(crate) look: bool,
    /// A kick, perhaps one that was meant for another thread.
    pub(crate) kick: bool,
}

/// What the scheduler needs of a readiness driver: a wait that several threads may be in at once.
pub(crate) trait EventSource<E> {
    /// Waits until events are there, a kick came, or `timeout` is over, and appends up to `batch`
    /// events. May return early with none.
    fn wait(&self, events: &mut Vec<E>, batch: usize, timeout: Option<Duration>) -> Met;

    /// Makes at least one thread return that is in the wait now or, if none is, the next one that
    /// enters it.
    fn kick(&self);

    /// Makes one thread return from the wait and [meet](Met::look) the look, after the time given, or
    /// later when it enters it.
    fn look_after(&self, after: Duration);

    /// Whether the wait would return at once. It takes nothing away from a thread that waits.
    fn has_events(&self) -> bool;
}

/// One event of a readiness driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// The token given at registration.
    pub(crate) token: u64,
    /// A receive, or an accept, may go on.
    pub(crate) readable: bool,
    /// A send, or a connect, may go on.
    pub(crate) writable: bool,
    /// The peer has ended its direction, or the connection failed: the socket stays readable.
    pub(crate) ended: bool,
}

impl Event {
    /// The token of the port's alarm.
    pub(crate) const ALARM: u64 = u64::MAX;
    /// The token of the signals that a port watches.
    pub(crate) const SIGNAL: u64 = u64::MAX - 3;
    /// The token that says that operations on files have completed.
    pub(crate) const FILES: u64 = u64::MAX - 4;

    /// The first token of the waits for what is not ours: one for each number of 32 bits.
    pub(crate) const WAITS: u64 = (u32::MAX as u64 - 1) << 32;

    /// Whether the token is that of a socket: those of waits, and the port's own, are the last ones.
    #[inline]
    pub(crate) fn is_of_a_socket(self) -> bool {
        self.token < Self::WAITS
    }
}

/// Which driver a port is to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriverChoice {
    /// What the environment variable `OVERLAPPED_DRIVER` names (`epoll`, `iocp` or `simulated`), or
    /// else the best driver of this system.
    #[default]
    Automatic,
    /// One epoll instance shared by the port's threads. Linux only.
    Epoll,
    /// A completion port of the system's own. Windows only.
    Iocp,
    /// The network in memory, for tests: the module `simulated`, which is there with the feature of that
    /// name.
    Simulated,
}

impl DriverChoice {
    /// What [`DriverChoice::Automatic`] means on this system.
    const DEFAULT: Self = if cfg!(windows) { Self::Iocp } else { Self::Epoll };

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Epoll => "epoll",
            Self::Iocp => "iocp",
            Self::Simulated => "simulated",
        }
    }

    /// The names of the drivers of this build.
    fn there_are(joined_by: &str) -> String {
        let simulated = cfg!(feature = "simulated").then(|| Self::Simulated.name());
        let names: Vec<_> = [Self::DEFAULT.name()].into_iter().chain(simulated).collect();
        names.join(joined_by)
    }

    /// The driver that is to be made, never [`DriverChoice::Automatic`], and why this one.
    /// A network that is given decides by itself.
    pub(crate) fn resolve(
        self,
        network: Option<&simulated::Network>,
    ) -> io::Result<(Self, String)> {
        if network.is_some() {
            return Ok((Self::Simulated, "the builder was given a network".into()));
        }
        if self != Self::Automatic {
            return Ok((self, "the builder asked for it".into()));
        }
        let named = match std::env::var("OVERLAPPED_DRIVER") {
            Err(std::env::VarError::NotPresent) => {
                let reason = format!("the default for sockets on {}", std::env::consts::OS);
                return Ok((Self::DEFAULT, reason));
            }
            Ok(name) => name,
            Err(error) => error.to_string(),
        };
        [Self::DEFAULT, Self::Simulated]
            .into_iter()
            .find(|choice| choice.name() == named)
            .map(|choice| (choice, "OVERLAPPED_DRIVER asks for it".into()))
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "OVERLAPPED_DRIVER names no driver of this system ({named}): \
                         set it to {}, or unset it",
                        Self::there_are(" or ")
                    ),
                )
            })
    }

    /// The report of a port on this driver, without what it has for files.
    pub(crate) fn report(self, reason: String, blocked_thread_monitor: String) -> DriverReport {
        DriverReport { name: self.name(), reason, blocked_thread_monitor, files: String::new() }
    }

    fn unsupported(self) -> io::Error {
        io::Error::new(
            io::ErrorKind::Unsupported,
            format!(
                "there is no {} driver on this system; it has {}",
                self.name(),
                Self::there_are(" and ")
            ),
        )
    }
}

/// Which driver a port runs on, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverReport {
    /// The driver's name: `epoll`, `iocp` or `simulated`.
    pub name: &'static str,
    /// Why this driver and no other, in a sentence.
    pub reason: String,
    /// Whether, and how, a thread that blocks without saying so is noticed.
    pub blocked_thread_monitor: String,
    /// What carries operations on files (`io_uring` or `helper threads`), and why; before the first
    /// file is associated, what will.
    pub files: String,
}

/// The readiness driver of one port.
#[derive(Debug)]
pub(crate) enum Driver {
    #[cfg(target_os = "linux")]
    Epoll(epoll::Epoll),
    Simulated(simulated::Network),
}

impl Driver {
    /// Opens the driver that was chosen; a simulated one on `network`, or on one of its own.
    pub(crate) fn open(
        choice: DriverChoice,
        network: Option<simulated::Network>,
    ) -> io::Result<Self> {
        match choice {
            #[cfg(target_os = "linux")]
            DriverChoice::Epoll => Ok(Self::Epoll(epoll::Epoll::new()?)),
            DriverChoice::Simulated => {
                Ok(Self::Simulated(network.map_or_else(simulated::Network::undisturbed, Ok)?))
            }
            other => Err(other.unsupported()),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(_) => "epoll",
            Self::Simulated(_) => "simulated",
        }
    }
}

/// What carries the operations of one port.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend<'a> {
    Readiness(&'a Driver),
    #[cfg(windows)]
    Overlapped(&'a std::sync::Arc<iocp::Iocp>),
}

impl Backend<'_> {
    /// Ties a socket to the port, whose events or packets have this token from then on.
    pub(crate) fn register(self, socket: &Socket, token: u64) -> io::Result<()> {
        let name = match (self, socket) {
            #[cfg(target_os = "linux")]
            (Self::Readiness(Driver::Epoll(epoll)), Socket::System(descriptor)) => {
                return epoll.register(descriptor, token);
            }
            (Self::Readiness(Driver::Simulated(network)), Socket::Simulated(socket)) => {
                return network.register(socket, token);
            }
            #[cfg(windows)]
            (Self::Overlapped(iocp), Socket::System(socket)) => {
                return iocp.associate(socket, token);
            }
            (Self::Readiness(driver), _) => driver.name(),
            #[cfg(windows)]
            (Self::Overlapped(_), _) => DriverChoice::Iocp.name(),
        };
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the socket belongs to another driver than the port's, which is {name}"),
        ))
    }

    /// Yields the event of a registered socket once more, if it is ready.
    #[cfg_attr(windows, expect(unused_variables, reason = "only epoll knows sockets by tokens"))]
    pub(crate) fn rearm(self, socket: &Socket, token: u64) {
        match (self, socket) {
            #[cfg(target_os = "linux")]
            (Self::Readiness(Driver::Epoll(epoll)), Socket::System(descriptor)) => {
                epoll.rearm(descriptor, token);
            }
            (Self::Readiness(Driver::Simulated(network)), Socket::Simulated(socket)) => {
                network.rearm(socket);
            }
            _ => {}
        }
    }

    /// Ends the flow of events for `socket`, before it is closed or handed out.
    pub(crate) fn deregister(self, socket: &Socket) {
        match (self, socket) {
            #[cfg(target_os = "linux")]
            (Self::Readiness(Driver::Epoll(epoll)), Socket::System(descriptor)) => {
                epoll.deregister(descriptor);
            }
            (Self::Readiness(Driver::Simulated(network)), Socket::Simulated(socket)) => {
                network.deregister(socket);
            }
            _ => {}
        }
    }

    /// Lets a socket go that is to stay open, and of which nothing is in flight.
    pub(crate) fn release(self, socket: &Socket) -> io::Result<()> {
        #[cfg(windows)]
        if let (Self::Overlapped(_), Socket::System(socket)) = (self, socket) {
            return iocp::release(socket);
        }
        self.deregister(socket);
        Ok(())
    }

    /// What time it is for the port's alarm.
    #[inline]
    pub(crate) fn now(self) -> Instant {
        match self {
            Self::Readiness(Driver::Simulated(network)) => network.now(),
            _ => sync::now(),
        }
    }

    /// Sets, moves or (with `None`) stops the port's alarm.
    pub(crate) fn arm(self, at: Option<Instant>) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Readiness(Driver::Epoll(epoll)) => epoll.arm(at),
            Self::Readiness(Driver::Simulated(network)) => network.arm(at),
            #[cfg(windows)]
            Self::Overlapped(iocp) => iocp.arm(at),
        }
    }
}

impl EventSource<Event> for Driver {
    fn wait(&self, events: &mut Vec<Event>, batch: usize, timeout: Option<Duration>) -> Met {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(epoll) => epoll.wait(events, batch, timeout),
            // Who does not wait leaves the kicks of others to them.
            Self::Simulated(network) => {
                Met { look: network.wait(events, batch, timeout), kick: false }
            }
        }
    }

    fn kick(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(epoll) => epoll.kick(),
            Self::Simulated(network) => network.kick(),
        }
    }

    fn look_after(&self, after: Duration) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(epoll) => epoll.look_after(after),
            Self::Simulated(network) => network.look_after(after),
        }
    }

    fn has_events(&self) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Epoll(epoll) => epoll.has_events(),
            Self::Simulated(network) => network.has_events(),
        }
    }
}
