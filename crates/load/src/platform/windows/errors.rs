//! The system's error numbers: those of its socket functions, and those that overlapped operations
//! report instead.

use windows_sys::Win32::Foundation as found;
use windows_sys::Win32::Networking::WinSock as sockets;

use crate::failure::FailureKind;

/// The kind that an error number belongs to.
pub(crate) fn kind_of(code: i32) -> FailureKind {
    if let Ok(code) = u32::try_from(code) {
        match code {
            found::ERROR_CONNECTION_REFUSED => return FailureKind::Refused,
            found::ERROR_NETNAME_DELETED
            | found::ERROR_CONNECTION_ABORTED
            | found::ERROR_BROKEN_PIPE
            | found::ERROR_NO_DATA => return FailureKind::Reset,
            found::ERROR_SEM_TIMEOUT => return FailureKind::TimedOut,
            found::ERROR_NOT_ENOUGH_MEMORY
            | found::ERROR_OUTOFMEMORY
            | found::ERROR_NO_SYSTEM_RESOURCES => return FailureKind::NoBuffers,
            found::ERROR_TOO_MANY_OPEN_FILES => return FailureKind::NoDescriptors,
            found::ERROR_NETWORK_UNREACHABLE | found::ERROR_HOST_UNREACHABLE => {
                return FailureKind::Unreachable;
            }
            _ => {}
        }
    }
    match code {
        sockets::WSAECONNREFUSED => FailureKind::Refused,
        sockets::WSAECONNRESET | sockets::WSAECONNABORTED | sockets::WSAENETRESET => {
            FailureKind::Reset
        }
        sockets::WSAETIMEDOUT => FailureKind::TimedOut,
        sockets::WSAENOBUFS => FailureKind::NoBuffers,
        sockets::WSAEADDRNOTAVAIL | sockets::WSAEADDRINUSE => FailureKind::NoPorts,
        sockets::WSAEMFILE => FailureKind::NoDescriptors,
        sockets::WSAENETUNREACH | sockets::WSAEHOSTUNREACH | sockets::WSAENETDOWN => {
            FailureKind::Unreachable
        }
        _ => FailureKind::Other,
    }
}

/// One number of each kind, and the system's words for the last.
#[cfg(test)]
pub(crate) const EXAMPLES: [(i32, FailureKind); 8] = [
    (10_061, FailureKind::Refused),
    (10_054, FailureKind::Reset),
    (10_060, FailureKind::TimedOut),
    (10_055, FailureKind::NoBuffers),
    (10_048, FailureKind::NoPorts),
    (10_024, FailureKind::NoDescriptors),
    (10_065, FailureKind::Unreachable),
    (10_022, FailureKind::Other),
];
