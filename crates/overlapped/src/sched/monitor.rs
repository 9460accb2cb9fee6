//! The thread of the blocked-thread monitor. It never takes work; what it looks at, and what follows,
//! is in the [rules](super::rules::monitor).

use super::parker::Parker;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long the monitor waits from one look to the next while there is something to watch. A
/// millisecond would make two sleepers hold up others for two; half of this costs three hundredths of
/// a processor more.
const TICK: Duration = Duration::from_micros(200);

/// What a scheduler has for its monitor.
pub(super) trait Watched: Send + Sync {
    /// One round: looks if that is worth it.
    fn watch(&self) -> Round;
}

/// What comes after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// The next one, after a tick.
    ComeBack,
    /// Sleep until woken.
    Doze,
}

/// Where the monitor waits.
#[derive(Debug, Default)]
pub(super) struct MonitorParker {
    parker: Parker,
    ended: AtomicBool,
}

impl MonitorParker {
    /// Ends the monitor's doze, or its pause.
    pub(super) fn wake(&self) {
        self.parker.unpark();
    }

    /// Calls `round` at once and whenever the monitor is to go on, until there is nothing to watch over
    /// any more.
    pub(super) fn serve(&self, round: impl Fn() -> Option<Round>) {
        while !self.ended.load(Ordering::Acquire)
            && let Some(next) = round()
        {
            self.parker.park(match next {
                Round::ComeBack => Some(TICK),
                Round::Doze => None,
            });
        }
    }

    /// The monitor is needed no more.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.wake();
    }
}

/// Starts the thread that watches over `scheduler`. It does not keep it alive, and ends with it.
///
/// # Errors
/// When the system starts no thread.
pub(super) fn start<S: Watched + 'static>(
    scheduler: Weak<S>,
    parker: Arc<MonitorParker>,
) -> io::Result<()> {
    let watch = move || parker.serve(|| Some(scheduler.upgrade()?.watch()));
    std::thread::Builder::new().name("overlapped-watch".into()).spawn(watch).map(drop)
}
