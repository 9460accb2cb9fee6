//! Several packets taken at once.

use super::inner::Inner;
use crate::op::packet::Packet;
use crate::protocol::Protocol;
use crate::sched::{Deadline, TakeError};
use std::collections::VecDeque;
use std::sync::Arc;

/// Packets that one thread has taken, oldest first. Its iterator gives them out by value.
///
/// If it is dropped, the packets that are left return to the head of the queue, where any thread
/// may take them. In every other case a packet that was taken never returns to the queue.
pub struct Batch<P: Protocol> {
    port: Arc<Inner<P>>,
    packets: VecDeque<Packet<P>>,
}

impl<P: Protocol> Batch<P> {
    pub(crate) fn take(
        port: &Arc<Inner<P>>,
        max: usize,
        deadline: Deadline,
    ) -> Result<Self, TakeError> {
        let packets = VecDeque::from([port.take_undelivered(deadline)?]);
        let mut batch = Self { port: Arc::clone(port), packets };
        port.take_more(&mut batch.packets, max);
        Ok(batch)
    }

    /// How many packets are left.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether no packet is left.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

impl<P: Protocol> Iterator for Batch<P> {
    type Item = Packet<P>;

    fn next(&mut self) -> Option<Packet<P>> {
        self.packets.pop_front().inspect(|packet| self.port.delivered(packet))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.packets.len(), Some(self.packets.len()))
    }
}

impl<P: Protocol> ExactSizeIterator for Batch<P> {}

impl<P: Protocol> Drop for Batch<P> {
    fn drop(&mut self) {
        if !self.packets.is_empty() {
            self.port.put_back(std::mem::take(&mut self.packets));
        }
    }
}

impl<P: Protocol> std::fmt::Debug for Batch<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish()
    }
}
