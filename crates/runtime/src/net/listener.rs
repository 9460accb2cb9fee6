//! A listener. One accept is in flight at a time; it stays in flight when its future is dropped, and
//! the connection that it brings goes to the next call.

use super::family::{Family, Tcp};
use super::first_that_works;
use super::stream::Stream;
use crate::arrival::{Arrival, change};
use crate::executor::{Executor, current};
use crate::packets::{Key, Operation, Packets};
use crate::sync::Mutex;
use overlapped::{Accepted, ListenSocket};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::task::{Context, Poll};

/// How many clients may wait to be accepted.
pub(super) const BACKLOG: u32 = 1_024;

/// The accept that is in flight, what it brought, and who waits for it.
#[derive(Default)]
pub(crate) struct State(Mutex<Accepting>);

#[derive(Default)]
struct Accepting {
    is_in_flight: bool,
    arrival: Arrival<io::Result<Box<Accepted>>>,
}

impl State {
    pub(crate) fn accepted(&self, result: io::Result<Box<Accepted>>) {
        change(&self.0, |accepting| {
            accepting.is_in_flight = false;
            accepting.arrival.arrive(result)
        });
    }
}

/// A listener of TCP.
pub type TcpListener = Listener<Tcp>;

/// The handle of the port for a listener.
pub(crate) type Handle = overlapped::TcpListener<Packets>;

/// A listener: [`TcpListener`], or `UnixListener` on Linux.
///
/// ```
/// use overlapped_runtime::net::{TcpListener, TcpStream};
///
/// # let runtime = overlapped_runtime::Runtime::new()?;
/// # runtime.block_on(async {
/// let mut listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let client = overlapped_runtime::spawn(async move {
///     let mut stream = TcpStream::connect(address).await?;
///     stream.send("ping").await.0?;
///     stream.receive().await
/// });
/// let (mut stream, _) = listener.accept().await?;
/// while let Some(buffer) = stream.receive().await? {
///     stream.send(buffer).await.0?;
///     # break;
/// }
/// # drop(stream);
/// assert_eq!(client.await??.as_deref(), Some(&b"ping"[..]));
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Listener<F> {
    pub(super) listener: Handle,
    executor: Arc<Executor>,
    family: PhantomData<fn() -> F>,
}

impl TcpListener {
    /// Listens at an address, or at the first one of several that can be had. With the port 0 the
    /// system chooses one.
    ///
    /// A name is looked up here, while another thread is let in.
    ///
    /// # Errors
    /// No address was found, or none of them can be had.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        let executor = current::get("a listener");
        let socket = first_that_works(address, |address| ListenSocket::bind(address, BACKLOG))?;
        Self::associate(executor, socket)
    }

    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    /// It does not listen, or the system is short of memory.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::associate(current::get("a listener"), ListenSocket::try_from(listener)?)
    }

    /// The address at which it listens.
    ///
    /// # Errors
    /// The listener is closed.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl<F: Family> Listener<F> {
    pub(super) fn associate(executor: Arc<Executor>, socket: ListenSocket) -> io::Result<Self> {
        let key = Key::Listener(State::default());
        let listener = executor.port.associate(socket, key).map_err(|refused| refused.error)?;
        Ok(Self { listener, executor, family: PhantomData })
    }

    /// The next connection, and the address of its peer.
    ///
    /// Cancel safe: a connection that comes after the future was dropped goes to the next call.
    ///
    /// # Errors
    /// The listener is closed, or the system could not accept a connection.
    pub async fn accept(&mut self) -> io::Result<(Stream<F>, F::Address)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    /// The same, to be polled.
    pub fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream<F>, F::Address)>> {
        let Key::Listener(State(accepting)) = self.listener.key() else {
            unreachable!("a listener has the key of a listener")
        };
        let mut accepting = accepting.lock();
        if let Poll::Ready(came) = accepting.arrival.poll(context) {
            drop(accepting);
            return Poll::Ready(came.and_then(|accepted| self.accepted(*accepted)));
        }
        if !accepting.is_in_flight {
            // Its packet waits for the lock, should another thread take it at once.
            if let Err(refused) = self.listener.accept(Operation::Plain) {
                return Poll::Ready(Err(refused.error));
            }
            accepting.is_in_flight = true;
        }
        Poll::Pending
    }

    /// Closes the listener, and gives the connection that its accept has brought meanwhile, or the error
    /// that there is none.
    #[cfg(feature = "serve")]
    pub(crate) fn poll_last(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Stream<F>, F::Address)>> {
        self.listener.close();
        let Key::Listener(State(accepting)) = self.listener.key() else {
            unreachable!("a listener has the key of a listener")
        };
        let mut accepting = accepting.lock();
        // It is looked at first: what has come is not in flight any more.
        if let Poll::Ready(came) = accepting.arrival.poll(context) {
            drop(accepting);
            return Poll::Ready(came.and_then(|accepted| self.accepted(*accepted)));
        }
        match accepting.is_in_flight {
            true => Poll::Pending,
            false => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn accepted(&self, accepted: Accepted) -> io::Result<(Stream<F>, F::Address)> {
        let Accepted { socket, remote, .. } = accepted;
        let stream = Stream::<F>::associate(&self.executor, socket)?;
        let remote = F::of_accepted(remote, &stream)?;
        Ok((Stream::of(stream, Arc::clone(&self.executor)), remote))
    }
}

impl<F> Drop for Listener<F> {
    fn drop(&mut self) {
        // The accept in flight holds the listener. A client that it has accepted is reset.
        self.listener.close();
    }
}

impl<F: Family> fmt::Debug for Listener<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(F::LISTENER)
            .field("local", &F::local(&self.listener).ok())
            .finish_non_exhaustive()
    }
}
