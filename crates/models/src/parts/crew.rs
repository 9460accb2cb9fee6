//! The crew: threads that each serve a bounded number of connections, for models whose way to wait
//! has a bound.
//!
//! A connection goes to the first thread with a free place, else to a new thread (M97, F53). It
//! waits in that thread's inbox, and the thread is woken, so that it is taken up at once and not
//! after some period (M98), and so that no two threads ever touch the same list (E7). A thread
//! without connections ends when another one is empty too: one is kept for the next client.

use super::tally::{Meter, OnDuty, Tally};
use overlapped_serving::lock;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};

/// What the threads of a crew do.
pub(crate) trait Duty: Send + Sync + Sized + 'static {
    /// What is handed over.
    type Connection: Send + 'static;
    /// What wakes a thread that waits.
    type Waker: Wake;
    /// What a thread needs for itself; it never leaves the thread.
    type Own;

    /// Makes ready what a thread needs. Called on that thread.
    fn begin(&self) -> io::Result<(Self::Own, Self::Waker)>;

    /// Serves until [`ThisThread::may_end`] says so.
    fn serve(&self, own: Self::Own, thread: &ThisThread<Self>);
}

/// What wakes a thread.
pub(crate) trait Wake: Send + Sync + 'static {
    /// Makes the thread look at its inbox soon, also when it is about to wait.
    fn wake(&self);
}

pub(crate) struct Crew<D: Duty> {
    duty: D,
    name: &'static str,
    places: usize,
    tally: Arc<Tally>,
    state: Mutex<State<D>>,
}

struct State<D: Duty> {
    posts: Vec<Arc<Post<D>>>,
    /// Nothing is handed over any more, so that whoever has nothing left may end.
    closed: bool,
}

/// One thread, as the others see it.
struct Post<D: Duty> {
    waker: D::Waker,
    /// How many of its places are taken. Touched under the lock of the crew only.
    taken: AtomicUsize,
    inbox: Mutex<Vec<D::Connection>>,
}

/// One thread, as it sees itself. Its place in the crew ends with the thread, however that ends.
pub(crate) struct ThisThread<D: Duty> {
    crew: Arc<Crew<D>>,
    post: Arc<Post<D>>,
    on_duty: OnDuty,
}

impl<D: Duty> Crew<D> {
    /// A crew without threads. Each will have a number of `places`; its threads are called `name`.
    pub(crate) fn new(duty: D, places: usize, name: &'static str, tally: &Arc<Tally>) -> Arc<Self> {
        let state = Mutex::new(State { posts: Vec::new(), closed: false });
        Arc::new(Self { duty, name, places, tally: Arc::clone(tally), state })
    }

    /// Gives a connection to a thread. When there is none for it, it comes back, with the reason.
    pub(crate) fn hand_over(
        self: &Arc<Self>,
        connection: D::Connection,
    ) -> Result<(), (D::Connection, io::Error)> {
        let mut connection = connection;
        loop {
            match self.hand_to_one_with_room(connection) {
                Ok(()) => return Ok(()),
                Err(back) => connection = back,
            }
            // Not under the lock: the new thread needs a moment, and the others go on meanwhile.
            if let Err(error) = self.start_thread() {
                return Err((connection, error));
            }
        }
    }

    /// Starts a thread before the first client comes, so that what it needs is known to be there.
    pub(crate) fn start_first(self: &Arc<Self>) -> io::Result<()> {
        self.start_thread()
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        lock(&self.state).posts.len()
    }

    /// Nothing is handed over from now on: wakes all threads, which end when they have nothing left.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.posts.iter().for_each(|post| post.waker.wake());
    }

    fn hand_to_one_with_room(&self, connection: D::Connection) -> Result<(), D::Connection> {
        let state = lock(&self.state);
        let Some(post) = state.posts.iter().find(|post| post.count() < self.places) else {
            return Err(connection);
        };
        post.taken.fetch_add(1, Ordering::Relaxed);
        lock(&post.inbox).push(connection);
        // Under the lock, so that the thread is there to be woken.
        post.waker.wake();
        Ok(())
    }

    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let (tell, told) = sync_channel(1);
        let (crew, on_duty) = (Arc::clone(self), self.tally.enlist());
        std::thread::Builder::new().name(self.name.into()).spawn(move || {
            let (own, waker) = match crew.duty.begin() {
                Ok(ready) => ready,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            let (taken, inbox) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
            let post = Arc::new(Post { waker, taken, inbox });
            lock(&crew.state).posts.push(Arc::clone(&post));
            let thread = ThisThread { crew, post, on_duty };
            let _ = tell.send(Ok(()));
            thread.crew.duty.serve(own, &thread);
        })?;
        told.recv().map_err(|_| io::Error::other("a thread ended while it began"))?
    }
}

