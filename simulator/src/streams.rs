//! The streams of a life, and what went over them.

use crate::ledger::Kind;
use crate::ledger::ledger;
use crate::protocol::{Life, Token};
use crate::random::mixed;
use overlapped::{Buffer, OperationId, Received, TcpStream};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The byte at `offset` of what an end sends. `end` is the port of the end that connected, doubled, and one more
/// for what the other end sends.
fn byte(end: u64, offset: u64) -> u8 {
    mixed(end, offset / 8).to_le_bytes()[(offset % 8) as usize]
}

/// `length` bytes of what an end sends, from `offset` on.
pub fn bytes(end: u64, offset: u64, length: usize) -> Vec<u8> {
    (offset..offset + length as u64).map(|offset| byte(end, offset)).collect()
}

/// What the end that connected sends, by its port.
pub fn from_connecting(port: u16) -> u64 {
    2 * u64::from(port)
}

/// What the other end sends.
pub fn from_listening(port: u16) -> u64 {
    2 * u64::from(port) + 1
}

/// A stream of the port's.
#[derive(Debug)]
pub struct Stream {
    pub number: u64,
    handle: shuttle::sync::Mutex<Option<TcpStream<Life>>>,
    /// Held while an operation is started, so that it is known which is the first.
    starts: shuttle::sync::Mutex<Starts>,
    came: Mutex<Came>,
}

#[derive(Debug)]
struct Starts {
    receives: u64,
    sends: u64,
    last: Option<OperationId>,
    sent_bytes: u64,
    outgoing: u64,
}

/// What receives brought, by their number.
#[derive(Debug)]
struct Came {
    incoming: u64,
    next: u64,
    offset: u64,
    early: BTreeMap<u64, Vec<u8>>,
}

impl Stream {
    /// The stream of this number, between the ends that send `incoming` and `outgoing`.
    pub fn new(number: u64, handle: TcpStream<Life>, incoming: u64, outgoing: u64) -> Arc<Self> {
        Arc::new(Self {
            number,
            handle: shuttle::sync::Mutex::new(Some(handle)),
            starts: shuttle::sync::Mutex::new(Starts {
                receives: 0,
                sends: 0,
                last: None,
                sent_bytes: 0,
                outgoing,
            }),
            came: Mutex::new(Came { incoming, next: 1, offset: 0, early: BTreeMap::new() }),
        })
    }

    /// The handle, unless it was let go.
    pub fn handle(&self) -> Option<TcpStream<Life>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the handle go. The last of its clones closes the connection.
    pub fn let_go(&self) {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(handle);
    }

    pub fn receive(&self, pooled: bool) {
        let Some(handle) = self.handle() else { return };
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let index = starts.receives + 1;
        let token = Token::in_lane(Kind::Receive, self.number, index);
        let id = token.id();
        let started = match pooled {
            true => handle.receive_pooled(token).map_err(|refused| refused.returned),
            false => {
                let buffer = Buffer::with_capacity(64 + (id % 900) as usize);
                handle.receive(buffer, token).map_err(|refused| refused.returned.1)
            }
        };
        match started {
            Ok(operation) => {
                (starts.receives, starts.last) = (index, Some(operation));
                ledger(|ledger| ledger.started(id));
            }
            Err(token) => ledger(|ledger| ledger.given_back(token.id())),
        }
    }

    pub fn send(&self, sent: &Sends, length: usize) {
        let Some(handle) = self.handle() else { return };
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let index = starts.sends + 1;
        let token = Token::in_lane(Kind::Send, self.number, index);
        let id = token.id();
        let buffer = Buffer::from(bytes(starts.outgoing, starts.sent_bytes, length));
        sent.begin(id, starts.outgoing, starts.sent_bytes);
        match handle.send(buffer, token) {
            Ok(operation) => {
                (starts.sends, starts.last) = (index, Some(operation));
                starts.sent_bytes += length as u64;
                ledger(|ledger| ledger.started(id));
            }
            Err(refused) => {
                sent.end(id, false);
                ledger(|ledger| ledger.given_back(refused.returned.1.id()));
            }
        }
    }

