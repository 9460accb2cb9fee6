//! What the other parts ask of a socket, done by the library's plain [`Socket`].

use super::conversation::Line;
use super::door::Listener;
use super::stay::Member;
use overlapped_notify::Socket;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

impl Line for Socket {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Socket::receive(self, buffer)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        Socket::send(self, bytes)
    }

    fn abort(&self) {
        // One that is gone already needs no reset.
        let _ = Socket::abort(self);
    }
}

impl Member for Socket {
    fn cut(&self) {
        let _ = Socket::abort(self);
        // The client learns of it now, however long the handler keeps the socket open.
        let _ = self.shutdown(Shutdown::Both);
    }

    fn client(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }
}

impl Listener for Socket {
    type Line = Socket;

    fn next_client(&self) -> io::Result<Socket> {
        let (socket, _) = self.accept()?;
        set_options(&socket);
        Ok(socket)
    }
}

/// A connection that does not block, from one that a doorkeeper has accepted.
pub(crate) fn accepted(stream: TcpStream) -> io::Result<Socket> {
    let socket = Socket::try_from(stream)?;
    set_options(&socket);
    Ok(socket)
}

/// Sets the options of an accepted connection, where it does not inherit them from its listener.
fn set_options(socket: &Socket) {
    if cfg!(windows) {
        // One that is gone already takes none, and its first call will say so.
        let _ = socket.set_nodelay(true);
    }
}

/// A listener that does not block, from the one that a model is given.
pub(crate) fn listening(listener: TcpListener) -> io::Result<Socket> {
    // Accepted connections inherit it on Linux, so it costs no call for each.
    socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
    Socket::try_from(listener)
}
