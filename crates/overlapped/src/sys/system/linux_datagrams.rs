//! Many datagrams in one call of Linux, and what goes with each.
//!
//! The calls and their control messages are those of `nix`.

use super::linux::SystemSocket;
use crate::buffer::datagrams::{Arrival, Run};
use crate::buffer::{DatagramInfo, Datagrams, Ecn};
use crate::sys::code;
use crate::sys::family::Family;
use crate::sys::socket::BATCH_MAX;
use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage,
    getsockopt, recvmmsg, sendmmsg, setsockopt, sockopt,
};
use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// Each of the control messages at most once: the system writes them all if they are asked for.
macro_rules! control_room {
    () => {
        nix::cmsg_space!(in_pktinfo, in6_pktinfo, [i32; 1], [u8; 1], i32)
    };
}

/// What a call on a run answers that the device cannot cut, or whose datagrams are too long for the
/// route: then each goes out alone, which tells.
const REFUSES_A_RUN: [i32; 3] = [Errno::EIO as i32, Errno::EINVAL as i32, Errno::EMSGSIZE as i32];

/// Whether the kernel cuts runs into datagrams. One that does not would send a run as it is.
fn has_segments(socket: &impl AsFd) -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| getsockopt(socket, sockopt::UdpGsoSegment).is_ok())
}

/// Has the system say the traffic class, our address and the interface of each datagram.
pub(super) fn ask_for_information(socket: &impl AsFd, family: Family) -> io::Result<()> {
    setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
    setsockopt(socket, sockopt::IpRecvTos, &true)?;
    if family.is_v6() {
        setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        setsockopt(socket, sockopt::Ipv6RecvTClass, &true)?;
    }
    Ok(())
}

