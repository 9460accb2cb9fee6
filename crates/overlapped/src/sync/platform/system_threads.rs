//! The system's threads, and its clock.

use std::io;
use std::time::Instant;

pub(crate) use std::thread_local;

#[inline]
pub(in crate::sync) fn now() -> Instant {
    Instant::now()
}

pub(in crate::sync) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
