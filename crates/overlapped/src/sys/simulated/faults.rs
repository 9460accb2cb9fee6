//! The script of calls that are to fail.

use super::state::{Shared, SocketId, State};
use crate::sys::code;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

/// A kind of call that a port makes on a simulated socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// A receive, also the look of a zero-length one.
    Receive,
    /// A send.
    Send,
    /// An accept.
    Accept,
    /// The start of a connect.
    Connect,
    /// A receive of a datagram.
    ReceiveFrom,
    /// The sending of a datagram.
    SendTo,
    /// Making the new socket that a disconnect gives to its handle.
    Open,
    /// The registration of a socket with a port, which association makes.
    Register,
}

const CALLS: usize = 8;

/// The script of a network's faults, got from [`Network::faults`](super::Network::faults).
///
/// Calls are counted per kind from the making of the network, every attempt counts (also one that
/// says "not now"), and a call that fails by script does nothing else. Only a port's calls count;
/// those of a [`Peer`](super::Peer) or [`DatagramPeer`](super::DatagramPeer) do not.
#[derive(Debug, Clone)]
pub struct Faults {
    pub(super) shared: Arc<Shared>,
}

impl Faults {
    /// Lets the `nth` call of this kind (the first is 1) fail with the system's error number
    /// `errno`. Nothing happens if that many calls were made already.
    pub fn fail(&self, call: Call, nth: u64, errno: i32) {
        self.shared.state.lock().script.of(call).by_number.insert(nth, errno);
    }

    /// Lets the next `times` calls of this kind fail with the system's error number `errno`, after
    /// those that were to fail before.
    pub fn fail_next(&self, call: Call, times: u64, errno: i32) {
        if times > 0 {
            self.shared.state.lock().script.of(call).next.push_back((times, errno));
        }
    }

    /// How many calls of this kind were made so far.
    pub fn calls(&self, call: Call) -> u64 {
        self.shared.state.lock().script.of(call).made
    }

    /// How many faults are still to come.
    pub fn pending(&self) -> u64 {
        let state = self.shared.state.lock();
        state.script.lists.iter().map(List::pending).fold(0, u64::saturating_add)
    }

    /// Removes every fault that has not happened yet.
    pub fn clear(&self) {
        for list in &mut self.shared.state.lock().script.lists {
            list.by_number.clear();
            list.next.clear();
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Script {
    lists: [List; CALLS],
}

#[derive(Debug, Default)]
struct List {
    made: u64,
    by_number: BTreeMap<u64, i32>,
    next: VecDeque<(u64, i32)>,
}

impl List {
    fn pending(&self) -> u64 {
        let by_number = self.by_number.range(self.made + 1..).count() as u64;
        self.next.iter().map(|(times, _)| *times).fold(by_number, u64::saturating_add)
    }

    /// Counts one call; the error it is to fail with.
    fn count(&mut self) -> Option<i32> {
        self.made += 1;
        if let Some(errno) = self.by_number.remove(&self.made) {
            return Some(errno);
        }
        let (times, errno) = self.next.front_mut()?;
        let errno = *errno;
        *times -= 1;
        if *times == 0 {
            self.next.pop_front();
        }
        Some(errno)
    }
}

impl Script {
    fn of(&mut self, call: Call) -> &mut List {
        &mut self.lists[call as usize]
    }
}

impl State {
    /// Counts a call of the port on the socket, and lets it fail if the script says so.
    pub(super) fn fault(&mut self, id: SocketId, call: Call) -> io::Result<()> {
        let Some(number) = self.script.of(call).count() else {
            return Ok(());
        };
        if number == code::WOULD_BLOCK {
            // "Not now" promises an edge when the call may go on, so there is one.
            let readiness = self.readiness(id);
            self.signal(id, readiness);
        }
        Err(code::error(number))
    }
}
