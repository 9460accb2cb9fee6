//! What the scheduler is on this system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub(crate) use linux::{Job, Scheduler};
#[cfg(windows)]
pub(crate) use windows::{Job, Scheduler};

use super::binding::BoundThread;
use super::dispatcher::Dispatcher;
use super::monitor::{self, MonitorParker, Watched};
use crate::sys::sleep::SleepProbe;
use crate::sys::{Driver, DriverChoice, DriverReport, Event, simulated::Network};
use std::io;
use std::sync::Arc;

/// The monitor dozes after so many of its ticks, ten milliseconds, in which there was nothing to watch.
const QUIET_ROUNDS: u32 = 50;

/// The dispatcher over a driver.
pub(super) type OnDriver<T> = Dispatcher<T, Event, Arc<BoundThread>, Driver>;

impl<T: 'static> OnDriver<T> {
    /// Makes it on the driver that was chosen for a `reason`, and says how it will be.
    fn on(
        (choice, reason): (DriverChoice, String),
        network: Option<Network>,
        concurrency: usize,
        monitor: bool,
    ) -> io::Result<(Self, DriverReport)> {
        let driver = Driver::open(choice, network)?;
        let (monitor, means) = monitoring(monitor);
        Ok((
            Self::new(concurrency, monitor.then_some(QUIET_ROUNDS), driver),
            choice.report(reason, means),
        ))
    }
}

/// Starts the thread of the monitor, if there is to be one. Where it cannot be started, the report
/// says so, and only [`blocking`](crate::blocking) lets other threads in.
fn start_monitor<S: Watched + 'static>(
    scheduler: &Arc<S>,
    parker: &Arc<MonitorParker>,
    report: &mut DriverReport,
) {
    if let Err(error) = monitor::start(Arc::downgrade(scheduler), Arc::clone(parker)) {
        report.blocked_thread_monitor =
            format!("off: its thread cannot be started ({error}); only blocking() lets others in");
    }
}

/// Whether there is a blocked-thread monitor, if one is wanted, and what it sees by.
fn monitoring(wanted: bool) -> (bool, String) {
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
