//! Helper threads: they make the ordinary calls, which wait, and are no threads of the port.
//!
//! One is started when work comes and none is idle, up to a limit. A helper that has had nothing
//! to do for a while ends, and all end when the port is closed. What waits for a helper is
//! cancelled at once; what a helper performs goes on to the end of its current request.
//!
//! Main disadvantage: each operation costs two changes of thread, and at most [`HELPERS_MAX`] of
//! them are performed at a time.

use super::job::{Done, Job, NotStarted, Step, Tag, Which, abort_waiting};
use crate::error::port_closed;
use crate::panics::Panics;
use crate::sync;
use crate::sync::{Condvar, Mutex};
use crate::sys::files::SystemFile;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The most helper threads of a port.
const HELPERS_MAX: usize = 8;

/// How long an idle helper stays.
const IDLE_MAX: Duration = Duration::from_secs(2);

pub(super) struct Helpers<J: Job>(Arc<Shared<J>>);

struct Shared<J: Job> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

struct State<J: Job> {
    /// Oldest first.
    waiting: VecDeque<Box<J>>,
    performed: Vec<Performed>,
    helpers: usize,
    idle: usize,
    closed: bool,
}

/// What a helper has in hand.
struct Performed {
    tag: Tag,
    cancelled: bool,
}

impl<J: Job> Helpers<J> {
    /// No thread is started yet.
    pub(super) fn new() -> Self {
        let state = State {
            waiting: VecDeque::new(),
            performed: Vec::new(),
            helpers: 0,
            idle: 0,
            closed: false,
        };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }))
    }

    /// A file that has no positions could keep a helper for ever.
    pub(super) fn admit(file: &SystemFile) -> io::Result<()> {
        if file.has_positions() {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "helper threads carry only files with positions, and this is a pipe or a terminal: an \
             operation on it could keep a helper thread for ever",
        ))
    }

    pub(super) fn start(&self, job: Box<J>) -> Result<(), NotStarted<J>> {
        let mut state = self.0.state.lock();
        if state.closed {
            return Err((port_closed(), job));
        }
        // Idle helpers that were woken for a job before have not taken it yet.
        if state.idle <= state.waiting.len() && state.helpers < HELPERS_MAX {
            let shared = Arc::clone(&self.0);
            match sync::spawn("overlapped-files", move || shared.help()) {
                Ok(()) => state.helpers += 1,
                // Those that there are will do it.
                Err(_) if state.helpers > 0 => {}
                Err(error) => {
                    let text = format!("no helper thread for files can be started: {error}");
                    return Err((io::Error::new(error.kind(), text), job));
                }
            }
        }
        state.waiting.push_back(job);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }

    pub(super) fn cancel(&self, which: Which) -> (usize, Done<J>) {
        let mut state = self.0.state.lock();
        let done = abort_waiting(&mut state.waiting, which);
        let mut count = done.len();
        for performed in &mut state.performed {
            if !performed.cancelled && which.includes(performed.tag) {
                performed.cancelled = true;
                count += 1;
            }
        }
        (count, done)
    }

    /// Ends what waits. A helper that performs something ends it when that is done.
    pub(super) fn close(&self) {
        let waiting = {
            let mut state = self.0.state.lock();
            state.closed = true;
            for performed in &mut state.performed {
                performed.cancelled = true;
            }
            std::mem::take(&mut state.waiting)
        };
        self.0.changed.notify_all();
        let mut panics = Panics::default();
        for job in waiting {
            panics.run(|| job.discard());
        }
        panics.resume();
    }
}

impl<J: Job> Drop for Helpers<J> {
    /// Nothing is in flight any more; the helper threads go.
    fn drop(&mut self) {
        self.close();
    }
}

impl<J: Job> Shared<J> {
    /// The life of one helper.
    fn help(&self) {
        while let Some(mut job) = self.next() {
            let tag = job.tag();
            loop {
                if self.is_cancelled(tag) {
                    job.abort();
                    break;
                }
                let (file, request) = job.request();
                let outcome = file.perform(request);
                if job.advance(outcome) == Step::Complete {
                    break;
                }
            }
            self.state.lock().performed.retain(|performed| performed.tag != tag);
            // The user's values may go with it, so no lock is held.
            job.deliver();
        }
    }

    fn is_cancelled(&self, tag: Tag) -> bool {
        let state = self.state.lock();
        state.performed.iter().any(|performed| performed.tag == tag && performed.cancelled)
    }

