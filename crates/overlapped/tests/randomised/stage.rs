//! What all threads share, and the play from the first operation to the last packet.

use crate::ledger::{Ledger, Tickets};
use crate::random::Random;
use crate::stay::Stay;
use crate::streams::{End, Outcome};
use crate::{PATIENCE, World};
use overlapped::{AcceptWindow, ListenSocket, Port, TcpListener, TcpStream, TimerId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How many operations one run starts. `OVERLAPPED_SHORT_TESTS` is for surroundings in which each takes several
/// times as long.
pub static OPERATIONS: LazyLock<u64> = LazyLock::new(|| {
    if std::env::var_os("OVERLAPPED_SHORT_TESTS").is_none() {
        return 100_000;
    }
    println!("short: 25,000 operations");
    25_000
});
const DISTURBERS: u64 = 3;
const TAKERS: u64 = 4;
pub const SLOTS: usize = 48;
/// How long a client of the window may be silent.
const SILENCE: Duration = Duration::from_millis(20);

pub type Stream = TcpStream<Tickets>;

/// Everything that the threads share.
pub struct Stage {
    pub world: World,
    pub port: Port<Tickets>,
    pub ledger: Arc<Ledger>,
    seed: u64,
    pub plain: TcpListener<Tickets>,
    pub windowed: TcpListener<Tickets>,
    pub slots: Vec<Mutex<Slot>>,
    /// By the number of the connection, and whether the end was accepted.
    pub ends: Mutex<HashMap<(usize, bool), Arc<End>>>,
    pub connections: AtomicUsize,
    pub timers: Mutex<Vec<TimerId>>,
    pub stopping: AtomicBool,
}

/// The user's handles of one connection.
#[derive(Default)]
pub struct Slot {
    pub connection: usize,
    pub client: Option<Stream>,
    pub server: Option<Stream>,
    /// One end was dropped with operations in flight. They end when the other end is closed, which
    /// must not be dropped in the same way.
    pub has_dropped_end: bool,
}

/// What a play leaves behind.
pub struct Outcomes {
    pub ends: HashMap<(usize, bool), Arc<End>>,
    pub results: HashMap<u64, Outcome>,
    pub summary: String,
}

impl Stage {
    pub fn new(
        world: World,
        port: Port<Tickets>,
        seed: u64,
        plain: ListenSocket,
        windowed: ListenSocket,
    ) -> Self {
        // Windows and packets in flight make some more than the disturbers.
        let ledger = Ledger::new(2 * *OPERATIONS as usize);
        let nobody = || Arc::new(End::new(Vec::new()));
        let plain = port.associate(plain, nobody()).expect("a listener is associated");
        let windowed = port.associate(windowed, nobody()).expect("a listener is associated");
        let for_window = Arc::clone(&ledger);
        let window = AcceptWindow::new(4).first_data(SILENCE).connections(SLOTS * 2);
        windowed.accept_window(window, move || for_window.ticket(true)).expect("none is posted");
        Self {
            world,
            port,
            ledger,
            seed,
            plain,
            windowed,
            slots: (0..SLOTS).map(|_| Mutex::default()).collect(),
            ends: Mutex::default(),
            connections: AtomicUsize::new(0),
            timers: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Runs all threads until every operation has come back.
    pub fn play(self) -> Outcomes {
        let stay = Stay::default();
        let (results, kinds) = std::thread::scope(|scope| {
            let held = stay.hold();
            let (stage, stay) = (&self, &stay);
            let takers: Vec<_> = (0..TAKERS)
                .map(|n| scope.spawn(move || stage.take(Random::new(stage.seed ^ (n + 1) << 32))))
                .collect();
            let (done, all_done) = channel();
            for n in 0..DISTURBERS {
                let done = done.clone();
                scope.spawn(move || {
                    stage.disturb(Random::new(stage.seed ^ (n + 1) << 48));
                    // Nobody listens only if the test has failed already.
                    let _ = done.send(());
                    drop(done);
                    stay.until_let_go();
                });
            }
            drop(done);
            assert_eq!(all_done.iter().count() as u64, DISTURBERS, "a disturber panicked");
            self.stop();
            drop(held);
            let mut results = HashMap::new();
            let mut kinds = [0; 7];
            for taker in takers {
                let (taken, counts) = taker.join().expect("a taker panicked");
                kinds.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
                for (number, outcome) in taken {
                    assert!(results.insert(number, outcome).is_none(), "{number} came twice");
                }
            }
            (results, kinds)
        });
        let [accepts, connects, receives, sends, timers, posts, disconnects] = kinds;
        let summary = format!(
            "{accepts} accepts, {connects} connects, {receives} receives, {sends} sends, \
             {timers} timers, {posts} posts, {disconnects} disconnects"
        );
        let ends = std::mem::take(&mut *lock(&self.ends));
        Outcomes { ends, results, summary }
    }

    /// Closes everything and waits until nothing is owed any more.
    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.plain.close();
        self.windowed.close();
        for slot in &self.slots {
            let mut slot = lock(slot);
            for stream in [slot.client.take(), slot.server.take()].into_iter().flatten() {
                stream.close();
            }
        }
        let (mut least, mut progress) = (self.ledger.owed(), Instant::now());
        while self.ledger.owed() > 0 {
            if self.ledger.owed() < least {
                (least, progress) = (self.ledger.owed(), Instant::now());
            }
            if progress.elapsed() > PATIENCE {
                let snapshot = self.port.snapshot();
                // The takers must end before the failure is seen.
                self.port.close();
                self.ledger.assert_settled();
                panic!("{} packets are still owed: {snapshot:?}", self.ledger.owed());
            }
            std::thread::yield_now();
        }
        let snapshot = self.port.snapshot();
        assert_eq!(snapshot.queued, 0, "{snapshot:?}");
        self.port.close();
    }
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread has panicked")
}
