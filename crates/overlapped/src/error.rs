//! What a start that fails at once gives back, and what an error says that its kind does not.

use crate::sys::code;
use std::any::Any;
use std::fmt;
use std::io;

/// An error together with everything that was moved into the failed call.
///
/// Nothing was queued for it. `?` turns it into the [`io::Error`] and drops the rest. If it is of the
/// start of an operation, [`or_packet`](crate::OrPacket::or_packet) queues it as that operation's
/// packet.
pub struct Refused<T> {
    /// What was wrong, with the code of the operating system where it has one.
    pub error: io::Error,
    /// What the call was given.
    pub returned: T,
    /// There for the start of an operation.
    way: Option<Box<dyn Way<T>>>,
}

/// How the packet of an operation that was refused is made, and where it goes.
pub(crate) trait Way<T>: Send + Sync {
    /// Queues the packet. With an `answer`, which is an `Option<Started<_>>` of the port's packets, it
    /// may go there instead, and what became of it goes there in any case.
    fn deliver(self: Box<Self>, error: io::Error, returned: T, answer: Option<&mut dyn Any>);
}

impl<T> Refused<T> {
    pub(crate) fn new(error: io::Error, returned: T) -> Self {
        Self { error, returned, way: None }
    }

    /// The same of the start of an operation.
    pub(crate) fn of_start(error: io::Error, returned: T, way: impl Way<T> + 'static) -> Self {
        Self { error, returned, way: Some(Box::new(way)) }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Refused<U> {
        Refused::new(self.error, change(self.returned))
    }

    /// Makes its packet, if it is of the start of an operation; see [`Way::deliver`].
    pub(crate) fn deliver(self, answer: Option<&mut dyn Any>) {
        if let Some(way) = self.way {
            way.deliver(self.error, self.returned, answer);
        }
    }
}

impl<T> From<Refused<T>> for io::Error {
    fn from(refused: Refused<T>) -> Self {
        refused.error
    }
}

impl<T> fmt::Debug for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Refused<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// Names one operation of one handle, for [`cancel`](crate::TcpStream::cancel).
///
/// A handle uses a number again only after two thousand million operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationId(pub(crate) u32);

/// The result of an operation that was never performed.
pub(crate) fn not_performed<T>() -> io::Result<T> {
    Err(io::Error::from(io::ErrorKind::WouldBlock))
}

/// The error of an operation that was cancelled, or whose handle was closed (P132, P140).
pub(crate) fn aborted() -> io::Error {
    code::error(code::CANCELED)
}

/// The error of an operation whose time was over.
pub(crate) fn timed_out() -> io::Error {
    code::error(code::TIMED_OUT)
}

/// The error of a call for an operation that has completed.
pub(crate) fn not_in_flight() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "no such operation is in flight: it completed before it could be reached",
    )
}

/// How the connection was lost, if this error of an operation says that it was.
pub(crate) fn loss(error: &io::Error) -> Option<i32> {
    code::loss(error.raw_os_error()?)
}

/// The error of a call on a port that is closed.
pub(crate) fn port_closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the completion port is closed")
}

/// Whether an operation was *aborted*: it was cancelled, or its handle was closed.
///
/// It works on every system. [`io::ErrorKind`] has no kind for this: the standard library gives
/// `ECANCELED` (125) of Linux no kind, and gives 995 of Windows the kind of a timeout,
/// [`io::ErrorKind::TimedOut`]. So call this before you look at the kind.
///
/// ```
/// use overlapped::{Buffer, Packet, Port, Protocol, is_aborted};
/// # use overlapped::TcpSocket;
/// # struct Nothing;
/// # impl Protocol for Nothing { type Key = (); type Operation = (); type Message = (); }
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let socket = TcpSocket::try_from(std::net::TcpStream::connect(listener.local_addr()?)?)?;
/// # let port = Port::<Nothing>::new()?;
/// # let stream = port.associate(socket, ())?;
/// stream.receive(Buffer::with_capacity(100), ())?;
/// stream.cancel_all();
/// match port.take().unwrap() {
///     Packet::Received { result: Err(error), .. } if is_aborted(&error) => {} // By us.
///     _ => panic!("nothing was sent, and nobody reset the connection"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_aborted(error: &io::Error) -> bool {
    error.raw_os_error() == Some(code::CANCELED)
}

/// Whether the peer, or something between, has *reset* the connection: it is over, and what was not
/// received or sent yet is lost.
///
/// It is so for every operation of that connection, on every system. A system may say of a send only
/// that nobody receives any more (`EPIPE` of Linux, 232 of Windows); that is a reset, too. A
/// connect that nobody listens for is [`ConnectionRefused`](io::ErrorKind::ConnectionRefused), and an
/// operation that ends because you have closed its handle is [aborted](is_aborted): neither is a
/// reset.
///
/// ```
/// use overlapped::is_reset;
/// use std::io::{Error, ErrorKind};
///
/// assert!(is_reset(&Error::from(ErrorKind::ConnectionReset)));
/// assert!(!is_reset(&Error::from(ErrorKind::ConnectionRefused)));
/// ```
pub fn is_reset(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(number) => code::loss(number) == Some(code::RESET),
        None => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// Whether the time of an operation was over (`ETIMEDOUT`, 110, of Linux; `WSAETIMEDOUT`, 10060, of
/// Windows): a limit of yours, such as that of [`set_limit`](crate::TcpStream::set_limit), or the
/// peer of a connection did not answer the system for too long. After the latter every later start
/// fails; after a limit the connection is as it was.
///
/// It is the same on every system. The kind alone does not tell: on Windows an
/// [aborted](is_aborted) operation has the kind [`TimedOut`](io::ErrorKind::TimedOut), too, and is
/// none.
///
/// ```
/// use overlapped::{is_timed_out, Port, Protocol, TakeError};
/// # struct Nothing;
/// # impl Protocol for Nothing { type Key = (); type Operation = (); type Message = (); }
/// # let port = Port::<Nothing>::new()?;
/// let error = port.take_timeout(std::time::Duration::from_millis(1)).err();
/// assert_eq!(error, Some(TakeError::TimedOut));
/// assert!(error.is_some_and(|error| is_timed_out(&error.into())), "as an io::Error");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn is_timed_out(error: &io::Error) -> bool {
    match error.raw_os_error() {
        Some(number) => number == code::TIMED_OUT,
        None => error.kind() == io::ErrorKind::TimedOut,
    }
}
