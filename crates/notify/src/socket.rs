//! A plain socket, and the calls on it.

use crate::{EventObject, MessageWindow, NetworkEvents, NetworkRecord, platform, sys};
use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Names a [`Socket`]. It is never used again in this process, while the system gives the number of
/// a closed socket to the next one.
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

/// A plain socket: listening, connected or not, or for datagrams. It does not block from the start,
/// and belongs to no port.
///
/// All calls take `&self`; share it by an [`Arc`](std::sync::Arc). A call that cannot proceed fails
/// with `WouldBlock` (10035 on Windows), which is no error of the connection; any other error of a
/// receive or a send is the end of it. When it can proceed is learned by
/// [`select`](crate::select()), by [network events](Self::select_events) or by
/// [messages](Self::select_messages).
///
/// A socket reports to one event object, or to one window, at a time: the later call replaces the
/// earlier. Dropping the socket closes it, and it reports nothing more.
///
/// # Platform
/// On Linux a socket that was selected once makes its calls one after another, also those of several
/// threads: each is short, since it does not block.
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

    /// Its name, by which messages tell of it.
    #[must_use]
    pub fn id(&self) -> SocketId {
        self.id
    }

    pub(crate) fn platform(&self) -> &platform::Socket {
        &self.platform
    }

    /// Receives what is there, at most as much as there is room for. `Ok(0)`, unless there is no
    /// room, is the end of a stream. It enables `READ` and `OOB` again.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there. "Not connected" before the connection stands, "shut
    /// down" after our [`shutdown`](Self::shutdown). Otherwise the system's: a reset, for example,
    /// which every later call tells again, and which is never taken for the end.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.platform.receive(buffer)
    }

    /// Sends, and gives how many bytes were taken: not always all. When it fails with `WouldBlock`,
    /// it enables `WRITE` again.
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

    /// Accepts a connection, and gives it with the peer's address. It does not block either, and
    /// reports as its listener does, so a message of it may be queued when this returns. It enables
    /// `ACCEPT` again.
    ///
    /// # Errors
    /// `WouldBlock` when no connection waits. Otherwise the system's: for want of descriptors, or of
    /// that connection alone.
    pub fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let id = SocketId::new();
        let (platform, from) = self.platform.accept(id)?;
        Ok((Self { id, platform }, from))
    }

    /// Starts to connect. Whether that succeeds is learned by a select or `CONNECT`, and why not by
    /// [`connect_error`](Self::connect_error) or the event's error. After a failure the socket may
    /// connect again.
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
    /// that was sent. No `CLOSE` is told of it: that is the peer's end alone, which still is.
    /// Further receives, or sends, fail as "shut down", and neither `READ` nor `WRITE` is told for
    /// them.
    ///
    /// # Errors
    /// "Not connected" before the connection stands, while a connect goes on, and when it is over.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.platform.shutdown(how)
    }

    /// Lets the close be a reset: what was sent and has not left is discarded when the socket is
    /// dropped.
    ///
    /// # Errors
    /// The system's.
    pub fn abort(&self) -> io::Result<()> {
        self.platform.system.set_linger(Some(Duration::ZERO))
    }

    /// Why the last connect failed, which the socket functions call `SO_ERROR`: however often it is
    /// asked, and while the next connect goes on, until one succeeds. `None` when none has failed.
    /// How an established connection was lost is not told here, but by the receives and sends that
    /// follow.
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

    /// Reports the events of `mask` by the event object: each is recorded and sets `event`, in one
    /// step. [`enumerate_network_events`](Self::enumerate_network_events) takes them out of the
    /// record. Several sockets may share one event object; then ask all of them when it is set.
    ///
    /// A later call replaces the event object and the mask. What was recorded and not taken is not
    /// forgotten, and sets the new event object; what was taken is not recorded again before the
    /// call that enables it.
    ///
    /// # Errors
    /// `Unsupported` for `ROUTING_INTERFACE_CHANGE` and `ADDRESS_LIST_CHANGE`; otherwise the system's.
    /// Then nothing was changed.
    ///
    /// # Platform
    /// On Linux events are recorded when somebody waits for the event object, looks at it, or
    /// enumerates; nobody can tell the difference but by the number of system calls. On Windows
    /// data that comes after `READ` was taken out of the record, and before it was received, may
    /// record `READ` again; on Linux it does not.
    pub fn select_events(&self, event: &EventObject, mask: NetworkEvents) -> io::Result<()> {
        mask.check()?;
        self.platform.select_events(event, mask)
    }

    /// Reports the events of `mask` as messages with the number `message` in the queue of `window`.
    ///
    /// A later call replaces window, number and mask, and reports again what is true at that
    /// moment, but for `CONNECT`. There cannot be different numbers for different events.
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

    /// Reports nothing any more. The socket stays non-blocking. Messages that are queued may still
    /// come.
    ///
    /// # Errors
    /// The system's.
    pub fn select_nothing(&self) -> io::Result<()> {
        self.platform.select_nothing()
    }

    /// Takes out of the record what has happened of the mask, and resets `event` if there is one,
    /// in one step. What was recorded outside the mask stays.
    ///
    /// Give the event object here instead of resetting it yourself: between a reset and this call
    /// something could be recorded and its setting be lost.
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
