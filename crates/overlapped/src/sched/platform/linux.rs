//! On Linux the scheduler is our dispatcher, whatever driver it is on.

use super::{OnDriver, start_monitor};
use crate::sched::rules::steps::Work;
use crate::sys::{Backend, DriverChoice, DriverReport, Event, simulated::Network};
use std::io;
use std::sync::Arc;

pub(crate) type Scheduler<T> = OnDriver<T>;

/// What a thread is given to do.
pub(crate) type Job<T> = Work<T, Event>;

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
        let choice = choice.resolve(network.as_ref())?;
        let (scheduler, mut report) = Self::on(choice, network, concurrency, monitor)?;
        let scheduler = Arc::new(scheduler);
        if scheduler.has_monitor() {
            start_monitor(&scheduler, &scheduler.monitor, &mut report);
        }
        Ok((scheduler, report))
    }

    /// What [`Scheduler::take_more_of`] does.
    pub(crate) fn take_more(self: &Arc<Self>, wanted: usize, carry_out: impl FnMut(Job<T>) -> usize)
    where
        T: Send,
    {
        self.take_more_of(self, wanted, carry_out);
    }

    #[inline]
    pub(crate) fn backend(&self) -> Backend<'_> {
        Backend::Readiness(&self.backend)
    }
}
