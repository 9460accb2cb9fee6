//! A port's socket in the network: the calls of the driver's contract, with the script's faults and
//! the seed's disturbances in front of them.

use super::datagram::Inbox;
use super::faults::Call;
use super::state::{Flags, Role, Shared, SocketId};
use crate::buffer::{DatagramInfo, Datagrams};
use crate::sys::family::Family;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How often, on average, a call transfers less than it could when there is a seed.
const SHORT_ONE_IN: u64 = 8;
/// How often, on average, a connect is done at once when there is a seed.
const CONNECTED_AT_ONCE_ONE_IN: u64 = 4;

/// A socket of a simulated network; dropping it closes it.
#[derive(Debug)]
pub(crate) struct SimulatedSocket {
    shared: Arc<Shared>,
    id: SocketId,
    family: Family,
}

impl SimulatedSocket {
    /// Takes over an endpoint that has no owner yet.
    pub(super) fn adopt(shared: &Arc<Shared>, id: SocketId, family: Family) -> Self {
        Self { shared: Arc::clone(shared), id, family }
    }

    /// A socket that is bound to nothing.
    pub(super) fn open(shared: &Arc<Shared>, family: Family) -> Self {
        let id = shared.state.lock().open();
        Self::adopt(shared, id, family)
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// A fresh socket in the same network.
    pub(crate) fn fresh(&self) -> io::Result<Self> {
        self.shared.state.lock().fault(self.id, Call::Open)?;
        Ok(Self::open(&self.shared, self.family))
    }

    /// A datagram socket, bound to `address`.
    pub(super) fn datagrams(shared: &Arc<Shared>, address: SocketAddr) -> io::Result<Self> {
        let id = shared.state.lock().open_as(Role::Datagrams(Inbox::default()));
        let socket = Self::adopt(shared, id, Family::of(address));
        socket.bind(address)?;
        Ok(socket)
    }

    pub(super) fn listen(&self, backlog: usize) -> io::Result<()> {
        self.shared.state.lock().listen(self.id, backlog)
    }

    pub(super) fn id(&self) -> SocketId {
        self.id
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn is_of(&self, network: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, network)
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.shared.state.lock();
        state.fault(self.id, Call::Receive)?;
        let available = state.stream(self.id).map_or(0, |stream| stream.inbox.len());
        let most = available.min(buffer.len());
        if most < 2 || !state.random.chance(SHORT_ONE_IN) {
            return state.receive(self.id, buffer);
        }
        // As if the rest had come a moment later, so it is an edge.
        let short = 1 + state.random.below(most as u64 - 1) as usize;
        let received = state.receive(self.id, &mut buffer[..short]);
        let readiness = state.readiness(self.id);
        state.signal(self.id, Flags { writable: false, ..readiness });
        received
    }

    /// Fills the rooms in order with what is there. At least one of them has room.
    pub(crate) fn receive_scattered(&self, rooms: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        // One receive, so that it is as short, and as much of an edge, as any other.
        let mut piece = vec![0; rooms.iter().map(|room| room.len()).sum()];
        let length = self.receive(&mut piece)?;
        let mut rest = &piece[..length];
        for room in rooms {
            let (part, behind) = rest.split_at(rest.len().min(room.len()));
            room[..part.len()].copy_from_slice(part);
            rest = behind;
        }
        Ok(length)
    }

    /// Whether a receive would find data (`true`) or the end of the stream (`false`).
    pub(crate) fn peek(&self) -> io::Result<bool> {
        let mut state = self.shared.state.lock();
        state.fault(self.id, Call::Receive)?;
        state.peek(self.id)
    }

    pub(crate) fn send(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut state = self.shared.state.lock();
        state.fault(self.id, Call::Send)?;
        let total = buffers.iter().map(|buffer| buffer.len()).sum::<usize>();
        if total < 2 || !state.random.chance(SHORT_ONE_IN) {
            return state.send(self.id, buffers, total);
        }
        // As if there had been room for the rest a moment later, so that is an edge. If there is
        // less room than that, the send is short by itself.
        let short = 1 + state.random.below(total as u64 - 1) as usize;
        let sent = state.send(self.id, buffers, short)?;
        if sent == short {
            state.signal(self.id, Flags::WRITABLE);
        }
        Ok(sent)
    }

    pub(crate) fn receive_from(
        &self,
        buffer: &mut [u8],
    ) -> io::Result<(usize, io::Result<SocketAddr>)> {
        let mut state = self.shared.state.lock();
        state.fault(self.id, Call::ReceiveFrom)?;
        state.receive_from(self.id, buffer)
    }

    pub(crate) fn send_to(
        &self,
        buffers: &[IoSlice<'_>],
        peer: Option<SocketAddr>,
    ) -> io::Result<()> {
        let bytes = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        self.send_datagram(&DatagramInfo { peer, ..DatagramInfo::default() }, bytes)
    }

    fn send_datagram(&self, info: &DatagramInfo, bytes: Vec<u8>) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.fault(self.id, Call::SendTo)?;
        info.peer.map_or(Ok(()), |peer| self.family.check(peer))?;
        state.send_datagram(self.id, info, bytes)
    }

    /// Receives what is there into the slots of the datagrams, which are empty.
    pub(crate) fn receive_batch(&self, datagrams: &mut Datagrams) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.fault(self.id, Call::ReceiveFrom)?;
        state.receive_batch(self.id, datagrams)
    }

    /// Sends the first of the datagrams after `skip`.
    pub(crate) fn send_batch(&self, datagrams: &Datagrams, skip: usize) -> io::Result<usize> {
        let Some(run) = datagrams.runs_after(skip, false).next() else { return Ok(0) };
        self.send_datagram(run.info, run.bytes.to_vec())?;
        Ok(1)
    }

    pub(crate) fn connect_datagrams(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        self.shared.state.lock().connect_datagrams(self.id, address)
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        let (id, remote) = {
            let mut state = self.shared.state.lock();
            state.fault(self.id, Call::Accept)?;
            state.accept(self.id)?
        };
        Ok((Self::adopt(&self.shared, id, self.family), remote))
    }

    /// Starts to connect; `WouldBlock` when it goes on, which without a seed it always does.
    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.fault(self.id, Call::Connect)?;
        self.family.check(address)?;
        let started = state.connect(self.id, address);
        let goes_on = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        if started.as_ref().is_err_and(goes_on)
            && state.is_connected(self.id)
            && state.random.chance(CONNECTED_AT_ONCE_ONE_IN)
        {
            return Ok(());
        }
        started
    }

    pub(crate) fn connected(&self) -> io::Result<()> {
        self.shared.state.lock().connected(self.id)
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        self.shared.state.lock().bind(self.id, address)
    }

    pub(crate) fn end_sending(&self) -> io::Result<()> {
        self.shared.state.lock().end_sending(self.id)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.state.lock().local_addr(self.id)
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.shared.state.lock().peer_addr(self.id)
    }

    /// With zero, closing resets the connection; anything else closes it in order.
    pub(crate) fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.shared.state.lock().endpoint(self.id)?.resets_on_close =
            linger == Some(Duration::ZERO);
        Ok(())
    }
}

impl Drop for SimulatedSocket {
    fn drop(&mut self) {
        self.shared.state.lock().close(self.id);
    }
}
