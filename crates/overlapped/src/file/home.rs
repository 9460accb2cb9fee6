//! What files need of the port that they are associated with, and what they give it.

use super::files::Files;
use super::handle::File;
use crate::buffer::Buffer;
use crate::protocol::Protocol;
use crate::sys::Backend;
use std::io;
use std::sync::Arc;

/// The port of a file.
pub(crate) trait Home<P: Protocol>: Send + Sync {
    fn is_closed(&self) -> bool;

    fn files(&self) -> &Files<P>;

    /// What carries the port's sockets: the backend of its files is made with it.
    fn driver(&self) -> Backend<'_>;

    /// Queues what is complete; drops it when the port is closed. No lock is held.
    fn queue(&self, completed: Completed<P>);

    /// The same for what completed while the calling thread started it.
    fn queue_own(&self, completed: Completed<P>);

    /// Takes back what the system holds although the port is closed.
    fn drain(self: Arc<Self>);
}

/// A complete operation with everything that it gives back.
pub(crate) enum Completed<P: Protocol> {
    Read {
        file: File<P>,
        buffer: Buffer,
        operation: P::Operation,
        result: io::Result<usize>,
    },
    Written {
        file: File<P>,
        buffer: Buffer,
        operation: P::Operation,
        transferred: usize,
        result: io::Result<()>,
    },
    Flushed {
        file: File<P>,
        operation: P::Operation,
        result: io::Result<()>,
    },
}
