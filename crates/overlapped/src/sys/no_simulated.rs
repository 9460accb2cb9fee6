//! The simulated network of a build without it: the same calls, of types that nobody can have. So what
//! chooses between the drivers is written once, and the compiler leaves this way out.

use super::Event;
use crate::buffer::Datagrams;
use std::convert::Infallible;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

#[derive(Debug, Clone)]
pub(crate) struct Network(Infallible);

#[derive(Debug)]
pub(crate) struct SimulatedSocket(Infallible);

impl Network {
    pub(crate) fn undisturbed() -> io::Result<Self> {
        let why = "the simulated driver is not in this build: \
                   it needs the feature `simulated` of the crate overlapped";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    pub(crate) fn register(&self, _: &SimulatedSocket, _: u64) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn rearm(&self, _: &SimulatedSocket) {
        match self.0 {}
    }

    pub(crate) fn deregister(&self, _: &SimulatedSocket) {
        match self.0 {}
    }

    pub(crate) fn now(&self) -> Instant {
        match self.0 {}
    }

    pub(crate) fn arm(&self, _: Option<Instant>) {
        match self.0 {}
    }

    pub(crate) fn look_after(&self, _: Duration) {
        match self.0 {}
    }

    pub(crate) fn wait(&self, _: &mut Vec<Event>, _: usize, _: Option<Duration>) -> bool {
        match self.0 {}
    }

    pub(crate) fn has_events(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn kick(&self) {
        match self.0 {}
    }
}

impl SimulatedSocket {
    pub(crate) fn fresh(&self) -> io::Result<Self> {
        match self.0 {}
    }

    pub(crate) fn receive(&self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn receive_scattered(&self, _: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn peek(&self) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn send(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn receive_from(&self, _: &mut [u8]) -> io::Result<(usize, io::Result<SocketAddr>)> {
        match self.0 {}
    }

    pub(crate) fn send_to(&self, _: &[IoSlice<'_>], _: Option<SocketAddr>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn receive_batch(&self, _: &mut Datagrams) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn send_batch(&self, _: &Datagrams, _: usize) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn connect_datagrams(&self, _: SocketAddr) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn accept(&self) -> io::Result<(Self, SocketAddr)> {
        match self.0 {}
    }

    pub(crate) fn connect(&self, _: SocketAddr) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn connected(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn bind(&self, _: SocketAddr) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn end_sending(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.0 {}
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self.0 {}
    }

    pub(crate) fn set_linger(&self, _: Option<Duration>) -> io::Result<()> {
        match self.0 {}
    }
}
