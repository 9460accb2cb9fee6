//! Ticks at equal distances.

use super::{Sleep, sleep_until};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What an interval does about ticks whose time passed before they were awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissedTicks {
    /// They come at once, one after another, until the interval has caught up.
    #[default]
    Burst,
    /// They are left out, and the next tick comes when it would have come anyway.
    Skip,
    /// The late tick counts as one in time, and the next one comes a whole period after it.
    Delay,
}

/// Ticks every `period`, for the first time at once.
///
/// # Panics
/// When `period` is 0.
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, for the first time at `start`.
///
/// # Panics
/// When `period` is 0.
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval needs a period above 0");
    Interval { period, missed: MissedTicks::Burst, sleep: sleep_until(start) }
}

/// Gives a tick every period; see [`interval`].
#[derive(Debug)]
pub struct Interval {
    period: Duration,
    missed: MissedTicks,
    /// Until the next tick.
    sleep: Sleep,
}

impl Interval {
    /// What is done about ticks that were missed (default: [`MissedTicks::Burst`]).
    pub fn set_missed_ticks(&mut self, missed: MissedTicks) {
        self.missed = missed;
    }

    /// Waits for the next tick, and gives the moment at which it was due. It is cancel safe: a tick is
    /// not lost with a future that is dropped.
    ///
    /// # Panics
    /// As for [`sleep`](super::sleep).
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|context| self.poll_tick(context)).await
    }

    /// The same, to be polled.
    pub fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        if Pin::new(&mut self.sleep).poll(context).is_pending() {
            return Poll::Pending;
        }
        let due = self.sleep.deadline();
        self.sleep = sleep_until(self.after(due, Instant::now()));
        Poll::Ready(due)
    }

    /// When the next tick comes, after the one that was `due`.
    fn after(&self, due: Instant, now: Instant) -> Instant {
        let next = due + self.period;
        if next > now {
            return next;
        }
        match self.missed {
            MissedTicks::Burst => next,
            MissedTicks::Delay => now + self.period,
            MissedTicks::Skip => {
                let late = (now - due).as_nanos() % self.period.as_nanos();
                // Less than a period, which is what fits.
                now + self.period - Duration::from_nanos(u64::try_from(late).unwrap_or(0))
            }
        }
    }
}
