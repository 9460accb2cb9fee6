//! How a file of Windows is opened, and the calls that wait.
//!
//! Every file is opened for overlapped access, so that a completion port can carry it. A call that
//! waits is then an overlapped operation, too: it has an event of its own to wait for, whose lowest
//! bit keeps a port from being told of it (P37).
#![allow(unsafe_code)]

use super::FileState;
use super::system_file::{Found, USUAL_ALIGNMENT};
use std::fs::File;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{ERROR_HANDLE_EOF, ERROR_IO_PENDING, HANDLE};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_ALLOCATION_INFO, FILE_BASIC_INFO, FILE_FLAG_NO_BUFFERING,
    FILE_FLAG_OVERLAPPED, FileAllocationInfo, FileBasicInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx, ReadFile, SetFileInformationByHandle, WriteFile,
};
use windows_sys::Win32::System::IO::{GetOverlappedResult, OVERLAPPED, OVERLAPPED_0_0};
use windows_sys::Win32::System::Threading::CreateEventW;
use windows_sys::core::BOOL;

/// Windows does not tell how a file was opened; what is not allowed fails when it is tried.
pub(super) fn adopt(_file: &File) -> io::Result<Found> {
    Ok(Found { readable: true, writable: true, appends: false, unbuffered: false })
}

pub(super) fn open_flags(unbuffered: bool) -> u32 {
    FILE_FLAG_OVERLAPPED | if unbuffered { FILE_FLAG_NO_BUFFERING } else { 0 }
}

pub(super) fn alignment(_file: &File) -> usize {
    USUAL_ALIGNMENT
}

/// The system would cut a file that is longer, so that one is left alone.
pub(super) fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    if file.metadata()?.len() >= bytes {
        return Ok(());
    }
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let room = FILE_ALLOCATION_INFO { AllocationSize: i64::try_from(bytes).map_err(invalid)? };
    // SAFETY: the structure is the one that the class names, and lives through the call.
    let done = unsafe {
        SetFileInformationByHandle(
            file.as_raw_handle(),
            FileAllocationInfo,
            (&raw const room).cast(),
            size_of_val(&room) as u32,
        )
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { file.set_len(bytes) }
}

/// The beginning of 1970 in the system's count of 100 ns since 1601.
const EPOCH: i128 = 116_444_736_000_000_000;

pub(super) fn state(file: &File) -> io::Result<FileState> {
    let handle = file.as_raw_handle();
    let mut all = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle is open, and the structure lives through the call.
    if unsafe { GetFileInformationByHandle(handle, &raw mut all) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let mut basic = FILE_BASIC_INFO::default();
    // SAFETY: the structure is the one that the class names, and lives through the call.
    let done = unsafe {
        GetFileInformationByHandleEx(
            handle,
            FileBasicInfo,
            (&raw mut basic).cast(),
            size_of_val(&basic) as u32,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    let joined = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    // A file system without a time tells 0.
    let ns = |time: i64| if time == 0 { 0 } else { (i128::from(time) - EPOCH) * 100 };
    Ok(FileState {
        bytes: joined(all.nFileSizeHigh, all.nFileSizeLow),
        identity: joined(all.nFileIndexHigh, all.nFileIndexLow),
        names: u64::from(all.nNumberOfLinks),
        written_ns: ns(basic.LastWriteTime),
        changed_ns: ns(basic.ChangeTime),
    })
}

/// A read at or past the end is no error here (L7).
pub(super) fn read_at(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    let length = u32::try_from(room.len()).unwrap_or(u32::MAX);
    let outcome = waited(file, offset, |handle, overlapped| {
        // SAFETY: `waited` keeps everything where it is until the operation has ended.
        unsafe { ReadFile(handle, room.as_mut_ptr(), length, null_mut(), overlapped) }
    });
    match outcome {
        Err(error) if error.raw_os_error() == Some(ERROR_HANDLE_EOF as i32) => Ok(0),
        outcome => outcome,
    }
}

pub(super) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    waited(file, offset, |handle, overlapped| {
        // SAFETY: as above.
        unsafe { WriteFile(handle, bytes.as_ptr(), length, null_mut(), overlapped) }
    })
}

/// Starts an operation at `offset` and returns when it has ended.
fn waited(
    file: &File,
    offset: u64,
    start: impl FnOnce(HANDLE, *mut OVERLAPPED) -> BOOL,
) -> io::Result<usize> {
    let handle = file.as_raw_handle();
    // SAFETY: the event has neither a name nor attributes.
    let event = unsafe { CreateEventW(null(), 1, 0, null()) };
    if event.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made it, and nobody else has it.
    let event = unsafe { OwnedHandle::from_raw_handle(event) };
    let untold = event.as_raw_handle().map_addr(|address| address | 1);
    let mut overlapped = OVERLAPPED { hEvent: untold, ..OVERLAPPED::default() };
    overlapped.Anonymous.Anonymous =
        OVERLAPPED_0_0 { Offset: offset as u32, OffsetHigh: (offset >> 32) as u32 };
    if start(handle, &raw mut overlapped) == 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(ERROR_IO_PENDING as i32) {
            return Err(error);
        }
    }
    let mut transferred = 0;
    // SAFETY: file, block and event live until this returns, when the operation has ended.
    let done = unsafe { GetOverlappedResult(handle, &raw const overlapped, &mut transferred, 1) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(transferred as usize) }
}
