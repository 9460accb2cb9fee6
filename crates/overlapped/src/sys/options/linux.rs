//! What Linux calls by its own names.
#![allow(unsafe_code)]

use super::{SocketDescriptor, TcpInfo, microseconds, u32_at, u64_at};
use crate::sys::system::SystemSocket;
use socket2::SockRef;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

impl AsFd for SocketDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub(super) fn set_user_timeout(socket: &SystemSocket, timeout: Option<Duration>) -> io::Result<()> {
    // 0 would be the system's own.
    let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
    SockRef::from(socket).set_tcp_user_timeout(timeout)
}

/// Where the kernel's `struct tcp_info` has what is told here, in bytes; it only ever grows at its
/// end.
mod offset {
    pub(super) const SEND_SEGMENT: usize = 16;
    pub(super) const ROUND_TRIP_US: usize = 68;
    pub(super) const WINDOW_SEGMENTS: usize = 80;
    pub(super) const RECEIVED: usize = 128;
    pub(super) const LEAST_ROUND_TRIP_US: usize = 148;
    pub(super) const SENT: usize = 200;
    pub(super) const RESENT: usize = 208;
    pub(super) const END: usize = 216;
}

pub(super) fn tcp_info(socket: &SystemSocket) -> io::Result<TcpInfo> {
    let mut room = [0_u8; offset::END];
    let mut length = offset::END as libc::socklen_t;
    // SAFETY: the descriptor is open for the whole call, and the kernel writes at most `length` bytes
    // of the room, which has so many.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            room.as_mut_ptr().cast(),
            &mut length,
        )
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let told = &room[..room.len().min(length as usize)];
    let (window, segment) =
        (u32_at(told, offset::WINDOW_SEGMENTS), u32_at(told, offset::SEND_SEGMENT));
    Ok(TcpInfo {
        round_trip: u32_at(told, offset::ROUND_TRIP_US).map(microseconds),
        // All ones before the first was measured.
        least_round_trip: u32_at(told, offset::LEAST_ROUND_TRIP_US)
            .filter(|least| *least != u32::MAX)
            .map(microseconds),
        congestion_window_bytes: window
            .zip(segment)
            .map(|(window, segment)| u64::from(window) * u64::from(segment)),
        sent_bytes: u64_at(told, offset::SENT),
        resent_bytes: u64_at(told, offset::RESENT),
        received_bytes: u64_at(told, offset::RECEIVED),
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_are_those_of_the_c_library_as_far_as_it_knows_the_structure() {
        use std::mem::offset_of;
        assert_eq!(offset::SEND_SEGMENT, offset_of!(libc::tcp_info, tcpi_snd_mss));
        assert_eq!(offset::ROUND_TRIP_US, offset_of!(libc::tcp_info, tcpi_rtt));
        assert_eq!(offset::WINDOW_SEGMENTS, offset_of!(libc::tcp_info, tcpi_snd_cwnd));
    }
}
