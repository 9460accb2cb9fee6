//! The access log: one line for each answer, in the common log format.
//!
//! Workers put entries into a queue of limited length and never wait: an entry that finds it full is
//! dropped and counted. One thread writes them, a few times a second at the most.

use crate::date;
use overlapped_serving::lock;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// How many entries wait to be written at the most.
const QUEUE_MAX: usize = 16 * 1024;

/// How long the writer lets entries gather.
const GATHER: Duration = Duration::from_millis(100);

/// How long the end waits for the output to take what is queued.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// To standard output.
    StandardOutput,
    /// To the end of this file, which is made if it is missing.
    File(PathBuf),
}

impl AccessLog {
    fn open(&self) -> io::Result<Box<dyn Write + Send>> {
        match self {
            Self::StandardOutput => Ok(Box::new(io::stdout())),
            Self::File(path) => {
                let file = OpenOptions::new().append(true).create(true).open(path);
                let named = |error: io::Error| {
                    io::Error::new(
                        error.kind(),
                        format!("the access log {} cannot be opened: {error}", path.display()),
                    )
                };
                Ok(Box::new(file.map_err(named)?))
            }
        }
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) client: SocketAddr,
    pub(crate) time: SystemTime,
    /// The first line of the request, as it came.
    pub(crate) request: Box<[u8]>,
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    /// The writer sleeps until it is woken.
    is_asleep: bool,
    is_ending: bool,
    has_ended: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    dropped: AtomicU64,
}

/// The log and its thread. Dropping it writes what is queued.
pub(crate) struct Logger {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Logger {
    pub(crate) fn start(log: &AccessLog) -> io::Result<Self> {
        Self::to(log.open()?)
    }

    fn to(output: Box<dyn Write + Send>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || of_thread.write(output))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(crate) fn add(&self, entry: Entry) {
        let mut queue = lock(&self.shared.queue);
        if queue.entries.len() >= QUEUE_MAX {
            drop(queue);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.entries.push(entry);
        let wakes = std::mem::take(&mut queue.is_asleep);
        drop(queue);
        if wakes {
            self.shared.changed.notify_one();
        }
    }

    /// How many entries were not written.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        let mut queue = lock(&self.shared.queue);
        queue.is_ending = true;
        self.shared.changed.notify_all();
        let waited = self.shared.changed.wait_timeout_while(queue, FAREWELL, |it| !it.has_ended);
        let has_ended = waited.unwrap_or_else(PoisonError::into_inner).0.has_ended;
        // A thread whose output stands still is left to itself.
        if let Some(thread) = self.thread.take().filter(|_| has_ended) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn write(&self, mut output: Box<dyn Write + Send>) {
        let mut text = Vec::new();
        loop {
            let (entries, is_ending) = self.wait();
            for part in entries.chunks(256) {
                text.clear();
                part.iter().for_each(|entry| text.extend_from_slice(line(entry).as_bytes()));
                if output.write_all(&text).and_then(|()| output.flush()).is_err() {
                    // A full disk may have room again; a reader that has gone does not come back.
                    self.dropped.fetch_add(part.len() as u64, Ordering::Relaxed);
                }
            }
            if is_ending {
                drop(output);
                lock(&self.queue).has_ended = true;
                self.changed.notify_all();
                return;
            }
        }
    }

    /// Waits for entries, and then a moment for more.
    fn wait(&self) -> (Vec<Entry>, bool) {
        let mut queue = lock(&self.queue);
        while queue.entries.is_empty() && !queue.is_ending {
            queue.is_asleep = true;
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if !queue.is_ending {
            queue = match self.changed.wait_timeout(queue, GATHER) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        (std::mem::take(&mut queue.entries), queue.is_ending)
    }
}

fn line(entry: &Entry) -> String {
    let mut text = format!("{} - - [{}] \"", entry.client.ip(), written(entry.time));
    for byte in &entry.request {
        // Writing to a string cannot fail.
        let _ = match byte {
            b'"' | b'\\' => write!(text, "\\{}", char::from(*byte)),
            b' '..=b'~' => write!(text, "{}", char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}"),
        };
    }
    let _ = writeln!(text, "\" {} {}", entry.status, entry.body_bytes);
    text
}

/// The time as the format has it, in UTC. It is made of the date of HTTP, which has a fixed form.
fn written(time: SystemTime) -> String {
    let date = date::written(date::second(time));
    let mut words = date.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    format!("{}/{}/{}:{} +0000", word(), word(), word(), word())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(request: &[u8]) -> Entry {
        Entry {
            client: ([192, 0, 2, 7], 1234).into(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
            request: request.into(),
            status: 200,
            body_bytes: 12,
        }
    }

    #[test]
    fn a_line_has_the_common_form_and_no_line_end_of_a_clients() {
        assert_eq!(
            line(&entry(b"GET /a\"\\\n\xff HTTP/1.1")),
            "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a\\\"\\\\\\x0a\\xff HTTP/1.1\" 200 12\n"
        );
    }

    /// An output that stands still until it may go on.
    struct Stuck(std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<usize>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.send(bytes.iter().filter(|byte| **byte == b'\n').count());
            // An error says that the test has let it go for good.
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_output_that_stands_still_drops_entries_and_stops_nobody() {
        let (go, gone) = std::sync::mpsc::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let logger = Logger::to(Box::new(Stuck(gone, tell))).expect("a thread");
        logger.add(entry(b"first"));
        let first = told.recv().expect("it writes");
        assert_eq!(first, 1);
        for _ in 0..QUEUE_MAX + 5 {
            logger.add(entry(b"more"));
        }
        assert_eq!(logger.dropped(), 5);
        drop(go);
        drop(logger);
        assert_eq!(told.iter().sum::<usize>(), QUEUE_MAX);
    }
}
