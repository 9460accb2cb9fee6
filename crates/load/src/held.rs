//! The memory that connections take while all of them are open: what the kernel holds, the server's own, and
//! the load's own.

use std::io;

use serde::{Deserialize, Serialize};

use crate::document::tenths;
use crate::kernel_figures::MemoryFigures;
use crate::process_figures::{anonymous_kib, processes_of};

/// Memory before the first connection, and with all of them open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Before, in KiB; zero where there was no process yet.
    pub before_kib: u64,
    /// With all connections open, in KiB.
    pub held_kib: u64,
}

impl Change {
    /// How much more it is, in bytes for each of `connections`; less than nothing where others gave back more.
    pub fn bytes_each(self, connections: u64) -> f64 {
        let more = self.held_kib as f64 - self.before_kib as f64;
        tenths(more * 1_024.0 / connections.max(1) as f64)
    }

    /// All of it, in bytes for each of `connections`.
    pub fn whole_bytes_each(self, connections: u64) -> f64 {
        Self { before_kib: 0, ..self }.bytes_each(connections)
    }

    fn add(&mut self, other: Self) {
        self.before_kib = self.before_kib.saturating_add(other.before_kib);
        self.held_kib = self.held_kib.saturating_add(other.held_kib);
    }
}

/// Anonymous memory of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMemory {
    /// How many there are.
    pub processes: u64,
    /// Their memory together, which is nobody else's.
    #[serde(flatten)]
    pub memory: Change,
}

/// What was seen while all connections were open. Those of several machines add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Connections that were open.
    pub connections: u64,
    /// Of the load, its first process included.
    pub load: ProcessMemory,
    /// Of the server, where its process was named.
    pub server: Option<ProcessMemory>,
    /// What the kernel of this machine holds: objects, page tables, stacks and data in sockets.
    pub kernel: Option<Change>,
    /// What this machine had left.
    pub available: Change,
}

impl Held {
    /// Adds what was seen from another machine.
    pub fn add(&mut self, other: &Self) {
        self.connections = self.connections.saturating_add(other.connections);
        for (own, its) in
            [(Some(&mut self.load), Some(other.load)), (self.server.as_mut(), other.server)]
        {
            if let (Some(own), Some(its)) = (own, its) {
                own.processes = own.processes.saturating_add(its.processes);
                own.memory.add(its.memory);
            }
        }
        self.server = self.server.filter(|_| other.server.is_some());
        self.kernel = self.kernel.zip(other.kernel).map(|(mut sum, its)| {
            sum.add(its);
            sum
        });
        self.available.add(other.available);
    }
}

/// What there was before the first connection.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    server: Option<(u32, u64)>,
    machine: MemoryFigures,
}

impl Before {
    /// Looks at the machine, and at the server whose first process is `server`.
    ///
    /// # Errors
    /// The figures cannot be read, or there is no such process.
    pub fn read(server: Option<u32>) -> io::Result<Self> {
        let server = match server {
            None => None,
            Some(id) => Some((id, anonymous_memory_of(&processes_of(id)?)?)),
        };
        Ok(Self { server, machine: MemoryFigures::read()? })
    }

    /// Looks again, with `connections` open that the processes `load` have made.
    ///
    /// # Errors
    /// As those of [`Before::read`].
    pub fn held(&self, connections: u64, load: &[u32]) -> io::Result<Held> {
        let server = match self.server {
            None => None,
            Some((id, before_kib)) => {
                let processes = processes_of(id)?;
                let held_kib = anonymous_memory_of(&processes)?;
                let memory = Change { before_kib, held_kib };
                Some(ProcessMemory { processes: processes.len() as u64, memory })
            }
        };
        let machine = MemoryFigures::read()?;
        let kernel = self.machine.all_kernel_kib.zip(machine.all_kernel_kib);
        Ok(Held {
            connections,
            load: ProcessMemory {
                processes: load.len() as u64,
                memory: Change { before_kib: 0, held_kib: anonymous_memory_of(load)? },
            },
            server,
            kernel: kernel.map(|(before_kib, held_kib)| Change { before_kib, held_kib }),
            available: Change {
                before_kib: self.machine.available_kib,
                held_kib: machine.available_kib,
            },
        })
    }
}

fn anonymous_memory_of(processes: &[u32]) -> io::Result<u64> {
    processes.iter().map(|id| anonymous_kib(*id)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_one_connection() {
        let change = Change { before_kib: 100, held_kib: 300 };
        assert_eq!((change.bytes_each(1_024), change.whole_bytes_each(1_024)), (200.0, 300.0));
        let less = Change { before_kib: 300, held_kib: 100 };
        assert_eq!(less.bytes_each(1_024), -200.0);
        assert_eq!(Change::default().bytes_each(0), 0.0);
    }

    #[test]
    fn machines_add_up_and_what_one_of_them_does_not_know_is_not_known() {
        let memory = Change { before_kib: 1, held_kib: 5 };
        let processes = ProcessMemory { processes: 2, memory };
        let whole = Held {
            connections: 10,
            load: processes,
            server: Some(processes),
            kernel: Some(memory),
            available: memory,
        };
        let mut sum = whole;
        sum.add(&whole);
        assert_eq!((sum.connections, sum.load.processes, sum.load.memory.held_kib), (20, 4, 10));
        assert_eq!(sum.server.map(|server| server.memory.before_kib), Some(2));
        assert_eq!(sum.kernel.map(|kernel| kernel.held_kib), Some(10));
        sum.add(&Held { server: None, kernel: None, ..whole });
        assert_eq!((sum.server, sum.kernel, sum.available.held_kib), (None, None, 15));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_used_is_seen_at_the_process_that_uses_it() {
        const MIB: usize = 64;
        let me = std::process::id();
        let before = Before::read(Some(me)).expect("this process lives");
        let used = vec![1_u8; MIB << 20];
        let held = before.held(1, &[me]).expect("this process lives");
        assert_eq!(std::hint::black_box(&used)[MIB], 1);
        let server = held.server.expect("it was named").memory;
        let more_mib = (server.held_kib - server.before_kib) >> 10;
        assert!((MIB as u64 - 8..MIB as u64 + 32).contains(&more_mib), "{more_mib} MiB more");
        assert!(held.load.memory.held_kib >= (MIB as u64) << 10);
        assert!(held.kernel.is_some_and(|kernel| kernel.held_kib > 1_000));
    }

    #[test]
    fn a_server_that_is_not_there_is_not_found() {
        assert!(Before::read(Some(u32::MAX - 3)).is_err());
    }
}
