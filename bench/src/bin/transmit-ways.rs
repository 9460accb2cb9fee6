//! How the contents of a file can get into a stream on Linux, and what each way costs.
//!
//! One connection over loopback, a sender on one processor, a receiver that throws everything away on
//! another. Each way sends the same file, which is in the page cache, again and again; the ways take
//! turns. What counts is the processor time of the sender for one transmission of the file.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use comfy_table::Table;
use overlapped_bench::statistics::Summary;
use rustix::net::{RecvFlags, recv};
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, pipe, splice};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// What a pipe holds that carries a file to a stream.
const PIPE_BYTES: usize = 1 << 20;

/// Ways to send a file: sendfile, splice through a pipe, read and send, sendfile on a helper thread.
#[derive(Parser)]
#[command(name = "transmit-ways", version)]
struct Arguments {
    /// How often each way has its turn.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// How many MiB each way sends in a turn.
    #[arg(long, default_value_t = 256)]
    mib: u64,
    /// Lengths of the file, in KiB.
    #[arg(long, value_delimiter = ',', default_value = "4,16,64,1024")]
    kib: Vec<u64>,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    ensure!(arguments.rounds > 0 && arguments.mib > 0, "rounds and mib must be above 0");
    let mut table = Table::new();
    table.set_header([
        "file",
        "way",
        "us of processor",
        "least .. most",
        "us in all",
        "x sendfile",
    ]);
    for &kib in &arguments.kib {
        ensure!(kib > 0, "a file of 0 KiB shows nothing");
        measure(arguments, kib * 1_024, &mut table)?;
    }
    println!("{table}");
    Ok(())
}

/// What a transmission cost, in microseconds.
struct Cost {
    processor: f64,
    wall: f64,
}

fn measure(arguments: &Arguments, length: u64, table: &mut Table) -> anyhow::Result<()> {
    let times = (arguments.mib * 1_048_576).div_ceil(length);
    let file = cached(length)?;
    let stream = connection()?;
    pin(0)?;
    let mut ways = ways(&stream, &file, length)?;
    let mut costs: Vec<Vec<Cost>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..arguments.rounds {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            costs[index].push(ways[index].1.transmit(times)?);
        }
    }
    let median = |of: &[Cost], what: fn(&Cost) -> f64| {
        Summary::of(of.iter().map(what).collect()).expect("there was a round")
    };
    let reference = median(&costs[0], |cost| cost.processor).median;
    for ((name, _), costs) in ways.iter().zip(&costs) {
        let processor = median(costs, |cost| cost.processor);
        table.add_row([
            format!("{} KiB", length / 1_024),
            (*name).to_owned(),
            format!("{:.1}", processor.median),
            format!("{:.1} .. {:.1}", processor.min, processor.max),
            format!("{:.1}", median(costs, |cost| cost.wall).median),
            format!("{:.2}", processor.median / reference),
        ]);
    }
    Ok(())
}

/// A file without a name that lies in the page cache.
fn cached(length: u64) -> anyhow::Result<File> {
    let path = std::env::temp_dir().join(format!("transmit-ways-{}", std::process::id()));
    std::fs::write(&path, vec![7; length as usize])
        .with_context(|| format!("cannot write {}", path.display()))?;
    let file = File::open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// The sending end of a connection whose other end discards what comes, until it ends.
fn connection() -> anyhow::Result<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on loopback")?;
    let stream = TcpStream::connect(listener.local_addr()?)?;
    stream.set_nodelay(true)?;
    let (receiver, _) = listener.accept()?;
    std::thread::spawn(move || {
        // Without a second processor the two share one.
        let _ = pin(1);
        let mut room = vec![0; 1 << 20];
        while matches!(recv(&receiver, &mut room, RecvFlags::TRUNC), Ok((1.., _))) {}
    });
    Ok(stream)
}

fn pin(processor: usize) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).context("cannot choose a processor")
}

/// A way to send the file once.
trait Way {
    fn send(&mut self) -> anyhow::Result<()>;

    /// Processor time that is used for it on another thread.
    fn elsewhere(&mut self) -> Duration {
        Duration::ZERO
    }

