//! What a raw status means to those who ask.

use windows_sys::Win32::Foundation as found;
use windows_sys::Win32::Foundation::{NTSTATUS, RtlNtStatusToDosError};
use windows_sys::Win32::Networking::WinSock as winsock;

/// The number that an operation on a socket reports, as `WSAGetOverlappedResult` would.
pub(super) fn of_socket(status: NTSTATUS) -> i32 {
    match status {
        found::STATUS_CANCELLED => winsock::WSA_OPERATION_ABORTED,
        found::STATUS_CONNECTION_RESET => winsock::WSAECONNRESET,
        found::STATUS_LOCAL_DISCONNECT
        | found::STATUS_CONNECTION_ABORTED
        | found::STATUS_CONNECTION_DISCONNECTED => winsock::WSAECONNABORTED,
        found::STATUS_REMOTE_DISCONNECT => winsock::WSAECONNRESET,
        found::STATUS_CONNECTION_REFUSED => winsock::WSAECONNREFUSED,
        found::STATUS_IO_TIMEOUT => winsock::WSAETIMEDOUT,
        found::STATUS_NETWORK_UNREACHABLE => winsock::WSAENETUNREACH,
        found::STATUS_HOST_UNREACHABLE => winsock::WSAEHOSTUNREACH,
        found::STATUS_PORT_UNREACHABLE => winsock::WSAECONNRESET,
        found::STATUS_BUFFER_OVERFLOW | found::STATUS_RECEIVE_PARTIAL => winsock::WSAEMSGSIZE,
        found::STATUS_INVALID_CONNECTION => winsock::WSAENOTCONN,
        found::STATUS_INSUFFICIENT_RESOURCES | found::STATUS_NO_MEMORY => winsock::WSAENOBUFS,
        other => of_file(other),
    }
}

/// The number that an operation on a file reports, as `GetOverlappedResult` would.
pub(super) fn of_file(status: NTSTATUS) -> i32 {
    // SAFETY: it takes any number.
    unsafe { RtlNtStatusToDosError(status) as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p103_p170_one_status_has_a_number_for_each_consumer() {
        let rows = [
            (found::STATUS_CANCELLED, 995, 995),
            (found::STATUS_CONNECTION_RESET, 64, 10054),
            (found::STATUS_CONNECTION_ABORTED, 1236, 10053),
            (found::STATUS_CONNECTION_REFUSED, 1225, 10061),
            (found::STATUS_IO_TIMEOUT, 121, 10060),
            (found::STATUS_NETWORK_UNREACHABLE, 1231, 10051),
            (found::STATUS_HOST_UNREACHABLE, 1232, 10065),
            (found::STATUS_BUFFER_TOO_SMALL, 122, 122),
            (found::STATUS_BUFFER_OVERFLOW, 234, 10040),
            (found::STATUS_END_OF_FILE, 38, 38),
        ];
        for (status, port, socket) in rows {
            assert_eq!((of_file(status), of_socket(status)), (port, socket), "{status:#x}");
        }
    }
}
