//! What ends a select of another thread: a datagram socket connected to itself, which is readable
//! once it was set. A select takes nothing but sockets, so an event object would not do.

use overlapped_notify::Socket;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct Wakeup {
    socket: Socket,
    /// Set, and not cleared since.
    is_set: AtomicBool,
}

impl Wakeup {
    pub(super) fn new() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Nobody else's datagrams arrive then.
        socket.connect(socket.local_addr()?)?;
        Ok(Self { socket: Socket::try_from(socket)?, is_set: AtomicBool::new(false) })
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Ends the select under way, or the next one.
    pub(super) fn set(&self) {
        if !self.is_set.swap(true, Ordering::SeqCst) {
            // There is room for one datagram.
            let _ = self.socket.send(&[0]);
        }
    }

    /// Makes it unreadable. Look at what it was set for afterwards: a later `set` makes it readable
    /// again.
    pub(super) fn clear(&self) {
        self.is_set.store(false, Ordering::SeqCst);
        let _ = self.socket.receive(&mut [0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overlapped_notify::{SocketSet, select};
    use std::time::Duration;

    fn is_readable(wakeup: &Wakeup) -> bool {
        let mut read = SocketSet::new();
        read.insert(wakeup.socket());
        select(Some(&mut read), None, None, Some(Duration::ZERO)).expect("it can be selected") == 1
    }

    #[test]
    fn it_wakes_until_it_is_cleared_and_then_again() {
        let wakeup = Wakeup::new().expect("a socket");
        assert!(!is_readable(&wakeup));
        wakeup.set();
        wakeup.set();
        assert!(is_readable(&wakeup) && is_readable(&wakeup));
        wakeup.clear();
        assert!(!is_readable(&wakeup), "two wake-ups are one");
        wakeup.set();
        assert!(is_readable(&wakeup));
    }
}
