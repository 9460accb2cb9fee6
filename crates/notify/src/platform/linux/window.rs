//! A message window on Linux: a queue of messages, and the readiness of the sockets that report to
//! it, which becomes messages when the thread of the window looks.
//!
//! The queue has no limit (M70). It stays short all the same: of each socket it holds an event at
//! most once until the program has made the call that enables it again, and posts are the program's.

use super::socket::Core;
use crate::lock::Mutex;
use crate::message_window::gone;
use crate::sys::{ReadySet, Wakeup, code};
use crate::{Message, NetworkEvents};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// So many messages are taken before the sockets are looked at, though the queue is not empty: a
/// program that posts for every message it takes would never hear of them.
const TAKEN_MAX: u32 = 16;

pub(super) enum Queued {
    Network { socket: Weak<Core>, message: u32, event: NetworkEvents, code: i32 },
    Posted { message: u32, parameter: u64 },
}

pub(crate) struct Window {
    wakeup: Wakeup,
    set: ReadySet,
    queue: Mutex<Queue>,
    sockets: Mutex<HashMap<u64, Weak<Core>>>,
    /// Messages taken since the last look.
    taken: AtomicU32,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Queued>,
    /// The thread of the window sleeps, or is about to.
    waits: bool,
    is_closed: bool,
}

impl Window {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        let wakeup = Wakeup::new()?;
        Ok(Arc::new(Self {
            set: ReadySet::new(&wakeup)?,
            wakeup,
            queue: Mutex::default(),
            sockets: Mutex::default(),
            taken: AtomicU32::new(0),
        }))
    }

    pub(crate) fn post(&self, message: u32, parameter: u64) -> io::Result<()> {
        if self.push(Queued::Posted { message, parameter }) { Ok(()) } else { Err(gone()) }
    }

    /// Gives `false` when the window is gone.
    pub(super) fn push(&self, message: Queued) -> bool {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return false;
        }
        queue.messages.push_back(message);
        if queue.waits {
            self.wakeup.signal();
        }
        true
    }

    /// From now on what happens to the socket is noticed here.
    pub(super) fn watch(&self, socket: &Core) -> io::Result<()> {
        self.sockets.lock().insert(socket.id.0, socket.weak());
        let added = self.set.add(&socket.system, socket.id.0);
        if added.is_err() {
            self.sockets.lock().remove(&socket.id.0);
        }
        added
    }

    pub(super) fn forget(&self, socket: &Core) {
        self.set.remove(&socket.system);
        self.sockets.lock().remove(&socket.id.0);
    }

    /// Called by the thread of the window only.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> io::Result<Option<Message>> {
        // A time that lies beyond what can be told is for ever.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let left = || deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let mut found = Vec::new();
        if self.taken.fetch_add(1, Ordering::Relaxed) < TAKEN_MAX
            && let Some(message) = self.pop()
        {
            return Ok(Some(message));
        }
        loop {
            self.taken.store(1, Ordering::Relaxed);
            let is_empty = {
                let mut queue = self.queue.lock();
                queue.waits = queue.messages.is_empty();
                queue.waits
            };
            let time = if is_empty { left() } else { Some(Duration::ZERO) };
            let is_woken = self.set.wait(time, &mut found);
            self.wakeup.clear(is_woken);
            if is_empty {
                self.queue.lock().waits = false;
            }
            for (number, ready) in found.drain(..) {
                let socket = self.sockets.lock().get(&number).and_then(Weak::upgrade);
                if let Some(socket) = socket {
                    socket.was_seen(ready);
                }
            }
            if let Some(message) = self.pop() {
                return Ok(Some(message));
            }
            if left() == Some(Duration::ZERO) {
                return Ok(None);
            }
        }
    }

    /// The next message. Those of a socket that was dropped are passed over.
    fn pop(&self) -> Option<Message> {
        loop {
            let next = self.queue.lock().messages.pop_front()?;
            match next {
                Queued::Posted { message, parameter } => {
                    return Some(Message::Posted { message, parameter });
                }
                Queued::Network { socket, message, event, code } => {
                    let Some(socket) = socket.upgrade().filter(|socket| !socket.is_closed()) else {
                        continue;
                    };
                    let error = (code != 0).then(|| code::error(code));
                    return Some(Message::Network { message, socket: socket.id, event, error });
                }
            }
        }
    }

    /// The user lets go of the window: nothing is queued any more.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.is_closed = true;
        let messages = std::mem::take(&mut queue.messages);
        drop(queue);
        drop(messages);
        self.sockets.lock().clear();
    }
}
