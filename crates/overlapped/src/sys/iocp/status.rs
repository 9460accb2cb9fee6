//! What a raw status means to those who ask.
//!
//! One status has a number for each kind of consumer (P103, P170). Operations on files report what
//! the system's own conversion gives. Operations on sockets report [`OF_SOCKETS`], which is whole:
//! what is not in it has no number of its own among those of the socket functions.

use windows_sys::Win32::Foundation as found;
use windows_sys::Win32::Foundation::{NTSTATUS, RtlNtStatusToDosError};
use windows_sys::Win32::Networking::WinSock as winsock;

/// The number that an operation on a socket reports, as `WSAGetOverlappedResult` would.
pub(super) fn of_socket(status: NTSTATUS) -> i32 {
    known_to_sockets(status).unwrap_or(winsock::WSAEINVAL)
}

/// The number that a transmission reports. It reads a file, too, and what no socket reports comes
/// from there.
pub(super) fn of_transmission(status: NTSTATUS) -> i32 {
    known_to_sockets(status).unwrap_or_else(|| of_file(status))
}

/// The number that an operation on a file reports, as `GetOverlappedResult` would.
pub(super) fn of_file(status: NTSTATUS) -> i32 {
    // SAFETY: it takes any number.
    unsafe { RtlNtStatusToDosError(status) as i32 }
}

fn known_to_sockets(status: NTSTATUS) -> Option<i32> {
    OF_SOCKETS.iter().find(|(of_row, _)| *of_row == status).map(|(_, number)| *number)
}

