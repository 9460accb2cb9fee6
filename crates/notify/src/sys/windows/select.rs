//! The select of Windows, with sets of any length.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::RawSocket;
use std::time::Duration;
use windows_sys::Win32::Networking::WinSock::{FD_SET, TIMEVAL, select as system_select};

/// A set as the system wants it: a number, padded to the size of an entry, and then so many entries.
/// `FD_SET` is the same with room for 64.
#[derive(Debug, Default)]
pub(crate) struct Array(Vec<usize>);

impl Array {
    pub(crate) fn new(sockets: impl Iterator<Item = RawSocket>) -> Self {
        let mut words = vec![0];
        words.extend(sockets.map(|socket| socket as usize));
        words[0] = words.len() - 1;
        Self(words)
    }

    /// The sockets in it.
    pub(crate) fn sockets(&self) -> &[usize] {
        match self.0.split_first() {
            // The number has 32 bits; on a system of 64 the padding behind it was set to 0.
            Some((count, sockets)) => &sockets[..(*count as u32 as usize).min(sockets.len())],
            None => &[],
        }
    }

    /// Null for a set of nothing, which the system would refuse (M30).
    fn pointer(&mut self) -> *mut FD_SET {
        if self.sockets().is_empty() { std::ptr::null_mut() } else { self.0.as_mut_ptr().cast() }
    }
}

/// Waits, and leaves in each array those that are ready. At least one of them holds a socket.
pub(crate) fn select(arrays: &mut [Array; 3], timeout: Option<Duration>) -> io::Result<()> {
    let time = timeout.map(|timeout| {
        let micros = timeout.as_nanos().div_ceil(1000);
        TIMEVAL {
            tv_sec: i32::try_from(micros / 1_000_000).unwrap_or(i32::MAX),
            tv_usec: (micros % 1_000_000) as i32,
        }
    });
    let time = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let [read, write, except] = arrays;
    let (read, write, except) = (read.pointer(), write.pointer(), except.pointer());
    // SAFETY: each pointer is null or that of a number and so many sockets, in a layout that the
    // system reads up to that number, and writes no further; the borrows last through the call.
    let ready = unsafe { system_select(0, read, write, except, time) };
    match ready {
        0 => {
            // Not every version empties the sets when the time is over (M36).
            arrays.iter_mut().for_each(|array| *array = Array::default());
            Ok(())
        }
        count if count > 0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
