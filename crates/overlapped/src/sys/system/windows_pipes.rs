//! One end of a named pipe of Windows, opened for overlapped operations, and the calls on it that wait
//! for nobody.
#![allow(unsafe_code)]

use crate::sys::code;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::windows::ffi::OsStrExt;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE, ERROR_FILE_NOT_FOUND, ERROR_NO_DATA, ERROR_PIPE_BUSY,
    ERROR_PIPE_NOT_CONNECTED, GENERIC_READ, GENERIC_WRITE, HANDLE, INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, OPEN_EXISTING,
    PIPE_ACCESS_DUPLEX, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, DisconnectNamedPipe, GetNamedPipeClientProcessId,
    GetNamedPipeServerProcessId, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE,
    PIPE_WAIT, PeekNamedPipe,
};

/// Where the names of this machine's pipes are.
const FOLDER: &str = r"\\.\pipe\";

/// The longest path of a pipe that the system takes.
const PATH_LENGTH_MAX: usize = 256;

/// What the system keeps in each direction until it is received, where it goes by it.
const BUFFER_BYTES: u32 = 64 << 10;

#[derive(Debug)]
pub(crate) struct Pipe {
    handle: OwnedHandle,
    end: End,
    /// Closing discards what was sent and not received.
    discards: AtomicBool,
}

#[derive(Debug)]
enum End {
    /// An instance of this pipe, which waits for a client or has one.
    Server(Arc<Name>),
    Client,
}

/// What all instances of a pipe have in common.
#[derive(Debug)]
struct Name {
    path: Path,
    instances_max: u8,
}

/// The path of a pipe, to be shown and for the system.
#[derive(Debug)]
struct Path {
    shown: String,
    wide: Vec<u16>,
}

