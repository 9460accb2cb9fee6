//! Datagrams: whole, in order unless the seed says otherwise, and lost when there is no room.

use super::connection::loopback_of;
use super::peer::Outside;
use super::socket::SimulatedSocket;
use super::state::{Flags, Role, Shared, SocketId, State, Transport};
use crate::buffer::datagrams::Arrival;
use crate::buffer::{DatagramInfo, Datagrams};
use crate::sys::code;
use crate::sys::socket::BATCH_MAX;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a datagram over IPv4, and one over IPv6, holds at the most.
const LONGEST_BYTES: [usize; 2] = [65_507, 65_527];
/// How often, on average, a datagram overtakes the one before when there is a seed.
const OVERTAKES_ONE_IN: u64 = 8;

/// The index of the one interface that there is.
const INTERFACE: u32 = 1;

/// The datagrams that have come to a socket and were not received.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    datagrams: VecDeque<(DatagramInfo, Vec<u8>)>,
    /// What is to be told: that nobody is at the peer of a connected socket.
    error: Option<i32>,
}

impl Inbox {
    /// Whether a receive has nothing to tell.
    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty() && self.error.is_none()
    }

    pub(super) fn bytes(&self) -> usize {
        self.datagrams.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// As [`Inbox::bytes`], where an empty datagram takes room, too.
    fn taken(&self) -> usize {
        self.datagrams.iter().map(|(_, bytes)| bytes.len().max(1)).sum()
    }

    fn tell(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), |error| Err(code::error(error)))
    }

    fn next(&mut self) -> io::Result<(DatagramInfo, Vec<u8>)> {
        self.tell()?;
        self.datagrams.pop_front().ok_or_else(|| code::error(code::WOULD_BLOCK))
    }
}

impl State {
    fn datagrams(&mut self, id: SocketId) -> io::Result<&mut Inbox> {
        match &mut self.endpoint(id)?.role {
            Role::Datagrams(inbox) => Ok(inbox),
            _ => Err(code::error(code::INVALID)),
        }
    }

    /// Takes one datagram: how many bytes of it fitted, and who sent it, or "message too long" when
    /// more did not fit and are lost.
    pub(super) fn receive_from(
        &mut self,
        id: SocketId,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<SocketAddr>)> {
        let (info, bytes) = self.datagrams(id)?.next()?;
        let fits = copy(&bytes, buffer);
        let is_whole = fits == bytes.len();
        let sender = info.peer.filter(|_| is_whole);
        Ok((fits, sender.ok_or_else(|| code::error(code::MESSAGE_TOO_LONG))))
    }

    /// Takes as many datagrams as there are, and slots for them.
    pub(super) fn receive_batch(
        &mut self,
        id: SocketId,
        datagrams: &mut Datagrams,
    ) -> io::Result<()> {
        let inbox = self.datagrams(id)?;
        inbox.tell()?;
        let mut arrivals = Vec::new();
        for slot in datagrams.slots_mut().take(BATCH_MAX) {
            let Some((info, bytes)) = inbox.datagrams.pop_front() else { break };
            let length = copy(&bytes, slot);
            arrivals.push(Arrival { info, length, is_truncated: length < bytes.len() });
        }
        if arrivals.is_empty() {
            return Err(code::error(code::WOULD_BLOCK));
        }
        arrivals.into_iter().for_each(|arrival| datagrams.arrived(arrival));
        Ok(())
    }

