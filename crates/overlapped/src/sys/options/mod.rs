//! Options of a socket of the system's, and what it tells of a connection.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as platform;
#[cfg(windows)]
use windows as platform;

use super::socket::Socket;
use super::system::SystemSocket;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;

/// When a connection that is silent is probed, and when it is given up
/// (see [`TcpStream::set_keep_alive`](crate::TcpStream::set_keep_alive)).
///
/// A part that is not set is the system's: on Linux two hours, 75 seconds and 9 probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct KeepAlive {
    /// How long the connection is silent before the first probe.
    pub time: Option<Duration>,
    /// How long after a probe without an answer the next one is sent.
    pub interval: Option<Duration>,
    /// After so many probes without an answer the connection is lost.
    pub probes: Option<u32>,
}

impl KeepAlive {
    /// Probes after the connection has been silent for `time`.
    pub fn after(time: Duration) -> Self {
        Self { time: Some(time), ..Self::default() }
    }

    /// With so much time between two probes.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval: Some(interval), ..self }
    }

    /// Gives the connection up after so many probes without an answer.
    #[must_use]
    pub fn probes(self, probes: u32) -> Self {
        Self { probes: Some(probes), ..self }
    }
}

/// What the system tells of a TCP connection. What it does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TcpInfo {
    /// The round-trip time, smoothed by the system.
    pub round_trip: Option<Duration>,
    /// The least round-trip time of late.
    pub least_round_trip: Option<Duration>,
    /// How many bytes the system lets be on their way without an answer.
    pub congestion_window_bytes: Option<u64>,
    /// Bytes of data that were sent, each time that they were.
    pub sent_bytes: Option<u64>,
    /// Bytes of data that were sent again.
    pub resent_bytes: Option<u64>,
    /// Bytes of data that came.
    pub received_bytes: Option<u64>,
}

/// Who the peer of a Unix socket was when it connected, or when it began to listen
/// (`TcpStream::unix_peer_credentials`, on Linux).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCredentials {
    /// The number of its process. It may have ended since, and another one may have its number.
    pub process: u32,
    /// The number of its user.
    pub user: u32,
    /// The number of its group.
    pub group: u32,
}

/// A descriptor of a socket, to set options by (`AsFd` on Linux, `AsSocket` on Windows).
///
/// It is a duplicate, of the same socket: what is set on it is set on the handle that it was asked
/// of. It stays what it is if another thread closes the handle, so it is never a stranger's. The
/// socket itself is closed when both are gone: while this is held, the peer of a closed handle sees
/// no end. So ask for it, set what is to be set, and drop it.
///
/// What the crate [socket2](https://docs.rs/socket2) can set, it sets by this as well:
///
/// ```
/// # use overlapped::{Port, Protocol, TcpSocket};
/// # struct Nothing;
/// # impl Protocol for Nothing { type Key = (); type Operation = (); type Message = (); }
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// # let port = Port::<Nothing>::new()?;
/// # let stream = port.associate(TcpSocket::try_from(client)?, ())?;
/// let descriptor = stream.descriptor()?;
/// socket2::SockRef::from(&descriptor).set_ttl_v4(20)?;
/// # assert_eq!(socket2::SockRef::from(&stream.descriptor()?).ttl_v4()?, 20);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Options may be set and read. Do not send, receive, accept, connect or shut down by it, and leave
/// the socket non-blocking. The library survives all of these, but operations of the handle may then
/// wait for what somebody else has taken, and a call on a socket that blocks keeps the threads that
/// use its handle.
#[derive(Debug)]
pub struct SocketDescriptor(pub(super) socket2::Socket);

impl Socket {
    /// A duplicate of the system's descriptor.
    pub(crate) fn descriptor(&self) -> io::Result<SocketDescriptor> {
        self.has_socket_option("a descriptor for options")?;
        match self {
            Self::System(socket) => SockRef::from(socket).try_clone().map(SocketDescriptor),
            Self::Simulated(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a socket of a simulated network has no descriptor",
            )),
        }
    }

    /// Sets an option, which a simulated network does not have.
    fn set(&self, set: impl FnOnce(&SystemSocket) -> io::Result<()>) -> io::Result<()> {
        match self {
            Self::System(socket) => set(socket),
            Self::Simulated(_) => Ok(()),
        }
    }

    pub(crate) fn set_keep_alive(&self, keep_alive: Option<KeepAlive>) -> io::Result<()> {
        self.has_tcp_option("keep-alive")?;
        self.set(|socket| {
            let socket = SockRef::from(socket);
            if let Some(keep_alive) = keep_alive {
                let mut parts = TcpKeepalive::new();
                if let Some(time) = keep_alive.time {
                    parts = parts.with_time(whole_seconds(time));
                }
                if let Some(interval) = keep_alive.interval {
                    parts = parts.with_interval(whole_seconds(interval));
                }
                if let Some(probes) = keep_alive.probes {
                    parts = parts.with_retries(probes);
                }
                socket.set_tcp_keepalive(&parts)?;
            }
            socket.set_keepalive(keep_alive.is_some())
        })
    }

    pub(crate) fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.has_tcp_option("the user time-out")?;
        self.set(|socket| platform::set_user_timeout(socket, timeout))
    }

    pub(crate) fn set_send_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.has_socket_option("the size of a buffer")?;
        self.set(|socket| SockRef::from(socket).set_send_buffer_size(bytes))
    }

    pub(crate) fn set_receive_buffer_size(&self, bytes: usize) -> io::Result<()> {
        self.has_socket_option("the size of a buffer")?;
        self.set(|socket| SockRef::from(socket).set_recv_buffer_size(bytes))
    }

    /// What the system tells; nothing of a simulated connection.
    pub(crate) fn tcp_info(&self) -> io::Result<TcpInfo> {
        self.has_tcp_option("TcpInfo")?;
        match self {
            Self::System(socket) => platform::tcp_info(socket),
            Self::Simulated(_) => Ok(TcpInfo::default()),
        }
    }
}

/// Some systems count in whole seconds, and refuse 0.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
        .max(Duration::from_secs(1))
}

fn microseconds(microseconds: u32) -> Duration {
    Duration::from_micros(microseconds.into())
}

/// The number at this place of what the system told, if it told so much.
fn u32_at(told: &[u8], offset: usize) -> Option<u32> {
    told.get(offset..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

/// The same for a long one.
fn u64_at(told: &[u8], offset: usize) -> Option<u64> {
    told.get(offset..)?.first_chunk().copied().map(u64::from_ne_bytes)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_never_cut_down_to_none() {
        let rounded = |ms| whole_seconds(Duration::from_millis(ms)).as_secs();
        assert_eq!([rounded(0), rounded(1), rounded(1_000), rounded(1_001)], [1, 1, 1, 2]);
    }

    #[test]
    fn what_an_older_system_does_not_tell_is_none() {
        assert_eq!(u32_at(&7_u32.to_ne_bytes(), 0), Some(7));
        assert_eq!(u64_at(&7_u64.to_ne_bytes(), 0), Some(7));
        assert_eq!((u32_at(&[0; 3], 0), u64_at(&[0; 8], 1)), (None, None));
    }
}
