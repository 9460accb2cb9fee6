//! On Windows the scheduler is a completion port of the system, or our dispatcher for tests on a
//! simulated network.

mod kernel;

use super::OnDriver;
use crate::driver::iocp::block::Finished;
use crate::driver::iocp::{Iocp, wine_version};
use crate::driver::simulated::Network;
use crate::driver::{Backend, DriverChoice, DriverReport, Event};
use crate::sched::binding::{Bound, BoundThread};
use crate::sched::dispatcher::Member;
use crate::sched::metrics::{Counts, DelayHistogram, Queued};
use crate::sched::rules::steps::{MemberId, Work};
use crate::sched::{Deadline, Sizes, TakeError};
use kernel::KernelPort;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What a thread is given to do.
pub(crate) enum Job<T> {
    /// A packet.
    Packet(T),
    /// To be performed by this thread. Of what it yields, it takes one packet and queues the rest.
    Event(Event),
    /// An operation of the handle with this token has finished.
    Finished(u64, Finished),
    /// An operation on a file has finished.
    FileFinished(Finished),
}

impl<T> From<Work<T, Event>> for Job<T> {
    fn from(work: Work<T, Event>) -> Self {
        match work {
            Work::Packet(packet) => Self::Packet(packet),
            Work::Event(event) => Self::Event(event),
        }
    }
}

pub(crate) enum Scheduler<T> {
    Ours(OnDriver<T>),
    Kernel(KernelPort<T>),
}

/// Does the same with the scheduler of either kind.
macro_rules! either {
    ($scheduler:expr, $either:ident => $does:expr) => {
        either!($scheduler, $either => $does, $either => $does)
    };
    ($scheduler:expr, $ours:ident => $does:expr, $kernel:ident => $kernel_does:expr) => {
        match $scheduler {
            Scheduler::Ours($ours) => $does,
            Scheduler::Kernel($kernel) => $kernel_does,
        }
    };
}

impl<T: Send> Bound for Scheduler<T> {
    fn dismiss(&self, id: MemberId) {
        either!(self, either => either.dismiss(id));
    }

    fn block(&self, id: MemberId) -> bool {
        either!(self, either => either.block(id))
    }

    fn resume(&self, id: MemberId) {
        either!(self, either => either.resume(id));
    }
}

impl<T> Scheduler<T> {
    /// Makes the scheduler on the driver that was chosen, and says which it is and why.
    pub(crate) fn build(
        choice: DriverChoice,
        network: Option<Network>,
        concurrency: usize,
        monitor: bool,
    ) -> io::Result<(Self, DriverReport)> {
        let (choice, reason) = choice.resolve(network.as_ref())?;
        if choice != DriverChoice::Iocp {
            let made = OnDriver::on((choice, reason), network, concurrency, monitor);
            return made.map(|(ours, report)| (Self::Ours(ours), report));
        }
        let iocp = Iocp::new(concurrency)?;
        let monitor = match wine_version() {
            None => "not needed: the system sees which threads block".into(),
            Some(version) => {
                format!("none: Wine {version} lets every thread run, whatever the concurrency")
            }
        };
        let kernel = KernelPort::new(iocp, concurrency);
        Ok((Self::Kernel(kernel), choice.report(reason, monitor)))
    }

    pub(crate) fn backend(&self) -> Backend<'_> {
        either!(self, ours => Backend::Readiness(&ours.backend),
            kernel => Backend::Overlapped(&kernel.iocp))
    }

    pub(in crate::sched) fn enroll(
        &self,
        thread: Arc<BoundThread>,
    ) -> Member<Event, Arc<BoundThread>> {
        either!(self, ours => ours.enroll(thread), kernel => Member::new(kernel.enroll(), thread))
    }

    /// Queues a packet, or gives it back when the scheduler is closed. It must then be dropped where
    /// no lock is held.
    pub(crate) fn insert(&self, packet: T) -> Result<(), T> {
        either!(self, either => either.insert(packet))
    }

    /// Queues the packet of an operation that completed while this bound thread started it.
    pub(crate) fn insert_own(&self, id: MemberId, packet: T) -> Result<(), T> {
        either!(self, ours => ours.insert_own(id, packet), kernel => kernel.insert(packet))
    }

    /// Queues the packet that the calling, released thread has just performed and returns the oldest
    /// one.
    pub(crate) fn exchange(&self, packet: T) -> T {
        either!(self, either => either.exchange(packet))
    }

    /// Puts packets back to the head of the queue, or gives them back when the scheduler is closed.
    pub(crate) fn put_back(&self, packets: VecDeque<T>) -> Result<(), VecDeque<Queued<T>>> {
        either!(self, either => either.put_back(packets))
    }

    /// Takes something to do, waiting for it until `deadline`.
    pub(crate) fn take(
        &self,
        member: &mut Member<Event, Arc<BoundThread>>,
        deadline: Deadline,
    ) -> Result<Job<T>, TakeError> {
        either!(self, ours => ours.take(member, deadline).map(Job::from),
            kernel => kernel.take(deadline))
    }

    /// Gives a thread that has taken a packet what it may have besides, without waiting. `carry_out`
    /// is called with each job and answers how many more packets are wanted; `wanted` of them at
    /// first.
    pub(crate) fn take_more(&self, wanted: usize, mut carry_out: impl FnMut(Job<T>) -> usize) {
        either!(self, ours => ours.take_more(wanted, |work| carry_out(work.into())),
            kernel => kernel.take_more(wanted, carry_out));
    }

    /// Closes the queue and gives out what is in it.
    pub(crate) fn close(&self) -> VecDeque<Queued<T>> {
        either!(self, either => either.close())
    }

    /// Takes back what the kernel still held when the scheduler was closed, until `end`. True when
    /// nothing is left.
    pub(crate) fn drain(&self, end: Option<Instant>, finish: impl FnMut(Job<T>)) -> bool {
        either!(self, _ours => true, kernel => kernel.drain(end, finish))
    }

    /// Operations that have finished without their packets being taken are not in it.
    pub(crate) fn sizes(&self) -> Sizes {
        either!(self, either => either.sizes())
    }

    pub(crate) fn counts(&self) -> Counts {
        either!(self, either => either.counts())
    }

    pub(crate) fn delays(&self) -> DelayHistogram {
        either!(self, either => either.delays())
    }

    pub(crate) fn concurrency(&self) -> usize {
        either!(self, ours => ours.concurrency(), kernel => kernel.concurrency)
    }
}
