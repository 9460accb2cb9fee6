//! An open file, and its reads and writes at a place.

use super::sequential::Sequential;
use crate::answer::Answer;
use crate::blocking::beside;
use crate::executor::{Executor, current};
use crate::packets::{Key, Operation, Packets};
use overlapped::{Buffer, FileOptions, OpenFile};
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The handle of the port for a file.
pub(crate) type Handle = overlapped::File<Packets>;

/// What came of a read or a write: so many bytes, and whether that was all.
pub(crate) struct Transferred {
    pub(crate) count: usize,
    pub(crate) result: io::Result<()>,
    pub(crate) buffer: Buffer,
}

/// An open file.
///
/// Reads and writes *at a place* ([`read_at`](Self::read_at), [`write_at`](Self::write_at)) take
/// `&self`: any number of them may run at the same time, and they may come to their ends in any order.
/// Those *in sequence* ([`read`](Self::read), [`write`](Self::write), and the traits of futures-io and,
/// with the feature `tokio-io`, of tokio) move the position of the file, one after another.
///
/// It is closed when it is dropped and its operations are complete. Errors of writes that nobody awaited
/// are then told to nobody: call [`sync`](Self::sync) before, to know.
///
/// ```
/// use overlapped_runtime::Buffer;
/// use overlapped_runtime::fs::File;
///
/// # let runtime = overlapped_runtime::Runtime::new()?;
/// # let path = std::env::temp_dir().join(format!("overlapped-runtime-{}", std::process::id()));
/// # runtime.block_on(async {
/// let file = File::create(&path).await?;
/// file.write_at("Hello, disk", 0).await.0?;
/// file.sync().await?;
/// let (result, buffer) = file.read_at(Buffer::with_capacity(100), 7).await;
/// assert_eq!(result?, 4, "the file ends before the buffer is full");
/// assert_eq!(&buffer[..], b"disk");
/// # drop(file);
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct File {
    handle: Handle,
    executor: Arc<Executor>,
    pub(super) sequential: Sequential,
}

impl File {
    /// Opens a file for reading.
    ///
    /// Cancel safe: a file that is opened after the future was dropped is closed.
    ///
    /// # Errors
    /// The system's, with the path.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::open_with(path, &FileOptions::new().read(true)).await
    }

    /// Makes a file, or empties it if it is there, and opens it for reading and writing.
    ///
    /// When the future is dropped the file may be made or emptied, soon.
    ///
    /// # Errors
    /// The system's, with the path.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let options = FileOptions::new().read(true).write(true).create(true).truncate(true);
        Self::open_with(path, &options).await
    }

    /// Opens a file as the options say.
    ///
    /// When the future is dropped, what the options say of making and emptying may be done, soon.
    ///
    /// # Errors
    /// The system's, with the path; `InvalidInput` for options that contradict each other.
    ///
    /// # Panics
    /// Outside a runtime.
    pub async fn open_with(path: impl AsRef<Path>, options: &FileOptions) -> io::Result<Self> {
        let executor = current::get("a file");
        let (path, options) = (path.as_ref().to_owned(), options.clone());
        let open = move || OpenFile::open(path, &options);
        let file = beside(&executor, open).await?;
        Self::associate(executor, file)
    }

    /// Takes over an open file of the standard library, which must not be in use otherwise. Its position
    /// begins at 0.
    ///
    /// # Errors
    /// It is a directory, or it was opened for appending.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn from_std(file: std::fs::File) -> io::Result<Self> {
        Self::associate(current::get("a file"), OpenFile::try_from(file)?)
    }

    fn associate(executor: Arc<Executor>, file: OpenFile) -> io::Result<Self> {
        let handle = executor.port.associate(file, Key::File).map_err(|refused| refused.error)?;
        Ok(Self { handle, executor, sequential: Sequential::default() })
    }

    /// Reads from `offset`, in bytes, until `buffer` is full or the file ends, and says how many bytes
    /// that were; 0 at the end of the file or past it. The buffer is filled from its start.
    ///
    /// Dropping the future changes nothing: the read goes on, and its buffer is dropped then.
    ///
    /// # Errors
    /// The file was not opened for reading, or the system cannot read it. The buffer then has what was
    /// read before.
    pub async fn read_at(&self, buffer: Buffer, offset: u64) -> (io::Result<usize>, Buffer) {
        let read = self.start_read(buffer, offset);
        let Transferred { count, result, buffer } = wait(read).await;
        (result.map(|()| count), buffer)
    }

    /// Writes all of `buffer` at `offset`, in bytes, and gives it back when the system has every byte.
    /// A write beyond the end makes the file longer. The device does not necessarily have it yet: see
    /// [`sync`](Self::sync).
    ///
    /// Dropping the future takes nothing back: the write goes on, as a whole. An error of that is told
    /// to nobody.
    ///
    /// # Errors
    /// The file was not opened for writing, or the system cannot write it; a part of it may be written
    /// then.
    pub async fn write_at(
        &self,
        buffer: impl Into<Buffer>,
        offset: u64,
    ) -> (io::Result<()>, Buffer) {
        let write = self.start_write(buffer.into(), offset);
        let Transferred { result, buffer, .. } = wait(write).await;
        self.sequential.changed();
        (result, buffer)
    }

    /// Waits until the device has everything that was written before, also what is known of the file,
    /// such as its length.
    ///
    /// Dropping the future takes nothing back.
    ///
    /// # Errors
    /// The file was not opened for writing, or the device does not have it.
    pub async fn sync(&self) -> io::Result<()> {
        let answer = Answer::new();
        self.handle.flush(Operation::Done(Arc::clone(&answer)))?;
        answer.wait().await
    }

    /// How long the file is now, in bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn size(&self) -> io::Result<u64> {
        self.handle.size()
    }

    /// Cuts the file to so many bytes, or makes it longer, by zeroes. The position stays.
    ///
    /// When the future is dropped it may be done, soon.
    ///
    /// # Errors
    /// The file was not opened for writing, or the system cannot.
    pub async fn set_len(&self, bytes: u64) -> io::Result<()> {
        let handle = self.handle.clone();
        let result = beside(&self.executor, move || handle.set_size(bytes)).await;
        self.sequential.changed();
        result
    }

    /// What the file system says of the file now.
    ///
    /// Cancel safe: it changes nothing.
    ///
    /// # Errors
    /// The system's.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let handle = self.handle.clone();
        beside(&self.executor, move || handle.metadata()).await
    }

    pub(super) fn start_read(&self, buffer: Buffer, offset: u64) -> Started {
        let answer = Answer::new();
        match self.handle.read_at(buffer, offset, Operation::File(Arc::clone(&answer))) {
            Ok(_) => Ok(answer),
            Err(refused) => Err(Transferred {
                count: 0,
                result: Err(refused.error),
                buffer: refused.returned.0,
            }),
        }
    }

    pub(super) fn start_write(&self, buffer: Buffer, offset: u64) -> Started {
        let answer = Answer::new();
        match self.handle.write_at(buffer, offset, Operation::File(Arc::clone(&answer))) {
            Ok(_) => Ok(answer),
            Err(refused) => Err(Transferred {
                count: 0,
                result: Err(refused.error),
                buffer: refused.returned.0,
            }),
        }
    }
}

/// A read or a write that is in flight, or was refused.
pub(super) type Started = Result<Arc<Answer<Transferred>>, Transferred>;

pub(super) async fn wait(started: Started) -> Transferred {
    match started {
        Ok(answer) => answer.wait().await,
        Err(refused) => refused,
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("size", &self.size().ok()).finish_non_exhaustive()
    }
}
