//! What Windows calls by its own names.
#![allow(unsafe_code)]

use super::{SocketDescriptor, TcpInfo, microseconds, u32_at, u64_at};
use crate::sys::system::{SystemSocket, set_option};
use std::io;
use std::mem::offset_of;
use std::os::windows::io::{AsRawSocket, AsSocket, BorrowedSocket};
use std::ptr::null_mut;
use std::time::Duration;
use windows_sys::Win32::Networking::WinSock::{
    IPPROTO_TCP, SIO_TCP_INFO, SOCKET, TCP_INFO_v0, TCP_MAXRT, WSAIoctl,
};

impl AsSocket for SocketDescriptor {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        self.0.as_socket()
    }
}

/// Windows counts it in whole seconds.
pub(super) fn set_user_timeout(socket: &SystemSocket, timeout: Option<Duration>) -> io::Result<()> {
    let seconds = timeout.map_or(0, |timeout| super::whole_seconds(timeout).as_secs());
    let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    set_option(socket, IPPROTO_TCP, TCP_MAXRT, seconds.cast_unsigned())
}

/// A system that knows no such call, before Windows 10 of 2017 and under Wine, tells nothing.
pub(super) fn tcp_info(socket: &SystemSocket) -> io::Result<TcpInfo> {
    let version = 0_u32;
    let mut room = [0_u8; size_of::<TCP_INFO_v0>()];
    let mut returned = 0;
    // SAFETY: the socket is open for the whole call, input and output are as long as is said, and
    // without an overlapped structure nothing is kept after the call.
    let failed = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as SOCKET,
            SIO_TCP_INFO,
            (&raw const version).cast(),
            size_of_val(&version) as u32,
            room.as_mut_ptr().cast(),
            room.len() as u32,
            &mut returned,
            null_mut(),
            None,
        )
    };
    let told = if failed == 0 { &room[..room.len().min(returned as usize)] } else { &[] };
    let short = |offset| u32_at(told, offset);
    let long = |offset| u64_at(told, offset);
    Ok(TcpInfo {
        round_trip: short(offset_of!(TCP_INFO_v0, RttUs)).map(microseconds),
        least_round_trip: short(offset_of!(TCP_INFO_v0, MinRttUs)).map(microseconds),
        congestion_window_bytes: short(offset_of!(TCP_INFO_v0, Cwnd)).map(u64::from),
        sent_bytes: long(offset_of!(TCP_INFO_v0, BytesOut)),
        resent_bytes: short(offset_of!(TCP_INFO_v0, BytesRetrans)).map(u64::from),
        received_bytes: long(offset_of!(TCP_INFO_v0, BytesIn)),
    })
}
