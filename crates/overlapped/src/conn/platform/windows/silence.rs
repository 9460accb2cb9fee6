//! Accepts that wait for the first data of their connection in the kernel, and for how long.

use crate::conn::accept_window::refill;
use crate::conn::connection::Connection;
use crate::conn::connections::Connections;
use crate::conn::locked::Locked;
use crate::conn::operation::Operation;
use crate::conn::timers::Due;
use crate::sys::iocp::connect_time;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The system tells for how long a socket has been connected, but not when one connects: somebody
/// has to look, four times within the limit and ten times a second at least, and more often while
/// there are new ones.
const SHORTEST_PERIOD: Duration = Duration::from_millis(10);
const LONGEST_PERIOD: Duration = Duration::from_millis(100);

/// How often one look goes on while clients come. What is left is seen by the next one.
const ROUNDS_OF_A_LOOK: usize = 16;

impl<O: Operation> Locked<'_, O> {
    /// On a listener: counts the accepts that have a connection as silent; whether there was a new
    /// one. Cancels those whose client has been silent for `limit`, and the oldest ones beyond the
    /// limit on silent connections (X27).
    fn look_for_silent_accepts(&mut self, limit: Duration) -> bool {
        let now = Instant::now();
        let mut is_new = false;
        let mut silent = Vec::new();
        let Connection { with_kernel, rare, .. } = &mut **self;
        let Some(accepting) = rare.accepting_mut() else { return false };
        for label in with_kernel.in_flight.labels_mut().filter(|label| !label.cancelled) {
            let Some(socket) = label.accepting else { continue };
            // The operation keeps the socket open while it is in flight.
            let Some(connected_for) = connect_time(socket) else { continue };
            let since = *label
                .connected_since
                .get_or_insert_with(|| now.checked_sub(connected_for).unwrap_or(now));
            is_new |= label.silent.is_none();
            label.silent.get_or_insert_with(|| accepting.count_silent());
            silent.push((since, label.id));
        }
        let in_excess = silent.len().saturating_sub(accepting.window.silent_limit());
        silent.sort_unstable();
        for (position, (since, id)) in silent.into_iter().enumerate() {
            if position < in_excess || now.duration_since(since) >= limit {
                self.cancel_one_in_kernel(id);
            }
        }
        is_new
    }
}

impl<O: Operation> Connections<O> {
    /// Looks from time to time at the accepts of a window that wait for first data, and posts one more
    /// for each that has a connection. True when the kernel carries them; otherwise each connection
    /// has a timer of its own.
    pub(crate) fn watch_silent_accepts(self: &Arc<Self>, listener: u64) -> bool {
        let window = |at: &Locked<'_, O>| {
            let accepting = at.rare.accepting().filter(|_| at.is_with_kernel())?;
            Some((accepting.window.first_data, accepting.listener()))
        };
        let Some((limit, handle)) = self.find(listener).as_ref().and_then(window) else {
            return false;
        };
        let Some(limit) = limit else { return true };
        let mut rounds = 0;
        // What is posted may be taken at once by clients that wait in the backlog.
        while rounds < ROUNDS_OF_A_LOOK && handle.lock().look_for_silent_accepts(limit) {
            refill(&handle);
            rounds += 1;
        }
        let usual = (limit / 4).clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        let next = if rounds > 0 { SHORTEST_PERIOD } else { usual };
        // A port that is closed looks no more.
        let _ = self.timers.start(&self.scheduler, next, Due::Silence(listener));
        true
    }
}
