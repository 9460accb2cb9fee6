//! What a socket of datagrams has besides: options, and the function that receives one with what goes
//! with it.
#![allow(unsafe_code)]

use super::windows::{SystemSocket, set_option};
use crate::buffer::Datagrams;
use crate::sys::family::Family;
use crate::sys::iocp::{ReceiveMessage, is_wine, receive_message};
use socket2::Socket;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::windows::io::AsRawSocket;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use windows_sys::Win32::Networking::WinSock::{
    IP_DONTFRAGMENT, IP_PKTINFO, IP_RECVECN, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP, IPV6_DONTFRAG,
    IPV6_PKTINFO, IPV6_RECVECN, SIO_UDP_CONNRESET, UDP_RECV_MAX_COALESCED_SIZE, UDP_SEND_MSG_SIZE,
    WSAIoctl,
};

impl SystemSocket {
    /// Sets by index which interface what is sent to a group of IPv4 goes out by; 0 is the system's
    /// choice.
    pub(crate) fn set_multicast_interface_v4(&self, interface: u32) -> io::Result<()> {
        // An address of this form is an index.
        self.socket()?.set_multicast_if_v4(&Ipv4Addr::from(interface))
    }

    /// Whether a datagram may be cut on its way. If not, one longer than the path takes is lost.
    pub(crate) fn set_fragmentation(&self, on: bool) -> io::Result<()> {
        if self.family != Family::V6 {
            let set = set_option(self.socket()?, IPPROTO_IP, IP_DONTFRAGMENT, (!on).into());
            // A socket of both families need not take an option of IPv4.
            if self.family == Family::V4 {
                set?;
            }
        }
        if self.family.is_v6() {
            set_option(self.socket()?, IPPROTO_IPV6, IPV6_DONTFRAG, (!on).into())?;
        }
        Ok(())
    }

    /// Whether the system may join datagrams of one sender that come together (URO).
    pub(crate) fn set_coalescing(&self, on: bool) -> io::Result<()> {
        let most = if on { u32::from(u16::MAX) } else { 0 };
        set_option(self.socket()?, IPPROTO_UDP, UDP_RECV_MAX_COALESCED_SIZE, most)
            .map_err(|_| io::Error::from(io::ErrorKind::Unsupported))?;
        self.coalesces.store(on, Ordering::Relaxed);
        Ok(())
    }

    /// Refuses a receive that could not take a run of datagrams apart.
    pub(crate) fn refuse_coalesced(&self) -> io::Result<()> {
        if self.coalesces.load(Ordering::Relaxed) {
            return Err(super::cannot_take_apart());
        }
        Ok(())
    }

    /// Whether the system cuts a run of datagrams (USO).
    pub(crate) fn cuts_segments(&self) -> bool {
        static CUTS: OnceLock<bool> = OnceLock::new();
        // That each call may name its size is told by an option of the same name.
        *CUTS.get_or_init(|| {
            let asked = self
                .socket()
                .and_then(|socket| set_option(socket, IPPROTO_UDP, UDP_SEND_MSG_SIZE, 0));
            asked.is_ok() && !is_wine()
        })
    }

    /// The function that receives a datagram with what goes with it, which the provider is asked for
    /// once (X1).
    pub(crate) fn receive_message(&self) -> io::Result<ReceiveMessage> {
        let known = &self.asked().receive_message;
        if let Some(known) = known.get() {
            return Ok(*known);
        }
        let function = receive_message(self)?;
        Ok(*known.get_or_init(|| function))
    }

    /// The kernel carries batches; nothing of them is attempted here.
    pub(crate) fn receive_batch(&self, _datagrams: &mut Datagrams) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// As [`SystemSocket::receive_batch`].
    pub(crate) fn send_batch(&self, _datagrams: &Datagrams, _skip: usize) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whom a datagram socket exchanges datagrams with from now on. That nobody is there is told from
    /// now on.
    pub(crate) fn connect_datagrams(&self, address: SocketAddr) -> io::Result<()> {
        self.family.check(address)?;
        self.socket()?.connect(&address.into())?;
        report_unreachable(self.socket()?, true)
    }
}

/// Whether that nobody is at an address which was sent to is an error of a later operation. If not, it
/// is none (L14).
fn report_unreachable(socket: &Socket, on: bool) -> io::Result<()> {
    let on = u32::from(on);
    let mut returned = 0;
    // SAFETY: the socket is open for the whole call, the input is the four bytes of `on`, there is no
    // output, and without an overlapped structure nothing is kept after the call.
    let failed = unsafe {
        WSAIoctl(
            socket.as_raw_socket() as usize,
            SIO_UDP_CONNRESET,
            (&raw const on).cast(),
            size_of_val(&on) as u32,
            std::ptr::null_mut(),
            0,
            &mut returned,
            std::ptr::null_mut(),
            None,
        )
    };
    if failed != 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A socket of datagrams says what goes with each as far as the system can.
pub(super) fn ask_for_information(socket: &Socket, family: Family) -> io::Result<()> {
    report_unreachable(socket, false)?;
    // Some systems lack some of it; then it is not said.
    let _ = set_option(socket, IPPROTO_IP, IP_PKTINFO, 1);
    let _ = set_option(socket, IPPROTO_IP, IP_RECVECN, 1);
    if family.is_v6() {
        let _ = set_option(socket, IPPROTO_IPV6, IPV6_PKTINFO, 1);
        let _ = set_option(socket, IPPROTO_IPV6, IPV6_RECVECN, 1);
    }
    Ok(())
}
