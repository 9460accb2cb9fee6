//! How connections are split over processes and source addresses.
//!
//! Two limits of the system shape the plan. A process may open only so many descriptors, and one
//! source address has only so many ports towards one target. The first is met by more processes,
//! the second by more source addresses, which only a loopback target allows: all of 127.0.0.0/8
//! belongs to this machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::limits::{RAISE_DESCRIPTORS_OR, WIDEN_PORT_RANGE};

/// Descriptors of a process that are not connections: standard streams, the port, libraries.
pub const DESCRIPTOR_RESERVE: u64 = 64;

/// Processes beyond this many are never sensible on one machine; a plan that needs more is refused
/// rather than made.
pub const MOST_PROCESSES: u32 = 64;

/// The part of the port range that is given to one address; the rest may be taken by others.
const USABLE_PORTS_PERCENT: u64 = 80;

/// The part that is given to one address where there are as many as are needed. The kernel looks through all
/// even ports of its range before it takes an odd one, or the other way round, so that an address of which more
/// than half are in use takes a thousand times as long to connect from.
const QUICK_PORTS_PERCENT: u64 = 45;

/// What the system allows, as far as the plan depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Descriptors one process may open.
    pub descriptors: u64,
    /// Local ports the kernel picks from for one source address.
    pub ports: u64,
}

/// The connections of one process: numbers `first .. first + count` of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Number of the first connection.
    pub first: u32,
    /// How many connections.
    pub count: u32,
}

/// Which source address each connection uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// How many connections one source address carries.
    pub connections_per_address: u32,
    /// The first address that is bound explicitly, for the connections that the address which
    /// the kernel picks cannot carry; None where one address carries all of them.
    pub extra_base: Option<Ipv4Addr>,
}

impl Sources {
    /// The address to bind connection `connection` to; None leaves the choice to the kernel.
    pub fn address(&self, connection: u32) -> Option<IpAddr> {
        let base = u32::from(self.extra_base?);
        let block = connection / self.connections_per_address;
        (block > 0).then(|| IpAddr::V4(Ipv4Addr::from(base + block - 1)))
    }

    /// How many source addresses `connections` use.
    pub fn addresses(&self, connections: u32) -> u32 {
        connections.div_ceil(self.connections_per_address).max(1)
    }
}

/// The whole plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One share per process, in order, without gaps.
    pub shares: Vec<Share>,
    /// The source addresses.
    pub sources: Sources,
}

/// Why a number of connections cannot be planned; its text names the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The processes asked for cannot hold the connections.
    Descriptors {
        /// Connections asked for.
        connections: u32,
        /// Processes asked for.
        processes: u32,
        /// Connections one process can hold.
        per_process: u64,
    },
    /// The target is not on this machine, so one source address must do.
    Ports {
        /// Connections asked for.
        connections: u32,
        /// Connections one source address can carry.
        per_address: u64,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptors { connections, processes, per_process } => write!(
                formatter,
                "{connections} connections do not fit into {processes} process(es) of at most \
                 {per_process} connections each: {RAISE_DESCRIPTORS_OR}give more --processes, \
                 {MOST_PROCESSES} at most"
            ),
            Self::Ports { connections, per_address } => write!(
                formatter,
                "{connections} connections to one target need more local ports than the \
                 {per_address} one source address can use: {WIDEN_PORT_RANGE}, use fewer \
                 --connections, or a target in 127.0.0.0/8"
            ),
        }
    }
}

impl std::error::Error for PlanError {}

/// Connections one process can hold under a descriptor limit.
pub fn connections_per_process(descriptors: u64) -> u64 {
    descriptors.saturating_sub(DESCRIPTOR_RESERVE)
}

/// Splits `connections` to `target`. `processes` is the number of processes asked for; without
/// it as many are planned as the descriptor limit makes necessary. `seed` spreads the extra
/// source addresses of runs that follow each other, so that ports of the last run that are still
/// in TIME_WAIT do not stand in the way.
pub fn plan(
    connections: u32,
    processes: Option<u32>,
    target: SocketAddr,
    limits: Limits,
    seed: u32,
) -> Result<Plan, PlanError> {
    let per_process = connections_per_process(limits.descriptors);
    let allowed = processes.unwrap_or(MOST_PROCESSES).min(MOST_PROCESSES);
    if u64::from(connections) > per_process * u64::from(allowed) {
        return Err(PlanError::Descriptors { connections, processes: allowed, per_process });
    }
    let needed = u64::from(connections).div_ceil(per_process.max(1)).max(1) as u32;
    let processes = if processes.is_some() { allowed.min(connections.max(1)) } else { needed };
    let is_loopback = matches!(target.ip(), IpAddr::V4(address) if address.is_loopback());
    let percent = if is_loopback { QUICK_PORTS_PERCENT } else { USABLE_PORTS_PERCENT };
    let per_address = (limits.ports * percent / 100).max(1);
    let extra_base = if u64::from(connections) <= per_address {
        None
    } else if is_loopback {
        Some(Ipv4Addr::new(127, 1 + (seed >> 8 & 0x7f) as u8, (seed & 0xff) as u8, 1))
    } else {
        return Err(PlanError::Ports { connections, per_address });
    };
    let addresses = u64::from(connections).div_ceil(per_address).max(1);
    let connections_per_address = u64::from(connections).div_ceil(addresses).max(1) as u32;
    Ok(Plan {
        shares: split(connections, processes),
        sources: Sources { connections_per_address, extra_base },
    })
}

