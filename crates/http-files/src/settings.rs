//! What a server is allowed.

use crate::{AccessLog, LogTrouble};
use overlapped::DriverChoice;
use std::time::Duration;

/// What a server is allowed, and how it shows itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many threads the port lets run; 0 is one per processor.
    pub concurrency: usize,
    /// How many worker threads there are at most; 0 is the library's own limit. There are as many as run,
    /// one more that waits, and one for each that waits for a disk.
    pub threads: usize,
    /// How many accepts are kept posted.
    pub posted_accepts: usize,
    /// How many connections may be open; more wait in the backlog. A connection needs a descriptor,
    /// and another one while a file that no other connection has goes out to it.
    pub connections: usize,
    /// How many connections the clients of one address of IPv4, or of one network of 64 bits of IPv6,
    /// may have open; further ones are closed at once. 0 is any number.
    pub connections_per_client: usize,
    /// Which driver the port runs on.
    pub driver: DriverChoice,
    /// Whether the port notices threads that wait for a disk.
    pub blocked_thread_monitor: bool,
    /// How many bytes the head of a request may have; a longer one is answered by 431.
    pub head_bytes: usize,
    /// How many bytes the target of a request may have; a longer one is answered by 414.
    pub target_bytes: usize,
    /// How many headers a request may have, at most 256; more are answered by 431.
    pub headers: usize,
    /// How long each step may take.
    pub time: TimeLimits,
    /// How many bytes of a file a client must take in a second, on the average since the sending
    /// began, once [`TimeLimits::stall`] has passed; it is reset else. 0 is any number.
    pub least_rate: u64,
    /// Whether a folder without `index.html` is shown as a list of its names, as far as they can be
    /// had; else it is refused.
    pub listing: bool,
    /// About how many files are kept open for requests to come; 0 keeps none.
    pub open_files: usize,
    /// Where each answer is noted, if anywhere.
    pub access_log: Option<AccessLog>,
    /// Who is told when the access log cannot be written, and when it can be again. It is called by
    /// the thread that writes the log, which goes on when it returns; no request waits for it.
    pub on_log_trouble: Option<fn(&LogTrouble)>,
}

/// How long a connection may take for each step. None is shorter than it says, and none much longer.
#[derive(Debug, Clone, Copy)]
pub struct TimeLimits {
    /// From the start of a connection to its first byte, and from the first byte of a request to its
    /// last. A request that is late is answered by 408.
    pub head: Duration,
    /// From a response to the first byte of the next request; the connection is closed then.
    pub idle: Duration,
    /// How long a client may take nothing of its response; it is reset then.
    pub stall: Duration,
    /// How long a client may take to end its side after a response that is the last.
    pub farewell: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 0,
            threads: 0,
            posted_accepts: 10,
            connections: usize::MAX,
            connections_per_client: 0,
            driver: DriverChoice::Automatic,
            blocked_thread_monitor: true,
            head_bytes: 16 * 1024,
            target_bytes: 8 * 1024,
            headers: 100,
            time: TimeLimits::default(),
            least_rate: 512,
            listing: false,
            open_files: 256,
            access_log: None,
            on_log_trouble: None,
        }
    }
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            farewell: Duration::from_secs(2),
        }
    }
}
