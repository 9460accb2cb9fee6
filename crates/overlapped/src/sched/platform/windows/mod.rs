//! On Windows the scheduler is a completion port of the system, or our dispatcher for tests on a
//! simulated network.

mod kernel;

use super::{OnDriver, start_monitor};
use crate::sched::binding::{Bound, BoundMember, BoundThread, OwnerSlot};
use crate::sched::metrics::{Counts, DelayHistogram, Queued};
use crate::sched::monitor::{Round, Watched, Whom};
use crate::sched::moves::Recording;
use crate::sched::rules::steps::{MemberId, Wakes, Work};
use crate::sched::{Deadline, Sizes, TakeError};
use crate::sys::iocp::block::Finished;
use crate::sys::iocp::{Iocp, wine_version};
use crate::sys::simulated::Network;
use crate::sys::{Backend, DriverChoice, DriverReport, Event};
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
    /// What waits for changes of a directory has finished.
    DirectoryFinished(Finished),
}

impl<T> From<Work<T, Event>> for Job<T> {
    fn from(work: Work<T, Event>) -> Self {
        match work {
            Work::Packet(packet) => Self::Packet(packet),
            Work::Event(event) => Self::Event(event),
        }
    }
}

/// Its methods are those of the [`Dispatcher`](crate::sched::dispatcher::Dispatcher).
pub(crate) enum Scheduler<T> {
    Ours(OnDriver<T>),
    Kernel(KernelPort<T>),
}

/// Methods that both kinds have.
macro_rules! either {
    ($($visible:vis fn $name:ident(&self $(, $argument:ident: $type:ty)*) $(-> $result:ty)?;)*) => {
        $($visible fn $name(&self $(, $argument: $type)*) $(-> $result)? {
            match self {
                Self::Ours(ours) => ours.$name($($argument),*),
                Self::Kernel(kernel) => kernel.$name($($argument),*),
            }
        })*
    };
}

impl<T: Send + 'static> Watched for Scheduler<T> {
    fn watch(&self, whom: Whom) -> Round {
        match self {
            Self::Ours(ours) => ours.watch(whom),
            // The kernel sees by itself which threads block.
            Self::Kernel(_) => Round::Doze,
        }
    }
}

impl<T: Send + 'static> Bound for Scheduler<T> {
    either! {
        fn dismiss(&self, id: MemberId);
        fn block(&self, id: MemberId) -> bool;
        fn resume(&self, id: MemberId);
        fn owner(&self) -> &OwnerSlot;
    }
}

