//! A select on Windows, with sets of any length.

use crate::select::Sought;
use crate::sys::{self, Array};
use crate::{Socket, SocketSet};
use std::io;
use std::os::windows::io::AsRawSocket;
use std::time::Duration;

pub(crate) fn select(
    sets: &mut [(Sought, &mut SocketSet<'_>)],
    timeout: Option<Duration>,
) -> io::Result<()> {
    let mut arrays = [Array::default(), Array::default(), Array::default()];
    for (sought, set) in sets.iter() {
        let sockets = set.iter().map(|socket| socket.platform().system.as_raw_socket());
        arrays[*sought as usize] = Array::new(sockets);
    }
    sys::select(&mut arrays, timeout)?;
    let ready = arrays.map(|array| {
        let mut sockets = array.sockets().to_vec();
        sockets.sort_unstable();
        sockets
    });
    let is_in = |sought: Sought, socket: &Socket| {
        ready[sought as usize].binary_search(&socket.platform().raw()).is_ok()
    };
    // A failed connect is an exception and nothing else (M39). Wine may call it readable, too, when it
    // failed before the select began.
    let has_failed = |socket: &Socket| {
        is_in(Sought::Except, socket) && !socket.platform().system.has_connected()
    };
    for (sought, set) in sets {
        let is_ready = |socket: &Socket| {
            is_in(*sought, socket) && (*sought == Sought::Except || !has_failed(socket))
        };
        set.sockets.retain(|socket| is_ready(socket));
    }
    Ok(())
}
