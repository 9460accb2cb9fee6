//! The types that travel through the port.

use crate::ledger::{Kind, ledger};
use overlapped::{Port, Protocol};
use std::cell::RefCell;

/// The protocol of a simulation.
#[derive(Debug)]
pub struct Life;

impl Protocol for Life {
    /// The number of a stream; zero for what is none.
    type Key = u64;
    type Operation = Token;
    type Message = Token;
}

thread_local! {
    /// What tokens that are dropped look at.
    static PORT: RefCell<Option<Port<Life>>> = const { RefCell::new(None) };
}

/// From now on, every eighth token that is dropped takes a look at this port. A library that drops what is the
/// user's under a lock then waits for itself.
pub fn look_at(port: Option<Port<Life>>) {
    let before = PORT.with(|current| current.replace(port));
    drop(before);
}

/// One operation or one posted value.
#[derive(Debug)]
pub struct Token(u64);

impl Token {
    /// A new one, which the library owes from now on.
    pub fn new(kind: Kind) -> Self {
        Self(ledger(|ledger| ledger.issue(kind, None)))
    }

    /// The same for the operation with this number in its lane.
    pub fn in_lane(kind: Kind, stream: u64, index: u64) -> Self {
        Self(ledger(|ledger| ledger.issue(kind, Some(((stream, kind), index)))))
    }

    pub fn id(&self) -> u64 {
        self.0
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        ledger(|ledger| ledger.dropped(self.0));
        if self.0.is_multiple_of(8) && !std::thread::panicking() {
            let port = PORT.with(|port| port.borrow().clone());
            if let Some(port) = port {
                let _ = port.snapshot();
            }
        }
    }
}
