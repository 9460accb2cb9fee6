//! Write: a buffer to a place in a file, all of it unless there is an error.

use super::handle::File;
use super::home::Completed;
use super::job::Step;
use super::operation::{Operation, REQUEST_BYTES_MAX, admit_range};
use crate::buffer::Buffer;
use crate::error::{OperationId, Refused};
use crate::protocol::Protocol;
use crate::sys::files::{Request, SystemFile};
use std::io;

#[derive(Debug)]
pub(super) struct WriteAt {
    pub(super) buffer: Buffer,
    offset: u64,
    done: usize,
}

impl WriteAt {
    pub(super) fn admit(&self, file: &SystemFile) -> io::Result<()> {
        file.admit_writing()?;
        admit_range(file, self.buffer.address(), self.offset, self.buffer.len())
    }

    pub(super) fn request(&mut self) -> Request<'_> {
        let rest = &self.buffer[self.done..];
        let bytes = &rest[..rest.len().min(REQUEST_BYTES_MAX)];
        Request::Write { bytes, offset: self.offset + self.done as u64 }
    }

    pub(super) fn advance(&mut self, count: usize) -> io::Result<Step> {
        self.done += count;
        match self.buffer.len() - self.done {
            0 => Ok(Step::Complete),
            rest if count == 0 => Err(io::Error::new(
                io::ErrorKind::WriteZero,
                format!("the system takes none of the last {rest} bytes"),
            )),
            _ => Ok(Step::GoesOn),
        }
    }

    pub(super) fn into_completed<P: Protocol>(
        self,
        file: File<P>,
        operation: P::Operation,
        result: io::Result<()>,
    ) -> Completed<P> {
        let Self { buffer, done: transferred, .. } = self;
        Completed::Written { file, buffer, operation, transferred, result }
    }
}

impl<P: Protocol> File<P> {
    /// Starts to write the filled part of `buffer` at `offset`, in bytes from the start of the
    /// file. A write beyond the end makes the file longer.
    ///
    /// Completes with [`Packet::Written`](crate::Packet::Written) when the system has taken every
    /// byte, or with an error and the number of bytes taken before it. When it has completed, the
    /// device does not necessarily have the data yet: see [`flush`](Self::flush).
    ///
    /// Operations on a file are independent of each other: of two writes of the same bytes in
    /// flight together, either may come last, and they may mix. A pipe ignores the offset.
    ///
    /// # Errors
    /// What fails at once gives buffer and operation back and queues no packet: the file was not
    /// opened for writing, offset and length reach beyond what a file can have, something is not
    /// aligned for unbuffered access (`InvalidInput`, which says what), the file or the port is
    /// closed. A full device is an error of the packet.
    ///
    /// # Cancellation
    /// As for [`read_at`](Self::read_at). What was written before stays written.
    pub fn write_at(
        &self,
        buffer: Buffer,
        offset: u64,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        let write = Operation::Write(WriteAt { buffer, offset, done: 0 });
        let take = |write: Operation, operation| (write.into_buffer(), operation);
        self.0.start(write, operation, take, |file, (buffer, operation), error| {
            let result = Err(error);
            Completed::Written { file, buffer, operation, transferred: 0, result }
        })
    }
}