/// Each status that has a number among those of the socket functions, by what it says.
#[rustfmt::skip]
const OF_SOCKETS: &[(NTSTATUS, i32)] = &[
    // Ended before its time, by us, by the peer, or by nobody's answer.
    (found::STATUS_CANCELLED,                   winsock::WSA_OPERATION_ABORTED),
    (found::STATUS_REQUEST_ABORTED,             winsock::WSAEINTR),
    (found::STATUS_CONNECTION_RESET,            winsock::WSAECONNRESET),
    (found::STATUS_CONNECTION_DISCONNECTED,     winsock::WSAECONNRESET),
    (found::STATUS_REMOTE_DISCONNECT,           winsock::WSAECONNRESET),
    (found::STATUS_LINK_FAILED,                 winsock::WSAECONNRESET),
    (found::STATUS_PORT_UNREACHABLE,            winsock::WSAECONNRESET),
    (found::STATUS_CONNECTION_ABORTED,          winsock::WSAECONNABORTED),
    (found::STATUS_LOCAL_DISCONNECT,            winsock::WSAECONNABORTED),
    (found::STATUS_TRANSACTION_ABORTED,         winsock::WSAECONNABORTED),
    (found::STATUS_IO_TIMEOUT,                  winsock::WSAETIMEDOUT),
    (found::STATUS_LINK_TIMEOUT,                winsock::WSAETIMEDOUT),
    (found::STATUS_GRACEFUL_DISCONNECT,         winsock::WSAEDISCON),
    (found::STATUS_PIPE_DISCONNECTED,           winsock::WSAESHUTDOWN),
    // Not reached.
    (found::STATUS_CONNECTION_REFUSED,          winsock::WSAECONNREFUSED),
    (found::STATUS_REMOTE_NOT_LISTENING,        winsock::WSAECONNREFUSED),
    (found::STATUS_NETWORK_UNREACHABLE,         winsock::WSAENETUNREACH),
    (found::STATUS_PROTOCOL_UNREACHABLE,        winsock::WSAENETUNREACH),
    (found::STATUS_BAD_NETWORK_PATH,            winsock::WSAENETUNREACH),
    (found::STATUS_HOST_UNREACHABLE,            winsock::WSAEHOSTUNREACH),
    (found::STATUS_HOST_DOWN,                   winsock::WSAEHOSTDOWN),
    (found::STATUS_NETWORK_BUSY,                winsock::WSAENETDOWN),
    (found::STATUS_INVALID_NETWORK_RESPONSE,    winsock::WSAENETDOWN),
    (found::STATUS_UNEXPECTED_NETWORK_ERROR,    winsock::WSAENETDOWN),
    (found::STATUS_NO_SUCH_DEVICE,              winsock::WSAENETDOWN),
    (found::STATUS_NO_SUCH_FILE,                winsock::WSAENETDOWN),
    (found::STATUS_OBJECT_NAME_NOT_FOUND,       winsock::WSAENETDOWN),
    (found::STATUS_OBJECT_PATH_NOT_FOUND,       winsock::WSAENETDOWN),
    // Addresses and ports.
    (found::STATUS_ADDRESS_ALREADY_EXISTS,      winsock::WSAEADDRINUSE),
    (found::STATUS_SHARING_VIOLATION,           winsock::WSAEADDRINUSE),
    (found::STATUS_INVALID_ADDRESS,             winsock::WSAEADDRNOTAVAIL),
    (found::STATUS_INVALID_ADDRESS_COMPONENT,   winsock::WSAEADDRNOTAVAIL),
    (found::STATUS_ACCESS_DENIED,               winsock::WSAEACCES),
    // The state of the socket.
    (found::STATUS_INVALID_CONNECTION,          winsock::WSAENOTCONN),
    (found::STATUS_CONNECTION_ACTIVE,           winsock::WSAEISCONN),
    (found::STATUS_INVALID_HANDLE,              winsock::WSAENOTSOCK),
    (found::STATUS_OBJECT_TYPE_MISMATCH,        winsock::WSAENOTSOCK),
    (found::STATUS_DEVICE_NOT_READY,            winsock::WSAEWOULDBLOCK),
    (found::STATUS_REQUEST_NOT_ACCEPTED,        winsock::WSAEWOULDBLOCK),
    (found::STATUS_NOT_SUPPORTED,               winsock::WSAEOPNOTSUPP),
    (found::STATUS_NOT_IMPLEMENTED,             winsock::WSAEOPNOTSUPP),
    (found::STATUS_PENDING,                     winsock::WSA_IO_INCOMPLETE),
    // Lengths and memory.
    (found::STATUS_BUFFER_OVERFLOW,             winsock::WSAEMSGSIZE),
    (found::STATUS_INVALID_BUFFER_SIZE,         winsock::WSAEMSGSIZE),
    (found::STATUS_BUFFER_TOO_SMALL,            winsock::WSAEFAULT),
    (found::STATUS_ACCESS_VIOLATION,            winsock::WSAEFAULT),
    (found::STATUS_DATATYPE_MISALIGNMENT_ERROR, winsock::WSAEFAULT),
    // Shortages.
    (found::STATUS_INSUFFICIENT_RESOURCES,      winsock::WSAENOBUFS),
    (found::STATUS_NO_MEMORY,                   winsock::WSAENOBUFS),
    (found::STATUS_COMMITMENT_LIMIT,            winsock::WSAENOBUFS),
    (found::STATUS_QUOTA_EXCEEDED,              winsock::WSAENOBUFS),
    (found::STATUS_WORKING_SET_QUOTA,           winsock::WSAENOBUFS),
    (found::STATUS_PAGEFILE_QUOTA,              winsock::WSAENOBUFS),
    (found::STATUS_TOO_MANY_PAGING_FILES,       winsock::WSAENOBUFS),
    (found::STATUS_REMOTE_RESOURCES,            winsock::WSAENOBUFS),
    (found::STATUS_TOO_MANY_ADDRESSES,          winsock::WSAENOBUFS),
    (found::STATUS_CONFLICTING_ADDRESSES,       winsock::WSAENOBUFS),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::code;
    use crate::sys::iocp::block::Outcome;
    use std::io::{Error, ErrorKind};
    use std::net::TcpListener;
    use std::os::windows::io::AsRawSocket;
    use windows_sys::Win32::System::IO::OVERLAPPED;
    use winsock::{SOCKET, WSAGetLastError, WSAGetOverlappedResult};

    /// What the system's socket functions say of an operation that ended with this status.
    fn as_the_system_says(socket: SOCKET, status: NTSTATUS) -> Result<(), i32> {
        let ended = OVERLAPPED { Internal: status as u32 as usize, ..OVERLAPPED::default() };
        let (mut transferred, mut flags) = (0, 0);
        // SAFETY: the socket is open, everything else lives through the call, and nothing waits.
        let is_success =
            unsafe { WSAGetOverlappedResult(socket, &ended, &mut transferred, 0, &mut flags) };
        // SAFETY: it only reads what the call has left.
        if is_success != 0 { Ok(()) } else { Err(unsafe { WSAGetLastError() }) }
    }

    #[test]
    fn p103_p170_every_status_means_to_sockets_what_the_system_says() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("one can listen");
        let raw = socket.as_raw_socket() as SOCKET;
        // Success, information, warnings and errors; and the errors of the network alone.
        let all = [0x0000_0000, 0x4000_0000, 0x8000_0000, 0xC000_0000, 0xC000_A000_u32];
        for status in all.into_iter().flat_map(|first| first..first + 0x1000) {
            let status = status as NTSTATUS;
            if status == found::STATUS_PENDING {
                continue; // The operation has not ended.
            }
            let ours = Outcome::new(status, 0).of_socket().result;
            let ours = ours.map_err(|error| error.raw_os_error().unwrap_or_default());
            assert_eq!(ours, as_the_system_says(raw, status), "{status:#x}");
        }
    }

    #[test]
    fn p103_p170_one_status_has_a_number_for_each_consumer() {
        let rows = [
            (found::STATUS_CANCELLED, 995, 995),
            (found::STATUS_CONNECTION_RESET, 64, 10054),
            (found::STATUS_CONNECTION_DISCONNECTED, 64, 10054),
            (found::STATUS_CONNECTION_ABORTED, 1236, 10053),
            (found::STATUS_CONNECTION_REFUSED, 1225, 10061),
            (found::STATUS_IO_TIMEOUT, 121, 10060),
            (found::STATUS_LINK_FAILED, 59, 10054),
            (found::STATUS_LINK_TIMEOUT, 59, 10060),
            (found::STATUS_NETWORK_UNREACHABLE, 1231, 10051),
            (found::STATUS_HOST_UNREACHABLE, 1232, 10065),
            (found::STATUS_ADDRESS_ALREADY_EXISTS, 52, 10048),
            (found::STATUS_INVALID_ADDRESS_COMPONENT, 1214, 10049),
            (found::STATUS_BUFFER_TOO_SMALL, 122, 10014),
            (found::STATUS_BUFFER_OVERFLOW, 234, 10040),
            (found::STATUS_END_OF_FILE, 38, 10022),
        ];
        for (status, file, socket) in rows {
            assert_eq!((of_file(status), of_socket(status)), (file, socket), "{status:#x}");
        }
        assert_eq!(of_transmission(found::STATUS_END_OF_FILE), 38, "its file has ended");
        assert_eq!(of_transmission(found::STATUS_CONNECTION_RESET), 10054, "so has its stream");
        assert!(Outcome::new(found::STATUS_RECEIVE_PARTIAL, 3).of_socket().result.is_ok());
    }

    #[test]
    fn p163_a_shortage_is_known_as_one_whoever_met_it() {
        let shortages = [
            found::STATUS_INSUFFICIENT_RESOURCES,
            found::STATUS_NO_MEMORY,
            found::STATUS_COMMITMENT_LIMIT,
            found::STATUS_QUOTA_EXCEEDED,
            found::STATUS_WORKING_SET_QUOTA,
            found::STATUS_PAGEFILE_QUOTA,
            found::STATUS_TOO_MANY_PAGING_FILES,
            found::STATUS_TOO_MANY_OPENED_FILES,
        ];
        for status in shortages {
            let of_socket = known_to_sockets(status);
            for number in [Some(of_file(status)), of_socket].into_iter().flatten() {
                assert!(code::SHORT_OF.contains(&number), "{status:#x} is {number}");
            }
        }
    }

    #[test]
    fn an_error_of_a_socket_has_the_kind_that_its_status_has() {
        use ErrorKind as Kind;
        let rows = [
            (found::STATUS_CONNECTION_DISCONNECTED, Kind::ConnectionReset),
            (found::STATUS_LINK_FAILED, Kind::ConnectionReset),
            (found::STATUS_LOCAL_DISCONNECT, Kind::ConnectionAborted),
            (found::STATUS_REMOTE_NOT_LISTENING, Kind::ConnectionRefused),
            (found::STATUS_LINK_TIMEOUT, Kind::TimedOut),
            (found::STATUS_BAD_NETWORK_PATH, Kind::NetworkUnreachable),
            (found::STATUS_NETWORK_BUSY, Kind::NetworkDown),
            (found::STATUS_HOST_UNREACHABLE, Kind::HostUnreachable),
            (found::STATUS_ADDRESS_ALREADY_EXISTS, Kind::AddrInUse),
            (found::STATUS_INVALID_ADDRESS_COMPONENT, Kind::AddrNotAvailable),
            (found::STATUS_ACCESS_DENIED, Kind::PermissionDenied),
            (found::STATUS_INVALID_CONNECTION, Kind::NotConnected),
            (found::STATUS_UNSUCCESSFUL, Kind::InvalidInput),
        ];
        for (status, kind) in rows {
            let error = Error::from_raw_os_error(of_socket(status));
            assert_eq!(error.kind(), kind, "{status:#x}: {error}");
        }
    }
}
