//! Unix sockets of the standard library are associated as they are.

use crate::conn::sockets::{DatagramSocket, ListenSocket, TcpSocket};
use crate::error::Refused;
use crate::op::tcp_listener::TcpListener;
use crate::op::tcp_stream::TcpStream;
use crate::op::udp_socket::UdpSocket;
use crate::port::associate::{Associable, Association, sealed};
use crate::protocol::Protocol;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

macro_rules! unix_sockets {
    ($($standard:ident => $socket:ident, $handle:ident;)+) => { $(
        impl Associable for $standard {
            type Handle<P: Protocol> = $handle<P>;

            fn associate<P: Protocol>(
                self,
                port: &sealed::PortRef<'_, P>,
                key: P::Key,
            ) -> Association<$handle<P>, Self, P::Key> {
                let socket = match $socket::adopt_unix(self) {
                    Ok(socket) => socket,
                    Err((error, given)) => return Err(Refused::new(error, (given, key))),
                };
                let associated = socket.associate(port, key);
                associated
                    .map_err(|refused| refused.map(|(socket, key)| (socket.give_back_unix(), key)))
            }
        }

        impl sealed::Sealed for $standard {}
    )+ };
}

unix_sockets! {
    UnixStream => TcpSocket, TcpStream;
    UnixListener => ListenSocket, TcpListener;
    UnixDatagram => DatagramSocket, UdpSocket;
}
