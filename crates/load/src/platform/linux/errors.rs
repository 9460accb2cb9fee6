//! The kernel's error numbers.

use rustix::io::Errno;

use crate::failure::FailureKind;

/// The kind that an error number belongs to.
pub(crate) fn kind_of(code: i32) -> FailureKind {
    match Errno::from_raw_os_error(code) {
        Errno::CONNREFUSED => FailureKind::Refused,
        Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE => FailureKind::Reset,
        Errno::TIMEDOUT => FailureKind::TimedOut,
        Errno::NOBUFS | Errno::NOMEM => FailureKind::NoBuffers,
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => FailureKind::NoPorts,
        Errno::MFILE | Errno::NFILE => FailureKind::NoDescriptors,
        Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN => FailureKind::Unreachable,
        _ => FailureKind::Other,
    }
}

/// One number of each kind, and the system's words for the last.
#[cfg(test)]
pub(crate) const EXAMPLES: [(i32, FailureKind); 8] = [
    (111, FailureKind::Refused),
    (104, FailureKind::Reset),
    (110, FailureKind::TimedOut),
    (105, FailureKind::NoBuffers),
    (99, FailureKind::NoPorts),
    (24, FailureKind::NoDescriptors),
    (113, FailureKind::Unreachable),
    (22, FailureKind::Other),
];
