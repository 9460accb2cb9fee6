//! Connections that send in turn. One timer serves all of them: a timer for each would take more memory than
//! the rest of an idle connection's state.

use std::sync::atomic::Ordering;

use super::worker::{Recording, restart, steps};
use super::{Shared, Step};

/// Turns of one batch at most, so that one thread is not held by them for long.
const BATCH: u64 = 256;

/// Lets every connection send whose time has come, and comes back for the others. A connection whose echo is
/// late sends when it has come.
pub(super) fn take(shared: &Shared, recording: &mut Recording) {
    let Some(begun) = shared.begun() else { return };
    let count = u64::from(shared.config.share.count);
    let mut next = shared.next_turn.load(Ordering::Relaxed);
    let batch_end = next + BATCH;
    let wait = loop {
        if shared.progress.is_closing() {
            return;
        }
        let (index, message) = ((next % count) as u32, (next / count) as u32);
        let Some(after) = shared.schedule.send_at(index, message) else { return };
        let wait = after.saturating_sub(begun.elapsed());
        if !wait.is_zero() || next == batch_end {
            break wait;
        }
        steps(shared, recording, index).turn(message);
        next += 1;
    };
    shared.next_turn.store(next, Ordering::Relaxed);
    restart(shared, wait, Step::Turns);
}
