//! The operating system's error numbers that the simulated calls give.

use std::io;

#[cfg(target_os = "linux")]
mod number {
    use rustix::io::Errno;

    pub(in super::super) const AGAIN: i32 = Errno::AGAIN.raw_os_error();
    pub(in super::super) const ADDRINUSE: i32 = Errno::ADDRINUSE.raw_os_error();
    pub(in super::super) const ADDRNOTAVAIL: i32 = Errno::ADDRNOTAVAIL.raw_os_error();
    pub(in super::super) const AFNOSUPPORT: i32 = Errno::AFNOSUPPORT.raw_os_error();
    pub(in super::super) const ALREADY: i32 = Errno::ALREADY.raw_os_error();
    pub(in super::super) const BADF: i32 = Errno::BADF.raw_os_error();
    pub(in super::super) const CONNABORTED: i32 = Errno::CONNABORTED.raw_os_error();
    pub(in super::super) const CONNREFUSED: i32 = Errno::CONNREFUSED.raw_os_error();
    pub(in super::super) const CONNRESET: i32 = Errno::CONNRESET.raw_os_error();
    pub(in super::super) const EXIST: i32 = Errno::EXIST.raw_os_error();
    pub(in super::super) const INVAL: i32 = Errno::INVAL.raw_os_error();
    pub(in super::super) const ISCONN: i32 = Errno::ISCONN.raw_os_error();
    pub(in super::super) const NOTCONN: i32 = Errno::NOTCONN.raw_os_error();
    pub(in super::super) const PIPE: i32 = Errno::PIPE.raw_os_error();
}

#[cfg(windows)]
mod number {
    pub(in super::super) const AGAIN: i32 = 10035;
    pub(in super::super) const ADDRINUSE: i32 = 10048;
    pub(in super::super) const ADDRNOTAVAIL: i32 = 10049;
    pub(in super::super) const AFNOSUPPORT: i32 = 10047;
    pub(in super::super) const ALREADY: i32 = 10037;
    pub(in super::super) const BADF: i32 = 10009;
    pub(in super::super) const CONNABORTED: i32 = 10053;
    pub(in super::super) const CONNREFUSED: i32 = 10061;
    pub(in super::super) const CONNRESET: i32 = 10054;
    pub(in super::super) const EXIST: i32 = 183;
    pub(in super::super) const INVAL: i32 = 10022;
    pub(in super::super) const ISCONN: i32 = 10056;
    pub(in super::super) const NOTCONN: i32 = 10057;
    /// `ERROR_NO_DATA`, which the standard library maps to a broken pipe.
    pub(in super::super) const PIPE: i32 = 232;
}

/// The numbers of macOS and the BSDs.
#[cfg(not(any(target_os = "linux", windows)))]
mod number {
    pub(in super::super) const AGAIN: i32 = 35;
    pub(in super::super) const ADDRINUSE: i32 = 48;
    pub(in super::super) const ADDRNOTAVAIL: i32 = 49;
    pub(in super::super) const AFNOSUPPORT: i32 = 47;
    pub(in super::super) const ALREADY: i32 = 37;
    pub(in super::super) const BADF: i32 = 9;
    pub(in super::super) const CONNABORTED: i32 = 53;
    pub(in super::super) const CONNREFUSED: i32 = 61;
    pub(in super::super) const CONNRESET: i32 = 54;
    pub(in super::super) const EXIST: i32 = 17;
    pub(in super::super) const INVAL: i32 = 22;
    pub(in super::super) const ISCONN: i32 = 56;
    pub(in super::super) const NOTCONN: i32 = 57;
    pub(in super::super) const PIPE: i32 = 32;
}

pub(super) use number::*;

/// The error of this number, as a system call would give it.
pub(super) fn os<T>(number: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(number))
}
