//! Why a connection ended before its time.

use overlapped::is_aborted;
use std::io::{Error, ErrorKind};

/// Why a connection ended otherwise than gracefully.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The client reset it.
    Reset,
    /// Somebody took too long.
    TimedOut,
    /// This side ended it by force.
    Aborted,
    /// Anything else.
    Other,
}

impl Failure {
    /// The kind that an error of the system is counted as.
    ///
    /// # Platform
    /// `ConnectionAborted` is a reset by the client on Windows, where it came while the connection
    /// was busy; elsewhere it is this system that gave the connection up.
    pub fn of(error: &Error) -> Self {
        // By its code, since on Windows its kind is that of a timeout.
        if is_aborted(error) {
            return Self::Aborted;
        }
        match error.kind() {
            // A connection that was reset before it was accepted is one that is not connected.
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
                Self::Reset
            }
            // A blocking call with a time limit reports `WouldBlock` when it is over.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::TimedOut,
            ErrorKind::ConnectionAborted if cfg!(windows) => Self::Reset,
            ErrorKind::ConnectionAborted => Self::Aborted,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_what_they_mean() {
        let of = |kind: ErrorKind| Failure::of(&kind.into());
        assert_eq!(of(ErrorKind::ConnectionReset), Failure::Reset);
        assert_eq!(of(ErrorKind::BrokenPipe), Failure::Reset);
        assert_eq!(of(ErrorKind::NotConnected), Failure::Reset);
        assert_eq!(of(ErrorKind::TimedOut), Failure::TimedOut);
        assert_eq!(of(ErrorKind::WouldBlock), Failure::TimedOut);
        assert_eq!(of(ErrorKind::OutOfMemory), Failure::Other);
        let (cancelled, given_up) =
            if cfg!(windows) { (995, Failure::Reset) } else { (125, Failure::Aborted) };
        assert_eq!(Failure::of(&Error::from_raw_os_error(cancelled)), Failure::Aborted);
        assert_eq!(of(ErrorKind::ConnectionAborted), given_up);
    }
}
