//! The limits of time that a handle sets. What they do is in [`crate::conn::limits`].

use super::tcp_listener::TcpListener;
use super::tcp_stream::TcpStream;
use super::udp_socket::UdpSocket;
use crate::conn::limits::LeastRate;
use crate::conn::operation::Direction;
use crate::error::OperationId;
use crate::protocol::Protocol;
use std::io;
use std::time::Duration;

/// The method that any handle has.
macro_rules! limit_of_one {
    ($handle:ident) => {
        impl<P: Protocol> $handle<P> {
            /// Sets how long an operation in flight may take from now on; `None` takes its limit away.
            ///
            /// It may be called again and again, for any operation, and replaces what was set before,
            /// also by a limit for all operations of a direction. When the time is over the operation
            /// completes as by a [`cancel`](Self::cancel): at once, with what was transferred before,
            /// its buffers given back, and no byte lost. Only the error is another one: that of
            /// [`io::ErrorKind::TimedOut`], with the system's number for it (`ETIMEDOUT`,
            /// `WSAETIMEDOUT`). What is there when the time is over is a success.
            ///
            /// A limit of zero is over at once, and one beyond a hundred years is a hundred years.
            ///
            /// # Errors
            /// `NotFound` when no such operation is in flight: it has completed, which is a normal
            /// outcome of the race.
            ///
            /// # Platform
            /// On Windows it is a request to the kernel, as a cancel is: an operation that completes
            /// meanwhile keeps its result. The system's clock for this ticks every 16 ms there.
            pub fn set_limit(&self, id: OperationId, limit: Option<Duration>) -> io::Result<()> {
                self.0.set_limit(id, limit)
            }
        }
    };
}

/// The methods of handles whose operations transfer bytes.
macro_rules! limits_of_all {
    ($handle:ident) => {
        impl<P: Protocol> $handle<P> {
            /// Sets how long each receive may be in flight, of those that are started from now on;
            /// `None` takes the limit away. See [`set_limit`](Self::set_limit) for what happens then.
            pub fn set_receive_limit(&self, limit: Option<Duration>) {
                self.0.set_limit_of_each(Direction::Receive, limit);
            }

            /// Sets how long each operation that sends may be in flight, whatever its kind, of those
            /// that are started from now on; `None` takes the limit away. It counts from the start,
            /// so a send has its time together with those before it. See
            /// [`set_limit`](Self::set_limit) for what happens then.
            pub fn set_send_limit(&self, limit: Option<Duration>) {
                self.0.set_limit_of_each(Direction::Send, limit);
            }

            /// Sets how long nothing may be received and nothing sent while operations are in flight;
            /// `None` takes the limit away. When the time is over, all that are in flight complete as
            /// [`set_limit`](Self::set_limit) says. The handle stays as it is, and the limit goes on.
            ///
            /// The time begins anew with each byte, with the first operation that is started when
            /// none is in flight, and with this call. While none is, it does not run: the connection
            /// waits for your program then.
            ///
            /// # Platform
            /// On Windows the kernel says what it has transferred when an operation, or a step of it,
            /// is complete. So the limit must be longer than the longest send takes.
            pub fn set_idle_limit(&self, limit: Option<Duration>) {
                self.0.set_idle_limit(limit);
            }
        }
    };
}

limit_of_one!(TcpListener);
limit_of_one!(TcpStream);
limit_of_one!(UdpSocket);
limits_of_all!(TcpStream);
limits_of_all!(UdpSocket);

impl<P: Protocol> TcpStream<P> {
    /// Sets how many bytes must be received in a time while receives are in flight; `None` takes the
    /// limit away. After each such time with fewer bytes, the receives in flight complete as
    /// [`set_limit`](Self::set_limit) says; then the next one begins.
    ///
    /// The time runs over one receive after another, and stands still while none is in flight.
    pub fn set_least_receive_rate(&self, least: Option<LeastRate>) {
        self.0.set_least_rate(Direction::Receive, least);
    }

    /// The same for what the system takes of the sends in flight, and of a file that is transmitted.
    ///
    /// # Platform
    /// On Windows the kernel says what it has taken when a send, or a step of a longer operation, is
    /// complete. So the time must be longer than the longest send takes.
    pub fn set_least_send_rate(&self, least: Option<LeastRate>) {
        self.0.set_least_rate(Direction::Send, least);
    }
}