impl Path {
    /// That of the pipe with this name, which may have its folder before it.
    fn of(name: &OsStr) -> io::Result<Self> {
        let given: Vec<u16> = name.encode_wide().collect();
        let folder: Vec<u16> = FOLDER.encode_utf16().collect();
        let bare = match given.get(..folder.len()) {
            Some(start) if is_folder(start, &folder) => &given[folder.len()..],
            _ => &given[..],
        };
        let backslash = u16::from(b'\\');
        let is_elsewhere = bare.first() == Some(&backslash);
        let longest = PATH_LENGTH_MAX - folder.len();
        if bare.is_empty() || bare.len() > longest || bare.contains(&0) || is_elsewhere {
            let why = format!(
                "{name:?} names no pipe of this machine: a name has 1 to {longest} characters, none of \
                 them zero, and at most `{FOLDER}` before it"
            );
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        let shown = format!("{FOLDER}{}", String::from_utf16_lossy(bare));
        let wide = folder.iter().chain(bare).copied().chain([0]).collect();
        Ok(Self { shown, wide })
    }
}

/// Whether these characters are the folder, of which capitals do not matter.
fn is_folder(start: &[u16], folder: &[u16]) -> bool {
    String::from_utf16_lossy(start).eq_ignore_ascii_case(&String::from_utf16_lossy(folder))
}

impl Pipe {
    /// The first instance of a new pipe. 255 instances stand for no limit.
    pub(crate) fn first(name: &OsStr, instances_max: u8) -> io::Result<Self> {
        if instances_max == 0 {
            let why = "a named pipe has at least one instance";
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        let name = Name { path: Path::of(name)?, instances_max };
        Self::create(&Arc::new(name), FILE_FLAG_FIRST_PIPE_INSTANCE)
    }

    /// Another instance of the pipe that this one is an instance of.
    pub(crate) fn another(&self) -> io::Result<Self> {
        match &self.end {
            End::Server(name) => Self::create(name, 0),
            End::Client => Err(of_servers()),
        }
    }

    fn create(name: &Arc<Name>, flags: u32) -> io::Result<Self> {
        // SAFETY: the path ends with a zero, and the default rights need no memory of ours.
        let handle = unsafe {
            CreateNamedPipeW(
                name.path.wide.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags,
                PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
                name.instances_max.into(),
                BUFFER_BYTES,
                BUFFER_BYTES,
                0,
                null(),
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(not_created(io::Error::last_os_error(), name, flags != 0));
        }
        // SAFETY: the call has just made this handle, and nobody else has it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self { handle, end: End::Server(Arc::clone(name)), discards: AtomicBool::new(false) })
    }

    /// The client's end of an instance that has none. The server may learn who the client is, and may
    /// not act in its name.
    pub(crate) fn open(name: &OsStr) -> io::Result<Self> {
        let path = Path::of(name)?;
        // SAFETY: the path ends with a zero, and the other pointers may be null.
        let handle = unsafe {
            CreateFileW(
                path.wide.as_ptr(),
                GENERIC_READ | GENERIC_WRITE,
                0,
                null(),
                OPEN_EXISTING,
                FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
                null_mut(),
            )
        };
        if handle == INVALID_HANDLE_VALUE {
            return Err(not_opened(io::Error::last_os_error(), &path));
        }
        // SAFETY: the call has just made this handle, and nobody else has it.
        let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
        Ok(Self { handle, end: End::Client, discards: AtomicBool::new(false) })
    }

    pub(crate) fn is_client(&self) -> bool {
        matches!(self.end, End::Client)
    }

    /// Whether closing discards what was sent and not received. Only a server can do that.
    pub(crate) fn set_discards(&self, on: bool) {
        self.discards.store(on, Ordering::Relaxed);
    }

    /// What takes its place for the next client; `None` if it can wait for one itself, since the last
    /// one has gone. Otherwise it is another instance: what was sent on this one stays to be received
    /// when it is closed, and would be lost if the client were disconnected.
    pub(crate) fn renewed(&self) -> io::Result<Option<Self>> {
        if self.is_client() {
            return Err(of_servers());
        }
        if !self.peer_has_gone() {
            return self.another().map(Some);
        }
        self.disconnect()?;
        Ok(None)
    }

    /// Whether the other end is closed, and nothing that it sent is left.
    fn peer_has_gone(&self) -> bool {
        // SAFETY: the handle is open, and nothing is asked for, so every pointer may be null.
        let is_there = unsafe {
            PeekNamedPipe(self.raw(), null_mut(), 0, null_mut(), null_mut(), null_mut()) != 0
        };
        !is_there && ended(&io::Error::last_os_error())
    }

    fn disconnect(&self) -> io::Result<()> {
        // SAFETY: the handle is open.
        if unsafe { DisconnectNamedPipe(self.raw()) } != 0 {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }

    /// The process at the other end.
    pub(crate) fn peer_process(&self) -> io::Result<u32> {
        let mut process = 0;
        let told = match self.end {
            // SAFETY: the handle is open, and the number lives through the call.
            End::Server(_) => unsafe { GetNamedPipeClientProcessId(self.raw(), &mut process) },
            // SAFETY: as above.
            End::Client => unsafe { GetNamedPipeServerProcessId(self.raw(), &mut process) },
        };
        if told != 0 { Ok(process) } else { Err(io::Error::last_os_error()) }
    }

    fn raw(&self) -> HANDLE {
        self.handle.as_raw_handle()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if self.discards.load(Ordering::Relaxed) && !self.is_client() {
            // It fails for an instance without a client, of which nothing is to be discarded.
            let _ = self.disconnect();
        }
    }
}

impl AsRawHandle for Pipe {
    fn as_raw_handle(&self) -> RawHandle {
        self.handle.as_raw_handle()
    }
}

/// Whether this is the error of a call on a pipe whose other end is closed.
fn ended(error: &io::Error) -> bool {
    let ends = [ERROR_BROKEN_PIPE, ERROR_NO_DATA, ERROR_PIPE_NOT_CONNECTED];
    error.raw_os_error().is_some_and(|number| ends.contains(&number.cast_unsigned()))
}

fn of_servers() -> io::Error {
    let why = "this is the client's end of a named pipe: close it, and open the pipe again";
    io::Error::new(ErrorKind::Unsupported, why)
}

fn not_created(error: io::Error, name: &Name, is_first: bool) -> io::Error {
    let Name { path: Path { shown, .. }, instances_max } = name;
    let number = error.raw_os_error().unwrap_or_default().cast_unsigned();
    match number {
        ERROR_ACCESS_DENIED | ERROR_PIPE_BUSY if is_first => io::Error::new(
            ErrorKind::AddrInUse,
            format!(
                "{shown} is taken: another server has a pipe of this name, so choose another one"
            ),
        ),
        ERROR_PIPE_BUSY => io::Error::new(
            ErrorKind::ResourceBusy,
            format!(
                "all {instances_max} instances of {shown} are in use: wait until a client has gone, or \
                 make the pipe with more"
            ),
        ),
        // Memory or handles: the number tells those who wait for it to end.
        number if code::SHORT_OF.contains(&number.cast_signed()) => error,
        _ => io::Error::new(error.kind(), format!("{shown} cannot be made: {error}")),
    }
}

fn not_opened(error: io::Error, path: &Path) -> io::Error {
    let shown = &path.shown;
    match error.raw_os_error().unwrap_or_default().cast_unsigned() {
        ERROR_FILE_NOT_FOUND => {
            io::Error::new(ErrorKind::NotFound, format!("no server has a pipe {shown}"))
        }
        ERROR_PIPE_BUSY => io::Error::new(
            ErrorKind::ResourceBusy,
            format!(
                "every instance of {shown} has a client: try again later, from a timer of the port"
            ),
        ),
        _ => io::Error::new(error.kind(), format!("{shown} cannot be opened: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_pipe_is_one_of_this_machine() {
        let shown = |name: &str| Path::of(name.as_ref()).map(|path| path.shown);
        for name in ["a", r"\\.\pipe\a", r"\\.\PIPE\a"] {
            assert_eq!(shown(name).expect("it is a name"), r"\\.\pipe\a");
        }
        assert!(shown(r"LOCAL\a").is_ok(), "there are folders");
        assert!(shown(&"x".repeat(247)).is_ok());
        for name in ["", r"\\.\pipe\", r"\\server\pipe\a", "a\0b", &"x".repeat(248)] {
            let error = shown(name).expect_err("it is none");
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}");
        }
    }
}
