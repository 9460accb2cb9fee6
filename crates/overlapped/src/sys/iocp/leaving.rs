//! How a socket leaves the port: Windows 8.1 and later can take the port away from a file.

use crate::sys::system::SystemSocket;
use std::io;
use std::os::windows::io::AsRawSocket;
use std::ptr::null_mut;
use windows_sys::Wdk::Storage::FileSystem::{
    FILE_COMPLETION_INFORMATION, FileReplaceCompletionInformation, NtSetInformationFile,
};
use windows_sys::Win32::Foundation::{HANDLE, STATUS_SUCCESS};
use windows_sys::Win32::System::IO::IO_STATUS_BLOCK;

/// Ends the association of a socket without anything in flight.
pub(crate) fn release(socket: &SystemSocket) -> io::Result<()> {
    let no_port = FILE_COMPLETION_INFORMATION { Port: null_mut(), Key: null_mut() };
    let mut ended = IO_STATUS_BLOCK::default();
    // SAFETY: the socket is open for the whole call; input and output are of the types that this
    // information is of, and live as long as the call, which does not return before it is done.
    let status = unsafe {
        NtSetInformationFile(
            socket.as_raw_socket() as HANDLE,
            &mut ended,
            (&raw const no_port).cast(),
            size_of_val(&no_port) as u32,
            FileReplaceCompletionInformation,
        )
    };
    if status == STATUS_SUCCESS {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        format!("this system cannot take a socket out of its port (status {status:#x})"),
    ))
}
