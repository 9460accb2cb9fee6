//! How a socket leaves its port without being closed.

use super::handle::Handle;
use super::operation::Operation;
use super::sockets::TcpSocket;
use crate::error::Refused;
use crate::sys::code;
use std::io;

impl<O: Operation> Handle<O> {
    /// Takes the socket out of the port, if this is the last handle. An operation that is in flight,
    /// and a packet that was not taken, hold one.
    pub(crate) fn into_socket(mut self) -> Result<TcpSocket, Refused<Self>> {
        if !self.is_last() {
            let why = "the socket stays with its port: another handle of it is held, \
                       by the program, by an operation in flight, or by a packet that was not taken";
            let error = io::Error::new(io::ErrorKind::ResourceBusy, why);
            return Err(Refused::new(error, self));
        }
        match self.take_out() {
            Ok(socket) => Ok(socket),
            Err(error) => Err(Refused::new(error, self)),
        }
    }

    fn take_out(&self) -> io::Result<TcpSocket> {
        let mut at = self.lock();
        self.connections().scheduler.backend().release(at.open_socket()?)?;
        at.take_socket().ok_or_else(|| code::error(code::CLOSED))
    }
}