    /// The same, with a packet only if it fails.
    pub fn send_quietly(&self, sent: &Sends, length: usize) {
        let Some(handle) = self.handle() else { return };
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let token = Token::new(Kind::Send);
        let id = token.id();
        ledger(|ledger| ledger.quiet(id));
        let buffer = Buffer::from(bytes(starts.outgoing, starts.sent_bytes, length));
        sent.begin(id, starts.outgoing, starts.sent_bytes);
        match handle.send_quiet(buffer, token) {
            Ok(operation) => {
                starts.last = operation.or(starts.last);
                starts.sent_bytes += length as u64;
                ledger(|ledger| ledger.started(id));
            }
            Err(refused) => {
                sent.end(id, false);
                ledger(|ledger| ledger.given_back(refused.returned.1.id()));
            }
        }
    }

    /// Limits the time of the operation that was started last, if it is in flight.
    pub fn limit_last(&self, limit: Duration) {
        let last = self.starts.lock().unwrap_or_else(PoisonError::into_inner).last;
        if let (Some(handle), Some(last)) = (self.handle(), last) {
            // It may be over.
            let _ = handle.set_limit(last, Some(limit));
        }
    }

    /// Cancels the operation that was started last, if it is in flight.
    pub fn cancel_last(&self) {
        let last = self.starts.lock().unwrap_or_else(PoisonError::into_inner).last;
        if let (Some(handle), Some(last)) = (self.handle(), last) {
            // It may be over.
            let _ = handle.cancel(last);
        }
    }

    /// This came with the connection, before anything was received.
    pub fn came_first(&self, data: &Buffer) {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            data[..] == bytes(came.incoming, 0, data.len()),
            "the first data of stream {} is not what was sent first",
            self.number
        );
        came.offset = data.len() as u64;
    }

    /// A receive with this number in the order of starts has brought this.
    pub fn came(&self, index: u64, buffer: &Buffer, result: &io::Result<Received>) {
        let data = match result {
            Ok(Received::Data(length)) => {
                assert_eq!(*length, buffer.len(), "the buffer has what came");
                buffer.to_vec()
            }
            _ => Vec::new(),
        };
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        let came = &mut *came;
        came.early.insert(index, data);
        while let Some(data) = came.early.remove(&came.next) {
            let expected = bytes(came.incoming, came.offset, data.len());
            assert!(
                data == expected,
                "receive {} of stream {} has other bytes than those behind the first {} (P150, P151): {data:?} for {expected:?}",
                came.next,
                self.number,
                came.offset
            );
            came.offset += data.len() as u64;
            came.next += 1;
        }
    }
}

/// All sends of a life, by what they carry.
#[derive(Debug, Default)]
pub struct Sends(Mutex<SendsState>);

#[derive(Debug, Default)]
struct SendsState {
    by_id: BTreeMap<u64, (u64, u64)>,
    /// From where on nothing is known of what an end has sent, since a send has failed.
    unknown: BTreeMap<u64, u64>,
}

impl Sends {
    fn begin(&self, id: u64, end: u64, offset: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.by_id.insert(id, (end, offset));
    }

    /// A send is over. If it has failed, nobody knows how much of it and of what follows went out.
    pub fn end(&self, id: u64, is_complete: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((end, offset)) = state.by_id.remove(&id) else { return };
        if !is_complete {
            let from = state.unknown.entry(end).or_insert(offset);
            *from = offset.min(*from);
        }
    }

    /// Compares what came from an end with what was sent there, now that nothing is under way any more.
    pub fn compare(&self, end: u64, came: &[u8]) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = state.unknown.get(&end).copied().into_iter();
        let unfinished =
            state.by_id.values().filter(|(of, _)| *of == end).map(|(_, offset)| *offset);
        let known = unknown
            .chain(unfinished)
            .min()
            .map_or(came.len(), |from| came.len().min(from as usize));
        assert!(
            came[..known] == bytes(end, 0, known),
            "the {} bytes that a peer received are not those that were sent (P150, P154)",
            came.len()
        );
    }
}
