//! What a watch has counted.

use super::Signal;

/// How often each signal has arrived.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) interrupts: u32,
    pub(crate) terminations: u32,
}

impl Arrived {
    /// One by one.
    pub(crate) fn signals(self) -> impl Iterator<Item = Signal> {
        let interrupts = (0..self.interrupts).map(|_| Signal::Interrupt);
        interrupts.chain((0..self.terminations).map(|_| Signal::Terminate))
    }
}
