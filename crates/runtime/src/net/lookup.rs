//! Names of hosts. The system's look-up blocks, and may do so for long: it runs as a task beside the
//! caller. So it holds a thread, and not a slot of the port; and a time-out of the caller can pass.

use crate::blocking::beside;
use crate::executor::{Executor, current};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};
use std::sync::Arc;

/// Looks up the addresses of a host, such as `"example.com:443"`, in the order in which the system
/// recommends them.
///
/// Cancel safe: a look-up whose future is dropped goes on to its end, and is told to nobody. A runtime
/// that is shut down waits for it within its limit.
///
/// # Errors
/// There is no such name, or no answer; or the text is no name with a port.
///
/// # Panics
/// Outside a runtime.
pub async fn lookup_host(address: impl ToAddresses) -> io::Result<Vec<SocketAddr>> {
    address.to_addresses().look_up(&current::get("a look-up")).await
}

/// Addresses, or names that are looked up: what [`TcpStream::connect`](super::TcpStream::connect) and
/// [`lookup_host`] take.
///
/// It is implemented for what has [`ToSocketAddrs`], which cannot be used here: it looks up in place.
pub trait ToAddresses: sealed::Sealed {
    #[doc(hidden)]
    fn to_addresses(&self) -> sealed::Addresses;
}

mod sealed {
    use std::net::SocketAddr;

    pub trait Sealed {}

    #[derive(Debug)]
    pub enum Addresses {
        Known(Vec<SocketAddr>),
        /// A name and a port in one text.
        Text(String),
        Host(String, u16),
    }
}

use sealed::Addresses;

impl Addresses {
    pub(super) async fn look_up(self, executor: &Arc<Executor>) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Known(addresses) => Ok(addresses),
            Self::Text(text) => beside(executor, move || look_up(text)).await,
            Self::Host(name, port) => beside(executor, move || look_up((name, port))).await,
        }
    }
}

fn look_up(name: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    name.to_socket_addrs().map(Iterator::collect)
}

impl ToAddresses for str {
    fn to_addresses(&self) -> Addresses {
        match self.parse() {
            Ok(address) => Addresses::Known(vec![address]),
            Err(_) => Addresses::Text(self.to_owned()),
        }
    }
}

impl ToAddresses for String {
    fn to_addresses(&self) -> Addresses {
        self.as_str().to_addresses()
    }
}

impl ToAddresses for (&str, u16) {
    fn to_addresses(&self) -> Addresses {
        match self.0.parse::<IpAddr>() {
            Ok(ip) => Addresses::Known(vec![(ip, self.1).into()]),
            Err(_) => Addresses::Host(self.0.to_owned(), self.1),
        }
    }
}

impl ToAddresses for (String, u16) {
    fn to_addresses(&self) -> Addresses {
        (self.0.as_str(), self.1).to_addresses()
    }
}

impl ToAddresses for [SocketAddr] {
    fn to_addresses(&self) -> Addresses {
        Addresses::Known(self.to_vec())
    }
}

impl<T: ToAddresses + ?Sized> ToAddresses for &T {
    fn to_addresses(&self) -> Addresses {
        T::to_addresses(self)
    }
}

impl<T: ToAddresses + ?Sized> sealed::Sealed for &T {}
impl sealed::Sealed for str {}
impl sealed::Sealed for String {}
impl sealed::Sealed for (&str, u16) {}
impl sealed::Sealed for (String, u16) {}
impl sealed::Sealed for [SocketAddr] {}

macro_rules! known {
    ($($address:ty),+) => { $(
        impl ToAddresses for $address {
            fn to_addresses(&self) -> Addresses {
                Addresses::Known(vec![(*self).into()])
            }
        }

        impl sealed::Sealed for $address {}
    )+ };
}

known!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));