    /// Sends the bytes as one datagram, which never waits.
    pub(super) fn send_datagram(
        &mut self,
        id: SocketId,
        info: &DatagramInfo,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        self.datagrams(id)?.tell()?;
        let endpoint = self.endpoint(id)?;
        let Some(local) = endpoint.local else {
            return Err(code::error(code::INVALID));
        };
        let connected = endpoint.remote;
        let Some(address) = info.peer.or(connected) else {
            return Err(code::error(code::NO_DESTINATION));
        };
        if [Some(address.ip()), info.local]
            .iter()
            .flatten()
            .any(|ip| ip.is_ipv4() != local.is_ipv4())
        {
            return Err(code::error(code::FAMILY_NOT_SUPPORTED));
        }
        if address.port() == 0 || info.interface.is_some_and(|index| index > INTERFACE) {
            return Err(code::error(code::INVALID));
        }
        if bytes.len() > LONGEST_BYTES[usize::from(address.is_ipv6())] {
            return Err(code::error(code::MESSAGE_TOO_LONG));
        }
        let to_ip = address.ip();
        let to_ip = if to_ip.is_unspecified() { loopback_of(to_ip) } else { to_ip };
        let from_ip = match info.local.filter(|ip| !ip.is_unspecified()) {
            Some(ip) if ip == local.ip() || (local.ip().is_unspecified() && ip.is_loopback()) => ip,
            Some(_) => return Err(code::error(code::ADDRESS_NOT_AVAILABLE)),
            None if local.ip().is_unspecified() => to_ip,
            None => local.ip(),
        };
        let from = SocketAddr::new(from_ip, local.port());
        let to = SocketAddr::new(to_ip, address.port());
        match self.holder_of(Transport::Datagram, to) {
            Some(receiver) => {
                let info = DatagramInfo {
                    peer: Some(from),
                    local: Some(to_ip),
                    interface: Some(INTERFACE),
                    ecn: info.ecn,
                    segment_size: None,
                };
                self.deliver(receiver, info, bytes)
            }
            None if connected == Some(to) => {
                self.datagrams(id)?.error = Some(code::REFUSED);
                self.signal(id, Flags::READABLE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whom the socket exchanges datagrams with from now on.
    pub(super) fn connect_datagrams(&mut self, id: SocketId, to: SocketAddr) -> io::Result<()> {
        self.datagrams(id)?;
        let ip = if to.ip().is_unspecified() { loopback_of(to.ip()) } else { to.ip() };
        self.endpoint(id)?.remote = Some(SocketAddr::new(ip, to.port()));
        Ok(())
    }

    fn deliver(&mut self, id: SocketId, info: DatagramInfo, bytes: Vec<u8>) -> io::Result<()> {
        let capacity = self.capacity;
        let overtakes = self.random.chance(OVERTAKES_ONE_IN);
        let is_strangers = self.endpoint(id)?.remote.is_some_and(|peer| Some(peer) != info.peer);
        let inbox = self.datagrams(id)?;
        if is_strangers || inbox.taken() >= capacity {
            return Ok(());
        }
        let before = inbox.datagrams.len().saturating_sub(usize::from(overtakes));
        inbox.datagrams.insert(before, (info, bytes));
        self.signal(id, Flags::READABLE);
        Ok(())
    }
}

/// Copies what fits; gives how much that is.
fn copy(bytes: &[u8], room: &mut [u8]) -> usize {
    let fits = bytes.len().min(room.len());
    room[..fits].copy_from_slice(&bytes[..fits]);
    fits
}

/// A datagram socket of the outside in a [`Network`](super::Network). A receive blocks, at most for
/// ten seconds, and then fails with [`io::ErrorKind::TimedOut`].
#[derive(Debug)]
pub struct DatagramPeer(Outside);

impl DatagramPeer {
    pub(super) fn bind(shared: &Arc<Shared>, address: SocketAddr) -> io::Result<Self> {
        Ok(Self(Outside::new(SimulatedSocket::datagrams(shared, address)?)?))
    }

    /// Sends one datagram.
    ///
    /// # Errors
    /// The system's "message too long", and "address family not supported" for an address of the
    /// other family.
    pub fn send_to(&self, bytes: &[u8], address: SocketAddr) -> io::Result<()> {
        let socket = &self.0.socket;
        socket.shared().state.lock().send_datagram(socket.id(), &address.into(), bytes.to_vec())
    }

    /// Receives one datagram, waiting for it; returns its length and its sender. What does not fit
    /// is an error, and the rest of that datagram is lost.
    ///
    /// # Errors
    /// The system's "message too long"; `TimedOut` when nothing came for ten seconds.
    pub fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (length, from) =
            self.0.wait_for("a datagram", |state, id| state.receive_from(id, buffer))?;
        Ok((length, from?))
    }

    /// The address that datagrams reach.
    ///
    /// # Errors
    /// None in practice.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.socket.local_addr()
    }
}
