//! The kinds of errors that a server counts.

use crate::model::Errors;
use std::io::{Error, ErrorKind};

/// Why a connection ended otherwise than gracefully.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Reset,
    TimedOut,
    Aborted,
    Other,
}

impl Failure {
    /// The kind that an error of the system is counted as.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            // A connection that was reset before it was accepted is one that is not connected.
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected => {
                Self::Reset
            }
            // A blocking call with a time limit reports `WouldBlock` when it is over.
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::TimedOut,
            // On Windows that is a reset by the client that came while the connection was busy.
            ErrorKind::ConnectionAborted if cfg!(windows) => Self::Reset,
            ErrorKind::ConnectionAborted => Self::Aborted,
            _ if is_aborted(error) => Self::Aborted,
            _ => Self::Other,
        }
    }

    /// Counts it.
    pub(crate) fn add_to(self, errors: &mut Errors, count: u64) {
        *match self {
            Self::Reset => &mut errors.reset,
            Self::TimedOut => &mut errors.timed_out,
            Self::Aborted => &mut errors.aborted,
            Self::Other => &mut errors.other,
        } += count;
    }
}

/// Whether an overlapped operation was cancelled, or its handle closed.
pub(crate) fn is_aborted(error: &Error) -> bool {
    /// `ECANCELED`, or `ERROR_OPERATION_ABORTED`.
    const ABORTED: i32 = if cfg!(windows) { 995 } else { 125 };
    error.raw_os_error() == Some(ABORTED)
}