impl<T: 'static> Scheduler<T> {
    /// Makes the scheduler on the driver that was chosen, and says which it is and why.
    pub(crate) fn build(
        choice: DriverChoice,
        network: Option<Network>,
        concurrency: usize,
        monitor: bool,
    ) -> io::Result<(Arc<Self>, DriverReport)>
    where
        T: Send + 'static,
    {
        let (choice, reason) = choice.resolve(network.as_ref())?;
        if choice != DriverChoice::Iocp {
            let (ours, mut report) = OnDriver::on((choice, reason), network, concurrency, monitor)?;
            let parker = ours.has_monitor().then(|| Arc::clone(&ours.monitor));
            let scheduler = Arc::new(Self::Ours(ours));
            if let Some(parker) = parker {
                start_monitor(&scheduler, &parker, &mut report);
            }
            return Ok((scheduler, report));
        }
        let iocp = Iocp::new(concurrency)?;
        let monitor = match wine_version() {
            None => "not needed: the system sees which threads block".into(),
            Some(version) => {
                format!("none: Wine {version} lets every thread run, whatever the concurrency")
            }
        };
        let kernel = KernelPort::new(iocp, concurrency);
        Ok((Arc::new(Self::Kernel(kernel)), choice.report(reason, monitor)))
    }

    pub(crate) fn backend(&self) -> Backend<'_> {
        match self {
            Self::Ours(ours) => Backend::Readiness(&ours.backend),
            Self::Kernel(kernel) => Backend::Overlapped(&kernel.iocp),
        }
    }

    either! {
        pub(in crate::sched) fn enroll(&self, thread: Arc<BoundThread>) -> BoundMember;
        pub(in crate::sched) fn insert(&self, packet: T) -> Result<Option<Wakes<Arc<BoundThread>>>, T>;
        pub(in crate::sched) fn exchange(&self, packet: T) -> (T, Option<Wakes<Arc<BoundThread>>>);
        pub(in crate::sched) fn put_back(&self, member: Option<MemberId>, packets: VecDeque<T>) -> Result<(), VecDeque<Queued<T>>>;
        pub(crate) fn close(&self) -> VecDeque<Queued<T>>;
        pub(crate) fn sizes(&self) -> Sizes;
        pub(crate) fn somebody_waits(&self) -> bool;
        pub(crate) fn any_work_waits(&self) -> bool;
        pub(crate) fn counts(&self) -> Counts;
        pub(crate) fn delays(&self) -> DelayHistogram;
        pub(crate) fn concurrency(&self) -> usize;
        pub(crate) fn begin_recording(&self, limit: usize) -> io::Result<()>;
        pub(crate) fn end_recording(&self) -> Option<Recording>;
    }

    /// What the thread has in its own queue. The kernel's threads have none: what lay there would be
    /// stuck behind a thread that blocks, since the kernel lets another in for its own queue only.
    pub(in crate::sched) fn take_own(&self, member: &BoundMember) -> Option<Job<T>> {
        match self {
            Self::Ours(ours) => ours.take_own(member).map(Job::from),
            Self::Kernel(_) => None,
        }
    }

    pub(in crate::sched) fn insert_own(
        &self,
        member: &BoundMember,
        packet: &mut Option<T>,
    ) -> Option<Wakes<Arc<BoundThread>>> {
        match self {
            Self::Ours(ours) => ours.insert_own(member, packet),
            Self::Kernel(_) => None,
        }
    }

    /// The kernel wakes by itself.
    pub(in crate::sched) fn wake(&self, wakes: Option<Wakes<Arc<BoundThread>>>) {
        if let Self::Ours(ours) = self {
            ours.wake(wakes);
        }
    }

    pub(in crate::sched) fn pass(&self, member: &BoundMember) -> bool {
        match self {
            Self::Ours(ours) => ours.pass(member),
            Self::Kernel(_) => false,
        }
    }

    pub(in crate::sched) fn keeps_older(&self, member: &BoundMember) -> bool {
        match self {
            Self::Ours(ours) => ours.keeps_older(member),
            Self::Kernel(_) => false,
        }
    }

    pub(crate) fn take(
        &self,
        member: &mut BoundMember,
        deadline: Deadline,
    ) -> Result<Job<T>, TakeError> {
        match self {
            Self::Ours(ours) => ours.take(member, deadline).map(Job::from),
            Self::Kernel(kernel) => kernel.take(deadline),
        }
    }

    pub(crate) fn take_more(
        self: &Arc<Self>,
        wanted: usize,
        mut carry_out: impl FnMut(Job<T>) -> usize,
    ) where
        T: Send,
    {
        match &**self {
            Self::Ours(ours) => self.take_more_of(ours, wanted, |work| carry_out(work.into())),
            Self::Kernel(kernel) => kernel.take_more(wanted, carry_out),
        }
    }

    /// Whether a thread that comes back would find something at once. The kernel does not tell, so
    /// others are taken to wait always.
    pub(in crate::sched) fn has_work_to_hand_out(&self, member: &BoundMember) -> bool {
        match self {
            Self::Ours(ours) => ours.has_work_to_hand_out(member),
            Self::Kernel(_) => true,
        }
    }

    /// Takes back what the kernel still held when the scheduler was closed, until `end`. True when
    /// nothing is left.
    pub(crate) fn drain(&self, end: Option<Instant>, finish: impl FnMut(Job<T>)) -> bool {
        match self {
            Self::Ours(_) => true,
            Self::Kernel(kernel) => kernel.drain(end, finish),
        }
    }
}
