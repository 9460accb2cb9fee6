//! The stop in phases: nothing is accepted any more, what has come is answered, and the rest is
//! ended by force at the deadline.

use super::Common;
use super::register::Member;
use crate::model::{Status, Stopped};
use std::time::{Duration, Instant};

/// How long a stop waits for threads to notice that there is nothing left to serve. One that is in
/// a handler is not waited for.
const FAREWELL: Duration = Duration::from_millis(100);

/// Ends a server.
///
/// `close_door` ends accepting: when it returns no connection is entered any more and nobody
/// listens. `hurry` makes each thread look whether the server [is stopping](Common::is_stopping): it
/// answers what has come on its connections, ends each as soon as nothing more is there, and then
/// itself. Both may be reached a second time, after nothing is left.
pub(crate) fn stop<M: Member>(
    common: &Common<M>,
    deadline: Duration,
    close_door: impl FnOnce(),
    hurry: impl FnOnce(),
) -> Stopped {
    let deadline = Instant::now().checked_add(deadline);
    common.register.announce_stop();
    close_door();
    hurry();
    let in_time = common.register.wait_until_none(deadline);
    let left = if in_time { 0 } else { common.register.cut_all() };
    // Threads that only have to end take no time worth a deadline.
    let _ = common.tally.wait_until_nobody(Instant::now().checked_add(FAREWELL));
    let status = Status { connected: 0, ..common.status() };
    Stopped { status, left }
}
