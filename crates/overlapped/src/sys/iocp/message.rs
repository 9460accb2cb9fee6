//! A datagram with what goes with it: addresses, and control messages.

use super::super::code;
use super::super::system::SystemSocket;
use super::extensions::AddressRoom;
use crate::buffer::{DatagramInfo, Ecn};
use crate::sys::family::Family;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::os::windows::io::AsRawSocket;
use std::ptr::null_mut;
use windows_sys::Win32::Networking::WinSock::{
    IP_ECN, IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_ECN, IPV6_PKTINFO, SOCKET,
    UDP_COALESCED_INFO, UDP_SEND_MSG_SIZE, WSABUF, WSAMSG, WSASendMsg,
};
use windows_sys::Win32::System::IO::OVERLAPPED;

/// Room for each control message, in words: they are aligned like these.
const CONTROL_WORDS: usize = 32;
/// The length, the level and the type of a control message.
const HEADER_WORDS: usize = 2;

const COALESCED: i32 = UDP_COALESCED_INFO as i32;

/// What one call on a datagram reads or writes beside its bytes. It stays where it is until the
/// packet is taken.
pub(crate) struct MessageRoom {
    address: Box<AddressRoom>,
    control: [u64; CONTROL_WORDS],
    bytes: WSABUF,
    message: WSAMSG,
}

// SAFETY: the pointers in it are only handed to the system, by whoever owns the memory that they
// name.
unsafe impl Send for MessageRoom {}

