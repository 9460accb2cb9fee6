//! Sleeping, time-outs and intervals, by the timers of the port.
//!
//! Starting, resetting and dropping a timer costs neither a packet nor, mostly, a system call; only one
//! that runs out brings a packet.

mod interval;
mod timeout;

pub use interval::{Interval, MissedTicks, interval, interval_at};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

use crate::arrival::{change, remember};
use crate::executor::{Executor, current};
use crate::packets::Operation;
use crate::sync::Mutex;
use overlapped::TimerId;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Where a timer's packet arrives.
#[derive(Default)]
pub(crate) struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    is_over: bool,
    waker: Option<Waker>,
}

impl Slot {
    pub(crate) fn ring(&self) {
        change(&self.0, |state| {
            state.is_over = true;
            state.waker.take()
        });
    }

    fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if state.is_over {
            return Poll::Ready(());
        }
        remember(&mut state.waker, context);
        Poll::Pending
    }
}

/// Waits until `after` has passed.
///
/// A time beyond a hundred years counts as a hundred years.
///
/// # Panics
/// When it is first polled outside a runtime, or in one that was shut down.
pub fn sleep(after: Duration) -> Sleep {
    let now = Instant::now();
    let far = Duration::from_secs(100 * 365 * 86_400);
    let deadline = now.checked_add(after).unwrap_or(now + far);
    Sleep { deadline, is_ahead: !after.is_zero(), timer: None }
}

/// Waits until a moment. One that has passed already is waited for no longer.
///
/// # Panics
/// As for [`sleep`].
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, is_ahead: false, timer: None }
}

/// The future of [`sleep`]. It is cancel safe, and dropping it stops its timer.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    deadline: Instant,
    /// It was ahead when it was set, so that the clock need not be read before its timer is started.
    is_ahead: bool,
    timer: Option<Timer>,
}

struct Timer {
    executor: Arc<Executor>,
    id: TimerId,
    slot: Arc<Slot>,
}

impl Timer {
    fn start(deadline: Instant, context: &Context<'_>) -> Self {
        let executor = current::get("a timer");
        let slot = Arc::new(Slot(Mutex::new(State {
            is_over: false,
            waker: Some(context.waker().clone()),
        })));
        match executor.port.timer_at(deadline, Operation::Timer(Arc::clone(&slot))) {
            Ok(id) => Self { executor, id, slot },
            Err(_) => panic!("a timer needs a runtime, and this one was shut down"),
        }
    }

    fn stop(&self) {
        // One that has run out already brings its packet, which then finds nobody.
        self.slot.0.lock().waker = None;
        let _ = self.executor.port.stop_timer(self.id);
    }
}

impl Sleep {
    /// When it is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether its time has passed.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Waits until `deadline` instead, also when it is over already. It has to be polled again after
    /// that, or nobody is woken.
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.is_ahead = false;
        if let Some(timer) = &self.timer
            && timer.executor.port.reset_timer_at(timer.id, deadline).is_err()
        {
            // It has run out; the next poll starts another.
            self.timer = None;
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(timer) = &self.timer {
            return timer.slot.poll(context);
        }
        if !self.is_ahead && self.is_over() {
            return Poll::Ready(());
        }
        self.timer = Some(Timer::start(self.deadline, context));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = &self.timer {
            timer.stop();
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
