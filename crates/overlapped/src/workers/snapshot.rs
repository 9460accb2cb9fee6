//! A pool and its port at one moment.

use super::event::WorkersCounters;
use super::pool::Pool;
use crate::port::Snapshot;
use crate::port::counters::Counters;
use crate::protocol::Protocol;
use crate::stalls::table::{StallSummary, StalledThread};
use crate::stalls::watch::StallWatch;
use crate::sys::DriverReport;

/// The threads of a server and their port at one moment. Its parts are read one after the other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// The five structures of the port: device list, queue, and threads that wait, run and are paused.
    pub port: Snapshot,
    /// What the port has counted.
    pub counters: Counters,
    /// The driver of the port.
    pub driver: DriverReport,
    /// How many threads there are at most.
    pub most: usize,
    /// What the pool has counted.
    pub workers: WorkersCounters,
    /// Handlers that have held a thread for long, by name, the last seen first.
    pub stalls: Vec<StallSummary>,
    /// The threads whose handlers hold them for long at this moment.
    pub stalled: Vec<StalledThread>,
}

impl PoolSnapshot {
    pub(super) fn of<P: Protocol>(pool: &Pool<P>) -> Self {
        let watch = pool.watch.as_ref();
        Self {
            port: pool.port.snapshot(),
            counters: pool.port.counters(),
            driver: pool.port.driver(),
            most: pool.most(),
            workers: pool.counters(),
            stalls: watch.map(StallWatch::summaries).unwrap_or_default(),
            stalled: watch.map(StallWatch::stalled).unwrap_or_default(),
        }
    }
}
