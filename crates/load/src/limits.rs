//! Limits of this process and of the kernel that decide how many connections fit, read once and
//! raised where that is allowed.

use std::io;

use crate::platform::limits as system;

#[cfg(target_os = "linux")]
pub use crate::platform::limits::locked_memory_bytes;

/// What a user can do about too few descriptors, as the beginning of a sentence that goes on with
/// something else to do.
///
/// # Platform
/// Empty on Windows, where nothing can be done.
pub const RAISE_DESCRIPTORS_OR: &str = system::RAISE_DESCRIPTORS_OR;

/// What a user can do about too few local ports.
pub const WIDEN_PORT_RANGE: &str = system::WIDEN_PORT_RANGE;

/// A soft and a hard limit; None is "no limit".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitPair {
    /// What holds now.
    pub soft: Option<u64>,
    /// How far the process may raise it by itself.
    pub hard: Option<u64>,
}

/// The limit of open descriptors.
///
/// # Platform
/// On Windows that of handles, which is the same for every process.
pub fn descriptors() -> LimitPair {
    system::descriptors()
}

/// How many descriptors, or handles, this process has open.
///
/// # Errors
/// The system does not tell.
pub fn descriptors_open() -> io::Result<u64> {
    system::descriptors_open()
}

/// Raises the limit of open descriptors as far as allowed and returns what holds then.
///
/// # Errors
/// The system refuses, which it has no reason to.
///
/// # Platform
/// On Windows there is nothing to raise.
pub fn raise_descriptors() -> io::Result<u64> {
    system::raise_descriptors()
}

/// First and last port the system picks from for outgoing connections.
///
/// # Errors
/// It cannot be read.
///
/// # Platform
/// On Windows the range that the system comes with, also where it was set to another.
pub fn port_range() -> io::Result<(u16, u16)> {
    system::port_range()
}

/// How many ports a range holds.
pub fn ports_in((first, last): (u16, u16)) -> u64 {
    u64::from(last.saturating_sub(first)) + 1
}

/// How many threads the whole machine may have, of all its processes together.
///
/// # Errors
/// It cannot be read.
///
/// # Platform
/// `Unsupported` on Windows, where memory is the limit.
pub fn machine_threads() -> io::Result<u64> {
    system::machine_threads()
}

/// How many threads the machine has at this moment.
///
/// # Errors
/// It cannot be read.
///
/// # Platform
/// `Unsupported` on Windows.
pub fn machine_threads_open() -> io::Result<u64> {
    system::machine_threads_open()
}

/// The longest backlog the system grants a listening socket.
///
/// # Errors
/// It cannot be read.
///
/// # Platform
/// `Unsupported` on Windows.
pub fn backlog_limit() -> io::Result<u32> {
    system::backlog_limit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_first_and_its_last_port() {
        assert_eq!(ports_in((32_768, 60_999)), 28_232);
        assert_eq!(ports_in((7, 7)), 1);
        let (first, last) = port_range().expect("the system has one");
        assert!(first < last, "{first} {last}");
    }

    #[test]
    fn raising_reaches_the_hard_limit_and_stays() {
        let raised = raise_descriptors().expect("raising to the hard limit is always allowed");
        let pair = descriptors();
        assert_eq!(pair.soft, pair.hard);
        assert_eq!(pair.soft.unwrap_or(u64::MAX), raised);
    }

    #[test]
    fn what_is_opened_is_counted() {
        // Other tests of this process open and close meanwhile, but not so many.
        const MANY: u64 = 200;
        let Ok(before) = descriptors_open() else {
            println!("skip   what_is_opened_is_counted: the system does not count handles");
            return;
        };
        let open: Vec<_> = (0..MANY)
            .map(|_| std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let with_them = descriptors_open().expect("it did a moment ago");
        assert!(with_them >= before + MANY / 2, "{before} and then {with_them}");
        drop(open);
    }
}
