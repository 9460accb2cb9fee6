//! Read: from a place in a file into a buffer, which it fills unless the file ends before.

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
pub(super) struct ReadAt {
    pub(super) buffer: Buffer,
    offset: u64,
    done: usize,
}

impl ReadAt {
    pub(super) fn admit(&self, file: &SystemFile) -> io::Result<()> {
        if !file.is_readable() {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "the file was not opened for reading",
            ));
        }
        admit_range(file, self.buffer.address(), self.offset, self.buffer.capacity())
    }

    pub(super) fn request(&mut self) -> Request<'_> {
        let Self { buffer, offset, done, .. } = self;
        let room = &mut buffer.room_mut()[*done..];
        let length = room.len().min(REQUEST_BYTES_MAX);
        Request::Read { room: &mut room[..length], offset: *offset + *done as u64 }
    }

    pub(super) fn advance(&mut self, count: usize, file: &SystemFile) -> Step {
        self.done += count;
        let is_full = self.done == self.buffer.capacity();
        // What is like a stream gives what it has. Unbuffered, only the end of the file can be at
        // a place that is not aligned, and there is no going on from it.
        let is_end =
            count == 0 || !file.has_positions() || !self.done.is_multiple_of(file.alignment());
        if is_full || is_end { Step::Complete } else { Step::GoesOn }
    }

    pub(super) fn into_completed<P: Protocol>(
        self,
        file: File<P>,
        operation: P::Operation,
        result: io::Result<()>,
    ) -> Completed<P> {
        let Self { mut buffer, done, .. } = self;
        buffer.set_filled(done);
        Completed::Read { file, buffer, operation, result: result.map(|()| done) }
    }
}

impl<P: Protocol> File<P> {
    /// Starts to read from `offset`, in bytes from the start of the file, into `buffer`, from its
    /// start to its capacity.
    ///
    /// Completes with [`Packet::Read`](crate::Packet::Read) when the buffer is full or the file has
    /// ended. Fewer bytes than the capacity mean that the file ended; no bytes mean that the offset
    /// is at its end or past it. The filled part of the buffer is what was read, also when the
    /// result is an error. A pipe ignores the offset, and completes the read with what it has.
    ///
    /// Operations on a file are independent of each other: they may complete in any order, and a
    /// read beside a write of the same bytes may see a part of it.
    ///
    /// # Errors
    /// What fails at once gives buffer and operation back and queues no packet: the file was not
    /// opened for reading, offset and length reach beyond what a file can have, something is not
    /// aligned for unbuffered access (`InvalidInput`, which says what), the file or the port is
    /// closed.
    ///
    /// # Cancellation
    /// [`cancel`](Self::cancel) asks the system to abort it; it may complete with its result
    /// nevertheless. The system owns the buffer until the packet.
    pub fn read_at(
        &self,
        buffer: Buffer,
        offset: u64,
        operation: P::Operation,
    ) -> Result<OperationId, Refused<(Buffer, P::Operation)>> {
        let read = Operation::Read(ReadAt { buffer: buffer.owned(), offset, done: 0 });
        let take = |read: Operation, operation| (read.into_buffer(), operation);
        self.0.start(read, operation, take, |file, (buffer, operation), error| Completed::Read {
            file,
            buffer: buffer.cleared(),
            operation,
            result: Err(error),
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn this_file() -> SystemFile {
        let file = std::fs::File::open("Cargo.toml").expect("the package has one");
        file.try_into().expect("it is a file")
    }

    /// Some file systems refuse to read on from a place that is not aligned.
    #[test]
    fn l7_an_unbuffered_read_does_not_go_on_from_a_place_that_is_not_aligned() {
        let read = || ReadAt { buffer: Buffer::with_capacity(2048), offset: 0, done: 0 };
        for (blocks, count, step) in [
            (512, 512, Step::GoesOn),
            (512, 700, Step::Complete),
            (1, 700, Step::GoesOn),
            (1, 0, Step::Complete),
            (512, 2048, Step::Complete),
        ] {
            let mut read = read();
            assert_eq!(read.advance(count, &this_file().with_blocks(blocks)), step);
            assert_eq!(read.done, count);
        }
    }
}
