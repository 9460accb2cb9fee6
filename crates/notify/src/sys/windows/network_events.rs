//! The calls of Windows that let a socket report network events.
#![allow(unsafe_code)]

use super::{Event, Window};
use std::io;
use std::os::windows::io::AsRawSocket;
use windows_sys::Win32::Networking::WinSock::{
    SOCKET, WSAAsyncSelect, WSAEnumNetworkEvents, WSAEventSelect, WSANETWORKEVENTS,
};

fn raw(socket: &impl AsRawSocket) -> SOCKET {
    socket.as_raw_socket() as SOCKET
}

fn check(failed: i32) -> io::Result<()> {
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reports the events by an event object, which the caller keeps until the socket reports otherwise.
pub(crate) fn select_events(socket: &impl AsRawSocket, event: &Event, mask: i32) -> io::Result<()> {
    // SAFETY: socket and event are open during the call.
    check(unsafe { WSAEventSelect(raw(socket), event.handle() as isize, mask) })
}

/// Reports nothing any more, neither to an event object nor to a window.
pub(crate) fn select_nothing(socket: &impl AsRawSocket) -> io::Result<()> {
    // SAFETY: the socket is open; for an empty mask no event is needed.
    check(unsafe { WSAEventSelect(raw(socket), 0, 0) })
}

/// Reports the events to a window. One that is gone is an error.
pub(crate) fn select_messages(
    socket: &impl AsRawSocket,
    window: &Window,
    number: u32,
    mask: i32,
) -> io::Result<()> {
    // SAFETY: the socket is open; a number that is no window is only an error.
    check(unsafe { WSAAsyncSelect(raw(socket), window.handle(), number, mask) })
}

/// Takes the record: the events, and the error of each by its bit.
pub(crate) fn enumerate(
    socket: &impl AsRawSocket,
    event: Option<&Event>,
) -> io::Result<(i32, [i32; 10])> {
    let event = event.map_or(0, |event| event.handle() as isize);
    let mut record = WSANETWORKEVENTS { lNetworkEvents: 0, iErrorCode: [0; 10] };
    // SAFETY: socket and event, if there is one, are open, and the record lives through the call.
    check(unsafe { WSAEnumNetworkEvents(raw(socket), event, &mut record) })?;
    Ok((record.lNetworkEvents, record.iErrorCode))
}
