//! Several buffers as one room, for a receive that fills them in order.

use super::{Buffer, Buffers};
use std::io::IoSliceMut;

impl Buffers {
    /// The same buffers, empty.
    pub(crate) fn cleared(mut self) -> Self {
        self.iter_mut().for_each(Buffer::clear);
        self
    }

    /// How many bytes fit behind the filled parts together.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(crate) fn spare_len(&self) -> usize {
        self.iter().map(Buffer::spare_len).sum()
    }

    /// Writes the rooms behind the filled parts into `rooms`, in order and none that is empty;
    /// returns how many.
    pub(crate) fn rooms<'a>(&'a mut self, rooms: &mut [IoSliceMut<'a>]) -> usize {
        let mut count = 0;
        let with_room = self.iter_mut().filter(|buffer| buffer.spare_len() > 0);
        for (room, buffer) in rooms.iter_mut().zip(with_room) {
            *room = IoSliceMut::new(buffer.spare_mut());
            count += 1;
        }
        count
    }

    /// Says that the next `count` bytes of the rooms, in order, hold data now.
    pub(crate) fn add_filled(&mut self, mut count: usize) {
        for buffer in self.iter_mut() {
            let part = count.min(buffer.spare_len());
            buffer.add_filled(part);
            count -= part;
        }
        assert!(count == 0, "no more can be filled than there is room");
    }
}
