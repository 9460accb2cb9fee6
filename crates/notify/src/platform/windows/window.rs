//! A message window on Windows, and the names of sockets in messages.
//!
//! The system names the socket of a message by a number that it gives to another one after the close.
//! So each socket reports under a message number of its own, which tells the socket's name and the
//! number that its user chose, and which is used again only after all others.

use crate::lock::Mutex;
use crate::message_window::gone;
use crate::sys::{self, Arrived, Deadline, code};
use crate::{Message, NetworkEvents, SocketId};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// What a message number stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) id: SocketId,
    /// An accepted socket reports under its listener's number until its user has it. Those messages
    /// are passed over, since it is selected anew then, and tells again.
    pub(super) socket: usize,
    pub(super) message: u32,
}

pub(super) struct Numbers {
    names: HashMap<u32, Name>,
    /// Given back longest ago first.
    free: VecDeque<u32>,
    never_used: std::ops::RangeInclusive<u32>,
}

impl Numbers {
    pub(super) fn take(&mut self, name: Name) -> io::Result<u32> {
        let number = self.never_used.next().or_else(|| self.free.pop_front()).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "the message window has no number left for one more socket: use another window",
            )
        })?;
        self.names.insert(number, name);
        Ok(number)
    }

    pub(super) fn give_back(&mut self, number: u32) {
        self.names.remove(&number);
        self.free.push_back(number);
    }
}

pub(crate) struct Window {
    pub(super) system: sys::Window,
    pub(super) numbers: Mutex<Numbers>,
}

impl Window {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let numbers =
            Numbers { names: HashMap::new(), free: VecDeque::new(), never_used: sys::NUMBERS };
        Ok(Arc::new(Self { system: sys::Window::new()?, numbers: Mutex::new(numbers) }))
    }

    pub(crate) fn post(&self, message: u32, parameter: u64) -> io::Result<()> {
        self.system.post(message, parameter).unwrap_or_else(|| Err(gone()))
    }

    /// Called by the thread of the window only.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> io::Result<Option<Message>> {
        let deadline = Deadline::after(timeout);
        loop {
            while let Some(arrived) = self.system.pop() {
                if let Some(message) = self.name(arrived) {
                    return Ok(Some(message));
                }
            }
            if self.system.pump(deadline)? {
                return Ok(None);
            }
        }
    }

    /// What came, in the user's words; `None` for what is of nobody's interest any more.
    fn name(&self, arrived: Arrived) -> Option<Message> {
        match arrived {
            Arrived::Posted { message, parameter } => Some(Message::Posted { message, parameter }),
            Arrived::Network { number, socket, event, code } => {
                let name = *self.numbers.lock().names.get(&number)?;
                let event = NetworkEvents::from_bits(event);
                let is_it = name.socket == socket && !event.is_empty();
                let error = (code != 0).then(|| code::error(code));
                let message = name.message;
                is_it.then_some(Message::Network { message, socket: name.id, event, error })
            }
        }
    }

    /// The user lets go of the window, on its thread.
    pub(crate) fn close(&self) {
        self.system.close();
    }
}