/// Splits `connections` into `processes` shares whose sizes differ by at most one.
fn split(connections: u32, processes: u32) -> Vec<Share> {
    let (each, left_over) = (connections / processes, connections % processes);
    let mut first = 0;
    (0..processes)
        .map(|process| {
            let count = each + u32::from(process < left_over);
            let share = Share { first, count };
            first += count;
            share
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { descriptors: 20_000, ports: 28_232 };

    fn loopback() -> SocketAddr {
        "127.0.0.1:12345".parse().expect("an address")
    }

    #[test]
    fn the_classic_load_takes_two_processes_and_three_addresses() {
        let plan = plan(30_000, None, loopback(), LIMITS, 0).expect("a plan");
        assert_eq!(
            plan.shares,
            [Share { first: 0, count: 15_000 }, Share { first: 15_000, count: 15_000 }]
        );
        assert_eq!(plan.sources.addresses(30_000), 3);
        assert_eq!(plan.sources.address(9_999), None);
        assert_eq!(plan.sources.address(10_000), Some("127.1.0.1".parse().expect("an address")));
        assert_eq!(plan.sources.address(29_999), Some("127.1.0.2".parse().expect("an address")));
    }

    #[test]
    fn a_small_load_binds_nothing() {
        let plan = plan(100, Some(3), loopback(), LIMITS, 7).expect("a plan");
        assert_eq!(plan.sources.extra_base, None);
        assert_eq!(plan.shares.iter().map(|share| share.count).collect::<Vec<_>>(), [34, 33, 33]);
        assert_eq!(plan.shares[2].first, 67);
    }

    #[test]
    fn no_process_is_left_without_a_connection() {
        let plan = plan(2, Some(8), loopback(), LIMITS, 0).expect("a plan");
        assert_eq!(plan.shares.len(), 2);
    }

    #[test]
    fn too_few_processes_are_refused_with_the_remedy() {
        let error = plan(30_000, Some(1), loopback(), LIMITS, 0).expect_err("too few");
        assert!(error.to_string().contains("--processes"), "{error}");
    }

    #[test]
    fn a_tiny_descriptor_limit_is_refused_instead_of_met_by_a_flood_of_processes() {
        for descriptors in [0, DESCRIPTOR_RESERVE, DESCRIPTOR_RESERVE + 1] {
            let limits = Limits { descriptors, ports: 28_232 };
            let error = plan(30_000, None, loopback(), limits, 0).expect_err("too few");
            assert!(
                error.to_string().contains(&format!("{RAISE_DESCRIPTORS_OR}give more")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_distant_target_gets_one_address_only() {
        let target = "192.0.2.1:80".parse().expect("an address");
        let error = plan(30_000, None, target, LIMITS, 0).expect_err("too many");
        assert!(error.to_string().contains(WIDEN_PORT_RANGE), "{error}");
        assert!(plan(20_000, None, target, LIMITS, 0).is_ok());
    }

    #[test]
    fn a_million_fit_into_the_processes_there_may_be_and_no_address_runs_out_of_quick_ports() {
        let plan = plan(1_000_000, None, loopback(), LIMITS, 0).expect("a plan");
        assert_eq!((plan.shares.len(), plan.shares[50].count), (51, 19_607));
        assert_eq!(plan.sources.addresses(1_000_000), 79);
        assert!(u64::from(plan.sources.connections_per_address) < LIMITS.ports / 2);
        assert!(plan.sources.address(999_999).expect("an explicit address").is_loopback());
    }

    #[test]
    fn every_seed_stays_inside_the_loopback_network() {
        for seed in [0, 255, 256, 0x7fff, 0xffff, u32::MAX] {
            let plan = plan(200_000, None, loopback(), LIMITS, seed).expect("a plan");
            let last = plan.sources.address(199_999).expect("an explicit address");
            assert!(last.is_loopback(), "{last}");
        }
    }
}
