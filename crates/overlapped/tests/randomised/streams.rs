//! The two ends of each connection and what went over them.
//!
//! Every end writes down its sends and its receives in the order in which it started them, under
//! one lock, since only calls made one after the other have an order (P151). What came of each is
//! known from its packet. Afterwards, what one end received must be the beginning of what the other
//! end's system took; if the end of the stream was seen, it must be all of it.

use crate::ledger::Ticket;
use crate::random::mix;
use overlapped::{OperationId, Received};
use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

/// One end of a connection: what the completion key says.
#[derive(Debug)]
pub struct End {
    /// What an accept received as first data.
    pub first_data: Vec<u8>,
    pub log: Mutex<Log>,
}

#[derive(Debug, Default)]
pub struct Log {
    pub sends: Vec<u64>,
    pub receives: Vec<u64>,
    /// Operations that may be cancelled.
    pub ids: Vec<OperationId>,
    /// Nothing is started on this end any more.
    pub given_up: bool,
}

/// What the packet of an operation said.
#[derive(Debug)]
pub enum Outcome {
    Sent(usize),
    Received(Option<Received>, Vec<u8>),
}

impl End {
    pub fn new(first_data: Vec<u8>) -> Self {
        Self { first_data, log: Mutex::default() }
    }
}

/// The bytes that the send of this number sends.
pub fn bytes_of(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    for word in 0..length.div_ceil(8) as u64 {
        bytes.extend_from_slice(&mix(number << 24 | word).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// How long the send of this number is; mostly short.
pub fn length_of(ticket: &Ticket) -> usize {
    let random = mix(ticket.number()) as usize;
    match random % 100 {
        0 => 0,
        1..=3 => 20_000 + (random >> 8) % 200_000,
        _ => 1 + (random >> 8) % 700,
    }
}

/// What [`verify`] has found right.
#[derive(Debug, Default)]
pub struct Verified {
    pub ends: usize,
    pub bytes: usize,
    pub complete: usize,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ends, bytes, complete } = self;
        write!(f, "{bytes} bytes of {ends} ends are right, {complete} of them to the last byte")
    }
}

/// Compares what every end received with what its other end sent. Under Wine a reset may look like
/// an end, so there the last bytes of a connection may be missing.
pub fn verify(
    ends: &HashMap<(usize, bool), std::sync::Arc<End>>,
    results: &HashMap<u64, Outcome>,
    resets_may_look_like_ends: bool,
) -> Verified {
    let mut verified = Verified::default();
    for ((connection, accepted), end) in ends {
        let (mut received, mut ended) = (end.first_data.clone(), false);
        for number in &end.log.lock().expect("no thread panicked").receives {
            match results.get(number) {
                Some(Outcome::Received(result, bytes)) => {
                    assert!(!ended || bytes.is_empty(), "data after the end of {connection}");
                    received.extend_from_slice(bytes);
                    ended |= *result == Some(Received::End);
                }
                // Its start failed at once.
                None => {}
                Some(Outcome::Sent(_)) => panic!("{number} was a receive"),
            }
        }
        if received.is_empty() && !ended {
            continue;
        }
        let sender = ends.get(&(*connection, !accepted)).map(|end| end.log.lock());
        let sends = sender.map(|log| log.expect("no thread panicked").sends.clone());
        let mut taken = Vec::new();
        for number in sends.unwrap_or_default() {
            if let Some(Outcome::Sent(transferred)) = results.get(&number) {
                taken.extend(bytes_of(number, *transferred));
            }
        }
        assert!(
            taken.starts_with(&received),
            "connection {connection}: {} bytes received are not the first of {} sent",
            received.len(),
            taken.len()
        );
        if ended {
            let is_complete = received.len() == taken.len();
            assert!(
                is_complete || resets_may_look_like_ends,
                "connection {connection} has ended, but of {} bytes only {} came",
                taken.len(),
                received.len()
            );
            verified.complete += usize::from(is_complete);
        }
        verified.ends += 1;
        verified.bytes += received.len();
    }
    verified
}
