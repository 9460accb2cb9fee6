//! Flush: what was written goes to the device.

use super::file_task::FileTask;
use crate::driver::files::Step;
use crate::error::OperationId;
use crate::error::Refused;
use crate::error::not_performed;
use crate::handle::File;
use crate::handle::file_core::FileHandle;
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use std::io;

#[derive(Debug)]
pub(crate) struct Flush {
    pub(super) result: io::Result<()>,
}

impl Flush {
    pub(super) fn advance(&mut self, outcome: io::Result<usize>) -> Step {
        self.result = outcome.map(|_| ());
        Step::Complete
    }

    pub(super) fn into_packet<P: Protocol>(
        self,
        handle: FileHandle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        Packet::Flushed { file: File(handle), operation, result: self.result }
    }
}

impl<P: Protocol> File<P> {
    /// Starts to bring data and metadata of the file to the device.
    ///
    /// Completes with [`Packet::Flushed`] when the device has everything of the writes *whose packet
    /// was queued before this start*; a write still in flight may be covered or not.
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet (P33): the file was not
    /// opened for writing, the file or the port is closed.
    ///
    /// # Cancellation
    /// As for [`read_at`](Self::read_at). A flush that has begun goes on.
    pub fn flush(&self, operation: P::Operation) -> Result<OperationId, Refused<P::Operation>> {
        let flush = Flush { result: not_performed() };
        self.0
            .start(FileTask::Flush(flush), operation)
            .map_err(|refused| refused.map(|(_, operation)| operation))
    }
}
