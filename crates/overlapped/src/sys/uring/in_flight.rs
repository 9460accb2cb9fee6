//! What the kernel works on: neither moved nor looked at until it is done.

use super::{Completion, Entry, Withdrawn};
use crate::sys::files::{Request, Transfer};
use io_uring::{opcode, squeue, types};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

/// The transfers that go through one ring, each with a label, which may be looked at any time.
///
/// A transfer is with the kernel from its [`entry`](Self::entry) to its completion; meanwhile it is only
/// a pointer here. What is with the kernel when this is dropped is never freed.
pub(crate) struct InFlight<L, T> {
    slots: Vec<Slot<L, T>>,
    free: Vec<u32>,
}

struct Slot<L, T> {
    generation: u32,
    place: Option<Place<L, T>>,
}

struct Place<L, T> {
    label: L,
    /// Came from a box.
    transfer: NonNull<T>,
    with_kernel: bool,
}

// SAFETY: a place owns its transfer as a box does, and a transfer may be sent.
unsafe impl<L: Send, T: Transfer> Send for Place<L, T> {}

impl<L, T: Transfer> InFlight<L, T> {
    pub(crate) fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Gives the transfer a place; the number names it until it is taken out.
    pub(crate) fn insert(&mut self, label: L, transfer: Box<T>) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, place: None });
            u32::try_from(self.slots.len() - 1).expect("there are far fewer places")
        });
        let slot = &mut self.slots[index as usize];
        let transfer = NonNull::from(Box::leak(transfer));
        slot.place = Some(Place { label, transfer, with_kernel: false });
        number(slot.generation, index as usize)
    }

    fn place(&mut self, id: u64) -> Option<&mut Place<L, T>> {
        let slot = self.slots.get_mut(id as u32 as usize)?;
        if slot.generation == (id >> 32) as u32 { slot.place.as_mut() } else { None }
    }

    pub(crate) fn label(&mut self, id: u64) -> Option<&mut L> {
        self.place(id).map(|place| &mut place.label)
    }

    /// Every label with its number.
    pub(crate) fn labels(&mut self) -> impl Iterator<Item = (u64, &mut L)> {
        self.slots.iter_mut().enumerate().filter_map(|(index, slot)| {
            let id = number(slot.generation, index);
            slot.place.as_mut().map(|place| (id, &mut place.label))
        })
    }

    /// The next request of a transfer that is not with the kernel; from now on it is. With `aside`, the
    /// kernel does not try it in the submitting call.
    pub(crate) fn entry(&mut self, id: u64, aside: bool) -> Option<Entry> {
        let place = self.place(id).filter(|place| !place.with_kernel)?;
        place.with_kernel = true;
        // SAFETY: it came from a box that nobody has freed, since only `take` gives it away, and the kernel
        // did not have it until now.
        let (file, request) = unsafe { place.transfer.as_mut() }.request();
        let file = types::Fd(file.as_raw_fd());
        let entry = match request {
            Request::Read { room, offset } => {
                opcode::Read::new(file, room.as_mut_ptr(), length(room)).offset(offset).build()
            }
            Request::Write { bytes, offset } => {
                opcode::Write::new(file, bytes.as_ptr(), length(bytes)).offset(offset).build()
            }
            Request::Flush => opcode::Fsync::new(file).build(),
        };
        let flags = if aside { squeue::Flags::ASYNC } else { squeue::Flags::empty() };
        Some(Entry(entry.flags(flags).user_data(id)))
    }

    /// The transfer whose one request at the kernel is over.
    pub(crate) fn completed(&mut self, completion: &Completion) -> Option<(&mut L, &mut T)> {
        let place = self.place(completion.id)?;
        place.with_kernel = false;
        // SAFETY: as in `entry`: the kernel has let go of it.
        Some((&mut place.label, unsafe { place.transfer.as_mut() }))
    }

    /// The number of the transfer whose entry the kernel never saw.
    pub(crate) fn withdrawn(&mut self, Withdrawn(id): Withdrawn) -> u64 {
        if let Some(place) = self.place(id) {
            place.with_kernel = false;
        }
        id
    }

    /// Takes out a transfer that is not with the kernel.
    pub(crate) fn take(&mut self, id: u64) -> Option<(L, Box<T>)> {
        self.place(id).filter(|place| !place.with_kernel)?;
        let slot = &mut self.slots[id as u32 as usize];
        // The highest generation is kept for the numbers that name nothing here.
        slot.generation = (slot.generation + 1) % u32::MAX;
        let place = slot.place.take()?;
        self.free.push(id as u32);
        // SAFETY: it came from a box, the kernel does not have it, and its place is gone.
        Some((place.label, unsafe { Box::from_raw(place.transfer.as_ptr()) }))
    }
}

fn number(generation: u32, index: usize) -> u64 {
    u64::from(generation) << 32 | index as u64
}

/// What is longer is cut, and goes on like any short transfer.
fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::files::SystemFile;
    use std::sync::Arc;

    struct Flush(Arc<SystemFile>);

    impl Transfer for Flush {
        fn request(&mut self) -> (&Arc<SystemFile>, Request<'_>) {
            (&self.0, Request::Flush)
        }
    }

    #[test]
    fn what_is_with_the_kernel_is_neither_asked_nor_given_away() {
        let file = std::fs::File::open("Cargo.toml").expect("the package has one");
        let file = Arc::new(file.try_into().expect("it is a file"));
        let flush = || Box::new(Flush(Arc::clone(&file)));
        let mut in_flight = InFlight::new();
        let id = in_flight.insert((), flush());
        assert!(in_flight.entry(id, false).is_some());
        assert!(in_flight.entry(id, false).is_none(), "it has one request at a time");
        assert!(in_flight.take(id).is_none(), "the kernel has it");
        let completion = Completion::of(id, Ok(0));
        assert!(in_flight.completed(&completion).is_some());
        assert!(in_flight.take(id).is_some());
        let next = in_flight.insert((), flush());
        assert_ne!(next, id, "the place is the same, the number is not");
        assert!(in_flight.completed(&completion).is_none(), "nobody has this number any more");
        assert!(in_flight.take(next).is_some(), "the kernel does not have it");
        assert_eq!(in_flight.count(), 0);
    }
}