impl<D: Duty> Post<D> {
    fn count(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl<D: Duty> ThisThread<D> {
    /// What was handed over since the last time. Ask when woken.
    pub(crate) fn arrivals(&self) -> Vec<D::Connection> {
        std::mem::take(&mut *lock(&self.post.inbox))
    }

    /// So many of the thread's connections have gone.
    pub(crate) fn vacate(&self, count: usize) {
        let _state = lock(&self.crew.state);
        self.post.taken.fetch_sub(count, Ordering::Relaxed);
    }

    /// Whether the thread ends now. If so nothing is, or will be, handed to it. Ask when the last
    /// connection has gone, and when woken without one.
    pub(crate) fn may_end(&self) -> bool {
        let mut state = lock(&self.crew.state);
        if self.post.count() > 0 {
            return false;
        }
        let is_other = |post: &Arc<Post<D>>| !Arc::ptr_eq(post, &self.post);
        let ends =
            state.closed || state.posts.iter().any(|post| is_other(post) && post.count() == 0);
        if ends {
            state.posts.retain(is_other);
        }
        ends
    }

    /// Where the thread counts.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.on_duty.meter()
    }
}

impl<D: Duty> Drop for ThisThread<D> {
    fn drop(&mut self) {
        lock(&self.crew.state).posts.retain(|post| !Arc::ptr_eq(post, &self.post));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Serves by counting: a connection that is `true` goes at once.
    struct Counting {
        /// How many connections each thread of the crew has, whenever that changes.
        served: Sender<(std::thread::ThreadId, usize)>,
        fails: bool,
    }

    struct Wakeup(Sender<()>);

    impl Wake for Wakeup {
        fn wake(&self) {
            let _ = self.0.send(());
        }
    }

    impl Duty for Counting {
        type Connection = bool;
        type Waker = Wakeup;
        type Own = Receiver<()>;

        fn begin(&self) -> io::Result<(Receiver<()>, Wakeup)> {
            if self.fails {
                return Err(io::ErrorKind::OutOfMemory.into());
            }
            let (sender, receiver) = channel();
            Ok((receiver, Wakeup(sender)))
        }

        fn serve(&self, receiver: Receiver<()>, thread: &ThisThread<Self>) {
            let mut count = 0;
            while receiver.recv().is_ok() {
                for goes in thread.arrivals() {
                    match goes {
                        true => {
                            thread.vacate(count + 1);
                            count = 0;
                        }
                        false => count += 1,
                    }
                    let _ = self.served.send((std::thread::current().id(), count));
                }
                if thread.crew.is_closed() {
                    thread.vacate(std::mem::take(&mut count));
                }
                if count == 0 && thread.may_end() {
                    return;
                }
            }
        }
    }

    impl Crew<Counting> {
        fn is_closed(&self) -> bool {
            lock(&self.state).closed
        }
    }

    #[test]
    fn a_connection_goes_to_a_thread_with_room_else_to_a_new_one_and_empty_threads_end() {
        let (served, counts) = channel();
        let tally = Arc::<Tally>::default();
        let crew = Crew::new(Counting { served, fails: false }, 2, "counting", &tally);
        let give = |goes| {
            crew.hand_over(goes).expect("there are threads");
            counts.recv().expect("somebody serves it")
        };
        let (first, _) = give(false);
        assert_eq!(give(false), (first, 2));
        let (second, _) = give(false);
        assert_ne!(second, first);
        assert_eq!(crew.threads(), 2);
        // The second thread becomes empty: nobody else is, so it stays.
        assert_eq!(give(true), (second, 0));
        let (again, _) = give(false);
        assert_eq!(again, second);
        assert_eq!(give(true), (second, 0));
        crew.close();
        assert!(tally.wait_until_nobody(None));
        assert_eq!(crew.threads(), 0);
    }

    #[test]
    fn of_two_empty_threads_one_ends() {
        let (served, counts) = channel();
        let tally = Arc::<Tally>::default();
        let crew = Crew::new(Counting { served, fails: false }, 1, "counting", &tally);
        crew.start_first().expect("there are threads");
        crew.hand_over(false).expect("there are threads");
        counts.recv().expect("somebody serves it");
        // Goes to a new thread, which then is the only one that is empty.
        crew.hand_over(true).expect("there are threads");
        let (second, _) = counts.recv().expect("somebody serves it");
        lock(&crew.state).posts[0].taken.store(0, Ordering::Relaxed);
        lock(&crew.state).posts[1].waker.wake();
        while crew.threads() > 1 {
            std::thread::yield_now();
        }
        lock(&crew.state).posts[0].taken.store(1, Ordering::Relaxed);
        crew.hand_over(false).expect("there are threads");
        assert_ne!(counts.recv().expect("somebody serves it").0, second);
        crew.close();
        assert!(tally.wait_until_nobody(None));
    }

    #[test]
    fn without_a_thread_the_connection_comes_back() {
        let (served, _counts) = channel();
        let tally = Arc::<Tally>::default();
        let crew = Crew::new(Counting { served, fails: true }, 2, "counting", &tally);
        let (connection, error) = crew.hand_over(true).expect_err("no thread begins");
        assert_eq!((connection, error.kind()), (true, io::ErrorKind::OutOfMemory));
        assert!(tally.wait_until_nobody(None), "nobody is left of the attempt");
    }
}
