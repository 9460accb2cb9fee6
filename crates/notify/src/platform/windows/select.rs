//! A select on Windows, with sets of any length.

use crate::SocketSet;
use crate::select::Sought;
use crate::sys::{self, Array};
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
    for (sought, set) in sets {
        let mut ready = arrays[*sought as usize].sockets().to_vec();
        ready.sort_unstable();
        set.sockets.retain(|socket| ready.binary_search(&socket.platform().raw()).is_ok());
    }
    Ok(())
}
