//! The systems' numbers for the errors that this crate makes or tells apart, under one set of names.

/// Defines each name once for Linux, from its errno, and once for Windows.
macro_rules! codes {
    ($($(#[$about:meta])* $name:ident = $linux:ident, $module:ident::$windows:ident;)+) => {
        $(
            $(#[$about])*
            #[cfg(target_os = "linux")]
            pub(crate) const $name: i32 = rustix::io::Errno::$linux.raw_os_error();
            $(#[$about])*
            #[cfg(windows)]
            pub(crate) const $name: i32 = $module::$windows as i32;
        )+
    };
}

#[cfg(windows)]
use windows_sys::Win32::Networking::WinSock as winsock;

codes! {
    FAMILY_NOT_SUPPORTED = AFNOSUPPORT, winsock::WSAEAFNOSUPPORT;
    NOT_CONNECTED = NOTCONN, winsock::WSAENOTCONN;
    RESET = CONNRESET, winsock::WSAECONNRESET;
    ABORTED = CONNABORTED, winsock::WSAECONNABORTED;
    SHUT_DOWN = SHUTDOWN, winsock::WSAESHUTDOWN;
}

#[cfg(target_os = "linux")]
mod of_linux {
    use super::{ABORTED, RESET};
    use rustix::io::Errno;

    pub(crate) const ALREADY: i32 = Errno::ALREADY.raw_os_error();
    pub(crate) const IS_CONNECTED: i32 = Errno::ISCONN.raw_os_error();
    pub(crate) const REFUSED: i32 = Errno::CONNREFUSED.raw_os_error();
    pub(crate) const TIMED_OUT: i32 = Errno::TIMEDOUT.raw_os_error();
    pub(crate) const BROKEN_PIPE: i32 = Errno::PIPE.raw_os_error();
    /// The operation was cancelled.
    pub(crate) const CANCELED: i32 = Errno::CANCELED.raw_os_error();

    /// What says, beside a reset, that an established connection is lost. The system says it once;
    /// the next call would find what looks like the end.
    const LOSSES: [i32; 4] =
        [ABORTED, TIMED_OUT, Errno::HOSTUNREACH.raw_os_error(), Errno::NETUNREACH.raw_os_error()];

    /// How an established connection was lost, if this number says that it was.
    pub(crate) fn loss(number: i32) -> Option<i32> {
        match number {
            // The peer has reset it, however the system reports that.
            RESET | BROKEN_PIPE => Some(RESET),
            other => LOSSES.contains(&other).then_some(other),
        }
    }

    /// What an accept reports of a connection that failed before it was accepted.
    pub(crate) const FAILED_EARLY: [i32; 9] = [
        ABORTED,
        RESET,
        Errno::PROTO.raw_os_error(),
        Errno::NETDOWN.raw_os_error(),
        Errno::NOPROTOOPT.raw_os_error(),
        Errno::HOSTDOWN.raw_os_error(),
        Errno::NONET.raw_os_error(),
        Errno::HOSTUNREACH.raw_os_error(),
        Errno::NETUNREACH.raw_os_error(),
    ];
}

#[cfg(target_os = "linux")]
pub(crate) use of_linux::*;

/// What an accept reports of a connection that failed before it was accepted (X30).
#[cfg(windows)]
pub(crate) const FAILED_EARLY: [i32; 7] = [
    ABORTED,
    RESET,
    NOT_CONNECTED,
    winsock::WSAENETRESET,
    winsock::WSAENETUNREACH,
    winsock::WSAEHOSTUNREACH,
    winsock::WSAEHOSTDOWN,
];

/// The error of this number, as the system's own call would give it.
pub(crate) fn error(code: i32) -> std::io::Error {
    std::io::Error::from_raw_os_error(code)
}