impl MessageRoom {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            address: AddressRoom::new(),
            control: [0; CONTROL_WORDS],
            bytes: WSABUF { len: 0, buf: null_mut() },
            message: WSAMSG::default(),
        })
    }

    /// Lets the message name the bytes, our address room and so many words of control messages.
    fn prepare(&mut self, bytes: WSABUF, name_length: i32, control_words: usize) {
        self.bytes = bytes;
        let name = match name_length {
            0 => null_mut(),
            _ => std::ptr::from_mut(&mut self.address.storage).cast(),
        };
        let control = match control_words {
            0 => null_mut(),
            _ => self.control.as_mut_ptr().cast(),
        };
        self.message = WSAMSG {
            name,
            namelen: name_length,
            lpBuffers: &raw mut self.bytes,
            dwBufferCount: 1,
            Control: WSABUF { len: (control_words * 8) as u32, buf: control },
            dwFlags: 0,
        };
    }

    /// # Safety
    /// `bytes`, this room and the block must stay where they are and be touched by nobody until the
    /// packet of the operation has been taken.
    pub(super) unsafe fn receive(
        &mut self,
        socket: &SystemSocket,
        bytes: &mut [u8],
        overlapped: *mut OVERLAPPED,
    ) -> io::Result<bool> {
        let receive = socket.receive_message()?;
        let bytes = WSABUF { len: bytes.len() as u32, buf: bytes.as_mut_ptr() };
        self.prepare(bytes, size_of_val(&self.address.storage) as i32, CONTROL_WORDS);
        let raw = socket.as_raw_socket() as SOCKET;
        // SAFETY: the message names the bytes, the address and the control messages with the
        // lengths that they have; the caller vouches for all of them and for the block.
        let failed = unsafe { receive(raw, &mut self.message, null_mut(), overlapped, None) };
        Ok(failed == 0)
    }

    /// # Safety
    /// As for [`MessageRoom::receive`]; the bytes are only read.
    pub(super) unsafe fn send(
        &mut self,
        socket: &SystemSocket,
        bytes: &[u8],
        info: &DatagramInfo,
        overlapped: *mut OVERLAPPED,
    ) -> io::Result<bool> {
        let name_length = match info.peer {
            None => 0,
            Some(peer) => {
                socket.family().check(peer)?;
                self.address.encode(peer)
            }
        };
        let words = self.write_control(info, socket.family())?;
        // The kernel reads only.
        let bytes = WSABUF { len: bytes.len() as u32, buf: bytes.as_ptr().cast_mut() };
        self.prepare(bytes, name_length, words);
        let raw = socket.as_raw_socket() as SOCKET;
        // SAFETY: as for the receive.
        let failed = unsafe { WSASendMsg(raw, &self.message, 0, null_mut(), overlapped, None) };
        Ok(failed == 0)
    }

    /// Writes the control messages of a send; gives how many words they take.
    fn write_control(&mut self, info: &DatagramInfo, family: Family) -> io::Result<usize> {
        let is_v4_socket = family == Family::V4;
        if info.local.is_some_and(|local| local.is_ipv4() != is_v4_socket) {
            return Err(code::error(code::FAMILY_NOT_SUPPORTED));
        }
        let mut words = 0;
        let mut push = |level: i32, kind: i32, length: usize, data: &[u64]| {
            self.control[words] = (HEADER_WORDS * 8 + length) as u64;
            self.control[words + 1] = pair(level as u32, kind as u32);
            self.control[words + HEADER_WORDS..][..data.len()].copy_from_slice(data);
            words += HEADER_WORDS + data.len();
        };
        if info.local.is_some() || info.interface.is_some() {
            let interface = info.interface.unwrap_or(0);
            match info.local {
                _ if is_v4_socket => {
                    let v4 = match info.local {
                        Some(IpAddr::V4(v4)) => v4,
                        _ => Ipv4Addr::UNSPECIFIED,
                    };
                    let address = u32::from_ne_bytes(v4.octets());
                    push(IPPROTO_IP, IP_PKTINFO, 8, &[pair(address, interface)]);
                }
                local => {
                    let v6 = match local {
                        Some(IpAddr::V6(v6)) => v6,
                        _ => Ipv6Addr::UNSPECIFIED,
                    };
                    let (low, high) = halves(v6);
                    push(IPPROTO_IPV6, IPV6_PKTINFO, 20, &[low, high, interface.into()]);
                }
            }
        }
        if info.ecn != Ecn::NotCapable {
            let is_v4 = info.peer.map_or(is_v4_socket, |peer| match peer.ip() {
                IpAddr::V4(_) => true,
                IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
            });
            let (level, kind) = if is_v4 { (IPPROTO_IP, IP_ECN) } else { (IPPROTO_IPV6, IPV6_ECN) };
            push(level, kind, 4, &[info.ecn.bits().into()]);
        }
        if let Some(size) = info.segment_size {
            push(IPPROTO_UDP, UDP_SEND_MSG_SIZE, 4, &[size.get().into()]);
        }
        Ok(words)
    }

    /// What the system wrote of a datagram that it received.
    pub(crate) fn info(&mut self) -> DatagramInfo {
        self.address.length = self.message.namelen;
        let mut info = DatagramInfo { peer: self.address.decode().ok(), ..Default::default() };
        let used = (self.message.Control.len as usize / 8).min(CONTROL_WORDS);
        let mut rest = &self.control[..used];
        while let [length, kind, data @ ..] = rest {
            let words = (*length as usize).div_ceil(8);
            if words < HEADER_WORDS || words > rest.len() {
                break;
            }
            let first = data.first().copied().unwrap_or(0);
            match (*kind as u32 as i32, (*kind >> 32) as u32 as i32, data) {
                (IPPROTO_IP, IP_PKTINFO, _) => {
                    info.local = Some(Ipv4Addr::from((first as u32).to_ne_bytes()).into());
                    info.interface = Some((first >> 32) as u32);
                }
                (IPPROTO_IPV6, IPV6_PKTINFO, [low, high, interface, ..]) => {
                    info.local = Some(of_halves(*low, *high).into());
                    info.interface = Some(*interface as u32);
                }
                (IPPROTO_IP, IP_ECN, _) | (IPPROTO_IPV6, IPV6_ECN, _) => {
                    info.ecn = Ecn::from_bits(first as u8);
                }
                (IPPROTO_UDP, COALESCED, _) => {
                    info.segment_size = u16::try_from(first as u32).ok().and_then(NonZeroU16::new);
                }
                _ => {}
            }
            rest = &rest[words..];
        }
        info
    }
}

/// Two halves of a word, as they lie in memory: every Windows has the lower one first.
fn pair(first: u32, second: u32) -> u64 {
    u64::from(first) | u64::from(second) << 32
}

fn halves(address: Ipv6Addr) -> (u64, u64) {
    let bytes = u128::from_ne_bytes(address.octets());
    (bytes as u64, (bytes >> 64) as u64)
}

fn of_halves(low: u64, high: u64) -> Ipv6Addr {
    Ipv6Addr::from((u128::from(low) | u128::from(high) << 64).to_ne_bytes())
}

/// That nobody is at the peer's address is a refusal, on every system.
pub(super) fn told_as_refusal(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code::RESET) => code::error(code::REFUSED),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for local in ["192.0.2.7", "2001:db8::1:2"] {
            let local: IpAddr = local.parse().expect("an address");
            let family = if local.is_ipv4() { Family::V4 } else { Family::V6 };
            let sent = DatagramInfo {
                local: Some(local),
                interface: Some(70_000),
                ecn: Ecn::Capable0,
                ..DatagramInfo::default()
            };
            let mut room = MessageRoom::new();
            let words = room.write_control(&sent, family).expect("it is of the family");
            room.message.Control.len = (words * 8) as u32;
            assert_eq!(room.info(), sent);
        }
    }
}
