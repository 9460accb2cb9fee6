//! What the modes share: the connections of a run in one epoll, its clock, and the readings of the
//! server.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::CommonOptions;
use super::connection::{Connection, Scratch};
use crate::process::{self, Spent, Usage};

/// How long a server may be silent before the run gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Time in which the server handles what is in flight and comes to rest before it is read.
const REST: Duration = Duration::from_millis(3);

/// Connections that are opened before the server has to have answered one of them; below its
/// backlog.
const OPENED_AT_ONCE: usize = 128;

/// The connections of a run, registered by their index.
pub struct Session {
    /// The connections.
    pub connections: Vec<Connection>,
    /// Their common room.
    pub scratch: Scratch,
    epoll: OwnedFd,
    events: Vec<Event>,
    begin: Instant,
}

impl Session {
    /// A session without connections for messages of `size` bytes, of which up to `count` are sent
    /// at once.
    pub fn new(size: usize, count: usize) -> anyhow::Result<Self> {
        Ok(Self {
            connections: Vec::new(),
            scratch: Scratch::new(size, count),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("cannot create an epoll")?,
            events: Vec::with_capacity(256),
            begin: Instant::now(),
        })
    }

    /// Adds `count` connections that `open` makes from their numbers, and makes sure that the
    /// process to be read is the one that has them; each echoes one message
    /// before more are opened.
    pub fn open(
        &mut self,
        count: usize,
        options: &CommonOptions,
        open: impl Fn(u64) -> anyhow::Result<Connection>,
    ) -> anyhow::Result<()> {
        let end = self.connections.len() + count;
        while self.connections.len() < end {
            let first = self.connections.len();
            let last = end.min(first + OPENED_AT_ONCE);
            for index in first..last {
                self.add(open(index as u64)?)?;
            }
            let now = self.now_ns();
            for connection in &mut self.connections[first..last] {
                connection.send(1, now, &mut self.scratch)?;
            }
            self.await_echoes(last - first)?;
        }
        options.server_pid.map_or(Ok(()), |pid| process::check_has_connections(pid, count))
    }

    fn add(&mut self, connection: Connection) -> anyhow::Result<()> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let token = EventData::new_u64(self.connections.len() as u64);
        epoll::add(&self.epoll, connection.socket(), token, interest)
            .context("cannot register a connection")?;
        self.connections.push(connection);
        Ok(())
    }

    fn await_echoes(&mut self, mut missing: usize) -> anyhow::Result<()> {
        let deadline = self.now_ns() + PATIENCE.as_nanos() as u64;
        while missing > 0 {
            if self.now_ns() > deadline {
                bail!("the server left {missing} first messages without an echo");
            }
            self.serve(Duration::from_millis(100), |session, index| {
                let connection = &mut session.connections[index];
                missing -= connection.receive(&mut session.scratch, |_| {})?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Waits for events for at most `timeout` and calls `ready` for each connection that has one.
    pub fn serve(
        &mut self,
        timeout: Duration,
        mut ready: impl FnMut(&mut Self, usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let timeout = Timespec::try_from(timeout).context("a timeout that is too long")?;
        let mut events = std::mem::take(&mut self.events);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for events"),
        }
        for event in events.drain(..) {
            let Event { flags, data } = event;
            let index = data.u64() as usize;
            if flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
                bail!("the server closed connection {index}");
            }
            self.connections[index].flush()?;
            ready(self, index)?;
        }
        self.events = events;
        Ok(())
    }

    /// Nanoseconds since the run began.
    pub fn now_ns(&self) -> u64 {
        self.begin.elapsed().as_nanos() as u64
    }
}

/// One reading of server and generator at a border of the measured time.
pub struct Reading {
    usage: Option<Usage>,
    own: Duration,
    machine: Duration,
    at: Instant,
}

impl Reading {
    /// Lets the server come to rest, since then its processor time is exact, and reads it.
    ///
    /// What is in flight is handled before the reading and counted after it; that is so at both
    /// borders, and the same number in a closed loop, so it cancels out.
    pub fn take(options: &CommonOptions) -> anyhow::Result<Self> {
        std::thread::sleep(REST);
        let usage = options.server_pid.map(Usage::read).transpose()?;
        let (own, machine) = (process::own_time(), process::machine_time()?);
        Ok(Self { usage, own, machine, at: Instant::now() })
    }

    /// What the server used since `earlier`.
    pub fn spent_since(&self, earlier: &Self) -> Option<Spent> {
        Some(self.usage.as_ref()?.since(earlier.usage.as_ref()?))
    }

    /// Seconds since `earlier`.
    pub fn seconds_since(&self, earlier: &Self) -> f64 {
        (self.at - earlier.at).as_secs_f64()
    }

    /// Processor time of the generator since `earlier` as a share of the time that went by.
    pub fn generator_share_since(&self, earlier: &Self) -> f64 {
        (self.own - earlier.own).as_secs_f64() / self.seconds_since(earlier)
    }

    /// Processors that neither server nor generator used but somebody did since `earlier`, on
    /// average.
    pub fn disturbance_since(&self, earlier: &Self) -> f64 {
        let server = self.spent_since(earlier).map_or(0.0, |spent| spent.cpu_us / 1e6);
        let known = server + (self.own - earlier.own).as_secs_f64();
        let all = self.machine.saturating_sub(earlier.machine).as_secs_f64();
        ((all - known) / self.seconds_since(earlier)).max(0.0)
    }
}
