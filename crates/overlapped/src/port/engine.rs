//! What queues the packets of a port and decides which thread takes the next one: our turnstile
//! over a readiness driver, or the system's own port.

use super::Protocol;
use super::TakeError;
use super::counters::{Sample, TurnstileCounters};
#[cfg(windows)]
use super::kernel::Kernel;
use super::membership::{Binding, ThreadSeat};
use super::packet::Packet;
use super::turnstile::gate::{Deadline, Gate};
use super::turnstile::rules::steps::{MemberId, Sizes, Work};
use crate::driver::files::Means;
#[cfg(windows)]
use crate::driver::iocp::block::Finished;
use crate::driver::sleep::SleepProbe;
use crate::driver::socket::Socket;
use crate::driver::{Driver, DriverChoice, DriverReport, Event, simulated};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// A packet in the queue.
pub(crate) struct Queued<P: Protocol> {
    pub(super) packet: Packet<P>,
    /// When it was queued, for the packets whose delay is measured.
    pub(super) at: Option<Sample>,
}

/// What a thread was given by the engine.
pub(crate) enum Job<P: Protocol> {
    Packet(Queued<P>),
    /// To be performed by this thread. Of what it yields, it takes one packet and queues the rest.
    Event(Event),
    /// An operation of the handle with this token has finished.
    #[cfg(windows)]
    Finished(u64, Finished),
    /// An operation on a file has finished.
    #[cfg(windows)]
    FileFinished(Finished),
}

pub(crate) enum Engine<P: Protocol> {
    Turnstile {
        gate: Gate<Queued<P>, Event, Arc<ThreadSeat>>,
        driver: Driver,
    },
    #[cfg(windows)]
    Kernel(Kernel<P>),
}

/// Does the same with the engine of either kind.
macro_rules! either {
    ($engine:expr, ($gate:ident, $driver:ident) => $ours:expr, $kernel:ident => $theirs:expr) => {
        match $engine {
            Engine::Turnstile { gate: $gate, driver: $driver } => $ours,
            #[cfg(windows)]
            Engine::Kernel($kernel) => $theirs,
        }
    };
}

impl<P: Protocol> Engine<P> {
    /// Makes the engine on the driver that was chosen, and says which it is and why.
    pub(super) fn build(
        choice: DriverChoice,
        network: Option<simulated::Network>,
        concurrency: usize,
        doorman: bool,
    ) -> io::Result<(Self, DriverReport)> {
        let (choice, reason) = match network {
            Some(_) => (DriverChoice::Simulated, "the builder was given a network".into()),
            None => choice.resolve()?,
        };
        let driver = match choice {
            DriverChoice::Simulated => {
                Driver::Simulated(network.unwrap_or_else(|| simulated::Network::new(0)))
            }
            #[cfg(target_os = "linux")]
            DriverChoice::Epoll => Driver::Epoll(crate::driver::epoll::Epoll::new()?),
            #[cfg(windows)]
            DriverChoice::Iocp => {
                let iocp = crate::driver::iocp::Iocp::new(concurrency)?;
                let doorman = match crate::driver::iocp::wine_version() {
                    None => "not needed: the system sees which threads block".into(),
                    Some(version) => format!(
                        "none: Wine {version} lets every thread run, whatever the concurrency"
                    ),
                };
                let files = String::new();
                let report = DriverReport { name: choice.name(), reason, doorman, files };
                return Ok((Self::Kernel(Kernel::new(iocp, concurrency)), report));
            }
            other => return Err(other.unsupported()),
        };
        let (doorman, sight) = sight(doorman);
        let report =
            DriverReport { name: choice.name(), reason, doorman: sight, files: String::new() };
        Ok((Self::Turnstile { gate: Gate::new(concurrency, doorman), driver }, report))
    }

