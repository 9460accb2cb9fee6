//! The systems' numbers for the errors that the library makes or tells apart, under one set of
//! names.
//!
//! On Windows an operation reports the number of the socket functions (10054 for a reset), whatever
//! the port's own status was (P103, P170).

/// Defines each name once for Linux, from its errno, and once for Windows.
macro_rules! codes {
    ($($(#[$about:meta])* $name:ident = $linux:ident, $windows:ident;)+) => {
        $(
            $(#[$about])*
            #[cfg_attr(not(feature = "simulated"), allow(dead_code, reason = "the network says some"))]
            #[cfg(target_os = "linux")]
            pub(crate) const $name: i32 = rustix::io::Errno::$linux.raw_os_error();
            $(#[$about])*
            #[cfg_attr(not(feature = "simulated"), allow(dead_code, reason = "the network says some"))]
            #[cfg(windows)]
            pub(crate) const $name: i32 = windows_numbers::$windows;
        )+
    };
}

/// The Windows numbers, as the type that [`std::io::Error`] wants.
#[cfg(windows)]
mod windows_numbers {
    use windows_sys::Win32::Foundation as found;
    use windows_sys::Win32::Networking::WinSock as winsock;

    macro_rules! signed {
        ($($from:ident: $($name:ident),+;)+) => {
            $($(pub(super) const $name: i32 = $from::$name as i32;)+)+
        };
    }

    signed! {
        winsock: WSAEWOULDBLOCK, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAEALREADY,
            WSAECONNABORTED, WSAECONNREFUSED, WSAECONNRESET, WSAEINVAL, WSAEISCONN, WSAENOTCONN,
            WSAETIMEDOUT, WSAEHOSTUNREACH, WSAENETUNREACH, WSAEMSGSIZE, WSAESHUTDOWN, WSAENOTSOCK, WSA_OPERATION_ABORTED;
        found: ERROR_NO_DATA, ERROR_ALREADY_EXISTS, ERROR_INVALID_HANDLE;
    }
}

codes! {
    WOULD_BLOCK = AGAIN, WSAEWOULDBLOCK;
    ADDRESS_IN_USE = ADDRINUSE, WSAEADDRINUSE;
    ADDRESS_NOT_AVAILABLE = ADDRNOTAVAIL, WSAEADDRNOTAVAIL;
    FAMILY_NOT_SUPPORTED = AFNOSUPPORT, WSAEAFNOSUPPORT;
    ALREADY = ALREADY, WSAEALREADY;
    ABORTED = CONNABORTED, WSAECONNABORTED;
    REFUSED = CONNREFUSED, WSAECONNREFUSED;
    RESET = CONNRESET, WSAECONNRESET;
    TIMED_OUT = TIMEDOUT, WSAETIMEDOUT;
    HOST_UNREACHABLE = HOSTUNREACH, WSAEHOSTUNREACH;
    NETWORK_UNREACHABLE = NETUNREACH, WSAENETUNREACH;
    INVALID = INVAL, WSAEINVAL;
    IS_CONNECTED = ISCONN, WSAEISCONN;
    NOT_CONNECTED = NOTCONN, WSAENOTCONN;
    /// A datagram without an address, on a socket that is not connected.
    NO_DESTINATION = DESTADDRREQ, WSAENOTCONN;
    /// A datagram that is larger than can be sent, or than the buffer it came into.
    MESSAGE_TOO_LONG = MSGSIZE, WSAEMSGSIZE;
    SHUT_DOWN = SHUTDOWN, WSAESHUTDOWN;
    EXISTS = EXIST, ERROR_ALREADY_EXISTS;
    /// The operation was cancelled, or its handle closed.
    CANCELED = CANCELED, WSA_OPERATION_ABORTED;
    /// The handle is closed.
    CLOSED = BADF, WSAENOTSOCK;
    /// The file's handle is closed.
    FILE_CLOSED = BADF, ERROR_INVALID_HANDLE;
    /// Sent to a peer that has closed. The standard library calls the Windows number so, too.
    BROKEN_PIPE = PIPE, ERROR_NO_DATA;
}

/// What says, beside a reset, that an established connection is lost. The system says it once; the
/// next call would find what looks like the end.
const LOSSES: [i32; 4] = [ABORTED, TIMED_OUT, HOST_UNREACHABLE, NETWORK_UNREACHABLE];

/// How an established connection was lost, if this number says that it was.
pub(crate) fn loss(number: i32) -> Option<i32> {
    match number {
        // The peer has reset it, however the system reports that.
        RESET | BROKEN_PIPE => Some(RESET),
        other => LOSSES.contains(&other).then_some(other),
    }
}

/// What an accept reports of a connection that failed before it was accepted.
#[cfg(target_os = "linux")]
pub(crate) const FAILED_EARLY: [i32; 9] = {
    use rustix::io::Errno;
    [
        Errno::CONNABORTED.raw_os_error(),
        Errno::PROTO.raw_os_error(),
        Errno::NETDOWN.raw_os_error(),
        Errno::NOPROTOOPT.raw_os_error(),
        Errno::HOSTDOWN.raw_os_error(),
        Errno::NONET.raw_os_error(),
        Errno::HOSTUNREACH.raw_os_error(),
        Errno::NETUNREACH.raw_os_error(),
        Errno::CONNRESET.raw_os_error(),
    ]
};

/// What an accept reports of a connection that failed before it was accepted (X30).
#[cfg(windows)]
pub(crate) const FAILED_EARLY: [i32; 7] = {
    use windows_sys::Win32::Networking::WinSock as winsock;
    [
        ABORTED,
        RESET,
        NOT_CONNECTED,
        winsock::WSAENETRESET,
        winsock::WSAENETUNREACH,
        winsock::WSAEHOSTUNREACH,
        winsock::WSAEHOSTDOWN,
    ]
};

/// What says that descriptors or memory have run short for now.
#[cfg(target_os = "linux")]
pub(crate) const SHORT_OF: [i32; 4] = {
    use rustix::io::Errno;
    [
        Errno::MFILE.raw_os_error(),
        Errno::NFILE.raw_os_error(),
        Errno::NOBUFS.raw_os_error(),
        Errno::NOMEM.raw_os_error(),
    ]
};

/// What says that handles, memory or a quota of it have run short for now (P163), by the numbers of
/// the socket functions and by those of all others.
#[cfg(windows)]
pub(crate) const SHORT_OF: [i32; 10] = {
    use windows_sys::Win32::Foundation as found;
    use windows_sys::Win32::Networking::WinSock::{WSAEMFILE, WSAENOBUFS};
    [
        WSAEMFILE,
        WSAENOBUFS,
        found::ERROR_TOO_MANY_OPEN_FILES as i32,
        found::ERROR_NOT_ENOUGH_MEMORY as i32,
        found::ERROR_OUTOFMEMORY as i32,
        found::ERROR_NO_SYSTEM_RESOURCES as i32,
        found::ERROR_WORKING_SET_QUOTA as i32,
        found::ERROR_PAGEFILE_QUOTA as i32,
        found::ERROR_COMMITMENT_LIMIT as i32,
        found::ERROR_NOT_ENOUGH_QUOTA as i32,
    ]
};

/// The error of this number, as the system's own call would give it.
pub(crate) fn error(code: i32) -> std::io::Error {
    std::io::Error::from_raw_os_error(code)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn what_the_library_makes_has_the_same_kind_on_every_system() {
        let same = [
            (WOULD_BLOCK, ErrorKind::WouldBlock),
            (ADDRESS_IN_USE, ErrorKind::AddrInUse),
            (ADDRESS_NOT_AVAILABLE, ErrorKind::AddrNotAvailable),
            (ABORTED, ErrorKind::ConnectionAborted),
            (REFUSED, ErrorKind::ConnectionRefused),
            (RESET, ErrorKind::ConnectionReset),
            (INVALID, ErrorKind::InvalidInput),
            (NOT_CONNECTED, ErrorKind::NotConnected),
            (EXISTS, ErrorKind::AlreadyExists),
            (BROKEN_PIPE, ErrorKind::BrokenPipe),
        ];
        for (code, kind) in same {
            assert_eq!(error(code).kind(), kind, "{code}");
        }
        let of_none = [
            FAMILY_NOT_SUPPORTED,
            ALREADY,
            IS_CONNECTED,
            MESSAGE_TOO_LONG,
            SHUT_DOWN,
            CLOSED,
            FILE_CLOSED,
        ];
        // The kind for those that have none is not stable, but its name is known.
        let name = |code| format!("{:?}", error(code).kind());
        assert!(of_none.into_iter().all(|code| name(code) == "Uncategorized"));
        // This one differs, which is why there is a function to ask.
        let of_aborted = if cfg!(windows) { "TimedOut" } else { "Uncategorized" };
        assert_eq!(name(CANCELED), of_aborted);
        assert!(crate::is_aborted(&error(CANCELED)));
        assert!(!crate::is_aborted(&error(ABORTED)), "that is the connection's end");
        assert!(!crate::is_aborted(&ErrorKind::TimedOut.into()));
    }
}
