//! The bytes of a message, and the check that the same bytes came back.
//!
//! Every message is different: its first eight bytes name the connection and the message, the
//! rest is a stretch of one random-looking table that begins at a place derived from both. Bytes
//! that were swapped between connections, shifted, doubled or lost are therefore seen at once,
//! and making and checking them costs a copy and a comparison.

use std::fmt;
use std::sync::LazyLock;

const HEADER_BYTES: usize = 8;
const TABLE_BYTES: usize = 64 * 1024;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut table = Vec::with_capacity(TABLE_BYTES);
    while table.len() < TABLE_BYTES {
        state = scramble(state);
        table.extend_from_slice(&state.to_le_bytes());
    }
    table
});

/// One step of a well-mixing integer hash (splitmix64).
fn scramble(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Names one message of one connection and thereby its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageName {
    /// Number of the connection over all processes.
    pub connection: u32,
    /// Number of the message on its connection, from 0.
    pub message: u32,
    /// What its first byte is instead, for servers that look at it.
    pub mark: Option<u8>,
}

impl MessageName {
    fn header(self) -> [u8; HEADER_BYTES] {
        let mut header =
            ((u64::from(self.connection) << 32) | u64::from(self.message)).to_le_bytes();
        header[0] = self.mark.unwrap_or(header[0]);
        header
    }

    fn table_start(self) -> usize {
        let mixed = scramble((u64::from(self.connection) << 32) | u64::from(self.message));
        (mixed % TABLE_BYTES as u64) as usize
    }

    /// Calls `visit` with the stretches that make up bytes `from..to` of this message, in order,
    /// until it returns false.
    fn stretches(self, from: usize, to: usize, mut visit: impl FnMut(&[u8]) -> bool) {
        let mut position = from;
        if position < HEADER_BYTES && position < to {
            let end = to.min(HEADER_BYTES);
            if !visit(&self.header()[position..end]) {
                return;
            }
            position = end;
        }
        let start = self.table_start();
        while position < to {
            let place = (start + position) % TABLE_BYTES;
            let length = (TABLE_BYTES - place).min(to - position);
            if !visit(&TABLE[place..place + length]) {
                return;
            }
            position += length;
        }
    }

    /// Hands the `length` bytes of this message to `append`, piece by piece.
    pub fn write(self, length: usize, mut append: impl FnMut(&[u8])) {
        self.stretches(0, length, |piece| {
            append(piece);
            true
        });
    }
}

/// Where an echo differed from what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The byte at this position of the message is not the one that was sent.
    WrongByte {
        /// Position in the message, from 0.
        position: usize,
    },
    /// More bytes came back than were sent.
    Surplus {
        /// How many bytes came after the end of the message.
        bytes: usize,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongByte { position } => write!(formatter, "wrong byte at {position}"),
            Self::Surplus { bytes } => write!(formatter, "{bytes} bytes more than were sent"),
        }
    }
}

/// Checks the echo of one message as it comes in, in pieces of any size.
#[derive(Clone, Copy, Debug)]
pub struct Verifier {
    name: MessageName,
    length: usize,
    position: usize,
}

impl Verifier {
    /// Expects the `length` bytes of message `name`.
    pub fn new(name: MessageName, length: usize) -> Self {
        Self { name, length, position: 0 }
    }

    /// How many bytes of the message are still to come.
    pub fn left(&self) -> usize {
        self.length - self.position
    }

    /// Takes the next piece of the echo; true when the message is complete.
    pub fn check(&mut self, piece: &[u8]) -> Result<bool, Mismatch> {
        if piece.len() > self.left() {
            return Err(Mismatch::Surplus { bytes: piece.len() - self.left() });
        }
        let from = self.position;
        let mut seen = 0;
        let mut wrong = None;
        self.name.stretches(from, from + piece.len(), |expected| {
            let found = &piece[seen..seen + expected.len()];
            if found != expected {
                let offset = found.iter().zip(expected).position(|(a, b)| a != b);
                wrong = offset.map(|offset| from + seen + offset);
                return false;
            }
            seen += expected.len();
            true
        });
        match wrong {
            Some(position) => Err(Mismatch::WrongByte { position }),
            None => {
                self.position += piece.len();
                Ok(self.position == self.length)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(name: MessageName, length: usize) -> Vec<u8> {
        let mut all = Vec::new();
        name.write(length, |piece| all.extend_from_slice(piece));
        all
    }

    const NAME: MessageName = MessageName { connection: 70_000, message: 2, mark: None };

    #[test]
    fn an_echo_in_any_pieces_is_accepted() {
        for length in [1, 7, 8, 9, 64, 65_536, 200_001] {
            let sent = bytes(NAME, length);
            assert_eq!(sent.len(), length);
            for size in [1, 3, 1_000, length] {
                let mut verifier = Verifier::new(NAME, length);
                let mut complete = false;
                for piece in sent.chunks(size.max(length / 5_000)) {
                    assert!(!complete, "complete before the last piece");
                    complete = verifier.check(piece).expect("the right bytes");
                }
                assert!(complete);
            }
        }
    }

    #[test]
    fn a_single_wrong_byte_is_found_where_it_is() {
        for position in [0, 7, 8, 100, 65_000, 99_999] {
            let mut sent = bytes(NAME, 100_000);
            sent[position] ^= 1;
            let result = Verifier::new(NAME, 100_000).check(&sent);
            assert_eq!(result, Err(Mismatch::WrongByte { position }));
        }
    }

    #[test]
    fn bytes_of_another_message_or_connection_are_wrong() {
        for other in [
            MessageName { connection: 70_001, ..NAME },
            MessageName { message: 3, ..NAME },
            MessageName { mark: Some(b'H'), ..NAME },
        ] {
            assert!(Verifier::new(NAME, 64).check(&bytes(other, 64)).is_err());
        }
    }

    #[test]
    fn a_mark_is_the_first_byte_and_nothing_else() {
        let (plain, marked) =
            (bytes(NAME, 64), bytes(MessageName { mark: Some(b'H'), ..NAME }, 64));
        assert_eq!((marked[0], &marked[1..]), (b'H', &plain[1..]));
    }

    #[test]
    fn more_bytes_than_were_sent_are_wrong() {
        let mut sent = bytes(NAME, 64);
        sent.push(0);
        let result = Verifier::new(NAME, 64).check(&sent);
        assert_eq!(result, Err(Mismatch::Surplus { bytes: 1 }));
    }
}
