//! What ends a select of another thread: a datagram socket connected to itself, which is readable
//! once it was rung. A select takes nothing but sockets, so an event object would not do.

use overlapped_notify::Socket;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) struct Bell {
    socket: Socket,
    /// Rung, and not hushed since.
    rings: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        // Nobody else's datagrams arrive then.
        socket.connect(socket.local_addr()?)?;
        Ok(Self { socket: Socket::try_from(socket)?, rings: AtomicBool::new(false) })
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Ends the select under way, or the next one.
    pub(super) fn ring(&self) {
        if !self.rings.swap(true, Ordering::SeqCst) {
            // There is room for one datagram.
            let _ = self.socket.send(&[0]);
        }
    }

    /// Makes it quiet. What it was rung for is looked at afterwards: whoever rings later rings
    /// again.
    pub(super) fn hush(&self) {
        self.rings.store(false, Ordering::SeqCst);
        let _ = self.socket.receive(&mut [0]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use overlapped_notify::{SocketSet, select};
    use std::time::Duration;

    fn rings(bell: &Bell) -> bool {
        let mut read = SocketSet::new();
        read.insert(bell.socket());
        select(Some(&mut read), None, None, Some(Duration::ZERO)).expect("it can be selected") == 1
    }

    #[test]
    fn it_rings_until_it_is_hushed_and_then_again() {
        let bell = Bell::new().expect("a socket");
        assert!(!rings(&bell));
        bell.ring();
        bell.ring();
        assert!(rings(&bell) && rings(&bell));
        bell.hush();
        assert!(!rings(&bell), "two rings are one");
        bell.ring();
        assert!(rings(&bell));
    }
}
