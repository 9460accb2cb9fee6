//! Windows: figures and limits from the system's own calls, through a library that makes them safe.

pub(crate) mod errors;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod process;
pub(crate) mod source;

use std::io;
use std::time::Duration;

/// The system's error as everybody else here has it.
fn error(code: winsafe::co::ERROR) -> io::Error {
    io::Error::from_raw_os_error(code.raw().cast_signed())
}

/// A length of time, which the system counts in tenths of microseconds.
fn duration(length: winsafe::FILETIME) -> Duration {
    let tenths = u64::from(length);
    Duration::from_micros(tenths / 10) + Duration::from_nanos(tenths % 10 * 100)
}
