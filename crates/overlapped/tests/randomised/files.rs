//! A hundred thousand random reads and writes of one file with 256 in flight, by several threads
//! and some that end at once, under cancel: each yields exactly one packet, and what is read is what
//! a model of the file holds (F8, P46, P146).
//!
//! Operations in flight together do not order each other, so none that touch the same bytes are in
//! flight together: the file is divided into cells, and each operation has those that it touches.

use crate::ledger::Ledger;
use crate::random::Random;
use crate::stage::OPERATIONS;
use crate::{ONE_AT_A_TIME, seed};
use overlapped::{
    Buffer, File, FileOptions, FilesChoice, OpenFile, OperationId, Packet, Port, Protocol,
};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const IN_FLIGHT_MAX: u64 = 256;
const CELLS: usize = 2_048;
const CELL_BYTES: usize = 700;
const CELLS_OF_ONE_MAX: usize = 12;
/// A taker looks so often whether the other one has taken the last packet.
const BRIEF: Duration = Duration::from_millis(200);

struct Places;

impl Protocol for Places {
    type Key = ();
    type Operation = Place;
    type Message = ();
}

/// The cells that an operation has, and its number in the ledger.
struct Place {
    ticket: crate::ledger::Ticket,
    first: usize,
    cells: usize,
    /// From the start of the first cell.
    start: usize,
}

impl Place {
    fn offset(&self) -> usize {
        self.first * CELL_BYTES + self.start
    }
}

struct Model {
    bytes: Vec<u8>,
    taken: Vec<bool>,
    ids: Vec<OperationId>,
    in_flight: u64,
    aborted: u64,
    read: u64,
    written: u64,
}

struct Stage {
    port: Port<Places>,
    ledger: Arc<Ledger>,
    model: Mutex<Model>,
}

impl Stage {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Starts one operation on cells that nobody has; false when there is no room for more.
    fn start(&self, file: &File<Places>, random: &mut Random) -> bool {
        let (place, length, bytes) = {
            let mut model = self.model();
            if self.ledger.started() >= *OPERATIONS || model.in_flight >= IN_FLIGHT_MAX {
                return false;
            }
            let cells = 1 + random.below(CELLS_OF_ONE_MAX);
            let first = random.below(CELLS - cells);
            if model.taken[first..first + cells].contains(&true) {
                return true;
            }
            model.taken[first..first + cells].fill(true);
            model.in_flight += 1;
            let start = random.below(CELL_BYTES);
            let length = random.below(cells * CELL_BYTES - start + 1);
            let place = Place { ticket: self.ledger.ticket(false), first, cells, start };
            let byte = random.below(256) as u8;
            (place, length, (0..length).map(|at| byte ^ at as u8).collect::<Vec<u8>>())
        };
        let offset = place.offset() as u64;
        let started = if random.one_in(2) {
            file.write_at(Buffer::from(bytes), offset, place)
        } else {
            file.read_at(Buffer::with_capacity(length), offset, place)
        };
        let id = started.expect("it can be started");
        self.model().ids.push(id);
        true
    }

    fn start_many(&self, file: &File<Places>, mut random: Random) {
        while self.ledger.started() < *OPERATIONS {
            match random.below(200) {
                0 => {
                    // A thread that ends with operations in flight.
                    let mut its_own = Random::new(random.below(usize::MAX) as u64 + 1);
                    std::thread::scope(|scope| {
                        scope.spawn(|| {
                            for _ in 0..8 {
                                self.start(file, &mut its_own);
                            }
                        });
                    });
                }
                1..=10 => {
                    let ids = std::mem::take(&mut self.model().ids);
                    for id in ids.iter().rev().take(4) {
                        // It may have completed.
                        let _ = file.cancel(*id);
                    }
                }
                _ => {
                    if !self.start(file, &mut random) {
                        std::thread::yield_now();
                    }
                }
            }
        }
    }

    fn take_all(&self) {
        loop {
            if self.ledger.started() >= *OPERATIONS && self.model().in_flight == 0 {
                return;
            }
            // A taker may find that the other one has taken the last packet.
            let Ok(packet) = self.port.take_timeout(BRIEF) else { continue };
            self.take(packet);
        }
    }

