//! Files, whose reads, writes and flushes are operations of the port.
//!
//! A [`File`] is read and written at places of it, or from its start to its end. What the system has
//! no operation for, such as to open a file or to change its length, runs as a task beside the caller, so
//! that a time-out of the caller can pass meanwhile.
//!
//! For folders, links, renaming and the like use [`std::fs`] as it is: a task may block.

mod file;
mod sequential;

pub use file::File;
pub(crate) use file::Transferred;
pub use overlapped::FileOptions;

use overlapped::Buffer;
use std::io;
use std::path::Path;

/// All bytes of a file.
///
/// Cancel safe: it changes nothing.
///
/// # Errors
/// It cannot be opened or read.
///
/// # Panics
/// Outside a runtime.
pub async fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    /// For files whose size says nothing.
    const ROOM_LEAST: usize = 8 * 1024;

    let file = File::open(path).await?;
    // A byte more than it has shows that there are no more.
    let mut room = usize::try_from(file.size()?).map_or(ROOM_LEAST, |size| size.saturating_add(1));
    let mut bytes = Vec::new();
    loop {
        let buffer = Buffer::with_capacity(room.max(ROOM_LEAST));
        let wanted = buffer.capacity();
        let (result, buffer) = file.read_at(buffer, bytes.len() as u64).await;
        let count = result?;
        if bytes.is_empty() {
            bytes = buffer.into_vec().unwrap_or_else(|buffer| buffer.to_vec());
        } else {
            bytes.extend_from_slice(&buffer);
        }
        if count < wanted {
            return Ok(bytes);
        }
        room = bytes.len();
    }
}

/// The text of a file.
///
/// Cancel safe: it changes nothing.
///
/// # Errors
/// It cannot be opened or read, or it is no UTF-8 (`InvalidData`).
///
/// # Panics
/// Outside a runtime.
pub async fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = read(path).await?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Makes a file of `contents`, in the place of what it was before, if it was there.
///
/// The device does not necessarily have it yet: see [`File::sync`]. When the future is dropped, the file
/// may be as it was, empty, or have its new contents, soon.
///
/// # Errors
/// It cannot be opened or written. It may then be empty or have the beginning of `contents`.
///
/// # Panics
/// Outside a runtime.
pub async fn write(path: impl AsRef<Path>, contents: impl Into<Buffer>) -> io::Result<()> {
    File::create(path).await?.write_at(contents, 0).await.0
}
