//! A hundred thousand operations of every kind by several threads, under cancel, close, drop and
//! time-outs: each that is owed a packet yields exactly one, the bytes of every stream come in
//! order, and nothing stays behind (P46).
//!
//! - [`ledger`] knows what every operation is owed and what came of it.
//! - [`stage`] is what the threads share; [`disturbers`] start and disturb, [`takers`] take packets.
//! - [`streams`] are the two ends of each connection, and the verification of their bytes.
//! - [`files`] is the same for files, against a model of what they hold.
//!
//! The seed is printed; `OVERLAPPED_TEST_SEED` repeats it (as far as threads repeat themselves).

mod disturbers;
mod files;
mod ledger;
mod random;
mod stage;
#[path = "../contract/stay.rs"]
mod stay;
mod streams;
mod takers;

use overlapped::simulated::Network;
use overlapped::{DriverChoice, ListenSocket, Port, TcpSocket};
use stage::Stage;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Descriptors are counted for the whole process, so one test runs at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The drivers' sockets, made without a port.
#[derive(Clone)]
enum World {
    System,
    Simulated(Network),
}

impl World {
    fn port(&self) -> Port<ledger::Tickets> {
        let builder = Port::<ledger::Tickets>::builder().concurrency(2).buffer_size(1_024);
        match self {
            Self::System => builder.driver(SYSTEM).build(),
            Self::Simulated(network) => builder.simulated(network).build(),
        }
        .expect("a port can be made")
    }

    fn listen(&self) -> ListenSocket {
        let any = ([127, 0, 0, 1], 0).into();
        match self {
            Self::System => ListenSocket::bind(any, 1_024),
            Self::Simulated(network) => network.listen(any, 1_024),
        }
        .expect("one can listen on a port that the system chooses")
    }

    fn socket(&self) -> TcpSocket {
        match self {
            Self::System => TcpSocket::v4().expect("a socket can be made"),
            Self::Simulated(network) => network.stream(),
        }
    }
}

fn seed() -> u64 {
    match std::env::var("OVERLAPPED_TEST_SEED") {
        Ok(text) => text.parse().expect("OVERLAPPED_TEST_SEED is a number above 0"),
        Err(_) => std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(1, |since| u64::from(since.subsec_nanos()) + 1),
    }
}

/// The driver of this system's own sockets.
const SYSTEM: DriverChoice = if cfg!(windows) { DriverChoice::Iocp } else { DriverChoice::Epoll };

#[cfg(target_os = "linux")]
fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the system tells them").count()
}

/// Runs everything in `world` and verifies it.
fn run(world: &World, seed: u64) {
    eprintln!("seed {seed}");
    let start = Instant::now();
    let port = world.port();
    let stage = Stage::new(world.clone(), port.clone(), seed, world.listen(), world.listen());
    let ledger = stage.ledger.clone();
    let outcomes = stage.play();

    ledger.assert_settled();
    assert_eq!(ledger.alive(), 0, "every operation's data was given back or dropped");
    let snapshot = port.snapshot();
    assert_eq!((snapshot.devices, snapshot.queued), (0, 0), "{snapshot:?}");
    let verified = streams::verify(
        &outcomes.ends,
        &outcomes.results,
        port.driver().blocked_thread_monitor.contains("Wine"),
    );
    let counters = port.counters();
    assert_eq!(counters.queued, counters.taken);
    drop(port);
    eprintln!(
        "{} operations in {:?}, {} of them refused at once: {}; {verified}",
        ledger.started(),
        start.elapsed(),
        ledger.refused(),
        outcomes.summary
    );
    assert!(verified.ends > 100 && verified.bytes > 1_000_000, "too little was exchanged");
}

#[test]
fn p46_each_of_100_000_random_operations_yields_exactly_one_packet_on_the_system() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    #[cfg(target_os = "linux")]
    let before = open_descriptors();
    run(&World::System, seed());
    #[cfg(target_os = "linux")]
    assert_eq!(open_descriptors(), before, "descriptors are left open");
}

#[test]
fn p46_each_of_100_000_random_operations_yields_exactly_one_packet_simulated() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let seed = seed();
    let network = Network::new(seed);
    run(&World::Simulated(network.clone()), seed);
    assert_eq!(network.sockets(), 0, "sockets are left open");
    assert_eq!(network.bytes_in_flight(), 0);
}

/// No run waits longer than this without any packet coming; it fails instead.
const PATIENCE: Duration = Duration::from_secs(300);
