//! The access log: one line for each answer, in the common log format.
//!
//! Workers put entries into a queue of limited length and never wait: an entry that finds it full is
//! lost and counted. One thread writes them, a few times a second at the most. When it cannot, it
//! says so at once and now and then again, keeps what it has, and goes on when it can. [`output`] is
//! what it writes to, and [`line`] what.

mod line;
mod output;

pub(crate) use line::Entry;

use output::Output;
use overlapped_serving::lock;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many entries wait to be written at the most.
const QUEUE_MAX: usize = 16 * 1024;

/// How many entries become text at a time.
const PORTION: usize = 256;

/// How long the end waits for the output to take what is queued.
const FAREWELL: Duration = Duration::from_secs(2);

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// To standard output.
    StandardOutput,
    /// To the end of this file, which is made if it is missing, also while the server runs: it may be
    /// moved away (Linux). A pipe is written while it has a reader.
    File(PathBuf),
}

/// What there is to say of an access log that cannot be written.
#[derive(Debug)]
pub enum LogTrouble<'a> {
    /// It cannot be written. Told at once, and every 10 seconds as long as it lasts.
    Failing {
        /// Why.
        error: &'a io::Error,
        /// Lines that are lost, since the server was started.
        lost: u64,
        /// Lines that wait for it to be written again.
        waiting: u64,
    },
    /// It can be written again.
    Recovered {
        /// Lines that are lost, since the server was started.
        lost: u64,
    },
}

impl fmt::Display for LogTrouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failing { error, lost, waiting } => write!(
                f,
                "the access log cannot be written: {error}; {waiting} lines wait, {lost} are lost"
            ),
            Self::Recovered { lost } => {
                write!(f, "the access log is written again; {lost} lines are lost")
            }
        }
    }
}

/// How often the writer does what.
#[derive(Debug, Clone, Copy)]
struct Periods {
    /// How long it lets entries gather.
    gather: Duration,
    /// How long after a failure it tries again.
    retry: Duration,
    /// How long it is silent about a trouble that lasts.
    silence: Duration,
}

const PERIODS: Periods = Periods {
    gather: Duration::from_millis(100),
    retry: Duration::from_millis(500),
    silence: Duration::from_secs(10),
};

#[derive(Default)]
struct Queue {
    entries: VecDeque<Entry>,
    /// The writer sleeps until it is woken.
    is_asleep: bool,
    is_ending: bool,
    has_ended: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    lost: AtomicU64,
    /// Lines that the writer has taken from the queue and not written.
    in_hand: AtomicU64,
}

/// The log and its thread. Dropping it writes what is queued.
pub(crate) struct Logger {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Logger {
    /// `tell` is called when the log cannot be written, and when it can be again.
    pub(crate) fn start(log: &AccessLog, tell: Option<fn(&LogTrouble)>) -> io::Result<Self> {
        Self::to(output::open(log)?, PERIODS, move |trouble| {
            if let Some(tell) = tell {
                tell(&trouble);
            }
        })
    }