impl SystemSocket {
    /// Whether the system may join datagrams of one sender that come together (UDP_GRO).
    pub(crate) fn set_coalescing(&self, on: bool) -> io::Result<()> {
        match setsockopt(&self.descriptor, sockopt::UdpGroSegment, &on) {
            Err(Errno::ENOPROTOOPT) => return Err(io::ErrorKind::Unsupported.into()),
            other => other?,
        }
        self.coalesces.store(on, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a datagram may be cut on its way. If not, one longer than the path takes is lost, and
    /// what the system believes of the path does not refuse it.
    pub(crate) fn set_fragmentation(&self, on: bool) -> io::Result<()> {
        let v4 = if on { Ipv4PathMtuDiscovery::WANT } else { Ipv4PathMtuDiscovery::PROBE };
        let v6 = if on { Ipv6PathMtuDiscovery::WANT } else { Ipv6PathMtuDiscovery::PROBE };
        if self.family() != Family::V6 {
            set_ip_mtu_discover(&self.descriptor, v4)?;
        }
        if self.family().is_v6() {
            set_ipv6_mtu_discover(&self.descriptor, v6)?;
        }
        Ok(())
    }

    /// Receives what is there into the slots of the datagrams, which are empty.
    pub(crate) fn receive_batch(&self, datagrams: &mut Datagrams) -> io::Result<()> {
        let count = datagrams.slots().min(BATCH_MAX);
        // The headers are made anew, since the system changes the lengths in them.
        let mut headers: MultiHeaders<SockaddrStorage> =
            MultiHeaders::preallocate(count, Some(control_room!()));
        let mut arrivals = [None; BATCH_MAX];
        {
            let mut slots = datagrams.slots_mut();
            let mut slots: [_; BATCH_MAX] =
                std::array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
            // It does not wait, so nothing interrupts it.
            let received = recvmmsg(
                self.descriptor.as_raw_fd(),
                &mut headers,
                slots[..count].iter_mut(),
                MsgFlags::empty(),
                None,
            )?;
            for (arrival, message) in arrivals.iter_mut().zip(received) {
                *arrival = Some(arrival_of(&message));
            }
        }
        for arrival in arrivals.into_iter().flatten() {
            datagrams.arrived(arrival);
        }
        Ok(())
    }

    /// Sends the datagrams after the first `skip` ones, as many as one call takes; gives how many
    /// that were, at least one.
    pub(crate) fn send_batch(&self, datagrams: &Datagrams, skip: usize) -> io::Result<usize> {
        if self.no_segments.load(Ordering::Relaxed) || !has_segments(self) {
            return self.send_runs(datagrams, skip, false).map_err(|(error, _)| error);
        }
        let refused = match self.send_runs(datagrams, skip, true) {
            Err((error, true)) => error.raw_os_error().unwrap_or(0),
            other => return other.map_err(|(error, _)| error),
        };
        if !REFUSES_A_RUN.contains(&refused) {
            return Err(code::error(refused));
        }
        let sent = self.send_runs(datagrams, skip, false).map_err(|(error, _)| error)?;
        if refused == Errno::EIO as i32 {
            // It is the device, which will say so of every run.
            self.no_segments.store(true, Ordering::Relaxed);
        }
        Ok(sent)
    }

    /// An error says whether the first that was to go was a run.
    fn send_runs(
        &self,
        datagrams: &Datagrams,
        skip: usize,
        in_segments: bool,
    ) -> Result<usize, (io::Error, bool)> {
        let mut runs = datagrams.runs_after(skip, in_segments).peekable();
        let Some(first) = runs.peek().copied() else {
            return Ok(0);
        };
        // One call has one set of control messages for all that it sends.
        let same = self.control_of(&first);
        let mut slices = [[IoSlice::new(&[])]; BATCH_MAX];
        let mut addresses = [None; BATCH_MAX];
        let mut counts = [0; BATCH_MAX];
        let mut count = 0;
        while count < BATCH_MAX
            && let Some(run) = runs.next_if(|run| self.control_of(run) == same)
        {
            if let Some(peer) = run.info.peer
                && let Err(error) = self.family().check(peer)
            {
                if count == 0 {
                    return Err((error, false));
                }
                break;
            }
            slices[count] = [IoSlice::new(run.bytes)];
            addresses[count] = run.info.peer.map(SockaddrStorage::from);
            counts[count] = run.count;
            count += 1;
        }
        let is_run = same.segment_size.is_some();
        let sent = same
            .send(self.descriptor.as_raw_fd(), &slices[..count], &addresses[..count])
            .map_err(|error| (error, is_run))?;
        Ok(counts[..sent].iter().sum())
    }

    fn control_of(&self, run: &Run<'_>) -> Control {
        let DatagramInfo { peer, local, interface, ecn, segment_size } = *run.info;
        let is_v4 = match peer {
            Some(SocketAddr::V6(v6)) => v6.ip().to_ipv4_mapped().is_some(),
            Some(SocketAddr::V4(_)) => true,
            None => self.family() == Family::V4,
        };
        Control {
            is_v4,
            is_v4_socket: self.family() == Family::V4,
            local,
            interface,
            ecn,
            segment_size: segment_size.filter(|_| run.count > 1),
        }
    }
}

/// The control messages of a send.
#[derive(PartialEq)]
struct Control {
    is_v4: bool,
    is_v4_socket: bool,
    local: Option<IpAddr>,
    interface: Option<u32>,
    ecn: Ecn,
    segment_size: Option<NonZeroU16>,
}

impl Control {
    fn send(
        &self,
        socket: i32,
        slices: &[[IoSlice<'_>; 1]],
        addresses: &[Option<SockaddrStorage>],
    ) -> io::Result<usize> {
        let has_place = self.local.is_some() || self.interface.is_some();
        if self.local.is_some_and(|local| local.is_ipv4() != self.is_v4_socket) {
            return Err(code::error(code::FAMILY_NOT_SUPPORTED));
        }
        let v4 = in_pktinfo {
            ipi_ifindex: self.interface.unwrap_or(0).cast_signed(),
            ipi_spec_dst: in_addr { s_addr: self.v4_local() },
            ipi_addr: in_addr { s_addr: 0 },
        };
        let v6 = in6_pktinfo {
            ipi6_addr: in6_addr { s6_addr: self.v6_local().octets() },
            ipi6_ifindex: self.interface.unwrap_or(0),
        };
        let (tos, class) = (self.ecn.bits(), i32::from(self.ecn.bits()));
        let size = self.segment_size.map_or(0, NonZeroU16::get);
        let place = match self.is_v4_socket {
            true => ControlMessage::Ipv4PacketInfo(&v4),
            false => ControlMessage::Ipv6PacketInfo(&v6),
        };
        let ecn = match self.is_v4 {
            true => ControlMessage::Ipv4Tos(&tos),
            false => ControlMessage::Ipv6TClass(&class),
        };
        let wanted = [
            (has_place, place),
            (self.ecn != Ecn::NotCapable, ecn),
            (self.segment_size.is_some(), ControlMessage::UdpGsoSegments(&size)),
        ];
        let mut messages = [wanted[2].1, wanted[2].1, wanted[2].1];
        let mut count = 0;
        for (is_wanted, message) in wanted {
            if is_wanted {
                messages[count] = message;
                count += 1;
            }
        }
        let messages = &messages[..count];
        let mut headers = MultiHeaders::preallocate(slices.len(), self.room(has_place));
        let sent = sendmmsg(socket, &mut headers, slices, addresses, messages, MsgFlags::empty())?;
        Ok(sent.count())
    }

    /// As much as the messages take, and no more: the system reads all of it.
    fn room(&self, has_place: bool) -> Option<Vec<u8>> {
        let place = match (has_place, self.is_v4_socket) {
            (false, _) => Vec::new(),
            (true, true) => nix::cmsg_space!(in_pktinfo),
            (true, false) => nix::cmsg_space!(in6_pktinfo),
        };
        let ecn = match (self.ecn, self.is_v4) {
            (Ecn::NotCapable, _) => Vec::new(),
            (_, true) => nix::cmsg_space!(u8),
            (_, false) => nix::cmsg_space!(i32),
        };
        let size = match self.segment_size {
            None => Vec::new(),
            Some(_) => nix::cmsg_space!(u16),
        };
        let bytes = [place, ecn, size].iter().map(Vec::len).sum();
        (bytes > 0).then(|| vec![0; bytes])
    }

    fn v4_local(&self) -> u32 {
        let local = match self.local {
            Some(IpAddr::V4(v4)) => v4,
            _ => Ipv4Addr::UNSPECIFIED,
        };
        u32::from_ne_bytes(local.octets())
    }

    fn v6_local(&self) -> Ipv6Addr {
        match self.local {
            Some(IpAddr::V6(v6)) => v6,
            _ => Ipv6Addr::UNSPECIFIED,
        }
    }
}

fn arrival_of(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Arrival {
    let peer = message.address.and_then(|address| {
        let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4(SocketAddrV4::from(*v4)));
        v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6))))
    });
    let mut info = DatagramInfo { peer, ..DatagramInfo::default() };
    // Control messages that did not fit are as if they were not there.
    for control in message.cmsgs().into_iter().flatten() {
        match control {
            ControlMessageOwned::Ipv4PacketInfo(place) => {
                info.local = Some(Ipv4Addr::from(place.ipi_addr.s_addr.to_ne_bytes()).into());
                info.interface = Some(place.ipi_ifindex.cast_unsigned());
            }
            ControlMessageOwned::Ipv6PacketInfo(place) => {
                info.local = Some(Ipv6Addr::from(place.ipi6_addr.s6_addr).into());
                info.interface = Some(place.ipi6_ifindex);
            }
            ControlMessageOwned::Ipv4Tos(class) => info.ecn = Ecn::from_bits(class),
            ControlMessageOwned::Ipv6TClass(class) => info.ecn = Ecn::from_bits(class as u8),
            ControlMessageOwned::UdpGroSegments(size) => {
                info.segment_size = u16::try_from(size).ok().and_then(NonZeroU16::new);
            }
            _ => {}
        }
    }
    Arrival {
        info,
        length: message.bytes,
        is_truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
    }
}
