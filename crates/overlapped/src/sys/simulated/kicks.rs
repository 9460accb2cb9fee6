//! Who comes back from the wait for a kick.
//!
//! A kick is meant for the threads that stand in the wait when it is made, so one that enters
//! later must not take it from them, and one that only looks needs none.

/// The kicks of one port.
#[derive(Debug, Default)]
pub(super) struct Kicks {
    entered: u64,
    standing: usize,
    /// The kick that nobody has taken: threads whose ticket is below this may.
    pending: Option<u64>,
}

/// That a thread stands in the wait, and since when.
#[derive(Debug)]
pub(super) struct Ticket(u64);

impl Kicks {
    pub(super) fn enter(&mut self) -> Ticket {
        self.entered += 1;
        self.standing += 1;
        Ticket(self.entered)
    }

    /// The thread goes back; the kick it may take, it takes along.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.standing -= 1;
        self.pending.take_if(|before| ticket.0 < *before);
    }

    /// Makes a kick for who stands in the wait, or if nobody does, for who enters next.
    pub(super) fn make(&mut self) {
        let stands_somebody = self.standing > 0;
        self.pending = Some(if stands_somebody { self.entered + 1 } else { u64::MAX });
    }

    /// Whether the thread is to go back for a kick.
    pub(super) fn is_for(&self, ticket: &Ticket) -> bool {
        self.pending.is_some_and(|before| ticket.0 < before)
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn standing(&self) -> usize {
        self.standing
    }
}
