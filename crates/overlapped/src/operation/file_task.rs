//! One operation on a file, of whatever kind, as its handle and its driver see it.
//!
//! The three steps are those of every operation, but step two is the driver's: it asks for a
//! [`Request`], carries it out, and tells the operation what came of it, until it is complete.

use super::flush::Flush;
use super::read_at::ReadAt;
use super::write_at::WriteAt;
use crate::driver::files::{Request, Step, SystemFile};
use crate::handle::file_core::FileHandle;
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use std::io;

#[derive(Debug)]
pub(crate) enum FileTask {
    Read(ReadAt),
    Write(WriteAt),
    Flush(Flush),
}

impl FileTask {
    /// Whether the file can be asked for this at all: what fails here fails at once (P33).
    pub(crate) fn admit(&self, file: &SystemFile) -> io::Result<()> {
        match self {
            Self::Read(read) => read.admit(file),
            Self::Write(write) => write.admit(file),
            Self::Flush(_) => file.admit_writing(),
        }
    }

    /// What it wants next.
    pub(crate) fn request(&mut self) -> Request<'_> {
        match self {
            Self::Read(read) => read.request(),
            Self::Write(write) => write.request(),
            Self::Flush(_) => Request::Flush,
        }
    }

    /// Takes note of what came of the request.
    pub(crate) fn advance(&mut self, outcome: io::Result<usize>, file: &SystemFile) -> Step {
        match self {
            Self::Read(read) => read.advance(outcome, file),
            Self::Write(write) => write.advance(outcome),
            Self::Flush(flush) => flush.advance(outcome),
        }
    }

    /// Ends it with `error`; what was transferred before stays.
    pub(crate) fn fail(&mut self, error: io::Error) {
        match self {
            Self::Read(read) => read.result = Err(error),
            Self::Write(write) => write.result = Err(error),
            Self::Flush(flush) => flush.result = Err(error),
        }
    }

    /// The packet of the complete operation, which gives everything back.
    pub(crate) fn into_packet<P: Protocol>(
        self,
        handle: FileHandle<P>,
        operation: P::Operation,
    ) -> Packet<P> {
        match self {
            Self::Read(read) => read.into_packet(handle, operation),
            Self::Write(write) => write.into_packet(handle, operation),
            Self::Flush(flush) => flush.into_packet(handle, operation),
        }
    }
}

/// Whether so many bytes at `offset` from `address` can be transferred: positions are numbers that
/// the system can hold, and unbuffered access wants everything aligned (L7).
pub(super) fn admit_range(
    file: &SystemFile,
    address: usize,
    offset: u64,
    length: usize,
) -> io::Result<()> {
    let invalid = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    let end = offset.checked_add(length as u64);
    if end.is_none_or(|end| end > i64::MAX as u64) {
        return invalid(format!(
            "{length} bytes at offset {offset} reach beyond the last position that a file can \
             have, {}",
            i64::MAX
        ));
    }
    let alignment = file.alignment();
    if length == 0 || alignment == 1 {
        return Ok(());
    }
    let parts =
        [("address of the buffer", address as u64), ("offset", offset), ("length", length as u64)];
    match parts.into_iter().find(|(_, value)| !value.is_multiple_of(alignment as u64)) {
        None => Ok(()),
        Some((part, value)) => invalid(format!(
            "the {part} is {value}, and unbuffered access needs a multiple of {alignment} \
             (File::alignment; Buffer::aligned makes such buffers)"
        )),
    }
}