    /// What there is for carrying files.
    pub(crate) fn means(&self) -> Means<'_> {
        either!(self, (_gate, driver) => Means::Readiness(driver),
            kernel => Means::Overlapped(&kernel.iocp))
    }

    /// Ties a socket to the port for life, under the token of its handle.
    pub(crate) fn register(&self, socket: &Socket, token: u64) -> io::Result<()> {
        either!(self, (_gate, driver) => driver.register(socket, token),
            kernel => kernel.register(socket, token))
    }

    /// Has the driver say once more that the socket may go on, if it may.
    pub(crate) fn prompt(&self, socket: &Socket, token: u64) {
        either!(self, (_gate, driver) => driver.prompt(socket, token), _kernel => ());
    }

    /// Ends the flow of events for a socket, before it is closed or handed out.
    pub(crate) fn deregister(&self, socket: &Socket) {
        either!(self, (_gate, driver) => driver.deregister(socket), _kernel => ())
    }

    /// Sets, moves or (with `None`) stops the port's alarm.
    pub(crate) fn arm(&self, at: Option<Instant>) {
        either!(self, (_gate, driver) => driver.arm(at), kernel => kernel.iocp.arm(at));
    }

    pub(super) fn enrol(&self, seat: Arc<ThreadSeat>) -> MemberId {
        either!(self, (gate, _driver) => gate.enrol(seat), kernel => kernel.enrol())
    }

    pub(super) fn dismiss(&self, id: MemberId) {
        either!(self, (gate, driver) => gate.dismiss(driver, id), kernel => kernel.dismiss(id));
    }

    pub(super) fn block(&self, id: MemberId) -> bool {
        either!(self, (gate, driver) => gate.block(driver, id), kernel => kernel.block(id))
    }

    pub(super) fn resume(&self, id: MemberId) {
        either!(self, (gate, _driver) => gate.resume(id), kernel => kernel.resume(id));
    }

    /// Queues a packet, or gives it back when the port is closed.
    pub(super) fn insert(&self, packet: Queued<P>) -> Result<(), Queued<P>> {
        either!(self, (gate, driver) => gate.insert(driver, packet), kernel => kernel.insert(packet))
    }

    /// Queues the packet of an operation that completed while this thread of the port started it.
    pub(super) fn insert_own(&self, id: MemberId, packet: Queued<P>) -> Result<(), Queued<P>> {
        either!(self, (gate, driver) => gate.insert_own(driver, id, packet),
            kernel => kernel.insert(packet))
    }

    /// Queues the packet that the calling, released thread has just performed and returns the
    /// oldest one. What the kernel gave to a thread has been in the queue already.
    pub(super) fn exchange(&self, packet: Queued<P>) -> Queued<P> {
        either!(self, (gate, _driver) => gate.exchange(packet), _kernel => packet)
    }

    /// Puts packets back to the head of the queue.
    pub(super) fn put_back(&self, packets: VecDeque<Queued<P>>) -> Result<(), VecDeque<Queued<P>>> {
        either!(self, (gate, driver) => gate.put_back(driver, packets),
            kernel => kernel.put_back(packets))
    }

    /// Waits for something to do, as a thread that has nothing.
    pub(super) fn take(
        &self,
        binding: &mut Binding,
        deadline: Deadline,
    ) -> Result<Job<P>, TakeError> {
        either!(self, (gate, driver) => {
            let Binding { member, seat, events, .. } = binding;
            gate.take(driver, *member, seat, events, deadline).map(Job::from)
        }, kernel => kernel.take(deadline))
    }

    /// Gives a thread that has taken a packet what it may have besides, without waiting. `carry_out`
    /// is called with each job and answers how many more packets are wanted; `wanted` of them at
    /// first.
    pub(super) fn take_more(&self, wanted: usize, mut carry_out: impl FnMut(Job<P>) -> usize) {
        either!(self, (gate, _driver) => {
            let mut wanted = wanted;
            while wanted > 0 && let Some(work) = gate.more() {
                wanted = carry_out(work.into());
            }
        }, kernel => kernel.take_more(wanted, carry_out));
    }

    /// A packet has reached a thread. The turnstile counts by itself.
    pub(super) fn count_taken(&self) {
        either!(self, (_gate, _driver) => (), kernel => kernel.count_taken());
    }

    /// Closes the queue and gives out what is in it.
    pub(super) fn close(&self) -> VecDeque<Queued<P>> {
        either!(self, (gate, driver) => gate.close(driver), kernel => kernel.close())
    }

    /// `finished` tells how many operations have finished whose packets were not taken; only the
    /// system's own port has such.
    pub(super) fn sizes(&self, finished: impl FnOnce() -> usize) -> Sizes {
        either!(self, (gate, _driver) => {
            let _ = finished;
            gate.sizes()
        }, kernel => kernel.sizes(finished()))
    }

    pub(super) fn counters(&self, finished: impl FnOnce() -> usize) -> TurnstileCounters {
        either!(self, (gate, _driver) => {
            let _ = finished;
            gate.counters()
        }, kernel => kernel.counters(finished()))
    }

    pub(super) fn concurrency(&self) -> usize {
        either!(self, (gate, _driver) => gate.concurrency(), kernel => kernel.concurrency)
    }
}

/// Whether there is a doorman, if one is wanted, and what he sees by.
fn sight(wanted: bool) -> (bool, String) {
    if !wanted {
        return (false, "off, as the builder was told".to_owned());
    }
    match SleepProbe::of_this_thread() {
        Ok(probe) => (true, format!("on, by the {} of a thread", probe.means())),
        Err(error) => (
            false,
            format!(
                "off: the sleep of a thread cannot be seen here ({error}); \
                 only blocking() lets others in"
            ),
        ),
    }
}

impl<P: Protocol> From<Work<Queued<P>, Event>> for Job<P> {
    fn from(work: Work<Queued<P>, Event>) -> Self {
        match work {
            Work::Packet(queued) => Self::Packet(queued),
            Work::Event(event) => Self::Event(event),
        }
    }
}
