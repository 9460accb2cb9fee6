//! What tests of files run in: one of the two backends, and files that go when the test is over.
// Pipes, descriptors and io_uring are of Linux, so what is only about them is unused elsewhere.
#![cfg_attr(windows, allow(unused_imports, dead_code))]

use crate::packets::next;
use crate::world::{Numbers, SYSTEM};
use overlapped::{Buffer, File, FileOptions, FilesChoice, OpenFile, Packet, Port, Protocol};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What carries the files of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// An io_uring.
    Ring,
    Helpers,
    /// The completion port of the system itself.
    #[cfg(windows)]
    Kernel,
}

/// Makes one test per backend of each function `fn name(backend: Backend)` given. Where the system
/// refuses the ring, its tests say so and end.
#[macro_export]
macro_rules! on_every_backend {
    ($($name:ident),+ $(,)?) => {
        #[cfg(target_os = "linux")]
        mod ring {
            $(#[test] fn $name() {
                if $crate::files_world::ring_is_there(stringify!($name)) {
                    super::$name($crate::files_world::Backend::Ring);
                }
            })+
        }
        mod helpers {
            $(#[test] fn $name() { super::$name($crate::files_world::Backend::Helpers); })+
        }
        #[cfg(windows)]
        mod iocp {
            $(#[test] fn $name() { super::$name($crate::files_world::Backend::Kernel); })+
        }
    };
}

/// Whether this system has a ring; if not, says that `test` is skipped, and why. It asks the system
/// and not the library, which must not fail to make one where there can be one.
#[cfg(target_os = "linux")]
pub fn ring_is_there(test: &str) -> bool {
    let refusal = io_uring::IoUring::new(8).err();
    if let Some(error) = &refusal {
        eprintln!("skipped: {test}: no io_uring: {error}");
    }
    refusal.is_none()
}

/// The backends of this system, for a test that is of Linux alone.
#[cfg(target_os = "linux")]
pub fn backends(test: &str) -> impl Iterator<Item = Backend> {
    ring_is_there(test).then_some(Backend::Ring).into_iter().chain([Backend::Helpers])
}

impl Backend {
    /// A port of a concurrency of 1, without a monitor.
    pub fn port(self) -> Port<Numbers> {
        self.port_for()
    }

    pub fn choice(self) -> FilesChoice {
        match self {
            Self::Ring => FilesChoice::Ring,
            Self::Helpers => FilesChoice::Helpers,
            #[cfg(windows)]
            Self::Kernel => FilesChoice::Automatic,
        }
    }

    pub fn port_for<P: Protocol>(self) -> Port<P> {
        let builder = Port::<P>::builder().driver(SYSTEM).files(self.choice());
        builder.concurrency(1).blocked_thread_monitor(false).build().expect("a port can be made")
    }
}

/// The path of a file of one test, which is removed when this is dropped.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A path at which there is nothing, below the target directory.
    pub fn nothing() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("files-{}-{number}", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    pub fn holding(contents: &[u8]) -> Self {
        let scratch = Self::nothing();
        std::fs::write(&scratch.0, contents).expect("the target directory can be written");
        scratch
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn contents(&self) -> Vec<u8> {
        std::fs::read(&self.0).expect("the file is there")
    }

    /// Associates the file for reading and writing.
    pub fn file<P: Protocol>(&self, port: &Port<P>, key: P::Key) -> File<P> {
        port.associate(open(&self.0, read_write()), key).expect("a file is associated")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It was not made, or the test has removed it.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub fn read_write() -> FileOptions {
    FileOptions::new().read(true).write(true)
}

pub fn open(path: impl AsRef<Path>, options: FileOptions) -> OpenFile {
    OpenFile::open(path, &options).expect("the file can be opened")
}

/// A file of the port that is the reading end of a pipe, and the other end. Only the ring carries
/// pipes; a read of one waits for data.
#[cfg(target_os = "linux")]
pub fn pipe<P: Protocol>(port: &Port<P>, key: P::Key) -> (File<P>, io::PipeWriter) {
    let (reader, writer) = io::pipe().expect("a pipe can be made");
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(reader));
    let file = OpenFile::try_from(file).expect("a pipe is taken");
    (port.associate(file, key).expect("the ring carries pipes"), writer)
}

pub struct ReadPacket {
    pub file: File<Numbers>,
    pub buffer: Buffer,
    pub operation: u64,
    pub result: io::Result<usize>,
}

pub struct WrittenPacket {
    pub file: File<Numbers>,
    pub buffer: Buffer,
    pub operation: u64,
    pub transferred: usize,
    pub result: io::Result<()>,
}

pub fn read(port: &Port<Numbers>) -> ReadPacket {
    match next(port) {
        Packet::Read { file, buffer, operation, result } => {
            ReadPacket { file, buffer, operation, result }
        }
        other => panic!("the packet of a read was owed, not {other:?}"),
    }
}

pub fn written(port: &Port<Numbers>) -> WrittenPacket {
    match next(port) {
        Packet::Written { file, buffer, operation, transferred, result } => {
            WrittenPacket { file, buffer, operation, transferred, result }
        }
        other => panic!("the packet of a write was owed, not {other:?}"),
    }
}

/// Reads `capacity` bytes at `offset` and gives what came.
pub fn bytes_at(
    port: &Port<Numbers>,
    file: &File<Numbers>,
    offset: u64,
    capacity: usize,
) -> Vec<u8> {
    file.read_at(Buffer::with_capacity(capacity), offset, 0).expect("a read can be started");
    let packet = read(port);
    assert_eq!(packet.result.expect("it succeeds"), packet.buffer.len());
    packet.buffer.to_vec()
}

/// How many handles are open on the file at `path`, as far as more than one can be told apart:
/// whether somebody else can have it for himself.
#[cfg(windows)]
pub fn descriptors_on(path: &Path) -> usize {
    use std::os::windows::fs::OpenOptionsExt;
    const SHARING_VIOLATION: i32 = 32;
    match std::fs::OpenOptions::new().read(true).share_mode(0).open(path) {
        Ok(_) => 0,
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(SHARING_VIOLATION), "{error}");
            1
        }
    }
}

/// How many descriptors of this process are open on the file at `path`.
#[cfg(target_os = "linux")]
pub fn descriptors_on(path: &Path) -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").expect("the system tells them");
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link == path).count()
}
