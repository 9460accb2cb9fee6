//! Flush: what was written goes to the device.

use super::handle::File;
use super::home::Completed;
use super::operation::Operation;
use crate::error::{OperationId, Refused};
use crate::protocol::Protocol;

impl<P: Protocol> File<P> {
    /// Starts to bring data and metadata of the file to the device.
    ///
    /// Completes with [`Packet::Flushed`](crate::Packet::Flushed) when the device has everything of the writes *whose packet
    /// was queued before this start*; a write still in flight may be covered or not.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: the file was not opened
    /// for writing, the file or the port is closed.
    ///
    /// # Cancellation
    /// As for [`read_at`](Self::read_at). A flush that has begun goes on.
    pub fn flush(&self, operation: P::Operation) -> Result<OperationId, Refused<P::Operation>> {
        let take = |_, operation| operation;
        self.0.start(Operation::Flush, operation, take, |file, operation, error| {
            Completed::Flushed { file, operation, result: Err(error) }
        })
    }
}
