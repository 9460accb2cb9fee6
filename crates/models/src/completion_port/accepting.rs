//! The thread that accepts beside the workers, in place of posted accepts (M140).
//!
//! It associates each connection and starts its first receive; a worker may have the packet of that
//! before the call returns, so the connection is in the list and its key is complete by then
//! (M142). A hand-over costs a wake-up that a posted accept does not, and a connection that is over
//! the limit waits for this one thread and not for a worker. That is the better way where accepts
//! cannot be posted, and where workers may all be busy for long.

use super::Shared;
use super::worker::Worker;
use crate::parts::doorkeeper::Doorkeeper;
use overlapped::TcpSocket;
use overlapped_serving::Failure;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// Starts the thread.
pub(super) fn start(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<Doorkeeper> {
    let worker = Worker::new(shared);
    Doorkeeper::start(listener, &shared.common, move |stream| match TcpSocket::try_from(stream) {
        Ok(socket) => worker.accepted(socket, None),
        Err(error) => worker.connections().failed(Failure::of(&error)),
    })
}
