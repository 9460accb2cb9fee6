//! One life: its threads, from the first step to the end, and what must hold then.

use crate::ledger::{Kind, Summary, ledger};
use crate::outside;
use crate::plan::Plan;
use crate::protocol::{Life, Token, look_at};
use crate::random::mixed;
use crate::streams::{Sends, Stream};
use crate::{schedule, starter, taker};
use overlapped::simulated::Network;
use overlapped::{
    AcceptWindow, File, FileOptions, OpenFile, Port, TcpListener, TcpStream, TimerId, UdpSocket,
    simulation,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// While a slot is free, no packet and thread may wait for each other for longer (P84 a).
const PATIENCE_NS: u64 = 5_000_000;

/// How often time may go on, with nothing else to do, before all that was cancelled has its packet.
const LAST_ROUNDS: u64 = 4_000;

/// What the threads of a life share.
#[derive(Debug)]
pub struct World {
    pub plan: Plan,
    pub port: Port<Life>,
    pub network: Network,
    pub listener: TcpListener<Life>,
    pub datagrams: UdpSocket<Life>,
    pub outside: std::net::SocketAddr,
    pub sends: Sends,
    /// What came from each end, as peers saw it.
    pub came: Mutex<Vec<(u64, Vec<u8>)>>,
    streams: Mutex<BTreeMap<u64, Arc<Stream>>>,
    timers: Mutex<Vec<TimerId>>,
    /// No more operations are started.
    is_over: AtomicBool,
    pub file: File<Life>,
    numbered: AtomicU64,
    /// The threads of the outside are to end.
    pub ends: AtomicBool,
}

impl World {
    fn new(plan: &Plan) -> Self {
        let network = Network::new(plan.network_seed);
        network.set_capacity(plan.capacity);
        let builder = Port::builder().simulated(&network).concurrency(plan.concurrency);
        let port = builder.blocked_thread_monitor(plan.monitor).build().expect("it needs nothing");
        let here = ([127, 0, 0, 1], 0).into();
        let listener = network.listen(here, 3).expect("a port is free");
        let datagrams = network.datagram(here).expect("a port is free");
        let outside = network.listener(here).expect("a port is free");
        let world = Self {
            file: port.associate(scratch_file(), 0).expect("nothing fails yet"),
            listener: port.associate(listener, 0).expect("nothing fails yet"),
            datagrams: port.associate(datagrams, 0).expect("nothing fails yet"),
            outside: outside.local_addr().expect("it is bound"),
            plan: plan.clone(),
            port,
            network,
            sends: Sends::default(),
            came: Mutex::default(),
            streams: Mutex::default(),
            timers: Mutex::default(),
            is_over: AtomicBool::new(false),
            numbered: AtomicU64::new(0),
            ends: AtomicBool::new(false),
        };
        outside::keep(outside);
        world
    }

    /// A choice below `bound` that is the same for the same `what` and `of`.
    pub fn choice(&self, what: u64, of: u64, bound: u64) -> u64 {
        mixed(mixed(self.plan.seed, what), of) % bound
    }

    /// Whether a handler may start one more operation.
    pub fn may_follow_up(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
            && ledger(|ledger| ledger.issued()) < self.plan.operations
    }

    pub fn add_stream(&self, stream: TcpStream<Life>, incoming: u64, outgoing: u64) -> Arc<Stream> {
        let stream = Stream::new(*stream.key(), stream, incoming, outgoing);
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.insert(stream.number, Arc::clone(&stream));
        stream
    }

    pub fn new_number(&self) -> u64 {
        self.numbered.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub fn stream(&self, number: u64) -> Option<Arc<Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// One of the streams.
    pub fn any_stream(&self, which: u64) -> Option<Arc<Stream>> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        // Rather one of the last ones, which have more to do.
        let count = streams.len().min(6);
        let index = which.checked_rem(count as u64)?;
        streams.values().rev().nth(index as usize).cloned()
    }

    pub fn add_timer(&self, id: TimerId) {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    pub fn any_timer(&self, which: u64) -> Option<TimerId> {
        let timers = self.timers.lock().unwrap_or_else(PoisonError::into_inner);
        let index = which.checked_rem(timers.len().min(8) as u64)?;
        timers.iter().rev().nth(index as usize).copied()
    }

    pub fn post(&self) {
        let token = Token::new(Kind::Post);
        let id = token.id();
        match self.port.post(token) {
            Ok(()) => ledger(|ledger| ledger.started(id)),
            Err(refused) => ledger(|ledger| ledger.given_back(refused.returned.id())),
        }
    }
}

/// A file of this process, which is gone from its folder as soon as it is open.
fn scratch_file() -> OpenFile {
    // A flush of a file in memory takes no time.
    let memory = std::path::PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let path = folder.join(format!("overlapped-simulator-{}", std::process::id()));
    let path = path.with_extension(format!("{:?}", std::thread::current().id()));
    let options = FileOptions::new().read(true).write(true).create(true).truncate(true);
    let file = OpenFile::open(&path, &options).expect("the folder for temporary files takes one");
    // It stays open.
    let _ = std::fs::remove_file(&path);
    file
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> shuttle::thread::JoinHandle<()> {
    shuttle::thread::Builder::new().name(name).spawn(work).expect("threads are simulated")
}

/// What the clock looks at, until the port is to be gone.
type Watched = shuttle::sync::Mutex<Option<Port<Life>>>;

/// The thread of the clock. It has its turn when every other thread waits.
fn keep_time(watched: &Watched, ends: &AtomicBool) {
    let mut stuck_since = None;
    while !ends.load(Ordering::Relaxed) {
        if schedule::is_idle() {
            let now = simulation::now_ns();
            let port = watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let sizes = port.map(|port| port.snapshot());
            let is_stuck = sizes.as_ref().is_some_and(|sizes| {
                sizes.queued > 0 && sizes.waiting > 0 && sizes.released < sizes.concurrency
            });
            let since = *stuck_since.get_or_insert(now);
            if !is_stuck {
                stuck_since = None;
            }
            assert!(
                now - since <= PATIENCE_NS || !is_stuck,
                "for {} us packets and threads wait for each other: {sizes:?} (P84 a)",
                (now - since) / 1_000
            );
            if !simulation::advance() && schedule::is_idle() {
                // Every thread waits, and no time will end that. Without a clock they are told by name.
                return;
            }
        } else {
            simulation::advance();
        }
        shuttle::thread::yield_now();
    }
}

/// Lives through the plan. Panics with what was wrong.
pub fn live(plan: &Plan) -> Summary {
    simulation::begin(plan.seed);
    ledger(|ledger| ledger.begin(plan.takers, plan.concurrency, !(plan.monitor && plan.blocks)));
    // The clock has to be the second thread, so it is started before the port starts any.
    let ended = Arc::new(AtomicBool::new(false));
    let watched = Arc::new(Watched::new(None));
    let clock = spawn("clock".to_owned(), {
        let (watched, ended) = (Arc::clone(&watched), Arc::clone(&ended));
        move || keep_time(&watched, &ended)
    });
    let world = Arc::new(World::new(plan));
    let set_watched = |port| {
        let before =
            std::mem::replace(&mut *watched.lock().unwrap_or_else(PoisonError::into_inner), port);
        drop(before);
    };
    set_watched(Some(world.port.clone()));
    look_at(Some(world.port.clone()));

    let start = |name: String, work: fn(&Arc<World>, usize), number: usize| {
        let world = Arc::clone(&world);
        spawn(name, move || work(&world, number))
    };
    let takers: Vec<_> =
        (0..plan.takers).map(|i| start(format!("taker {i}"), taker::serve, i)).collect();
    if let Some(count) = plan.window {
        let mut window = AcceptWindow::new(count);
        if plan.first_data {
            window = window.first_data(Duration::from_millis(2)).silent_connections(2);
        }
        let kept = world.listener.accept_window(window, || {
            let token = Token::new(Kind::Accept);
            ledger(|ledger| ledger.started(token.id()));
            token
        });
        kept.expect("nothing else accepts yet");
    }
    let host = start("host".to_owned(), outside::host, 0);
    let mut others: Vec<_> =
        (0..plan.starters.len()).map(|i| start(format!("starter {i}"), starter::act, i)).collect();
    others.extend((0..plan.peers.len()).map(|i| start(format!("peer {i}"), outside::connect, i)));
    for other in others {
        other.join().expect("a panic ends the life");
    }
    world.is_over.store(true, Ordering::Relaxed);
    world.ends.store(true, Ordering::Relaxed);
    host.join().expect("a panic ends the life");

    // Some ports are closed in the midst of it all.
    if world.choice(1, 0, 4) > 0 {
        end_all(&world);
    }
    ledger(|ledger| ledger.close());
    world.port.close();
    expect_closed(&world);
    for taker in takers {
        taker.join().expect("a panic ends the life");
    }
    look_at(None);
    set_watched(None);
    for (end, came) in world.came.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        world.sends.compare(end, &came);
    }
    let network = world.network.clone();
    drop(world);
    // A call on a file that has begun goes on, on a thread of the library's.
    let mut rounds = 0;
    while ledger(|ledger| ledger.alive()) > 0 && rounds < LAST_ROUNDS {
        rounds += 1;
        simulation::sleep(Duration::from_micros(500));
    }
    ended.store(true, Ordering::Relaxed);
    clock.join().expect("a panic ends the life");
    let summary = ledger(|ledger| {
        if let Some(problem) = &ledger.problem {
            panic!("{problem}");
        }
        assert_eq!(ledger.alive(), 0, "tokens are left when the port is gone:{}", ledger.debts());
        ledger.summary()
    });
    assert_eq!(network.sockets(), 0, "sockets are left when the port is gone");
    summary
}

/// Ends every operation, and waits for its packet.
fn end_all(world: &Arc<World>) {
    world.network.faults().clear();
    world.port.resume_accepts();
    // The other ends are gone, so what is under way on a connection comes to an end without a cancel.
    let of_connections = [Kind::Connect, Kind::Receive, Kind::Send, Kind::Disconnect, Kind::File];
    let under_way = || ledger(|ledger| ledger.owed_of(&of_connections));
    wait_for(world, "comes to an end by itself", under_way);
    if let Some(count) = world.plan.window
        && !world.plan.first_data
    {
        // Whatever has failed before (F29).
        let missing = || count - world.listener.posted().min(count);
        wait_for(world, "of the window of accepts is posted", missing);
    }

    ledger(|ledger| ledger.close_listener());
    world.listener.close();
    world.datagrams.close();
    world.file.cancel_all();
    let numbers: Vec<u64> = {
        let streams = world.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.keys().copied().collect()
    };
    for number in numbers {
        let Some(stream) = world.stream(number) else { continue };
        let Some(handle) = stream.handle() else { continue };
        stream.receive(true);
        match world.choice(2, number, 4) {
            0 => handle.close(),
            1 => handle.abort(),
            2 => {
                handle.cancel_all();
            }
            _ => {}
        }
        drop(handle);
        stream.let_go();
    }
    wait_for(world, "has a packet after a cancel or a close", || ledger(|ledger| ledger.owed()));
}

/// Waits until nothing is owed of what `owed` counts.
fn wait_for(world: &World, what: &str, owed: impl Fn() -> usize) {
    let mut rounds = 0;
    while owed() > 0 {
        rounds += 1;
        assert!(rounds < LAST_ROUNDS, "not everything {what}:{}", ledger(|ledger| ledger.debts()));
        // What was deferred comes with whatever comes next.
        if rounds % 64 == 0 {
            world.post();
        }
        simulation::sleep(Duration::from_micros(500));
    }
}

/// A port that is closed refuses everything, and gives it back.
fn expect_closed(world: &World) {
    world.post();
    let token = Token::new(Kind::Timer);
    match world.port.timer(Duration::ZERO, token) {
        Ok(_) => panic!("a timer was started after the port was closed (P123)"),
        Err(refused) => ledger(|ledger| ledger.given_back(refused.returned.id())),
    }
    let token = Token::new(Kind::Datagram);
    match world.datagrams.receive_from_pooled(token) {
        Ok(_) => panic!("a receive was started after the port was closed (P123)"),
        Err(refused) => ledger(|ledger| ledger.given_back(refused.returned.id())),
    }
}
