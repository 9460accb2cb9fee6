//! The sockets that one thread looks after in its alertable waits, since it started operations with
//! routines on them.

use super::attempt::Direction;
use super::handle::Core;
use super::this_thread;
use crate::lock::Mutex;
use crate::sys::{ReadySet, Wakeup};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;

pub(super) struct RoutineSockets {
    set: ReadySet,
    wakeup: Arc<Wakeup>,
    /// By the number of each, which is the token of its edges.
    sockets: Mutex<HashMap<u64, Weak<Core>>>,
}

impl RoutineSockets {
    pub(super) fn new(wakeup: Arc<Wakeup>) -> io::Result<Self> {
        Ok(Self { set: ReadySet::new(&wakeup)?, wakeup, sockets: Mutex::default() })
    }

    /// Looks after this socket from now on.
    pub(super) fn add(&self, core: &Arc<Core>) -> io::Result<()> {
        self.set.add(core.descriptor(), core.number())?;
        self.sockets.lock().insert(core.number(), Arc::downgrade(core));
        Ok(())
    }

    /// The socket is about to close.
    pub(super) fn remove(&self, core: &Core) {
        self.sockets.lock().remove(&core.number());
        self.set.remove(core.descriptor());
    }

    /// Waits for changes and for the wake-up descriptor, at most so long, and lets the operations proceed.
    pub(super) fn look(&self, timeout: Option<Duration>) {
        let mut found = Vec::new();
        let is_woken = self.set.wait(timeout, &mut found);
        self.wakeup.clear(is_woken);
        for (number, ready) in found {
            let core = self.sockets.lock().get(&number).and_then(Weak::upgrade);
            let Some(core) = core else { continue };
            if ready.readable || ready.is_over() {
                core.drive(Direction::In);
            }
            if ready.writable || ready.is_broken() {
                core.drive(Direction::Out);
            }
        }
    }
}

impl AsFd for RoutineSockets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

/// Lets operations of this thread proceed that can, without waiting.
pub(crate) fn look() {
    if let Some(sockets) = this_thread::routine_sockets_if_any() {
        sockets.look(Some(Duration::ZERO));
    }
}
