//! Takes one packet of a known kind from a port, and says what was there instead if it is not that.

use crate::crew::until;
use crate::world::{Numbers, PATIENCE};
use overlapped::{
    Accepted, Buffer, Buffers, Packet, Port, Protocol, Received, TcpListener, TcpStream,
    Transmission,
};
use std::io;

pub struct ReceivedPacket {
    pub stream: TcpStream<Numbers>,
    pub buffer: Buffer,
    pub operation: u64,
    pub result: io::Result<Received>,
}

pub struct SentPacket {
    pub stream: TcpStream<Numbers>,
    pub buffers: Buffers,
    pub operation: u64,
    pub transferred: usize,
    pub result: io::Result<()>,
}

pub struct AcceptedPacket {
    pub listener: TcpListener<Numbers>,
    pub operation: u64,
    pub result: io::Result<Accepted>,
}

pub fn next(port: &Port<Numbers>) -> Packet<Numbers> {
    port.take_timeout(PATIENCE).expect("a packet is owed")
}

pub fn received(port: &Port<Numbers>) -> ReceivedPacket {
    match next(port) {
        Packet::Received { stream, buffer, operation, result } => {
            ReceivedPacket { stream, buffer, operation, result }
        }
        other => panic!("the packet of a receive was owed, not {other:?}"),
    }
}

pub fn sent(port: &Port<Numbers>) -> SentPacket {
    match next(port) {
        Packet::Sent { stream, buffers, operation, transferred, result } => {
            SentPacket { stream, buffers, operation, transferred, result }
        }
        other => panic!("the packet of a send was owed, not {other:?}"),
    }
}

pub struct TransmittedPacket {
    pub stream: TcpStream<Numbers>,
    pub transmission: Transmission,
    pub operation: u64,
    pub transferred: u64,
    pub result: io::Result<()>,
}

pub fn transmitted(port: &Port<Numbers>) -> TransmittedPacket {
    match next(port) {
        Packet::Transmitted { stream, transmission, operation, transferred, result } => {
            let transmission = *transmission;
            TransmittedPacket { stream, transmission, operation, transferred, result }
        }
        other => panic!("the packet of a transmission was owed, not {other:?}"),
    }
}

/// What a packet of a connect has in common with one of a send.
pub fn connected(port: &Port<Numbers>) -> SentPacket {
    match next(port) {
        Packet::Connected { stream, buffers, operation, transferred, result } => {
            SentPacket { stream, buffers, operation, transferred, result }
        }
        other => panic!("the packet of a connect was owed, not {other:?}"),
    }
}

pub fn accepted(port: &Port<Numbers>) -> AcceptedPacket {
    match next(port) {
        Packet::Accepted { listener, operation, result } => {
            AcceptedPacket { listener, operation, result: result.map(|accepted| *accepted) }
        }
        other => panic!("the packet of an accept was owed, not {other:?}"),
    }
}

/// The error number that an operation ended with.
pub fn code<T>(result: &io::Result<T>) -> Option<i32> {
    result.as_ref().err().and_then(io::Error::raw_os_error)
}

/// Number and error of any operation's packet, whatever its kind.
pub fn outcome(packet: Packet<Numbers>) -> (u64, Option<i32>) {
    let parts = packet.into_parts().unwrap_or_else(|other| panic!("nobody sent {other:?}"));
    (parts.operation, code(&parts.result))
}

/// So many packets are queued by what was started so far. A kernel that carries the operations may
/// take a moment to queue them.
#[track_caller]
pub fn expect_queued<P: Protocol>(port: &Port<P>, count: usize) {
    if port.driver().name == "iocp" {
        until(|| port.snapshot().queued == count, || format!("{:?}", port.snapshot()));
    }
    assert_eq!(port.snapshot().queued, count);
}

/// Nothing is queued, and nothing can be performed either.
pub fn assert_nothing_comes(port: &Port<Numbers>) {
    assert_eq!(port.snapshot().queued, 0);
    match port.try_take() {
        Ok(None) => {}
        other => panic!("no packet is owed any more, but there was {other:?}"),
    }
}

/// Waits until a receive of the stream would find something, without taking it.
pub fn wait_for_data(port: &Port<Numbers>, stream: &TcpStream<Numbers>) {
    const LOOK: u64 = u64::MAX;
    stream.receive(Buffer::empty(), LOOK).expect("a receive can be started");
    assert_eq!(received(port).operation, LOOK, "no other operation may be in flight here");
}

/// Starts sends of `length` bytes, numbered from 0 and filled with their number, until one finds no
/// room; returns the number of that one. Nobody may take packets meanwhile.
pub fn send_until_one_waits(
    port: &Port<Numbers>,
    stream: &TcpStream<Numbers>,
    length: usize,
) -> u64 {
    for number in 0..10_000 {
        let queued = port.snapshot().queued;
        stream.send(vec![number as u8; length], number).expect("a send can be started");
        if port.snapshot().queued == queued {
            return number;
        }
    }
    panic!("the connection takes everything although nobody receives");
}
