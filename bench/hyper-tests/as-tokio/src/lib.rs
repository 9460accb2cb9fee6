//! What hyper's own tests take from tokio, on the runtime of Overlapped. The tests have this crate under the name
//! `tokio`.
//!
//! Streams, listeners, tasks, timers and `#[tokio::test]` are ours. Tokio's remain its traits, its channels, its
//! streams in memory (`duplex`), and its macros, none of which need its runtime.

pub use task::spawn;
pub use tokio::{io, join, pin, select, sync, test};

/// Listeners and streams.
pub mod net {
    use overlapped_runtime::net;
    use std::future::poll_fn;
    use std::io::{self, IoSlice};
    use std::net::{SocketAddr, ToSocketAddrs};
    use std::pin::Pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    /// A listener that is shared where it accepts, as tokio's is.
    #[derive(Debug)]
    pub struct TcpListener(Mutex<net::TcpListener>);

    impl TcpListener {
        /// Listens at an address.
        pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
            net::TcpListener::bind(address).map(|listener| Self(Mutex::new(listener)))
        }

        /// Takes over a listener of the standard library.
        pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
            net::TcpListener::from_std(listener).map(|listener| Self(Mutex::new(listener)))
        }

        /// The address at which it listens.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.lock().expect("nobody panics").local_addr()
        }

        /// The next connection.
        pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            let accept =
                poll_fn(|context| self.0.lock().expect("nobody panics").poll_accept(context));
            accept.await.map(|(stream, peer)| (TcpStream(stream), peer))
        }
    }

    /// A stream that is read and written by copying.
    #[derive(Debug)]
    pub struct TcpStream(net::TcpStream);

    impl TcpStream {
        /// Connects to an address.
        pub async fn connect(address: impl net::ToAddresses) -> io::Result<Self> {
            net::TcpStream::connect(address).await.map(Self)
        }

        /// The address of the peer.
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            self.0.peer_addr()
        }

        fn inner(self: Pin<&mut Self>) -> Pin<&mut net::TcpStream> {
            Pin::new(&mut self.get_mut().0)
        }
    }

    #[cfg(feature = "hyper-io")]
    use hyper::rt::Write;
    #[cfg(not(feature = "hyper-io"))]
    use tokio::io::AsyncWrite as Write;

    impl AsyncRead for TcpStream {
        #[cfg(not(feature = "hyper-io"))]
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            AsyncRead::poll_read(self.inner(), context, room)
        }

        #[cfg(feature = "hyper-io")]
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            room: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let mut inner = hyper::rt::ReadBuf::new(room.initialize_unfilled());
            let poll = hyper::rt::Read::poll_read(self.inner(), context, inner.unfilled());
            let count = inner.filled().len();
            room.advance(count);
            poll
        }
    }

    impl AsyncWrite for TcpStream {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Write::poll_write(self.inner(), context, bytes)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            Write::poll_write_vectored(self.inner(), context, slices)
        }

        fn is_write_vectored(&self) -> bool {
            Write::is_write_vectored(&self.0)
        }

        fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Write::poll_flush(self.inner(), context)
        }

        fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Write::poll_shutdown(self.inner(), context)
        }
    }
}

/// Runtimes.
pub mod runtime {
    pub use overlapped_runtime::Runtime;
    use std::io;

    /// A builder with tokio's methods.
    #[derive(Debug)]
    pub struct Builder(overlapped_runtime::Builder);

    impl Builder {
        /// One task runs at a time, on whichever thread.
        pub fn new_current_thread() -> Self {
            Self(Runtime::builder().concurrency(1))
        }

        /// As many tasks run as there are processors, or [`worker_threads`](Self::worker_threads).
        pub fn new_multi_thread() -> Self {
            Self(Runtime::builder())
        }

        /// How many tasks run at the same time.
        pub fn worker_threads(self, count: usize) -> Self {
            Self(self.0.concurrency(count))
        }

        /// Everything is there in any case.
        pub fn enable_all(self) -> Self {
            self
        }

        /// Starts the runtime.
        pub fn build(self) -> io::Result<Runtime> {
            self.0.build()
        }
    }
}

/// Tasks.
pub mod task {
    pub use overlapped_runtime::{JoinHandle, spawn, yield_now};
}

/// Timers.
pub mod time {
    pub use overlapped_runtime::time::{Sleep, sleep, sleep_until, timeout};
    pub use std::time::{Duration, Instant};
}
