//! The mode in which the kernel queues no packet for an operation on a socket that is done at once
//! (P39-P42).

use super::super::system::SystemSocket;
use std::os::windows::io::AsRawSocket;
use std::sync::OnceLock;
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::{
    IPPROTO_TCP, SOCKET_ERROR, WSAENOBUFS, WSAEnumProtocolsW, WSAGetLastError, WSAPROTOCOL_INFOW,
    XP1_IFS_HANDLES,
};
use windows_sys::Win32::Storage::FileSystem::SetFileCompletionNotificationModes;
use windows_sys::Win32::System::WindowsProgramming::FILE_SKIP_COMPLETION_PORT_ON_SUCCESS;

/// Sets the mode for a stream socket, for good: it holds for every operation on it, and cannot be
/// taken back (P40). False where it cannot be had; then every packet is queued, as without it.
pub(crate) fn set(socket: &SystemSocket) -> bool {
    if !every_provider_is_the_kernels() {
        return false;
    }
    let handle = socket.as_raw_socket() as HANDLE;
    let mode = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS as u8;
    // SAFETY: the handle is open, since its owner is borrowed.
    unsafe { SetFileCompletionNotificationModes(handle, mode) != 0 }
}

/// Whether all that offer TCP on this system give out handles of the kernel. Behind another one the
/// mode loses packets, or doubles them (P41). The system is asked once.
fn every_provider_is_the_kernels() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let providers = providers();
        !providers.is_empty()
            && providers.iter().all(|provider| provider.dwServiceFlags1 & XP1_IFS_HANDLES != 0)
    })
}

/// All that offer TCP; none when the system does not tell.
fn providers() -> Vec<WSAPROTOCOL_INFOW> {
    // The list may grow between two calls, but not for ever.
    const TRIES: usize = 5;
    let only_tcp = [IPPROTO_TCP, 0];
    let mut providers = Vec::<WSAPROTOCOL_INFOW>::with_capacity(16);
    for _ in 0..TRIES {
        let mut length = (providers.capacity() * size_of::<WSAPROTOCOL_INFOW>()) as u32;
        // SAFETY: the list ends with a zero, and there is room for so many bytes.
        let count =
            unsafe { WSAEnumProtocolsW(only_tcp.as_ptr(), providers.as_mut_ptr(), &mut length) };
        if count != SOCKET_ERROR {
            // SAFETY: the call has written so many, for which there was room.
            unsafe { providers.set_len(count as usize) };
            return providers;
        }
        // SAFETY: it only reads the calling thread's last error.
        if unsafe { WSAGetLastError() } != WSAENOBUFS {
            break;
        }
        providers.reserve((length as usize).div_ceil(size_of::<WSAPROTOCOL_INFOW>()));
    }
    Vec::new()
}
