//! The thread that accepts beside the workers, in place of posted accepts (M140).
//!
//! It associates each connection and starts its first receive; a worker may have the packet of that
//! before the call returns, so the connection is in the list and its key is complete by then
//! (M142). A hand-over costs a wake-up that a posted accept does not, and a connection that is over
//! the limit waits for this one thread and not for a worker. That is the better way where accepts
//! cannot be posted, and where workers may all be busy for long.

use super::Shared;
use super::worker::Worker;
use crate::parts::doorkeeper::{Admission, Doorkeeper};
use crate::parts::register::RETRY_AFTER;
use crate::parts::tally::Tally;
use overlapped::TcpSocket;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// What only this thread writes.
pub(super) struct Door {
    limit: usize,
    deferrals: AtomicU64,
}

impl Door {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, deferrals: AtomicU64::new(0) }
    }

    /// How often accepting was put off.
    pub(super) fn deferrals(&self) -> u64 {
        self.deferrals.load(Ordering::Relaxed)
    }
}

/// Starts the thread. It counts in the set of counters of this `number`.
pub(super) fn start(
    shared: &Arc<Shared>,
    listener: TcpListener,
    number: usize,
) -> std::io::Result<Doorkeeper> {
    let serving = Arc::clone(shared);
    // The port counts the workers, and nobody else's threads.
    let nobody = Arc::<Tally>::default();
    Doorkeeper::start(
        listener,
        &nobody,
        shared,
        |shared| shared,
        move |stream| {
            welcome(&Worker::new(&serving, number), stream);
        },
    )
}

fn welcome(worker: &Worker, stream: TcpStream) {
    match TcpSocket::try_from(stream) {
        Ok(socket) => worker.accepted(socket, None),
        Err(error) => worker.lost(&error),
    }
}

impl Admission for Shared {
    fn await_room(&self) -> bool {
        let is_over = || self.is_stopping();
        if self.connections.open() >= self.door.limit as u64 {
            self.connections.wait_for_room(self.door.limit, None, is_over);
        }
        !is_over()
    }

    fn defer(&self) {
        self.door.deferrals.fetch_add(1, Ordering::Relaxed);
        // Until somebody has gone, whose descriptor is free then.
        let deadline = Instant::now().checked_add(RETRY_AFTER);
        let limit = self.connections.open() as usize;
        self.connections.wait_for_room(limit, deadline, || self.is_stopping());
    }

    fn is_stopping(&self) -> bool {
        Shared::is_stopping(self)
    }
}