    fn to(
        output: Box<dyn Output>,
        periods: Periods,
        tell: impl FnMut(LogTrouble<'_>) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let mut writer = Writer { shared: of_thread, output, periods, tell, trouble: None };
        let thread = std::thread::Builder::new()
            .name("access log".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn add(&self, entry: Entry) {
        let mut queue = lock(&self.shared.queue);
        if queue.entries.len() >= QUEUE_MAX {
            drop(queue);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.entries.push_back(entry);
        let wakes = std::mem::take(&mut queue.is_asleep);
        drop(queue);
        if wakes {
            self.shared.changed.notify_one();
        }
    }

    /// How many entries are lost.
    pub(crate) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Writes what is queued, as far as that can be done soon; the rest is lost.
    pub(crate) fn finish(&self) {
        let Some(thread) = lock(&self.thread).take() else { return };
        let mut queue = lock(&self.shared.queue);
        queue.is_ending = true;
        self.shared.changed.notify_all();
        let waited = self.shared.changed.wait_timeout_while(queue, FAREWELL, |it| !it.has_ended);
        let mut queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        let left = std::mem::take(&mut queue.entries);
        let has_ended = queue.has_ended;
        drop(queue);
        let lost = left.len() as u64 + self.shared.in_hand.swap(0, Ordering::Relaxed);
        self.shared.lost.fetch_add(lost, Ordering::Relaxed);
        // A thread whose output stands still is left to itself.
        if has_ended {
            let _ = thread.join();
        }
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The thread that writes.
struct Writer<T> {
    shared: Arc<Shared>,
    output: Box<dyn Output>,
    periods: Periods,
    tell: T,
    /// When the trouble there is was told of last.
    trouble: Option<Instant>,
}

impl<T: FnMut(LogTrouble<'_>)> Writer<T> {
    fn run(&mut self) {
        let mut text = Vec::new();
        loop {
            let is_ending = self.wait(!text.is_empty());
            self.write_all(&mut text);
            if is_ending {
                // What could not be written now is for `finish` to count.
                lock(&self.shared.queue).has_ended = true;
                self.shared.changed.notify_all();
                return;
            }
        }
    }

    /// Waits for entries, and then a moment for more; or, with a rest in hand, until the next try.
    /// True at the end.
    fn wait(&self, has_rest: bool) -> bool {
        let mut queue = lock(&self.shared.queue);
        while !has_rest && queue.entries.is_empty() && !queue.is_ending {
            queue.is_asleep = true;
            queue = self.shared.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let moment = if has_rest { self.periods.retry } else { self.periods.gather };
        let waits = |queue: MutexGuard<'_, Queue>| {
            let waited = self.shared.changed.wait_timeout_while(queue, moment, |it| !it.is_ending);
            waited.unwrap_or_else(PoisonError::into_inner).0.is_ending
        };
        waits(queue)
    }

    /// Writes `text` and then what is queued. When it has to stop, the rest is in `text`.
    fn write_all(&mut self, text: &mut Vec<u8>) {
        loop {
            if text.is_empty() {
                let mut queue = lock(&self.shared.queue);
                let portion = queue.entries.len().min(PORTION);
                let entries: Vec<Entry> = queue.entries.drain(..portion).collect();
                drop(queue);
                if entries.is_empty() {
                    return;
                }
                self.shared.in_hand.store(entries.len() as u64, Ordering::Relaxed);
                entries.iter().for_each(|entry| text.extend_from_slice(entry.line().as_bytes()));
            }
            match self.output.write(text) {
                Ok(written) => {
                    text.drain(..written);
                    let lines = text.iter().filter(|byte| **byte == b'\n').count();
                    self.shared.in_hand.store(lines as u64, Ordering::Relaxed);
                    if written > 0 && self.trouble.take().is_some() {
                        let lost = self.shared.lost.load(Ordering::Relaxed);
                        (self.tell)(LogTrouble::Recovered { lost });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return self.tell_of(&error);
                }
            }
        }
    }

    fn tell_of(&mut self, error: &io::Error) {
        if self.trouble.is_some_and(|told| told.elapsed() < self.periods.silence) {
            return;
        }
        self.trouble = Some(Instant::now());
        let queued = lock(&self.shared.queue).entries.len() as u64;
        let waiting = queued + self.shared.in_hand.load(Ordering::Relaxed);
        let lost = self.shared.lost.load(Ordering::Relaxed);
        (self.tell)(LogTrouble::Failing { error, lost, waiting });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::SystemTime;

    fn entry() -> Entry {
        Entry {
            client: ([192, 0, 2, 7], 1234).into(),
            time: SystemTime::UNIX_EPOCH,
            request: (*b"GET / HTTP/1.1").into(),
            status: 200,
            body_bytes: 12,
        }
    }

    /// An output that does what it is told for each write.
    struct Told {
        orders: Receiver<io::Result<usize>>,
        lines: Sender<usize>,
    }

    impl Output for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.lines.send(bytes.iter().filter(|byte| **byte == b'\n').count());
            // Without orders it takes everything.
            self.orders.recv().unwrap_or(Ok(usize::MAX)).map(|most| most.min(bytes.len()))
        }
    }

    type Saying = (bool, u64, u64);

    /// A log with its output, and what it says.
    fn world() -> (Logger, Sender<io::Result<usize>>, Receiver<usize>, Receiver<Saying>) {
        let ((order, orders), (tell, told), (lines, written)) = (channel(), channel(), channel());
        let tick = Duration::from_millis(1);
        let periods = Periods { gather: tick, retry: tick, silence: 20 * tick };
        let say = move |trouble: LogTrouble<'_>| {
            let _ = tell.send(match trouble {
                LogTrouble::Failing { lost, waiting, .. } => (true, lost, waiting),
                LogTrouble::Recovered { lost } => (false, lost, 0),
            });
        };
        let logger = Logger::to(Box::new(Told { orders, lines }), periods, say).expect("a thread");
        (logger, order, written, told)
    }

    fn full() -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn an_output_that_stands_still_loses_entries_and_stops_nobody() {
        let (logger, order, written, _told) = world();
        logger.add(entry());
        assert_eq!(written.recv(), Ok(1), "it writes, and stands still");
        for _ in 0..QUEUE_MAX + 5 {
            logger.add(entry());
        }
        assert_eq!(logger.lost(), 5);
        drop(order);
        drop(logger);
        assert_eq!(written.iter().sum::<usize>(), QUEUE_MAX);
    }

    #[test]
    fn trouble_is_told_at_once_and_again_and_its_end_too() {
        let (logger, order, written, told) = world();
        logger.add(entry());
        order.send(full()).expect("it writes");
        assert_eq!(told.recv(), Ok((true, 0, 1)));
        logger.add(entry());
        // Each failure is a try, and only some of them are told of.
        let again = loop {
            order.send(full()).expect("it tries again");
            if let Ok(again) = told.try_recv() {
                break again;
            }
            written.recv().expect("a try");
        };
        assert_eq!(again, (true, 0, 2));
        drop(order);
        assert_eq!(told.recv(), Ok((false, 0, 0)));
        drop(logger);
    }

    #[test]
    fn a_line_that_was_cut_is_made_whole_before_the_next() {
        let (logger, order, _written, told) = world();
        logger.add(entry());
        order.send(Ok(7)).expect("it writes");
        order.send(full()).expect("it writes");
        assert_eq!(told.recv(), Ok((true, 0, 1)), "the line is not written");
        drop(order);
        assert_eq!(told.recv(), Ok((false, 0, 0)));
        logger.finish();
        assert_eq!(logger.lost(), 0);
    }

    #[test]
    fn what_is_not_written_at_the_end_is_lost() {
        let (logger, order, _written, _told) = world();
        for _ in 0..3 {
            logger.add(entry());
        }
        for _ in 0..1_000 {
            let _ = order.send(full());
        }
        logger.finish();
        assert_eq!(logger.lost(), 3);
    }
}