    fn transmit(&mut self, times: u64) -> anyhow::Result<Cost> {
        self.send()?;
        let (start, processor) = (Instant::now(), processor_time() + self.elsewhere());
        for _ in 0..times {
            self.send()?;
        }
        let processor = processor_time() + self.elsewhere() - processor;
        let each = |all: Duration| all.as_secs_f64() * 1e6 / times as f64;
        Ok(Cost { processor: each(processor), wall: each(start.elapsed()) })
    }
}

type Ways = Vec<(&'static str, Box<dyn Way>)>;

/// The first is what the others are held against.
fn ways(stream: &TcpStream, file: &File, length: u64) -> anyhow::Result<Ways> {
    let both = || anyhow::Ok((stream.try_clone()?, file.try_clone()?));
    let (out, source) = both()?;
    let mut ways: Ways = vec![("sendfile", Box::new(Sendfile { out, source, length }))];
    let (out, source) = both()?;
    let (from, into) = pipe()?;
    fcntl_setpipe_size(&into, PIPE_BYTES).context("cannot enlarge a pipe")?;
    ways.push(("splice", Box::new(Splice { out, source, length, from, into })));
    let (out, source) = both()?;
    ways.push(("read, send", Box::new(Copy { out, source, length, room: vec![0; 65_536] })));
    let (out, source) = both()?;
    ways.push(("helper", Box::new(Helper::start(Sendfile { out, source, length }))));
    Ok(ways)
}

struct Sendfile {
    out: TcpStream,
    source: File,
    length: u64,
}

impl Way for Sendfile {
    fn send(&mut self) -> anyhow::Result<()> {
        let mut place = 0;
        while place < self.length {
            let rest = (self.length - place) as usize;
            rustix::fs::sendfile(&self.out, &self.source, Some(&mut place), rest)?;
        }
        Ok(())
    }
}

/// From the file into a pipe, and from the pipe into the stream.
struct Splice {
    out: TcpStream,
    source: File,
    length: u64,
    from: OwnedFd,
    into: OwnedFd,
}

impl Way for Splice {
    fn send(&mut self) -> anyhow::Result<()> {
        let mut place = 0;
        while place < self.length {
            let rest = (self.length - place) as usize;
            let more = if rest > PIPE_BYTES { SpliceFlags::MORE } else { SpliceFlags::empty() };
            let mut held =
                splice(&self.source, Some(&mut place), &self.into, None, rest, SpliceFlags::MOVE)?;
            while held > 0 {
                held -= splice(&self.from, None, &self.out, None, held, SpliceFlags::MOVE | more)?;
            }
        }
        Ok(())
    }
}

/// Through memory of the program.
struct Copy {
    out: TcpStream,
    source: File,
    length: u64,
    room: Vec<u8>,
}

impl Way for Copy {
    fn send(&mut self) -> anyhow::Result<()> {
        let mut place = 0;
        while place < self.length {
            let wanted = self.room.len().min((self.length - place) as usize);
            let count = rustix::io::pread(&self.source, &mut self.room[..wanted], place)?;
            std::io::Write::write_all(&mut self.out, &self.room[..count])?;
            place += count as u64;
        }
        Ok(())
    }
}

/// Another thread makes the call, as a helper would that may wait for the disk.
struct Helper {
    jobs: Sender<()>,
    done: Receiver<anyhow::Result<Duration>>,
    used: Duration,
}

impl Helper {
    fn start(mut way: Sendfile) -> Self {
        let ((jobs, incoming), (tell, done)) = (channel(), channel());
        std::thread::spawn(move || {
            while incoming.recv().is_ok() {
                let result = way.send().map(|()| processor_time());
                if tell.send(result).is_err() {
                    break;
                }
            }
        });
        Self { jobs, done, used: Duration::ZERO }
    }
}

impl Way for Helper {
    fn send(&mut self) -> anyhow::Result<()> {
        self.jobs.send(()).context("the helper has ended")?;
        self.used = self.done.recv().context("the helper has ended")??;
        Ok(())
    }

    fn elsewhere(&mut self) -> Duration {
        self.used
    }
}

/// The processor time that the calling thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
