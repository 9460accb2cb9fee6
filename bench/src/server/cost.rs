//! Where messages begin in a stream of bytes, and what the costly ones cost.

use std::num::NonZeroUsize;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// First byte of a message that may be costly.
pub const HOT: u8 = b'H';

/// What handling a message costs beside echoing it.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    message_size: usize,
    every: usize,
    work: Duration,
    sleep: Duration,
}

/// How far a connection is in its stream of messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Framing {
    /// Bytes of the current message that have been seen.
    position: u32,
    /// Hot messages that have begun since the last costly one.
    hot: u32,
}

impl Cost {
    /// A cost of `work` on the processor and `sleep` beside it, for every `every`-th hot message.
    pub fn new(
        message_size: NonZeroUsize,
        every: NonZeroUsize,
        work: Duration,
        sleep: Duration,
    ) -> Self {
        Self { message_size: message_size.get(), every: every.get(), work, sleep }
    }

    /// Whether no message costs anything, so that nobody needs to look where messages begin.
    pub fn is_free(&self) -> bool {
        self.work.is_zero() && self.sleep.is_zero()
    }

    /// Follows the stream of a connection through `bytes` and pays for the costly messages that
    /// begin in them.
    pub fn charge(&self, framing: &mut Framing, bytes: &[u8]) {
        if self.is_free() {
            return;
        }
        for _ in 0..framing.costly(self, bytes) {
            self.pay();
        }
    }

    /// Work is counted on the thread's processor clock: a thread that is preempted does not get it
    /// cheaper.
    fn pay(&self) {
        if !self.work.is_zero() {
            let end = thread_time() + self.work;
            while thread_time() < end {
                std::hint::spin_loop();
            }
        }
        if !self.sleep.is_zero() {
            std::thread::sleep(self.sleep);
        }
    }
}

impl Framing {
    /// Moves on through `bytes` and says how many costly messages begin in them.
    fn costly(&mut self, cost: &Cost, bytes: &[u8]) -> usize {
        let mut due = 0;
        let mut next = match self.position {
            0 => 0,
            position => cost.message_size - position as usize,
        };
        while let Some(&first) = bytes.get(next) {
            if first == HOT {
                self.hot += 1;
                if self.hot as usize >= cost.every {
                    self.hot = 0;
                    due += 1;
                }
            }
            next += cost.message_size;
        }
        let position = (self.position as usize + bytes.len()) % cost.message_size;
        self.position = u32::try_from(position).unwrap_or(0);
        due
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(message_size: usize, every: usize) -> Cost {
        Cost::new(
            NonZeroUsize::new(message_size).expect("a size"),
            NonZeroUsize::new(every).expect("a count"),
            Duration::ZERO,
            Duration::ZERO,
        )
    }

    #[test]
    fn whole_messages_are_counted_by_their_first_byte() {
        let mut framing = Framing::default();
        assert_eq!(framing.costly(&cost(4, 1), b"HabcLabcHHHH"), 2);
        assert_eq!(framing.costly(&cost(4, 1), b"LHHH"), 0);
    }

    #[test]
    fn pieces_of_any_length_give_the_same_count() {
        let stream = b"HabcLHHHHHHHLabcHxyzH___";
        for piece in 1..=stream.len() {
            let mut framing = Framing::default();
            let due: usize =
                stream.chunks(piece).map(|bytes| framing.costly(&cost(4, 1), bytes)).sum();
            assert_eq!(due, 4, "in pieces of {piece}");
        }
    }

    #[test]
    fn every_second_hot_message_is_costly() {
        let mut framing = Framing::default();
        let cost = cost(2, 2);
        assert_eq!(framing.costly(&cost, b"H1H2H3"), 1);
        assert_eq!(framing.costly(&cost, b"L4H5H6"), 1);
        assert_eq!(framing.costly(&cost, b"H7"), 1);
    }

    #[test]
    fn messages_of_one_byte_have_no_middle() {
        let mut framing = Framing::default();
        assert_eq!(framing.costly(&cost(1, 1), b"HLHLH"), 3);
    }

    #[test]
    fn work_takes_processor_time() {
        let one = NonZeroUsize::MIN;
        let work = Duration::from_millis(2);
        let cost = Cost::new(one, one, work, Duration::ZERO);
        let before = thread_time();
        cost.charge(&mut Framing::default(), b"H");
        assert!(thread_time() - before >= work);
    }
}
