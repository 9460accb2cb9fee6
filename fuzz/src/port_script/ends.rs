//! The two ends of each connection, and what went over it.

use super::model::End;
use super::stage::Numbers;
use overlapped::{OperationId, TcpStream};
use std::net::SocketAddr;

/// A send that was started, and how many of its bytes went out if that is known.
pub struct Send {
    pub number: u32,
    pub bytes: usize,
    pub transferred: Option<usize>,
}

pub struct Side {
    /// None when its handle was dropped or closed.
    pub stream: Option<TcpStream<Numbers>>,
    /// None until it was accepted.
    pub peer: Option<End>,
    /// The address of a client.
    pub address: Option<SocketAddr>,
    pub is_connected: bool,
    /// It was closed, aborted or dropped, or has met an error.
    pub is_over: bool,
    pub has_ended_sending: bool,
    pub has_ended_receiving: bool,
    pub sends: Vec<Send>,
    pub received: Vec<u8>,
    pub saw_end: bool,
    /// Operations that may be cancelled.
    pub ids: Vec<(OperationId, u32)>,
}

impl Side {
    pub fn new(stream: TcpStream<Numbers>, address: Option<SocketAddr>, peer: Option<End>) -> Self {
        Self {
            stream: Some(stream),
            peer,
            address,
            is_connected: peer.is_some(),
            is_over: false,
            has_ended_sending: false,
            has_ended_receiving: false,
            sends: Vec::new(),
            received: Vec::new(),
            saw_end: false,
            ids: Vec::new(),
        }
    }

    /// Says of the send of this number how many bytes went out.
    pub fn sent(&mut self, number: u32, transferred: usize) {
        let send = self.sends.iter_mut().find(|send| send.number == number);
        let send = send.expect("a send that was started");
        assert!(transferred <= send.bytes, "{number} sent more than it has");
        send.transferred = Some(transferred);
    }

    /// How many bytes went out for certain.
    pub fn sent_for_certain(&self) -> usize {
        self.sends.iter().filter_map(|send| send.transferred).sum()
    }
}

/// The bytes that the send of this number sends.
pub fn bytes_of(number: u32, length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (number.wrapping_mul(31) ^ at.wrapping_mul(7)) as u8).collect()
}

/// What each end received must be the beginning of what the other one sent, and all of it where the end was seen.
pub fn verify(sides: &[Side]) {
    for (end, side) in sides.iter().enumerate() {
        let Some(peer) = side.peer else {
            assert!(side.received.is_empty() && !side.saw_end, "{end} has received from nobody");
            continue;
        };
        let mut sent = Vec::new();
        for send in &sides[peer].sends {
            let went_out = send.transferred.expect("every send is over");
            sent.extend_from_slice(&bytes_of(send.number, send.bytes)[..went_out]);
        }
        assert!(
            sent.starts_with(&side.received),
            "{end}: {} bytes received are not the first of {} sent",
            side.received.len(),
            sent.len()
        );
        let is_whole = sent.len() == side.received.len();
        assert!(is_whole || !side.saw_end, "{end} saw the end before the last byte (P160)");
    }
}
