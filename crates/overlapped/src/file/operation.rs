//! The operations on files, and the one place where they are told apart.

use super::handle::File;
use super::home::Completed;
use super::job::Step;
use super::read_at::ReadAt;
use super::write_at::WriteAt;
use crate::buffer::Buffer;
use crate::protocol::Protocol;
use crate::sys::files::{Request, SystemFile};
use std::io;

/// The most that one request transfers. Longer operations go on in parts, so that no single call
/// into the system keeps a thread, or those that wait to start something, for long.
pub(super) const REQUEST_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) enum Operation {
    Read(ReadAt),
    Write(WriteAt),
    Flush,
}

impl Operation {
    /// Whether the file can be asked for this at all: what fails here fails at once (P33).
    pub(super) fn admit(&self, file: &SystemFile) -> io::Result<()> {
        match self {
            Self::Read(read) => read.admit(file),
            Self::Write(write) => write.admit(file),
            Self::Flush => file.admit_writing(),
        }
    }

    /// What it wants next.
    pub(super) fn request(&mut self) -> Request<'_> {
        match self {
            Self::Read(read) => read.request(),
            Self::Write(write) => write.request(),
            Self::Flush => Request::Flush,
        }
    }

    /// What is to follow when the system has transferred so many bytes.
    pub(super) fn advance(&mut self, count: usize, file: &SystemFile) -> io::Result<Step> {
        match self {
            Self::Read(read) => Ok(read.advance(count, file)),
            Self::Write(write) => write.advance(count),
            Self::Flush => Ok(Step::Complete),
        }
    }

    /// The complete operation, which gives everything back.
    pub(super) fn into_completed<P: Protocol>(
        self,
        file: File<P>,
        operation: P::Operation,
        result: io::Result<()>,
    ) -> Completed<P> {
        match self {
            Self::Read(read) => read.into_completed(file, operation, result),
            Self::Write(write) => write.into_completed(file, operation, result),
            Self::Flush => Completed::Flushed { file, operation, result },
        }
    }

    /// The buffer of what was refused; an empty one where there is none.
    pub(super) fn into_buffer(self) -> Buffer {
        match self {
            Self::Read(ReadAt { buffer, .. }) | Self::Write(WriteAt { buffer, .. }) => buffer,
            Self::Flush => Buffer::empty(),
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
