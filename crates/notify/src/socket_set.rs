//! The sets that a select is given.

use crate::{Socket, SocketId};

/// How many sockets a set holds that was not told otherwise: the `FD_SETSIZE` of Windows.
const CAPACITY: usize = 64;

/// A set of sockets for [`select`](crate::select()): an array with a capacity, in the order in
/// which they were inserted.
///
/// The capacity belongs to this set: `select` has no such limit, and the number that the system
/// gives a socket does not matter. A select leaves only ready sockets in a set. So a program keeps
/// one set with all of its sockets, and gives a clone of it to each call.
///
/// A set borrows its sockets, so none can be closed while a select waits for it.
#[derive(Debug, Clone)]
pub struct SocketSet<'a> {
    pub(crate) sockets: Vec<&'a Socket>,
    capacity: usize,
    /// No socket that was ever in the set has a name beyond this one.
    last: Option<SocketId>,
}

impl<'a> SocketSet<'a> {
    /// An empty set that holds up to 64 sockets.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// An empty set that holds up to `capacity` sockets.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { sockets: Vec::new(), capacity, last: None }
    }

    /// Adds a socket at the end. One that is there already is not added again, and to a full set
    /// nothing is added.
    ///
    /// Returns whether the socket is in the set now: `false` means that the set is full. The call
    /// looks at every socket of the set, unless this one is newer than all of them. So insert the
    /// oldest first.
    pub fn insert(&mut self, socket: &'a Socket) -> bool {
        let is_youngest = self.last < Some(socket.id());
        if !is_youngest && self.contains(socket) {
            return true;
        }
        let has_room = self.sockets.len() < self.capacity;
        if has_room {
            self.sockets.push(socket);
            self.last = self.last.max(Some(socket.id()));
        }
        has_room
    }

    /// Takes a socket out; those after it move up. Returns whether it was in the set.
    pub fn remove(&mut self, socket: &Socket) -> bool {
        let found = self.sockets.iter().position(|one| one.id() == socket.id());
        found.map(|at| self.sockets.remove(at)).is_some()
    }

    /// Whether the socket is in the set. It looks at every socket of the set.
    #[must_use]
    pub fn contains(&self, socket: &Socket) -> bool {
        self.sockets.iter().any(|one| one.id() == socket.id())
    }

    /// How many sockets it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// How many sockets it holds at the most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Takes all sockets out.
    pub fn clear(&mut self) {
        self.sockets.clear();
    }

    /// Its sockets, in the order in which they were inserted.
    pub fn iter(&self) -> impl Iterator<Item = &'a Socket> {
        self.sockets.iter().copied()
    }
}

impl Default for SocketSet<'_> {
    fn default() -> Self {
        Self::new()
    }
}
