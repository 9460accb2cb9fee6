//! Limits of time: of one operation, of each one of a direction, of a connection that is idle, and the
//! least rate of a direction.
//!
//! They are numbers in the connection. Of each connection that has limits there is at most one entry in
//! the port's timers, at the earliest time at which something may be over. What puts a limit off writes
//! its number and leaves the entry as it is: when that is due it finds out what is over, and is set anew
//! for the rest. So a message costs no step in the wheel, however far it puts a limit off.
//!
//! What is over ends as by a cancel, with another error: no byte is lost, and an operation that is
//! complete by then keeps its result.
//!
//! Here are the numbers; [`watch`] is what a connection does with them.

pub(super) mod watch;

use super::facts::Moment;
use super::operation::Direction;
use super::queue::OperationQueue;
use super::timers::TimerId;
use std::time::Duration;

/// A time that does not come.
const NEVER: u64 = u64::MAX;

/// The least number of bytes in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastRate {
    /// So many bytes at least; with 0 every rate is enough.
    pub bytes: u64,
    /// In this time, which is a millisecond at the least.
    pub window: Duration,
}

const SHORTEST_WINDOW: Duration = Duration::from_millis(1);

/// The limits of one connection. Times are nanoseconds of [`Moment`].
pub(crate) struct Limits {
    receives: Side,
    sends: Side,
    /// How long nothing may be transferred.
    idle: Option<Duration>,
    /// Since when nothing was transferred while an operation is in flight.
    quiet_since: Moment,
    /// The entry in the port's timers, and when it is due; `NEVER` without one.
    entry: Option<TimerId>,
    due: u64,
}

/// Those of one direction.
struct Side {
    /// How long an operation may be in flight.
    each: Option<Duration>,
    least: Option<LeastRate>,
    /// When a part of the limits of operations in flight ends, in the order of their starts. Those of
    /// operations that are complete may be among them; they mean nothing.
    ends: OperationQueue<End>,
    /// The bytes of complete operations.
    moved: u64,
    /// The bytes that were transferred when somebody looked last.
    seen: u64,
    /// When the window of the rate began, and the bytes before it. It stands still while no operation
    /// is in flight.
    window_since: Moment,
    before_window: u64,
    runs: bool,
    stopped_at: Moment,
}

#[derive(Debug, Clone, Copy)]
struct End {
    id: u32,
    at: u64,
}

impl Limits {
    pub(super) fn new(now: Moment) -> Self {
        let side = || Side {
            each: None,
            least: None,
            ends: OperationQueue::new(),
            moved: 0,
            seen: 0,
            window_since: now,
            before_window: 0,
            runs: false,
            stopped_at: now,
        };
        Self {
            receives: side(),
            sends: side(),
            idle: None,
            quiet_since: now,
            entry: None,
            due: NEVER,
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Receive => &mut self.receives,
            Direction::Send => &mut self.sends,
        }
    }

    /// The entry in the port's timers, which is taken out by whoever takes this.
    pub(super) fn take_entry(&mut self) -> Option<TimerId> {
        self.due = NEVER;
        self.entry.take()
    }
}

impl Side {
    /// Sets or removes the end of an operation.
    fn set_end(&mut self, id: u32, at: Option<u64>) {
        self.ends.remove(|end| end.id == id);
        if let Some(at) = at {
            self.ends.push(End { id, at });
        }
    }

    /// Forgets the ends of operations before `first`, which is the first one in flight.
    fn forget_before(&mut self, first: Option<u32>) {
        // Numbers of one direction go up by two, and around.
        let is_before = |id: u32| first.is_none_or(|first| (first.wrapping_sub(id) as i32) > 0);
        while self.ends.first.as_ref().is_some_and(|end| is_before(end.id)) {
            self.ends.pop();
        }
    }

    /// An operation is in flight, or was until now.
    fn run(&mut self, now: Moment) {
        if !std::mem::replace(&mut self.runs, true) {
            self.window_since = now.before(self.stopped_at.since(self.window_since));
        }
    }

    fn stop(&mut self, now: Moment) {
        self.runs = false;
        self.stopped_at = now;
    }

    fn begin_window(&mut self, now: Moment, transferred: u64) {
        self.window_since = now;
        self.before_window = transferred;
    }

    fn window_end(&self) -> Option<u64> {
        let window = self.least?.window.max(SHORTEST_WINDOW);
        Some(self.window_since.after(window).nanoseconds())
    }
}
