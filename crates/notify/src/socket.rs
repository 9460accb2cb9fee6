//! A plain socket, and the calls on it.

use crate::{EventObject, MessageWindow, NetworkEvents, NetworkRecord, platform, sys};
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Names a [`Socket`]. No name is used twice in a process, while the system gives the number of a
/// closed socket to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub(crate) u64);

impl SocketId {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a socket is when it comes to us.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A stream that never connected.
    Fresh,
    Connected,
    Listening,
    Datagram,
}

/// A plain socket: listening, connected or not, or for datagrams. It is non-blocking from the
/// start, and belongs to no port.
///
/// All calls take `&self`; share it by an [`Arc`](std::sync::Arc). A call that cannot proceed fails
/// with `WouldBlock` (10035 on Windows), which is no error of the connection; any other error of a
/// receive or a send is the end of it. To learn when it can proceed, use
/// [`select`](crate::select()), [network events](Self::select_events) or
/// [messages](Self::select_messages).
///
/// A socket reports to one event object, or to one window, at a time: the later call replaces the
/// earlier. Dropping the socket closes it, and it reports nothing more.
///
/// # Platform
/// On Linux, once a socket was selected, calls of several threads on it are made one after another.
/// Each is short, since it does not block.
pub struct Socket {
    id: SocketId,
    platform: platform::Socket,
}

impl Socket {
    /// A fresh IPv4 stream socket, to be connected.
    ///
    /// # Errors
    /// The system's, for want of descriptors for example.
    pub fn stream_v4() -> io::Result<Self> {
        Ok(Self::make(sys::Socket::stream(sys::Family::V4)?, Kind::Fresh))
    }

    /// A fresh IPv6 stream socket, to be connected to addresses of IPv6.
    ///
    /// # Errors
    /// The system's, for want of descriptors for example.
    pub fn stream_v6() -> io::Result<Self> {
        Ok(Self::make(sys::Socket::stream(sys::Family::V6)?, Kind::Fresh))
    }

    fn make(system: sys::Socket, kind: Kind) -> Self {
        let id = SocketId::new();
        Self { id, platform: platform::Socket::new(id, system, kind) }
    }

    /// Its name, which messages carry.
    #[must_use]
    pub fn id(&self) -> SocketId {
        self.id
    }

    pub(crate) fn platform(&self) -> &platform::Socket {
        &self.platform
    }

