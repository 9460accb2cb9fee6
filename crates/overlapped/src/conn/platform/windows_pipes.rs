//! Ends of named pipes that belong to no port yet.

use crate::conn::sockets::TcpSocket;
use crate::sys::family::NO_ADDRESS;
use crate::sys::socket::Socket;
use crate::sys::system::{Pipe, SystemSocket};
use std::ffi::OsStr;
use std::io;

/// Named pipes, of Windows only. Their ends are connections as those of TCP are, with the same
/// operations.
impl TcpSocket {
    /// The first instance of a new named pipe: one end of one connection, which waits for its client
    /// after its association ([`connect_named_pipe`](crate::TcpStream::connect_named_pipe)). The others
    /// are made by [`another_named_pipe`](Self::another_named_pipe).
    ///
    /// `name` is that of the pipe on this machine, with or without `\\.\pipe\` before it. Each client
    /// needs an instance of its own, and there may be `instances_max` of them; 255 stands for no limit.
    /// A client finds the pipe for as long as there is an instance, and is told that all are busy
    /// while none of them waits. So keep some waiting.
    ///
    /// The pipe carries bytes, without bounds of messages, in both directions. Clients of other machines
    /// are refused. Its rights are the system's default: the user, administrators and the system may
    /// use it, and others may only read.
    ///
    /// Its `local_addr` is `0.0.0.0:0`, and so is its `peer_addr` once it is connected: no connection of
    /// TCP has that.
    ///
    /// ```no_run
    /// # use overlapped::{Port, Protocol, TcpSocket};
    /// # fn serve<P: Protocol<Key = (), Operation = ()>>(port: &Port<P>) -> std::io::Result<()> {
    /// let first = port.associate(TcpSocket::named_pipe("example", 32)?, ())?;
    /// for _ in 1..8 {
    ///     let instance = port.associate(first.another_named_pipe()?, ())?;
    ///     instance.connect_named_pipe((), ())?;
    /// }
    /// first.connect_named_pipe((), ())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `AddrInUse` if there is a pipe of this name, so that nobody else's is joined by mistake;
    /// `InvalidInput` for a name that no pipe of this machine can have, and for 0 instances; the
    /// system's.
    pub fn named_pipe(name: impl AsRef<OsStr>, instances_max: u8) -> io::Result<Self> {
        Pipe::first(name.as_ref(), instances_max).map(Self::of_pipe)
    }

    /// Another instance of the named pipe that this one is an instance of.
    ///
    /// # Errors
    /// `ResourceBusy` if as many are in use as there may be. One whose client has not closed it may count,
    /// also when we have closed it. `Unsupported` for what is no server's end of a named pipe, and the
    /// system's.
    pub fn another_named_pipe(&self) -> io::Result<Self> {
        self.socket.another_named_pipe()
    }

    /// Opens the named pipe `name`, as a client: the connection to one of its instances. It is complete
    /// when this returns, and can be associated.
    ///
    /// It waits for nobody. The system has a call that waits for an instance (`WaitNamedPipe`), which
    /// would hold the thread; try again from a [timer](crate::Port::timer) of the port instead.
    ///
    /// The server may ask who the client is, and may not act in its name.
    ///
    /// # Errors
    /// `NotFound` if no server has a pipe of this name, `ResourceBusy` while each of its instances has a
    /// client, `InvalidInput` for a name that no pipe of this machine can have, `PermissionDenied`, and
    /// the system's.
    pub fn open_named_pipe(name: impl AsRef<OsStr>) -> io::Result<Self> {
        let opened = Self::of_pipe(Pipe::open(name.as_ref())?);
        Ok(Self { peer: Some(NO_ADDRESS), ..opened })
    }

    fn of_pipe(pipe: Pipe) -> Self {
        Self::from_socket(Socket::System(SystemSocket::of_pipe(pipe)))
    }
}

impl Socket {
    /// The named pipe that it is an end of.
    pub(crate) fn named_pipe(&self) -> io::Result<&Pipe> {
        let pipe = match self {
            Self::System(socket) => socket.pipe(),
            Self::Simulated(_) => None,
        };
        let why = "this is no named pipe";
        pipe.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, why))
    }

    /// A fresh instance of the same pipe.
    pub(crate) fn another_named_pipe(&self) -> io::Result<TcpSocket> {
        self.named_pipe()?.another().map(TcpSocket::of_pipe)
    }
}
