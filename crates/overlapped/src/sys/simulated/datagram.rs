//! Datagrams: whole, in order unless the seed says otherwise, and lost when there is no room.

use super::connection::loopback_of;
use super::peer::Outside;
use super::socket::SimulatedSocket;
use super::state::{Flags, Role, Shared, SocketId, State, Transport};
use crate::sys::code;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;

/// What a datagram over IPv4, and one over IPv6, holds at the most.
const LONGEST_BYTES: [usize; 2] = [65_507, 65_527];
/// How often, on average, a datagram overtakes the one before when there is a seed.
const OVERTAKES_ONE_IN: u64 = 8;

/// The datagrams that have come to a socket and were not received.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Inbox {
    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        self.datagrams.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// As [`Inbox::bytes`], where an empty datagram takes room, too.
    fn taken(&self) -> usize {
        self.datagrams.iter().map(|(_, bytes)| bytes.len().max(1)).sum()
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
        let Some((from, bytes)) = self.datagrams(id)?.datagrams.pop_front() else {
            return Err(code::error(code::WOULD_BLOCK));
        };
        let fits = bytes.len().min(buffer.len());
        buffer[..fits].copy_from_slice(&bytes[..fits]);
        let is_whole = fits == bytes.len();
        let sender = if is_whole { Ok(from) } else { Err(code::error(code::MESSAGE_TOO_LONG)) };
        Ok((fits, sender))
    }

    /// Sends the buffers as one datagram, which never waits.
    pub(super) fn send_to(
        &mut self,
        id: SocketId,
        buffers: &[IoSlice<'_>],
        address: SocketAddr,
    ) -> io::Result<()> {
        self.datagrams(id)?;
        let Some(local) = self.endpoint(id)?.local else {
            return Err(code::error(code::INVALID));
        };
        if local.is_ipv4() != address.is_ipv4() {
            return Err(code::error(code::FAMILY_NOT_SUPPORTED));
        }
        if address.port() == 0 {
            return Err(code::error(code::INVALID));
        }
        let bytes: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        if bytes.len() > LONGEST_BYTES[usize::from(address.is_ipv6())] {
            return Err(code::error(code::MESSAGE_TOO_LONG));
        }
        let to_ip = address.ip();
        let to_ip = if to_ip.is_unspecified() { loopback_of(to_ip) } else { to_ip };
        let from_ip = if local.ip().is_unspecified() { to_ip } else { local.ip() };
        let from = SocketAddr::new(from_ip, local.port());
        let to = SocketAddr::new(to_ip, address.port());
        if let Some(receiver) = self.holder_of(Transport::Datagram, to) {
            self.deliver(receiver, from, bytes)?;
        }
        Ok(())
    }

    fn deliver(&mut self, id: SocketId, from: SocketAddr, bytes: Vec<u8>) -> io::Result<()> {
        let capacity = self.capacity;
        let overtakes = self.random.chance(OVERTAKES_ONE_IN);
        let inbox = self.datagrams(id)?;
        if inbox.taken() >= capacity {
            return Ok(());
        }
        let before = inbox.datagrams.len().saturating_sub(usize::from(overtakes));
        inbox.datagrams.insert(before, (from, bytes));
        self.signal(id, Flags::READABLE);
        Ok(())
    }
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
        socket.shared().state.lock().send_to(socket.id(), &[IoSlice::new(bytes)], address)
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