    /// The oldest job, if one comes before the helper has been idle for too long.
    fn next(&self) -> Option<Box<J>> {
        let end = sync::now() + IDLE_MAX;
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                state.performed.push(Performed { tag: job.tag(), cancelled: false });
                return Some(job);
            }
            let remaining = end.saturating_duration_since(sync::now());
            if state.closed || remaining.is_zero() {
                state.helpers -= 1;
                return None;
            }
            state.idle += 1;
            state = self.changed.wait_timeout(&self.state, state, remaining);
            state.idle -= 1;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sys::files::{Request, Transfer};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// A job that keeps its helper until the test lets it go.
    struct Held {
        tag: Tag,
        file: Arc<SystemFile>,
        /// How many requests it still has.
        parts: usize,
        asked: Sender<Tag>,
        go: Receiver<()>,
        aborted: bool,
        delivered: Sender<(Tag, bool)>,
    }

    impl Transfer for Held {
        fn request(&mut self) -> (&Arc<SystemFile>, Request<'_>) {
            self.asked.send(self.tag).expect("the test is there");
            self.go.recv().expect("the test lets it go");
            (&self.file, Request::Read { room: &mut [], offset: 0 })
        }
    }

    impl Job for Held {
        fn tag(&self) -> Tag {
            self.tag
        }

        fn advance(&mut self, outcome: io::Result<usize>) -> Step {
            assert_eq!(outcome.expect("reading nothing succeeds"), 0);
            self.parts -= 1;
            if self.parts == 0 { Step::Complete } else { Step::GoesOn }
        }

        fn abort(&mut self) {
            self.aborted = true;
        }

        fn deliver(self: Box<Self>) {
            self.delivered.send((self.tag, self.aborted)).expect("the test is there");
        }

        fn discard(self: Box<Self>) {}
    }

    /// Helpers that all have a job in hand, and one more job that waits.
    struct Busy {
        helpers: Helpers<Held>,
        go: Vec<Sender<()>>,
        delivered: Receiver<(Tag, bool)>,
    }

    const PATIENCE: Duration = Duration::from_secs(300);

    fn tag(operation: usize) -> Tag {
        Tag { file: 1, operation: operation as u32 }
    }

    /// The first job has two parts, the others one.
    fn busy() -> Busy {
        let helpers = Helpers::new();
        let (asked, was_asked) = channel();
        let (deliver, delivered) = channel();
        let mut go = Vec::new();
        for operation in 0..=HELPERS_MAX {
            let (let_go, wait) = channel();
            go.push(let_go);
            let file = std::fs::File::open("Cargo.toml").expect("the package has one");
            let job = Held {
                tag: tag(operation),
                file: Arc::new(file.try_into().expect("it is a file")),
                parts: if operation == 0 { 2 } else { 1 },
                asked: asked.clone(),
                go: wait,
                aborted: false,
                delivered: deliver.clone(),
            };
            helpers.start(Box::new(job)).map_err(|(error, _)| error).expect("it can be started");
        }
        for _ in 0..HELPERS_MAX {
            was_asked.recv_timeout(PATIENCE).expect("each helper takes one");
        }
        assert!(was_asked.try_recv().is_err(), "there are no more helpers than the limit");
        Busy { helpers, go, delivered }
    }

    #[test]
    fn what_waits_for_a_helper_is_cancelled_at_once_and_the_rest_goes_on() {
        let Busy { helpers, go, delivered } = busy();
        let (count, done) = helpers.cancel(Which::One(tag(HELPERS_MAX)));
        assert_eq!((count, done.len()), (1, 1));
        assert!(done[0].aborted);
        let (count, done) = helpers.cancel(Which::OfFile(1));
        assert_eq!((count, done.len()), (HELPERS_MAX, 0), "those in hand are only marked");
        assert_eq!(helpers.cancel(Which::OfFile(1)).0, 0, "and only once");
        for (operation, go) in go.into_iter().take(HELPERS_MAX).enumerate() {
            go.send(()).expect("the job waits for it");
            let came = delivered.recv_timeout(PATIENCE).expect("it comes back");
            let is_aborted = operation == 0;
            assert_eq!(came, (tag(operation), is_aborted), "what was done whole is its result");
        }
    }

    #[test]
    fn closing_drops_what_waits_and_does_not_wait_for_the_rest() {
        let Busy { helpers, go, delivered } = busy();
        helpers.close();
        assert!(go[HELPERS_MAX].send(()).is_err(), "the job that waited is gone");
        // The last part of the first one is not asked for any more.
        for go in &go[..HELPERS_MAX] {
            go.send(()).expect("the job is in hand");
        }
        for _ in 0..HELPERS_MAX {
            delivered.recv_timeout(PATIENCE).expect("it comes back");
        }
        let start = sync::now();
        while helpers.0.state.lock().helpers > 0 {
            assert!(start.elapsed() < PATIENCE, "the helpers do not end");
            std::thread::yield_now();
        }
    }
}