    /// Receives what is there, at most as much as there is room for. `Ok(0)` is the end of a
    /// stream, if the buffer has room. It enables `READ` and `OOB` again.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there. "Not connected" before the connection stands, "shut
    /// down" after our [`shutdown`](Self::shutdown). Otherwise the system's: a reset, for example,
    /// which every later call reports again, and which never looks like the end.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.platform.receive(buffer)
    }

    /// Sends, and returns how many bytes the system took, which may be less than all. When it fails
    /// with `WouldBlock`, it enables `WRITE` again.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room. Otherwise the system's: a reset, for example.
    pub fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.platform.send(data)
    }

    /// Receives urgent ("out-of-band") data, of which there is one byte at the most. It enables
    /// `OOB` again.
    ///
    /// # Errors
    /// The system's; `InvalidInput` when there is none, on either system, or `WouldBlock`.
    pub fn receive_out_of_band(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.platform.receive_urgent(buffer)
    }

    /// Sends, and makes the last byte urgent.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_out_of_band(&self, data: &[u8]) -> io::Result<usize> {
        self.platform.send_urgent(data)
    }

    /// Accepts a connection, and returns it with the peer's address. The new socket is
    /// non-blocking, too, and reports to the same event object or window as its listener; so a
    /// message of it may be queued when this returns. The call enables `ACCEPT` again.
    ///
    /// # Errors
    /// `WouldBlock` when no connection waits. Otherwise the system's: for want of descriptors, or of
    /// that connection alone.
    pub fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let id = SocketId::new();
        let (platform, from) = self.platform.accept(id)?;
        Ok((Self { id, platform }, from))
    }

    /// Starts to connect. A select or `CONNECT` reports whether that succeeded;
    /// [`connect_error`](Self::connect_error) or the event's error says why not. After a failure
    /// the socket may connect again.
    ///
    /// # Errors
    /// `WouldBlock` says that it goes on. While it goes on, and when it is connected, the system's
    /// error for that. "Address family not supported" for an address of the other family. Otherwise
    /// the system's, and then nothing was started.
    ///
    /// # Platform
    /// On Linux each connect enables `CONNECT`. Windows names no call that does.
    pub fn connect(&self, address: SocketAddr) -> io::Result<()> {
        self.platform.connect(address)
    }

    /// Ends our sending, our receiving, or both. The peer sees the end of our sending after all
    /// that was sent. It is not reported as `CLOSE`, which is only for the peer's end and still
    /// comes for that. Further receives, or sends, fail as "shut down", and `READ`, or `WRITE`, is
    /// no longer reported.
    ///
    /// # Errors
    /// "Not connected" before the connection stands, while a connect goes on, and when it is over.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.platform.shutdown(how)
    }

    /// Makes the close a reset: when the socket is dropped, data that was sent and has not left yet
    /// is discarded.
    ///
    /// # Errors
    /// The system's.
    pub fn abort(&self) -> io::Result<()> {
        self.platform.system.set_linger(Some(Duration::ZERO))
    }

    /// Why the last connect failed, which the socket functions call `SO_ERROR`. It may be called
    /// any number of times, also while the next connect goes on, and answers the same until a
    /// connect succeeds. `None` when none has failed. The loss of an established connection is not
    /// reported here, but by the receives and sends that follow.
    ///
    /// # Errors
    /// The system's, when it cannot be asked.
    pub fn connect_error(&self) -> io::Result<Option<io::Error>> {
        self.platform.connect_error()
    }

    /// Whether calls that cannot proceed wait. Each of the three ways of selecting makes a socket
    /// non-blocking again.
    ///
    /// # Errors
    /// `InvalidInput` when it is to block and reports network events: select nothing first.
    pub fn set_blocking(&self, on: bool) -> io::Result<()> {
        self.platform.set_blocking(on)
    }

    /// Sends small data at once, instead of collecting it.
    ///
    /// # Errors
    /// The system's.
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        self.platform.system.set_nodelay(on)
    }

    /// Our address.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.platform.system.local_addr()
    }

    /// The peer's address.
    ///
    /// # Errors
    /// "Not connected" when there is none.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.platform.system.peer_addr()
    }

    /// From now on each event of `mask` is recorded and sets `event`, both in one step.
    /// [`enumerate_network_events`](Self::enumerate_network_events) takes them out of the record.
    /// Several sockets may share one event object; then enumerate the events of all of them when it
    /// is set.
    ///
    /// A later call replaces the event object and the mask. Events that were recorded and not taken
    /// stay recorded, and set the new event object. Events that were taken are not recorded again
    /// before the call that enables them.
    ///
    /// # Errors
    /// `Unsupported` for `ROUTING_INTERFACE_CHANGE` and `ADDRESS_LIST_CHANGE`; otherwise the system's.
    /// Then nothing was changed.
    ///
    /// # Platform
    /// On Linux events are recorded when a thread waits for the event object, looks at it, or
    /// enumerates. The only difference that shows is the number of system calls. On Windows data
    /// that comes after `READ` was taken out of the record, and before it was received, may record
    /// `READ` again; on Linux it does not.
    pub fn select_events(&self, event: &EventObject, mask: NetworkEvents) -> io::Result<()> {
        mask.check()?;
        self.platform.select_events(event, mask)
    }

    /// Reports the events of `mask` as messages with the number `message` in the queue of `window`.
    ///
    /// A later call replaces window, number and mask, and reports again what is true at that
    /// moment, except `CONNECT`. There cannot be different numbers for different events.
    ///
    /// # Errors
    /// As for [`select_events`](Self::select_events).
    pub fn select_messages(
        &self,
        window: &MessageWindow,
        message: u32,
        mask: NetworkEvents,
    ) -> io::Result<()> {
        mask.check()?;
        self.platform.select_messages(&window.system, message, mask)
    }

    /// From now on the socket reports nothing. The socket stays non-blocking. Messages that are
    /// queued may still come.
    ///
    /// # Errors
    /// The system's.
    pub fn select_nothing(&self) -> io::Result<()> {
        self.platform.select_nothing()
    }

    /// Takes the recorded events of the mask out of the record, and resets `event` if one is given,
    /// both in one step. Recorded events outside of the mask stay.
    ///
    /// Give the event object here instead of resetting it yourself. With two calls, an event could
    /// be recorded between them, and the event object would not show it.
    ///
    /// # Errors
    /// The system's; then nothing was taken.
    pub fn enumerate_network_events(
        &self,
        event: Option<&EventObject>,
    ) -> io::Result<NetworkRecord> {
        self.platform.enumerate(event)
    }
}

impl TryFrom<TcpStream> for Socket {
    type Error = io::Error;

    /// Takes a connection, and makes it non-blocking.
    fn try_from(stream: TcpStream) -> io::Result<Self> {
        Ok(Self::make(stream.try_into()?, Kind::Connected))
    }
}

impl TryFrom<TcpListener> for Socket {
    type Error = io::Error;

    /// Takes a listening socket, and makes it non-blocking.
    fn try_from(listener: TcpListener) -> io::Result<Self> {
        Ok(Self::make(listener.try_into()?, Kind::Listening))
    }
}

impl TryFrom<UdpSocket> for Socket {
    type Error = io::Error;

    /// Takes a datagram socket, and makes it non-blocking. `receive` and `send` are for one that is
    /// connected; a datagram larger than the buffer is cut off.
    fn try_from(socket: UdpSocket) -> io::Result<Self> {
        Ok(Self::make(socket.try_into()?, Kind::Datagram))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The error of [`Socket::set_blocking`] (M20).
pub(crate) fn cannot_block() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "a socket that reports network events cannot block: select nothing first",
    )
}