    fn take(&self, packet: Packet<Places>) {
        let mut model = self.model();
        let place = match packet {
            Packet::Read { buffer, operation, result, .. } => {
                let expected = &model.bytes[operation.offset()..][..buffer.len()];
                let number = operation.ticket.number();
                assert!(expected == &buffer[..], "{number} has read what was never written there");
                match result {
                    Ok(length) => {
                        assert_eq!((length, buffer.len()), (buffer.capacity(), length));
                        model.read += length as u64;
                    }
                    Err(error) => model.note(&error),
                }
                operation
            }
            Packet::Written { buffer, operation, transferred, result, .. } => {
                let offset = operation.offset();
                model.bytes[offset..offset + transferred].copy_from_slice(&buffer[..transferred]);
                model.written += transferred as u64;
                match result {
                    Ok(()) => assert_eq!(transferred, buffer.len()),
                    Err(error) => model.note(&error),
                }
                operation
            }
            _ => panic!("nothing else was started"),
        };
        model.taken[place.first..place.first + place.cells].fill(false);
        model.in_flight -= 1;
        place.ticket.taken();
    }
}

impl Model {
    fn note(&mut self, error: &std::io::Error) {
        assert_eq!(error.raw_os_error(), Some(if cfg!(windows) { 995 } else { 125 }));
        self.aborted += 1;
    }
}

fn run(choice: FilesChoice, name: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let seed = seed();
    eprintln!("seed {seed}");
    let mut random = Random::new(seed);
    let bytes: Vec<u8> = (0..CELLS * CELL_BYTES).map(|_| random.below(256) as u8).collect();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("randomised-{}-{name}", std::process::id()));
    std::fs::write(&path, &bytes).expect("the target directory can be written");

    let builder = Port::<Places>::builder().driver(crate::SYSTEM).concurrency(2);
    let port = builder.files(choice).build().expect("a port can be made");
    let options = FileOptions::new().read(true).write(true);
    let open = OpenFile::open(&path, &options).expect("it is there");
    let file = port.associate(open, ()).expect("a file is associated");
    let model = Model {
        bytes,
        taken: vec![false; CELLS],
        ids: Vec::new(),
        in_flight: 0,
        aborted: 0,
        read: 0,
        written: 0,
    };
    // Starting threads may each be one over.
    let ledger = Ledger::new(*OPERATIONS as usize + 64);
    let stage = Stage { port, ledger, model: Mutex::new(model) };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| stage.take_all());
            let random = Random::new(random.below(usize::MAX) as u64 + 1);
            scope.spawn(|| stage.start_many(&file, random));
        }
    });
    stage.ledger.assert_settled();
    assert_eq!(stage.ledger.alive(), 0);
    assert_eq!(stage.port.snapshot().queued, 0);
    let model = stage.model();
    assert!(std::fs::read(&path).expect("it is there") == model.bytes, "the file is not the model");
    eprintln!(
        "{} operations, {} of them aborted; {} bytes read, {} written; {}",
        stage.ledger.started(),
        model.aborted,
        model.read,
        model.written,
        stage.port.driver().files
    );
    assert!(model.read > 10_000_000 && model.written > 10_000_000, "too little was done");
    std::fs::remove_file(&path).expect("it is there");
}

#[cfg(target_os = "linux")]
#[test]
fn f8_each_of_100_000_random_reads_and_writes_yields_one_packet_ring() {
    if let Err(error) = io_uring::IoUring::new(8) {
        return eprintln!(
            "skipped: f8_each_of_100_000_random_reads_and_writes_yields_one_packet_ring: no io_uring: {error}"
        );
    }
    run(FilesChoice::Ring, "ring");
}

#[test]
fn f8_each_of_100_000_random_reads_and_writes_yields_one_packet_helpers() {
    run(FilesChoice::Helpers, "helpers");
}

/// The completion port of the system itself.
#[cfg(windows)]
#[test]
fn f8_each_of_100_000_random_reads_and_writes_yields_one_packet_iocp() {
    run(FilesChoice::Automatic, "iocp");
}
