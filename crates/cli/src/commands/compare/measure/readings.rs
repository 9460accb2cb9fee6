//! What server and load have spent between two moments, and what they hold at the second.

use std::io;
use std::num::NonZero;
use std::time::{Duration, Instant};

use anyhow::Context;
use overlapped_load::kernel_figures::{self, MemoryFigures, SocketFigures};
use overlapped_load::process_figures::{self, ProcessFigures, ProcessorTime};

/// Processor time at one moment. None where the system does not tell it.
struct Reading {
    at: Instant,
    server: Option<ProcessorTime>,
    load: Option<Duration>,
    /// Of everything that is not part of the measurement.
    elsewhere: Option<Duration>,
    /// For which the processors had nothing to do.
    idle: Duration,
    /// That the host took.
    stolen: Option<Duration>,
}

/// What is held at the second moment. Figures of the server are sums over its processes.
pub struct Held {
    pub messages: u64,
    pub resident_kib: u64,
    pub threads: u64,
    /// Since the moment before the first message.
    pub context_switches: Option<u64>,
    pub kernel_memory_kib: Option<u64>,
    pub kernel_socket_kib: Option<u64>,
}

/// Processor time over elapsed time between the two readings; 1 is one processor. None where the system
/// does not tell it, or a reading is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    pub server: Option<f64>,
    /// The part of it that was spent in the kernel.
    pub server_kernel: Option<f64>,
    pub load: Option<f64>,
    pub elsewhere: Option<f64>,
    /// For which the processors had nothing to do.
    pub idle: Option<f64>,
    /// That the host took.
    pub stolen: Option<f64>,
    /// Processors of the machine.
    pub processors: f64,
}

/// The readings of one measurement.
pub struct Readings {
    kernel_before_kib: Option<u64>,
    servers: Vec<u32>,
    load: Vec<u32>,
    resident_before_kib: Option<u64>,
    open: bool,
    switches_when_open: Option<u64>,
    first: Option<Reading>,
    second: Option<Reading>,
    held: Option<Held>,
}

impl Readings {
    /// Reads what there is before anything is started.
    pub fn begin() -> Self {
        Self {
            kernel_before_kib: kernel_memory_kib(),
            servers: Vec::new(),
            load: Vec::new(),
            resident_before_kib: None,
            open: false,
            switches_when_open: None,
            first: None,
            second: None,
            held: None,
        }
    }

    /// Says whose figures are read, and reads what the server holds before the first connection.
    pub fn of_server(&mut self, servers: Vec<u32>) {
        let held = servers.iter().map(|id| Some(ProcessFigures::read(*id).ok()?.resident_kib));
        self.resident_before_kib = held.sum();
        self.servers = servers;
    }

    /// Says whose load it is.
    pub fn of_load(&mut self, load: Vec<u32>) {
        self.load = load;
    }

    /// What the server held before the first connection.
    pub fn resident_before_kib(&self) -> Option<u64> {
        self.resident_before_kib
    }

    /// Reads before the first message. It takes long for a server of many threads.
    pub fn open(&mut self) {
        let counts = self.servers.iter().map(|id| ProcessFigures::read(*id).ok()?.context_switches);
        self.switches_when_open = counts.sum();
        self.open = true;
    }

    /// Whether there was the moment before the first message.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Reads at the beginning of what is recorded.
    pub fn first(&mut self) -> anyhow::Result<()> {
        self.first = Some(self.read()?);
        Ok(())
    }

    /// Reads at the end of what is recorded, with `messages` echoed since the start of the server. What
    /// takes long comes last.
    pub fn second(&mut self, messages: u64) -> anyhow::Result<()> {
        self.second = Some(self.read()?);
        let sockets = SocketFigures::read().ok().map(|sockets| sockets.tcp_memory_kib);
        let grown = kernel_memory_kib()
            .zip(self.kernel_before_kib)
            .map(|(now, before)| now.saturating_sub(before) + sockets.unwrap_or(0));
        let mut held = Held {
            messages,
            resident_kib: 0,
            threads: 0,
            context_switches: Some(0),
            kernel_memory_kib: grown,
            kernel_socket_kib: sockets,
        };
        for &id in &self.servers {
            let figures = ProcessFigures::read(id).context("a process of the server has gone")?;
            held.resident_kib += figures.resident_kib;
            held.threads += figures.threads;
            held.context_switches =
                held.context_switches.zip(figures.context_switches).map(|(sum, it)| sum + it);
        }
        // Those of threads that have ended since are missing from both counts.
        held.context_switches = held
            .context_switches
            .zip(self.switches_when_open)
            .map(|(now, before)| now.saturating_sub(before));
        self.held = Some(held);
        Ok(())
    }

    fn read(&self) -> anyhow::Result<Reading> {
        let mut server = Some(ProcessorTime::default());
        for &id in &self.servers {
            let time = if_told(process_figures::processor_time(id))
                .context("a process of the server has gone")?;
            server = server.zip(time).map(|(sum, time)| ProcessorTime {
                user: sum.user + time.user,
                kernel: sum.kernel + time.kernel,
            });
        }
        let at = Instant::now();
        let mut times = self.load.iter().map(|id| process_figures::processor_time(*id).ok());
        let load = times.try_fold(Duration::ZERO, |sum, time| Some(sum + time?.total()));
        let machine = kernel_figures::machine_processor_time()?;
        let elsewhere = server.zip(load).map(|(server, load)| {
            machine.saturating_sub(server.total() + load + process_figures::own_processor_time())
        });
        let idle = kernel_figures::machine_idle_time()?;
        let stolen = kernel_figures::machine_stolen_time().ok();
        Ok(Reading { at, server, load, elsewhere, idle, stolen })
    }

    /// What was spent between the two moments.
    pub fn spent(&self) -> Spent {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get) as f64;
        let (Some(first), Some(second)) = (&self.first, &self.second) else {
            return Spent { processors, ..Spent::default() };
        };
        let seconds = (second.at - first.at).as_secs_f64().max(1e-9);
        let share = |of: fn(&Reading) -> Option<Duration>| {
            Some(of(second)?.saturating_sub(of(first)?).as_secs_f64() / seconds)
        };
        let server = share(|reading| Some(reading.server?.total()));
        let kernel = share(|reading| Some(reading.server?.kernel));
        Spent {
            server,
            // Ticks may divide a short time oddly.
            server_kernel: kernel.zip(server).map(|(kernel, server)| kernel.min(server)),
            load: share(|reading| reading.load),
            elsewhere: share(|reading| reading.elsewhere),
            idle: share(|reading| Some(reading.idle)),
            stolen: share(|reading| reading.stolen),
            processors,
        }
    }

    /// What was held at the second moment; None when it did not come.
    pub fn last(&self) -> Option<&Held> {
        self.held.as_ref()
    }
}

fn kernel_memory_kib() -> Option<u64> {
    MemoryFigures::read().ok()?.kernel_kib
}

/// None where the system does not tell such a figure at all.
fn if_told<T>(figure: io::Result<T>) -> io::Result<Option<T>> {
    match figure {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        other => other.map(Some),
    }
}
