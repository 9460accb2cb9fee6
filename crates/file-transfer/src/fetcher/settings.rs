//! How a file is fetched, and what comes of it.

use crate::rate::LEAST_RATE;
use overlapped_copy::{Sync, Warning};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a file is fetched.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Bytes of a buffer: what one receive takes at most, and one write.
    pub buffer_bytes: usize,
    /// How many buffers there are, so how many operations on the file are in flight at most.
    pub buffers: usize,
    /// How long the sender may say nothing, also while the connection is made, and how long it may take for
    /// one answer.
    pub silence_time: Duration,
    /// How long it may tell the fetcher to wait for its checksum, in all.
    pub patience: Duration,
    /// How many bytes the sender must send a second, on average over `rate_time`; 0 is any. Time in which
    /// it is this side that cannot take more does not count.
    pub least_rate: u64,
    /// For how long its rate is measured.
    pub rate_time: Duration,
    /// The longest file that is taken; None is any that there is room for.
    pub max_bytes: Option<u64>,
    /// Whether a file that is there is replaced.
    pub force: bool,
    /// What must have reached the device.
    pub sync: Sync,
    /// Whether an interrupted fetch leaves what a later one can go on from, and this one goes on from
    /// what a former one has left.
    pub resume: bool,
    /// Whether what was written is read back and compared with the sender's checksum.
    pub verify: bool,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            buffer_bytes: 256 << 10,
            buffers: 8,
            silence_time: Duration::from_secs(30),
            patience: Duration::from_secs(3_600),
            least_rate: LEAST_RATE,
            rate_time: Duration::from_secs(60),
            max_bytes: None,
            force: false,
            sync: Sync::None,
            resume: false,
            verify: false,
        }
    }
}

/// What a fetch does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Reading what a former run has left.
    Checking,
    /// Waiting while the sender makes its checksum.
    Waiting,
    /// Receiving and writing.
    Receiving,
    /// Reading what was written, to compare it.
    Verifying,
}

/// What somebody who looks on is told, on the thread that fetches.
pub trait Watch {
    /// The sender has answered: the file will be at `path`, and has so many bytes.
    fn found(&self, path: &Path, bytes: u64) {
        let _ = (path, bytes);
    }

    /// A temporary file that has a name was made. The fetch removes it when it does not come to its end,
    /// unless it is one to go on from; who ends the process before that may do so instead.
    fn begun(&self, temporary: &Path) {
        let _ = temporary;
    }

    /// Another stage begins, in which so many bytes come, the first `from` of them already there.
    fn stage(&self, stage: Stage, from: u64, bytes: u64) {
        let _ = (stage, from, bytes);
    }

    /// So many more bytes of the stage are done.
    fn advanced(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Something that the user should know, though it is no failure.
    fn note(&self, text: &str) {
        let _ = text;
    }
}

/// Nobody looks on.
impl Watch for () {}

/// What came of a fetch.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Fetched {
    /// Where the file is.
    pub path: PathBuf,
    /// How long it is.
    pub bytes: u64,
    /// Bytes that came over the network this time.
    pub received_bytes: u64,
    /// Bytes that a former run had written and that were found to be right.
    pub resumed_bytes: u64,
    /// Bytes that were read back and compared.
    pub verified_bytes: u64,
    /// The SHA-256 of the file, if it was verified.
    pub checksum: Option<[u8; 32]>,
    /// The file was there already, whole and of the same time, and nothing was done.
    pub was_there: bool,
    /// From the start to the file's name.
    pub time: Duration,
    /// Of that, while the body came.
    pub receiving_time: Duration,
    /// Receives that brought bytes of the file.
    pub receives: u64,
    /// Writes.
    pub writes: u64,
    /// The most receives and writes that were in flight at one time.
    pub peak_in_flight: usize,
    /// What the file system of the target could not do, each kind once.
    pub warnings: Vec<Warning>,
}
