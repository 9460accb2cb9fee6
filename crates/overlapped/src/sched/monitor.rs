//! The thread of the blocked-thread monitor. It never takes work; what it looks at, and what follows,
//! is in the [rules](super::rules::monitor).

use super::parker::Parker;
use crate::sync;
use crate::sys::sleep;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long the monitor waits from one look to the next while there is something to watch, by the time
/// since a look last found a sleeper.
fn tick(since_sleeper: Duration) -> Duration {
    match since_sleeper.as_micros() {
        // Whoever was let in for the sleeper does the same kind of work, and will sleep soon.
        0..180 => Duration::from_micros(30),
        // A millisecond would make two sleepers hold up others for two.
        180..100_000 => Duration::from_micros(200),
        // Who blocks less than ten times a second, and is seen a little later, is in nobody's p99; every
        // look takes a processor from the thread that works there.
        _ => Duration::from_micros(500),
    }
}

/// How often also those are looked at who were found asleep before: there may be hundreds of them, a look
/// at each costs some microseconds, and most say by themselves that they are back.
const TICK_OF_ALL: Duration = Duration::from_millis(1);

/// What a scheduler has for its monitor.
pub(super) trait Watched: Send + Sync {
    /// One round: looks if that is worth it.
    fn watch(&self, whom: Whom) -> Round;
}

/// Whom a look regards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// The threads that have a slot. They are as many as the concurrency allows.
    Holders,
    /// Also those that lost theirs when they were found asleep, of which there may be hundreds.
    All,
}

/// What comes after a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// The next one, after a tick.
    ComeBack,
    /// A sleeper was found: the next one, sooner.
    ComeBackSoon,
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
    pub(super) fn serve(&self, round: impl Fn(Whom) -> Option<Round>) {
        let mut whom = Whom::All;
        let (mut since_all, mut since_sleeper) = (Duration::ZERO, Duration::from_micros(180));
        while !self.ended.load(Ordering::Acquire)
            && let Some(next) = round(whom)
        {
            if next == Round::ComeBackSoon {
                since_sleeper = Duration::ZERO;
            }
            if whom == Whom::All {
                since_all = Duration::ZERO;
            }
            let tick = tick(since_sleeper);
            since_all += tick;
            since_sleeper += tick;
            let is_time_for_all = since_all >= TICK_OF_ALL || next == Round::Doze;
            whom = if is_time_for_all { Whom::All } else { Whom::Holders };
            self.parker.park((next != Round::Doze).then_some(tick));
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
    let watch = move || {
        sleep::be_woken_in_time();
        parker.serve(|whom| Some(scheduler.upgrade()?.watch(whom)));
    };
    sync::spawn("overlapped-watch", watch)
}
